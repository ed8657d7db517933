"""The command line: what a person types, and what they see.

    __init__.py  main(): the way in                    run.py         runs a command; maps errors to exit codes
    root.py      the command tree, loaded as needed    options.py     what every command understands
    session.py   one run: settings, output, fabric     address.py     DATASET[@REF][/PATH] as arguments
    output.py    table, json or yaml                   text.py        values as people read them
    terminal.py  colours, safe names, questions        bars.py        progress
    plan.py      what put and get would do             completion.py  shells

The other files are families of verbs: datasets, put, get, look, find, edit, history, diff, refs, moves, care, doctor, about.

A command parses, calls the engine (`fabric.repo`) and shows what came back: nothing is decided here that Python could not
do too. Everything heavy is imported by the command that needs it, so that `fabric --version` and completion are quick.
"""

import sys

_VERSION = (["--version"], ["-V"])


class _WithoutPandas:
    """Hides pandas from this process: where it is installed, pyarrow imports it as soon as it makes an array.

    That takes more than a second, and no command has a use for it.
    """

    def find_spec(self, fullname: str, _path: object, _target: object = None, /) -> None:
        """Refuse to find pandas; leave everything else to others."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not used by the command line", name=fullname)


def main() -> int:
    """Run the command line of this process; return its exit code (docs/guides/cli.md lists them)."""
    arguments = sys.argv[1:]
    if arguments in _VERSION:
        # Before anything else is imported: scripts and shells' prompts ask this often.
        from fabric._version import __version__  # noqa: PLC0415

        sys.stdout.write(f"fabric {__version__}\n")
        return 0
    sys.meta_path.insert(0, _WithoutPandas())
    from fabric.cli.run import run  # noqa: PLC0415

    return run(arguments)
