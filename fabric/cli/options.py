"""What every command understands, wherever it stands on the line: `fabric -o json ls x` and `fabric ls x -o json`."""

from collections.abc import Iterable
from typing import Any

import click

from fabric import config
from fabric.cli import output
from fabric.cli.session import Session

NEVER_AN_OPTION = {"token"}
"""Secrets: the command line of a process is seen by everybody on the machine."""

SETTINGS_HELP = {
    "endpoint": "The fabric: a directory, or a URL.",
    "cache_dir": "Directory of the cache.",
    "cache_size": "How large the cache may become.",
    "state_dir": "Directory of stat caches and journals.",
    "author": "Who commits and moves refs.",
    "jobs": "Threads for local work.",
    "store_concurrency": "Requests to the object store at a time.",
    "store_deadline": "How long one store operation may take.",
    "log_level": "What is logged to stderr.",
}
_METAVARS = {"endpoint": "DIR|URL", "author": "TEXT", "jobs": "N", "store_concurrency": "N", "log_level": "LEVEL"}

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def _keep(name: str) -> Any:
    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is not None:
            context.ensure_object(Session).set(name, value)
        return value

    return callback


def _keep_more(context: click.Context, _parameter: click.Parameter, value: int) -> int:
    context.ensure_object(Session).verbose += value
    return value


def _keep_setting(key: str) -> Any:
    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is not None:
            context.ensure_object(Session).flags[key] = value
        return value

    return callback


def common(*, hidden: bool) -> list[click.Parameter]:
    """Return the options that every command understands; `hidden` where the help of the whole program shows them."""
    options: list[click.Parameter] = [
        click.Option(
            ["-o", "--output"],
            type=click.Choice(output.FORMATS),
            help="How results are written (table).",
            callback=_keep("format"),
            expose_value=False,
            hidden=hidden,
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            default=None,
            help="Only results and errors.",
            callback=_keep("quiet"),
            expose_value=False,
            hidden=hidden,
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="More details; twice: more still.",
            callback=_keep_more,
            expose_value=False,
            hidden=hidden,
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            default=None,
            help="Show tracebacks and the whole log.",
            callback=_keep("is_debug"),
            expose_value=False,
            hidden=hidden,
        ),
    ]
    for key in config.SETTINGS:
        if key not in NEVER_AN_OPTION:
            kind = click.Choice(config.LOG_LEVELS) if key == "log_level" else None
            metavar = _METAVARS.get(key, key.rpartition("_")[2].upper())
            options.append(
                click.Option(
                    ["--" + key.replace("_", "-")],
                    type=kind,
                    metavar=metavar,
                    help=f"{SETTINGS_HELP[key]}  [{config.variable(key)}]",
                    callback=_keep_setting(key),
                    expose_value=False,
                    hidden=hidden,
                )
            )
    return options


class Command(click.Command):
    """A command that understands the common options."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("context_settings", CONTEXT)
        options.setdefault("epilog", "Options of all commands: 'fabric --help'.")
        options["params"] = [*(options.get("params") or []), *common(hidden=True)]
        super().__init__(*arguments, **options)


def check_name(context: click.Context, name: str, known: Iterable[str]) -> None:
    """Refuse a command that is none of `known`, with what may have been meant.

    Raises:
        click.UsageError: there is no such command.
    """
    names = list(known)
    if name in names or name.startswith("-") or context.resilient_parsing:
        return
    import difflib  # noqa: PLC0415 - only on the way to an error

    close = difflib.get_close_matches(name, names, n=3, cutoff=0.7)
    meant = f"; did you mean {' or '.join(repr(word) for word in close)}?" if close else ""
    raise click.UsageError(f"there is no command {name!r}{meant}", context)


class Group(click.Group):
    """A command with commands below it, which understand the common options."""

    command_class = Command

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("context_settings", CONTEXT)
        options.setdefault("epilog", "Options of all commands: 'fabric --help'.")
        options["params"] = [*(options.get("params") or []), *common(hidden=True)]
        super().__init__(*arguments, **options)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none, say what may have been meant."""
        check_name(ctx, args[0], self.commands)
        return super().resolve_command(ctx, args)


pass_session = click.make_pass_decorator(Session, ensure=True)
"""Gives a command the Session as its first argument."""

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("-n", "--dry-run", is_flag=True, help="Show what would happen, and do nothing.")
message_option = click.option("-m", "--message", default="", help="The commit's message.")
bytes_option = click.option("-b", "--bytes", "exact", is_flag=True, help="Sizes in bytes.")
