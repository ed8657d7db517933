"""Settings: the only module that reads the environment and configuration files.

    flag  >  FABRIC_* variable  >  ./fabric.toml  >  user file  >  default

Faces (cli, filesystem) and `fabric.connect` ask here once and pass plain values down; nothing below knows that an
environment exists. Each setting is one field of `Settings`, whose metadata holds how a value is read, so that flags,
variables and files cannot drift apart:

    flag      --cache-size 100GiB
    variable  FABRIC_CACHE_SIZE=100GiB        (an empty one counts as not set)
    file      cache_size = "100GiB"
    field     settings.cache_size

The user file is `config.toml` in the platform's configuration directory (Linux: `~/.config/fabric/`), or the file that
FABRIC_CONFIG names. A relative path in a file is relative to that file. A key that no setting has is an error in a file,
since it is a typing error; in the environment it is not, since other programs use the prefix FABRIC_ too.
`./fabric.toml` travels with a project, is shown to others and may be written by others: it holds no secret.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fabric.errors import InvalidInputError, SourceError
from fabric.units import parse_duration_s, parse_size

APPLICATION = "fabric"
PREFIX = "FABRIC_"
CONFIG_VARIABLE = "FABRIC_CONFIG"
PROJECT_FILE = "fabric.toml"
USER_FILE = "config.toml"
FILE_BYTES_MAX = 1 << 20
LOG_LEVELS = ("debug", "info", "warning", "error")
AUTHOR_LENGTH_MAX = 256
JOBS_MAX = 1_024

DEFAULT = "default"
"""The source of a value that nobody set."""

Parse = Callable[[object, Path], Any]
"""Turns a flag, a variable's text or a TOML value into a value; the path is what relative paths are relative to."""


def _text(value: object, _base: Path) -> str:
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidInputError(f"{repr(value)[:80]} is not a text", hint="put it in quotes")
    if not value or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise InvalidInputError("a text that is empty or has control characters does not work here")
    return value


def _path(value: object, base: Path) -> Path:
    text = os.path.expanduser(_text(value, base))
    if text.startswith("~"):
        raise InvalidInputError(f"there is no home directory for {text!r}", hint="write an absolute path, or set HOME")
    return Path(os.path.abspath(base / text))


def _endpoint(value: object, base: Path) -> str:
    text = _text(value, base)
    return text if "://" in text else str(_path(text, base))


def _author(value: object, base: Path) -> str:
    text = _text(value, base).strip()
    # Commits are UTF-8; a variable in another encoding arrives with lone surrogates.
    if not text or len(text) > AUTHOR_LENGTH_MAX or text != text.encode(errors="replace").decode():
        raise InvalidInputError(f"an author has 1 to {AUTHOR_LENGTH_MAX} characters of UTF-8")
    return text


def _size(value: object, base: Path) -> int:
    return parse_size(str(value) if _is_int(value) else _text(value, base))


def _duration(value: object, base: Path) -> float:
    # A bare number goes the same way as text, so that its unit is asked for.
    seconds = parse_duration_s(str(value) if _is_int(value) or isinstance(value, float) else _text(value, base))
    if seconds <= 0:
        raise InvalidInputError("a duration of nothing does not work here", hint="such as 30s or 2m")
    return seconds


def _count(value: object, base: Path) -> int:
    text = str(value) if _is_int(value) else _text(value, base).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= JOBS_MAX):
        raise InvalidInputError(f"{text[:80]!r} is not a whole number from 1 to {JOBS_MAX}")
    return int(text)


def _log_level(value: object, base: Path) -> str:
    text = _text(value, base).strip().lower()
    if text not in LOG_LEVELS:
        raise InvalidInputError(f"{text[:80]!r} is not a log level", hint=_suggest(text, LOG_LEVELS))
    return text


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _default_endpoint() -> str:
    from platformdirs import user_data_path  # noqa: PLC0415 - 30 ms, not needed where all is set

    return str(user_data_path(APPLICATION, appauthor=False))


def _default_cache_dir() -> Path:
    from platformdirs import user_cache_path  # noqa: PLC0415

    return user_cache_path(APPLICATION, appauthor=False)


def _default_state_dir() -> Path:
    from platformdirs import user_state_path  # noqa: PLC0415

    return user_state_path(APPLICATION, appauthor=False)


def _default_author() -> str:
    import getpass  # noqa: PLC0415

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that no account has.
        user = f"uid{os.getuid()}"
    return f"{user}@{os.uname().nodename}"[:AUTHOR_LENGTH_MAX].encode(errors="replace").decode()


def _default_jobs() -> int:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(max(count, 2), 32)


