"""Errors become one text and one exit code, at one place."""

import json

import click
import pytest

from fabric import errors
from fabric.cli import run as module
from fabric.cli.root import COMMANDS, cli
from fabric.errors import FabricError, InvalidInputError, MergeConflictError


def _all(group, prefix=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*prefix, name), command
        if isinstance(command, click.Group):
            yield from _all(command, (*prefix, name))


EVERY = dict(_all(cli))


@pytest.mark.parametrize("name", EVERY, ids=" ".join)
def test_every_command_has_help_with_an_example(invoke, name):
    result = invoke(*name, "--help")
    assert result.code == 0
    assert "Example" in result.out
    assert f"fabric {' '.join(name)}" in result.out
    assert "fabric --help" in result.out
    assert all(line.isprintable() for line in result.lines)


def test_the_help_of_the_program_lists_every_command_in_its_section(invoke):
    result = invoke("--help")
    assert all(f"\n  {name} " in result.out for name in COMMANDS)
    assert (
        result.out.index("Datasets:") < result.out.index("Files:") < result.out.index("History:") < result.out.index("Care:")
    )
    assert invoke("-h").out == result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_lines_of_the_help_are_what_commands_say(name):
    said = EVERY[(name,)].help.split("\n")[0].replace("'", "")
    words = {word.strip(".,:;()").lower() for word in COMMANDS[name].help.split()}
    assert len(words & {word.strip(".,:;()").lower() for word in said.split()}) >= 2


def test_a_wrong_command_is_refused_with_what_may_have_been_meant(invoke):
    result = invoke("snapshto")
    assert result.code == 2
    assert result.raw == b""
    assert result.err == (
        "error: there is no command 'snapshto'; did you mean 'snapshot'?\nhint: 'fabric --help' shows how it is used\n"
    )


def test_a_wrong_option_or_argument_is_a_usage_error(invoke):
    for arguments in (("ls", "--lng"), ("put", "x"), ("-o", "xml", "datasets"), ("find", "x", "--type", "q")):
        result = invoke(*arguments)
        assert result.code == 2, arguments
        assert result.err.startswith("error: "), arguments
        assert "--help" in result.err
        assert "Traceback" not in result.err


def test_no_command_shows_the_help(invoke):
    for arguments, first in (((), "Usage: fabric "), (("snapshot",), "Usage: fabric snapshot ")):
        result = invoke(*arguments)
        assert (result.code, result.raw) == (2, b"")
        assert result.err.startswith(first)  # an answer, no "error:"
        assert "hint:" not in result.err


def test_a_wrong_command_of_a_group_is_refused_alike(invoke):
    result = invoke("snapshot", "creat", "photos", "v1")
    assert result.code == 2
    assert result.err.startswith("error: there is no command 'creat'; did you mean 'create'?\n")


def test_a_usage_error_is_json_where_json_was_asked_for(invoke):
    result = invoke("-o", "json", "nope")
    assert result.code == 2
    assert json.loads(result.err)["error"] == {
        "kind": "invalid_input",
        "message": "there is no command 'nope'",
        "subject": "",
        "hint": "'fabric --help' shows how it is used",
    }


@pytest.mark.parametrize(
    "kind",
    [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, FabricError)],
    ids=lambda kind: kind.__name__,
)
def test_each_error_has_its_exit_code_and_shows_message_subject_and_hint(invoke, monkeypatch, kind):
    def fails(*_, **__):
        raise kind("it is broken", subject="photos@main", hint="mend it")

    monkeypatch.setattr(cli, "main", fails)
    result = invoke("datasets")
    assert result.code == kind.exit_code
    assert result.err == "error: it is broken (photos@main)\nhint: mend it\n"


def test_a_conflict_lists_its_paths(invoke, monkeypatch):
    paths = (*(b"path-%d" % number for number in range(25)), b"\xff\n")

    def fails(*_, **__):
        raise MergeConflictError("both sides changed paths", paths=paths)

    monkeypatch.setattr(cli, "main", fails)
    result = invoke("datasets")
    assert result.code == 4
    assert "  path-0\n" in result.err
    assert "path-20" not in result.err
    assert "... and 6 more" in result.err


def test_an_error_can_be_json(invoke, home):
    result = invoke("ls", "nothing", "-o", "json")
    assert result.code == 3
    assert result.raw == b""
    import json  # noqa: PLC0415

    error = json.loads(result.err)["error"]
    assert error["kind"] == "not_found"
    assert error["subject"] == "nothing"
    assert "fabric create nothing" in error["hint"]


def test_what_nobody_expected_is_one_line_and_how_to_report_it(invoke, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("several\nlines")

    monkeypatch.setattr(cli, "main", fails)
    result = invoke("datasets")
    assert result.code == 1
    assert result.err == f"error: unexpected RuntimeError: several lines\nhint: {module.REPORT_HINT}\n"


def test_debug_shows_the_traceback(invoke, home):
    assert "Traceback" not in invoke("ls", "nothing").err
    shown = invoke("ls", "nothing", "--debug").err
    assert "Traceback" in shown
    assert "error: there is no dataset 'nothing'" in shown


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_said_shortly(invoke, monkeypatch, stop):
    def fails(*_, **__):
        raise stop

    monkeypatch.setattr(cli, "main", fails)
    result = invoke("datasets")
    assert (result.code, result.err) == (130, "interrupted\n")


def test_control_characters_of_names_do_not_reach_a_terminal(invoke, monkeypatch):
    def fails(*_, **__):
        raise InvalidInputError("no \x1b[2Jclear")

    monkeypatch.setattr(cli, "main", fails)
    assert "\x1b[2J" not in invoke("datasets", terminal=True).err
    assert "\\x1b[2Jclear" in invoke("datasets", terminal=True).err


def test_common_options_stand_before_or_after_the_command(ok, tmp_path):
    ok("create", "photos")
    assert ok("-o", "json", "datasets").data == ok("datasets", "-o", "json").data
    assert ok("-q", "create", "one").out == ""
    assert ok("create", "two", "-q").out == ""
    other = tmp_path / "other"
    ok("init", other)
    assert ok("datasets", "--endpoint", other, "-o", "json").data == []


def test_secrets_are_no_options(invoke):
    assert invoke("datasets", "--token", "x").code == 2
