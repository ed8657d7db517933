"""Where each setting comes from, and that a wrong one says where it stands."""

import os
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path

import pytest

from fabric import config
from fabric.config import SETTINGS, Settings, load, variable
from fabric.errors import InvalidInputError, SourceError


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "project"
    path.mkdir()
    return path


@pytest.fixture
def user(tmp_path):
    return tmp_path / "user" / "config.toml"


@pytest.fixture
def read(project, user):
    """Load with these files and variables, and nothing of the machine's own."""

    def _read(flags=None, *, variables=None, project_toml=None, user_toml=None):
        user.parent.mkdir(exist_ok=True)
        user.write_text(user_toml or "")
        if project_toml is not None:
            (project / "fabric.toml").write_text(project_toml)
        return load(flags, environ={"FABRIC_CONFIG": str(user), **(variables or {})}, directory=project)

    return _read


# A value for each setting, as text, and what it is read as. A new setting needs a line here.
EXAMPLES = {
    "endpoint": ("/srv/fabric", "/srv/fabric"),
    "token": ("s3cret", "s3cret"),
    "cache_dir": ("/var/cache/fabric", Path("/var/cache/fabric")),
    "cache_size": ("100GiB", 100 << 30),
    "state_dir": ("/var/lib/fabric", Path("/var/lib/fabric")),
    "author": ("Ada <ada@example.org>", "Ada <ada@example.org>"),
    "jobs": ("7", 7),
    "store_concurrency": ("64", 64),
    "store_deadline": ("1m30s", 90.0),
    "log_level": ("DEBUG", "debug"),
}


def test_every_setting_is_a_documented_field():
    assert set(SETTINGS) == set(EXAMPLES) == {f.name for f in fields(Settings)} - {"sources"}
    for key in SETTINGS:
        assert f"\n    {key}: " in cleandoc(Settings.__doc__)


@pytest.mark.parametrize("key", EXAMPLES)
class TestEverySetting:
    def test_comes_from_a_flag(self, read, key):
        text, value = EXAMPLES[key]
        settings = read({key: text})
        assert (getattr(settings, key), settings.sources[key]) == (value, "flag")

    def test_comes_from_a_variable(self, read, key):
        text, value = EXAMPLES[key]
        settings = read(variables={variable(key): text})
        assert (getattr(settings, key), settings.sources[key]) == (value, variable(key))

    def test_comes_from_the_user_file(self, read, user, key):
        text, value = EXAMPLES[key]
        settings = read(user_toml=f'{key} = "{text}"')
        assert (getattr(settings, key), settings.sources[key]) == (value, str(user))

    def test_comes_from_the_project_file_unless_secret(self, read, project, key):
        text, value = EXAMPLES[key]
        if SETTINGS[key]["secret"]:
            with pytest.raises(InvalidInputError) as refused:
                read(project_toml=f'{key} = "{text}"')
            assert text not in str(refused.value)
            assert variable(key) in refused.value.hint
        else:
            settings = read(project_toml=f'{key} = "{text}"')
            assert (getattr(settings, key), settings.sources[key]) == (value, str(project / "fabric.toml"))

    def test_has_a_default_that_can_be_written_back(self, read, key):
        settings = read()
        assert key not in settings.sources
        value = getattr(settings, key)
        if isinstance(value, float):
            value = f"{value:g}s"
        if value != "":
            assert getattr(read({key: value}), key) == getattr(settings, key)

    def test_an_empty_variable_counts_as_not_set(self, read, key):
        assert key not in read(variables={variable(key): ""}).sources

    @pytest.mark.parametrize("wrong", ["true", "[]", "{}", "1979-05-27", '"\\u0007"', '""'])
    def test_what_cannot_work_says_where_it_stands(self, read, user, key, wrong):
        with pytest.raises(InvalidInputError) as refused:
            read(user_toml=f"{key} = {wrong}")
        assert f"{key} in {user}" in str(refused.value)


def test_the_strongest_source_wins(read):
    files = {
        "project_toml": "jobs = 3\nlog_level = 'info'\nauthor = 'p'",
        "user_toml": "jobs = 4\nauthor = 'u'\ncache_size = 5",
    }
    settings = read({"jobs": 1, "log_level": None}, variables={"FABRIC_JOBS": "2", "FABRIC_LOG_LEVEL": "error"}, **files)
    assert (settings.jobs, settings.log_level, settings.author, settings.cache_size) == (1, "error", "p", 5)
    assert [settings.sources[key] for key in ("jobs", "log_level")] == ["flag", "FABRIC_LOG_LEVEL"]


def test_a_weaker_source_is_checked_although_a_stronger_one_wins(read):
    with pytest.raises(InvalidInputError, match="unknown setting 'job'"):
        read({"jobs": 1}, user_toml="job = 3")


def test_a_relative_path_in_a_file_is_relative_to_the_file(read, project, user):
    settings = read(project_toml="endpoint = './data'", user_toml="cache_dir = 'cache'")
    assert (settings.endpoint, settings.cache_dir) == (str(project / "data"), user.parent / "cache")


def test_a_relative_path_in_a_flag_or_variable_is_relative_to_the_directory(read, project):
    settings = read({"endpoint": "data"}, variables={"FABRIC_CACHE_DIR": "../cache"})
    assert (settings.endpoint, settings.cache_dir) == (str(project / "data"), project.parent / "cache")


