"""Completion by a shell, through click's mechanism: the shell runs `fabric` with `_FABRIC_COMPLETE` set.

Bash needs a way of its own: it splits words at `@`, `:` and `=`, so `imagenet@v<TAB>` would arrive as three words, and only
the last part of an answer may be given back. So our script hands over the line as it is typed, and cuts the answers.
"""

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from fabric.cli.terminal import completion_line

VARIABLE = "_FABRIC_COMPLETE"

_BASH = r"""%(complete_func)s() {
    local IFS=$'\n' answer kind value typed kept
    typed="${COMP_LINE:0:COMP_POINT}"
    answer=$(env COMP_TYPED="$typed" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    # What readline replaces starts after the last of the letters that split words.
    typed="${typed##* }"
    kept="${typed%%"${typed##*[@:=]}"}"
    COMPREPLY=()
    for line in $answer; do
        kind="${line%%%%,*}" value="${line#*,}"
        case $kind in
            dir) compopt -o dirnames 2>/dev/null; COMPREPLY=(); return 0 ;;
            file) compopt -o default 2>/dev/null; COMPREPLY=(); return 0 ;;
            *) COMPREPLY+=("${value#"$kept"}")
               case $value in */|*@) compopt -o nospace 2>/dev/null ;; esac ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Bash, with addresses as one word."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the one that is being typed."""
        typed = completion_line()
        words = split_arg_string(typed)[1:]
        if not typed or typed[-1].isspace():
            return words, ""
        return words[:-1], words[-1] if words else ""

    def format_completion(self, item: CompletionItem) -> str:
        """Return `kind,value`."""
        return f"{item.type},{item.value}"


def register() -> None:
    """Make click use our bash; before a command line is run for completion."""
    add_completion_class(_Bash, "bash")


def script(shell: str) -> str:
    """Return the script for a shell (bash, zsh or fish)."""
    register()
    found = get_completion_class(shell)
    assert found is not None
    from fabric.cli.root import cli  # noqa: PLC0415 - the root imports commands by name, this one among them

    # `source` would ask the installed bash for its version, which need not be the one that reads the script.
    maker = found(cli, {}, "fabric", VARIABLE)
    return maker.source_template % maker.source_vars()
