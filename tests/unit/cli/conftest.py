"""Running the command line inside of the test's process, as fabric.cli.main does in its own."""

import io
import json
import sys
from dataclasses import dataclass

import pytest

from fabric.cli.run import run


class Stream(io.TextIOWrapper):
    """A standard stream in memory, which may say that it is a terminal."""

    def __init__(self, data=b"", *, is_terminal=False):
        super().__init__(io.BytesIO(data), encoding="utf-8", errors="surrogateescape", write_through=True)
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self):
        return self.raw.decode("utf-8", "surrogateescape")

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def data(self):
        return json.loads(self.raw)


@pytest.fixture
def make_stream():
    """The class Stream."""
    return Stream


@pytest.fixture
def invoke(monkeypatch):
    """A function that runs one command line and returns its Result; `terminal` makes all three streams terminals."""

    def call(*arguments, stdin=b"", terminal=False):
        streams = {
            "stdin": Stream(stdin, is_terminal=terminal),
            "stdout": Stream(is_terminal=terminal),
            "stderr": Stream(is_terminal=terminal),
        }
        with monkeypatch.context() as patch:
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            code = run([str(argument) for argument in arguments])
        return Result(
            code, streams["stdout"].buffer.getvalue(), streams["stderr"].buffer.getvalue().decode("utf-8", "replace")
        )

    return call


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An endpoint of its own for the test, with state and cache directories of its own; made at first use."""
    monkeypatch.setenv("FABRIC_ENDPOINT", str(tmp_path / "home"))
    monkeypatch.setenv("FABRIC_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FABRIC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FABRIC_AUTHOR", "ada@example.org")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("NO_COLOR", "1")
    from fabric.repo.fabric import init  # noqa: PLC0415

    init(tmp_path / "home").close()
    return tmp_path / "home"


@pytest.fixture
def ok(invoke, home):
    """As invoke, on a fabric, for commands that must end well."""

    def call(*arguments, **options):
        result = invoke(*arguments, **options)
        assert result.code == 0, (arguments, result)
        return result

    return call


@pytest.fixture
def source(tmp_path):
    """A small tree of files: a.txt, empty/, sub/b.bin, sub/link -> b.bin."""
    top = tmp_path / "source"
    (top / "sub").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "a.txt").write_text("hello\n")
    (top / "sub" / "b.bin").write_bytes(bytes(range(256)) * 8)
    (top / "sub" / "link").symlink_to("b.bin")
    return top


@pytest.fixture
def photos(ok, source):
    """A dataset "photos" with the source put into it; returns `ok`."""
    ok("create", "photos")
    ok("put", source, "photos", "-m", "first")
    return ok