def _by(parse: Parse, *, secret: bool = False) -> Mapping[str, Any]:
    """What `load` knows of a field: a field without it is no setting."""
    return {"parse": parse, "secret": secret}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, read once. Made by `load`; `Settings()` holds the defaults.

    Attributes:
        endpoint: the fabric to open: a directory, or a URL.
        token: bearer token for a service, or "". A secret: never shown, not allowed in ./fabric.toml.
        cache_dir: directory of the node cache, on a real disk.
        cache_size: bytes that the cache may hold at most.
        state_dir: directory of what may be lost but saves work: stat caches, journals of interrupted puts.
        author: who commits, and who moves refs, as text.
        jobs: threads for local work (scan, digest, checkout).
        store_concurrency: requests to the object store in flight at most.
        store_deadline: seconds that one store operation may take at most, retries included.
        log_level: what is logged to stderr: debug, info, warning or error.
        sources: for each key, where its value comes from: "flag", "FABRIC_...", a file's path, or "default".
    """

    endpoint: str = field(default_factory=_default_endpoint, metadata=_by(_endpoint))
    token: str = field(default="", repr=False, metadata=_by(_text, secret=True))
    cache_dir: Path = field(default_factory=_default_cache_dir, metadata=_by(_path))
    cache_size: int = field(default=20 << 30, metadata=_by(_size))
    state_dir: Path = field(default_factory=_default_state_dir, metadata=_by(_path))
    author: str = field(default_factory=_default_author, metadata=_by(_author))
    jobs: int = field(default_factory=_default_jobs, metadata=_by(_count))
    store_concurrency: int = field(default=32, metadata=_by(_count))
    store_deadline: float = field(default=120.0, metadata=_by(_duration))
    log_level: str = field(default="warning", metadata=_by(_log_level))
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """Yield (key, value as text, source) of every setting; a secret shows only whether it is set."""
        for key, metadata in SETTINGS.items():
            value = getattr(self, key)
            shown = ("set" if value else "not set") if metadata["secret"] else str(value)
            yield key, shown, self.sources.get(key, DEFAULT)


SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType({f.name: f.metadata for f in fields(Settings) if f.metadata})
"""Every setting by key: `parse` and `secret`."""


def variable(key: str) -> str:
    """Return the environment variable of a setting: `FABRIC_CACHE_SIZE` for `cache_size`."""
    return PREFIX + key.upper()


def load(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Read all settings, the strongest source first.

    Args:
        flags: values given by the caller, by key; None stands for "not given".
        environ: the environment; os.environ if None.
        directory: where `fabric.toml` is looked for; the current directory if None.

    Raises:
        InvalidInputError: a value, key or file that cannot work; the message names where it stands.
        SourceError: a configuration file that exists cannot be read.
    """
    environ = os.environ if environ is None else environ
    base = _current_directory() if directory is None else directory
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for source, found, relative_to in _layers(flags or {}, environ, base):
        for key, raw in found.items():
            if key in values:
                continue
            values[key] = _parsed(key, raw, source, relative_to)
            sources[key] = source if source != "environment" else variable(key)
    return Settings(**values, sources=MappingProxyType(sources))  # type: ignore[arg-type]


def _layers(
    flags: Mapping[str, object], environ: Mapping[str, str], base: Path
) -> Iterator[tuple[str, Mapping[str, object], Path]]:
    """Yield (source, raw values, what paths are relative to), the strongest first. All are read, so that all are checked."""
    given = {key: value for key, value in flags.items() if value is not None}
    _check_keys(given, "flag")
    yield "flag", given, base
    yield "environment", {key: environ[variable(key)] for key in SETTINGS if environ.get(variable(key))}, base
    project = base / PROJECT_FILE
    found = _read_file(project)
    for key in found or ():
        if SETTINGS[key]["secret"]:
            raise InvalidInputError(
                f"{key} is a secret and does not belong into {project}, which others see",
                subject=str(project),
                hint=f"set {variable(key)}, or move the line to your user file, {user_file(environ)}",
            )
    yield str(project), found or {}, base
    user = user_file(environ)
    found = _read_file(user)
    if found is None and environ.get(CONFIG_VARIABLE):
        raise InvalidInputError(
            f"{CONFIG_VARIABLE} names a file that does not exist: {user}", subject=str(user), hint="create or unset it"
        )
    yield str(user), found or {}, user.parent


def user_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the user's own configuration file is, whether it exists or not."""
    named = (os.environ if environ is None else environ).get(CONFIG_VARIABLE)
    if named:
        return _path(named, _current_directory())
    from platformdirs import user_config_path  # noqa: PLC0415

    return user_config_path(APPLICATION, appauthor=False) / USER_FILE


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:
        # It was deleted under us: absolute paths work all the same.
        return Path("/")


def _read_file(path: Path) -> dict[str, object] | None:
    """Return the checked keys of a TOML file, or None if there is no such file."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SourceError(
            f"cannot read the configuration file {path}: {error.strerror}", subject=str(path), hint="check its permissions"
        ) from error
    if len(raw) > FILE_BYTES_MAX:
        raise InvalidInputError(f"{path} is too large to be a configuration file", subject=str(path))
    import tomllib  # noqa: PLC0415 - 16 ms, not needed where there is no file

    try:
        found = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # UnicodeDecodeError's text would quote bytes of the file, which may hold a token.
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InvalidInputError(f"{path} is not TOML: {reason}", subject=str(path)) from None
    _check_keys(found, str(path))
    return found


def _check_keys(found: Mapping[str, object], source: str) -> None:
    for key in found:
        if key not in SETTINGS:
            raise InvalidInputError(
                f"unknown setting {key[:80]!r} in {source}", subject=source, hint=_suggest(key, tuple(SETTINGS))
            )


def _parsed(key: str, raw: object, source: str, relative_to: Path) -> object:
    where = variable(key) if source == "environment" else f"{key} in {source}" if source != "flag" else key
    try:
        return SETTINGS[key]["parse"](raw, relative_to)
    except InvalidInputError as error:
        # A secret's own text stays out of the message, whatever is wrong with it.
        reason = "not a usable text" if SETTINGS[key]["secret"] else error.message
        raise InvalidInputError(f"{where}: {reason}", subject=where, hint=error.hint) from None


def _suggest(text: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    close = get_close_matches(text[:80], known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
