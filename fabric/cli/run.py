"""Running a command: the only place where an error becomes text and an exit code.

0    done                                    3    what was named does not exist
1    it did not work, or the answer is "no"  4    a conflict: somebody else was first
2    the command cannot work as written      130  interrupted;  141  the reader of our output went away
"""

import os
import signal
import sys
from collections.abc import Sequence

import click

from fabric.cli import terminal
from fabric.cli.root import cli
from fabric.cli.session import Session
from fabric.errors import FabricError, InvalidInputError, MergeConflictError

EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE
REPORT_HINT = "this is a fault in fabric: please report it with the output of the same command and --debug"
PATHS_SHOWN = 20


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; all output, errors too, is written."""
    session = Session()
    _reopen_streams()
    stdout = sys.stdout
    try:
        with session:
            if terminal.wants_completion():
                from fabric.cli.completion import register  # noqa: PLC0415 - only when a shell asks

                register()
            code = cli.main(list(arguments), prog_name="fabric", standalone_mode=False, obj=session)
            sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit:
        # click has its own answer to a reader that went away while a command wrote: it wraps stdout and leaves with 1.
        if sys.stdout is stdout:
            raise
        return _reader_gone()
    except (KeyboardInterrupt, click.Abort):
        terminal.error_line("interrupted")
        return EXIT_INTERRUPTED
    except Exception as error:  # the last resort, which says so
        return _failed(error, session)
    return code if isinstance(code, int) else 0


def _reopen_streams() -> None:
    """Give a process that was started with closed streams (`>&-`) some that lead nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - until the end of the process


def _failed(error: Exception, session: Session) -> int:
    """Show what went wrong; return the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # Nothing was asked: the help is the answer, and no error of the reader.
        terminal.error_line(error.format_message())
        return error.exit_code
    if isinstance(error, click.ClickException):
        _show_usage(error, session)
        return error.exit_code
    if isinstance(error, FabricError):
        _show(error, session)
        return error.exit_code
    return _show_unexpected(error, session)


def _reader_gone() -> int:
    # The interpreter would try to flush once more at its end, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_BROKEN_PIPE


def _show_trace() -> None:
    import traceback  # noqa: PLC0415 - only for who debugs

    traceback.print_exc()


def _show_usage(error: click.ClickException, session: Session) -> None:
    context = getattr(error, "ctx", None)
    hint = ""
    if isinstance(error, click.UsageError) and context is not None:
        hint = f"'{context.command_path} --help' shows how it is used"
    _show(InvalidInputError(error.format_message(), hint=hint), session)


def _show(error: FabricError, session: Session) -> None:
    if session.is_debug:
        _show_trace()
    paths = error.paths if isinstance(error, MergeConflictError) else ()
    if session.format == "json":
        import json  # noqa: PLC0415 - only for this form

        about = {"kind": error.kind, "message": error.message, "subject": error.subject, "hint": error.hint}
        shown = {
            "error": {**about, **({"paths": [terminal.readable(os.fsdecode(path)) for path in paths]} if paths else {})}
        }
        terminal.error_line(json.dumps(shown))
        return
    subject = f" ({error.subject})" if error.subject and error.subject not in error.message else ""
    terminal.error_line(f"error: {error.message}{subject}", style="error")
    for path in paths[:PATHS_SHOWN]:
        terminal.error_line(f"  {os.fsdecode(path)}")
    if len(paths) > PATHS_SHOWN:
        terminal.error_line(f"  ... and {len(paths) - PATHS_SHOWN} more")
    if error.hint:
        terminal.error_line(f"hint: {error.hint}", style="hint")


def _show_unexpected(error: Exception, session: Session) -> int:
    if session.is_debug:
        _show_trace()
    what = " ".join(str(error).split())[:300]
    terminal.error_line(f"error: unexpected {type(error).__name__}" + (f": {what}" if what else ""), style="error")
    terminal.error_line(f"hint: {REPORT_HINT}", style="hint")
    return EXIT_UNEXPECTED
