"""About the program: version, completion."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from fabric.cli.options import Command, pass_session
from fabric.cli.session import Session

LIBRARIES = ("blake3", "click", "fsspec", "numpy", "obstore", "pyarrow", "rich", "sqlalchemy")


@click.command("version", cls=Command)
@pass_session
def version(session: Session) -> None:
    """Show the versions of fabric, Python and the libraries that matter.

    \b
    Example:
      fabric version -o json
    """
    session.out.one(versions(), lambda: "\n".join(_lines(versions())))


def versions() -> dict[str, Any]:
    """Return the versions as plain data; None for what is not installed."""
    import platform  # noqa: PLC0415 - only needed here
    from importlib import metadata  # noqa: PLC0415

    from fabric._version import __version__  # noqa: PLC0415

    libraries: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            libraries[name] = None
    python = f"{platform.python_version()} ({sys.implementation.name})"
    return {"fabric": __version__, "python": python, "system": platform.platform(), "libraries": libraries}


def _lines(data: Mapping[str, Any]) -> list[str]:
    lines = [f"fabric {data['fabric']}", f"Python {data['python']}, {data['system']}"]
    return lines + [f"  {name} {found or 'is not installed'}" for name, found in data["libraries"].items()]


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete commands, options, datasets, refs and paths.

    \b
    Examples:
      eval "$(fabric completion bash)"           # in ~/.bashrc
      eval "$(fabric completion zsh)"            # in ~/.zshrc, after compinit
      fabric completion fish > ~/.config/fish/completions/fabric.fish
    """
    from fabric.cli.completion import script  # noqa: PLC0415

    click.echo(script(shell), nl=False)
