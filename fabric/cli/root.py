"""The command tree. Its first level is a table, so that help and completion of names import no command."""

import importlib
from dataclasses import dataclass
from typing import Any

import click

from fabric.cli.options import CONTEXT, check_name, common


@dataclass(frozen=True, slots=True)
class Entry:
    """A command of the first level: where it is (`module:attribute`), and its line in the help."""

    place: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Datasets": {
        "init": Entry("fabric.cli.datasets:init", "Make a fabric in a directory."),
        "create": Entry("fabric.cli.datasets:create", "Create a dataset."),
        "datasets": Entry("fabric.cli.datasets:datasets", "List the datasets."),
        "delete": Entry("fabric.cli.datasets:delete", "Delete a dataset."),
    },
    "Files": {
        "put": Entry("fabric.cli.put:put", "Put files or directories into a dataset."),
        "get": Entry("fabric.cli.get:get", "Write files of a dataset into a directory."),
        "ls": Entry("fabric.cli.look:ls", "List a directory."),
        "cat": Entry("fabric.cli.get:cat", "Write files to stdout."),
        "stat": Entry("fabric.cli.look:stat", "Show all that is known of a path."),
        "find": Entry("fabric.cli.find:find", "List everything below a directory."),
        "du": Entry("fabric.cli.look:du", "Sum up sizes by directory."),
        "rm": Entry("fabric.cli.edit:rm", "Remove paths."),
        "mv": Entry("fabric.cli.edit:mv", "Move or rename paths."),
        "cp": Entry("fabric.cli.edit:cp", "Copy paths; no bytes are copied."),
    },
    "History": {
        "log": Entry("fabric.cli.history:log", "Show the commits of a branch."),
        "reflog": Entry("fabric.cli.history:reflog", "Show where a branch pointed, and who moved it."),
        "show": Entry("fabric.cli.history:show", "Show a commit and what it changed."),
        "diff": Entry("fabric.cli.diff:diff", "Show what differs between two states."),
        "branch": Entry("fabric.cli.refs:branch", "Create, list and delete branches."),
        "snapshot": Entry("fabric.cli.refs:snapshot", "Create, list, show and delete snapshots."),
        "merge": Entry("fabric.cli.moves:merge", "Merge a branch or commit into a branch."),
        "revert": Entry("fabric.cli.moves:revert", "Undo what a commit changed, by a new commit."),
        "reset": Entry("fabric.cli.moves:reset", "Move a branch to another commit."),
        "restore": Entry("fabric.cli.moves:restore", "Bring paths back from another state."),
    },
    "Care": {
        "fsck": Entry("fabric.cli.care:fsck", "Verify what is stored."),
        "recover": Entry("fabric.cli.care:recover", "Rebuild a lost metastore from the object store."),
        "doctor": Entry("fabric.cli.doctor:doctor", "Check this machine, the fabric and its store."),
        "completion": Entry("fabric.cli.about:completion", "Print the completion script of a shell."),
        "version": Entry("fabric.cli.about:version", "Show the versions of fabric and its libraries."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Root(click.Group):
    """The program. Commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return all names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none, say what may have been meant."""
        check_name(ctx, args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands by section."""
        width = max(len(name) for name in COMMANDS)
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), entry.help) for name, entry in section.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the names of commands without importing them."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

        found = [CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)]
        return found if not incomplete.startswith("-") else click.Command.shell_complete(self, ctx, incomplete)


def _version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from fabric._version import __version__  # noqa: PLC0415

        click.echo(f"fabric {__version__}")
        context.exit()


cli = Root(
    name="fabric",
    params=[
        *common(hidden=False),
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Show the version.",
        ),
    ],
    context_settings=CONTEXT,
    epilog="Paths are written DATASET[@REF][/PATH]: imagenet, imagenet@v3/train, imagenet@main~2.",
    help="""Versioned datasets on object storage.

    \b
    Start:
      fabric create photos
      fabric put ~/Pictures photos
      fabric snapshot create photos v1
      fabric ls photos@v1
    """,
)
"""The whole program."""
