"""The command as a process of its own: start, signals, pipes, terminals, completion by a shell."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FABRIC = str(Path(sys.executable).parent / "fabric")


@pytest.fixture
def process(photos, home):
    """A function that runs the installed command to its end."""

    def call(*arguments, **options):
        return subprocess.run(
            [FABRIC, *map(str, arguments)],
            capture_output=True,
            timeout=60,
            check=False,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    return call


def test_exit_codes_and_streams(process):
    done = process("ls", "photos")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a.txt\nempty\nsub\n", b"")
    failed = process("ls", "photo")
    assert (failed.returncode, failed.stdout) == (3, b"")
    assert failed.stderr.startswith(b"error: there is no dataset 'photo'\nhint: did you mean 'photos'?\n")
    assert process("nothing").returncode == 2
    module = subprocess.run([sys.executable, "-m", "fabric.cli", "-V"], capture_output=True, check=True, timeout=60)
    assert module.stdout == process("--version").stdout == process("-V").stdout


def test_commands_load_only_what_they_need(process, source):
    report = "import sys, atexit; atexit.register(lambda: sys.stderr.write(' '.join(sorted(sys.modules))))"
    code = f"{report}; sys.argv = ['fabric', *sys.argv[1:]]; from fabric.cli import main; sys.exit(main())"

    def loaded(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=True
        )
        return set(done.stderr.split())

    assert not loaded("--version") & {"click", "fabric.config", "json"}
    assert not loaded("--help") & {"numpy", "pyarrow", "rich", "fabric.repo", "fabric.cli.put"}
    assert not loaded("version") & {"numpy", "pyarrow", "rich"}
    heavy = {"pandas", "rich", "sqlalchemy", "fsspec", "obstore", "yaml"}
    assert not loaded("ls", "photos") & heavy
    assert not loaded("put", source, "photos", "--keep") & heavy
    # An unchanged tree is found out before the engine is imported.
    process("put", source, "photos")
    assert not loaded("put", source, "photos") & (heavy | {"numpy", "pyarrow", "fabric.repo.fabric"})


def test_a_reader_that_goes_away_is_no_fault(process, source, tmp_path):
    for number in range(3_000):
        (source / f"{number:05}-{'x' * 60}").touch()
    process("put", source, "photos")
    with subprocess.Popen([FABRIC, "find", "photos"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        writer.stdout.read(1)
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(60) == 141


def test_an_interrupted_put_says_so_and_leaves_nothing_half_done(process, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with subprocess.Popen(
            [FABRIC, "put", "-", "photos/late"], stdin=descriptor, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        ) as put:
            # It has opened the fabric and read the first bytes when the pipe is empty again.
            os.write(descriptor, b"begin")
            while select.select([descriptor], [], [], 0.01)[0]:
                assert put.poll() is None
            put.send_signal(signal.SIGINT)
            out, err = put.communicate(timeout=60)
    finally:
        os.close(descriptor)
    assert (put.returncode, out, err.strip()) == (130, b"", b"interrupted")
    assert process("stat", "photos/late").returncode == 3


def test_a_closed_stdout_is_no_traceback(process):
    done = subprocess.run(["sh", "-c", f"{FABRIC} ls photos >&-"], capture_output=True, timeout=60, check=False)
    assert done.stderr == b""


def _on_a_terminal(*arguments, answer=b"", environment=None):
    """Run on a terminal of its own; return (exit code, all that it showed)."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execve(FABRIC, [FABRIC, *map(str, arguments)], {**os.environ, **(environment or {})})
        finally:
            os._exit(127)
    shown = b""
    try:
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if answer and shown.rstrip().endswith(b"[y/N]:"):
                os.write(terminal, answer)
                answer = b""
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.replace(b"\r\n", b"\n")


def test_questions_and_colours_on_a_terminal(process, home):
    environment = {"TERM": "xterm-256color", "NO_COLOR": ""}
    code, shown = _on_a_terminal("rm", "-r", "photos", answer=b"n\n", environment=environment)
    assert code == 1
    assert b"Remove everything in photos (5 entries, 2.01 KiB)? [y/N]: n\nnothing was done\n" in shown
    code, shown = _on_a_terminal("ls", "phto", environment=environment)
    assert code == 3
    assert b"\x1b[31m\x1b[1merror:\x1b[0m there is no dataset" in shown
    code, shown = _on_a_terminal("ls", "phto", environment={**environment, "NO_COLOR": "1"})
    assert b"\x1b[" not in shown


def test_nothing_is_drawn_where_nobody_looks(process, source):
    shown = process("put", source, "photos/again")
    assert shown.stderr == b""
    code, shown = _on_a_terminal("put", source, "photos/more", "-q", environment={"TERM": "xterm-256color"})
    assert (code, shown) == (0, b"")


# ----------------------------------------------------------------------------------------------------- completion


def test_a_shell_gets_completions_from_the_process(process):
    line = {"_FABRIC_COMPLETE": "fish_complete", "COMP_WORDS": "fabric ls photos/s", "COMP_CWORD": "photos/s"}
    done = process(env={**os.environ, **line})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"plain,photos/sub/\n", b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(process, shell, tmp_path):
    script = process("completion", shell).stdout
    assert b"_FABRIC_COMPLETE" in script
    if found := shutil.which(shell):
        (tmp_path / "script").write_bytes(script)
        subprocess.run([found, "-n", str(tmp_path / "script")], check=True, timeout=60)
    assert process("completion", "tcsh").returncode == 2


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("fabric ls pho", "photos"),
        ("fabric ls photos@m", "main"),
        ("fabric ls photos@main/s", "main/sub/"),
        ("fabric get photos/a", "photos/a.txt"),
        ("fabric -o json sn", "snapshot"),
    ],
)
def test_bash_completes_across_its_word_breaks(process, tmp_path, line, replies):
    # bash replaces what stands after the last @, : or =, so that is what it must be given.
    script = tmp_path / "script"
    script.write_bytes(process("completion", "bash").stdout)
    path = f"{Path(FABRIC).parent}:{os.environ['PATH']}"
    driver = f'. "{script}"; COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; _fabric_completion fabric; printf "%s\\n"'
    driver += ' "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", driver],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == [replies], done.stderr