def test_home_is_expanded_and_urls_stay(read, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert read({"endpoint": "~/fabric"}).endpoint == "/home/ada/fabric"
    assert read({"endpoint": Path("~/fabric")}).endpoint == "/home/ada/fabric"
    assert read({"endpoint": "grpcs://fabric.example.org:7443"}).endpoint == "grpcs://fabric.example.org:7443"


def test_a_home_that_does_not_exist_is_named(read):
    with pytest.raises(InvalidInputError, match="cache_dir: there is no home directory for '~nobody-has-this-name/x'"):
        read({"cache_dir": "~nobody-has-this-name/x"})


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"cache_size": "lots"}, "cache_size: 'lots' is not a size"),
        ({"store_deadline": "30"}, "store_deadline: '30' is not a duration"),
        ({"store_deadline": 30}, "store_deadline: '30' is not a duration"),
        ({"store_deadline": "0s"}, "store_deadline: a duration of nothing"),
        ({"jobs": "0"}, "jobs: '0' is not a whole number from 1 to 1024"),
        ({"jobs": "-1"}, "not a whole number"),
        ({"jobs": "1025"}, "not a whole number"),
        ({"jobs": "٣"}, "not a whole number"),
        ({"log_level": "inof"}, "log_level: 'inof' is not a log level"),
        ({"author": "x" * 257}, "author: an author has 1 to 256"),
        ({"author": "caf\udce9"}, "author: an author has 1 to 256 characters of UTF-8"),
        ({"author": "two\nlines"}, "control characters"),
        ({"endpint": "/srv"}, "unknown setting 'endpint' in flag"),
    ],
)
def test_a_value_that_cannot_work_is_refused(read, flags, reason):
    with pytest.raises(InvalidInputError) as refused:
        read(flags)
    assert reason in str(refused.value)


def test_suggestions(read):
    with pytest.raises(InvalidInputError) as refused:
        read(project_toml="cache-size = '1GiB'")
    assert refused.value.hint == "did you mean 'cache_size'?"
    with pytest.raises(InvalidInputError) as refused:
        read({"log_level": "loud"})
    assert "warning" in refused.value.hint


def test_an_unknown_key_names_the_file(read, project):
    with pytest.raises(InvalidInputError) as refused:
        read(project_toml="[cache]\nsize = 3")
    assert refused.value.subject == str(project / "fabric.toml")
    assert "'cache'" in str(refused.value)


def test_a_file_that_is_not_toml_says_the_line(read, user):
    with pytest.raises(InvalidInputError, match=r"config\.toml is not TOML: .*line 2"):
        read(user_toml="jobs = 2\nauthor =\n")
    user.write_bytes(b"token = 's3cr\xff'")
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        load(environ={"FABRIC_CONFIG": str(user)}, directory=user.parent)


def test_a_giant_file_is_not_read(read):
    with pytest.raises(InvalidInputError, match="too large"):
        read(user_toml="#" * (config.FILE_BYTES_MAX + 1))


def test_a_file_that_cannot_be_read_is_an_error_not_a_default(project, user):
    (project / "fabric.toml").mkdir()
    with pytest.raises(SourceError, match=r"cannot read the configuration file .*fabric\.toml"):
        load(environ={}, directory=project)


def test_a_user_file_that_was_named_must_be_there(project, tmp_path):
    with pytest.raises(InvalidInputError, match="FABRIC_CONFIG names a file that does not exist"):
        load(environ={"FABRIC_CONFIG": str(tmp_path / "gone.toml")}, directory=project)


def test_without_any_file_all_is_default(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    settings = load(environ={}, directory=tmp_path)
    assert settings.sources == {}
    assert settings == Settings()
    assert settings.endpoint.startswith(str(tmp_path))
    assert config.user_file({}).is_relative_to(tmp_path)


def test_a_deleted_current_directory_is_no_obstacle(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load({"endpoint": "/srv/fabric"}, environ={"FABRIC_CONFIG": os.devnull}).endpoint == "/srv/fabric"


def test_a_user_without_an_account_has_an_author(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert Settings().author.startswith(f"uid{os.getuid()}@")


def test_a_token_is_never_shown(read, user):
    settings = read(user_toml='token = "s3cret"\njobs = 3')
    shown = [repr(settings), str(settings), str(list(settings.describe()))]
    assert not any("s3cret" in text for text in shown)
    rows = {key: (value, source) for key, value, source in settings.describe()}
    assert rows["token"] == ("set", str(user))
    assert rows["jobs"] == ("3", str(user))
    assert rows["cache_size"] == (str(20 << 30), "default")
    for wrong in ('"s3cret\\u0000"', '["s3cret"]'):
        with pytest.raises(InvalidInputError) as refused:
            read(user_toml=f"token = {wrong}")
        assert "s3cret" not in f"{refused.value!r} {refused.value.hint} {refused.value.subject}"


def test_settings_do_not_change(read):
    settings = read()
    with pytest.raises(AttributeError):
        settings.jobs = 3
    with pytest.raises(TypeError):
        settings.sources["jobs"] = "me"
