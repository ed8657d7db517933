"""From a URL to an object store that is ready for use: the adapter, limited and retried."""

import os
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fabric.errors import InvalidInputError
from fabric.objects.keys import check_key
from fabric.objects.limit import Limit
from fabric.objects.port import ObjectStore
from fabric.objects.retry import DEADLINE_S, Retry

if TYPE_CHECKING:
    from fabric.objects.s3_settings import CredentialSource

CALLS_MAX = 64
FORMS = "/directory, file:///directory, memory://name, s3://bucket/prefix?endpoint=URL&region=NAME"


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A store's URL, taken apart.

    Attributes:
        scheme: `file`, `memory` or `s3`.
        name: the directory, the memory store's name, or the bucket.
        prefix: for s3, what all keys begin with inside of the bucket, without slashes at its ends.
        options: for s3, the query: `endpoint`, `region`, `addressing`, `profile`.
    """

    scheme: str
    name: str
    prefix: str
    options: dict[str, str]


def parse_store_url(url: str) -> StoreUrl:
    """Take a store's URL apart.

    Raises:
        InvalidInputError: an unknown scheme or option, a relative path, a missing bucket, or a secret in the URL.
    """
    if "://" not in url:
        return StoreUrl("file", _directory(url, url), "", {})
    parts = urllib.parse.urlsplit(url)
    shown = url.partition("?")[0] if "@" not in parts.netloc else f"{parts.scheme}://..."
    if "@" in parts.netloc:
        raise InvalidInputError(
            "a store's URL holds no credentials",
            subject=shown,
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a profile; a URL is stored and shown to others",
        )
    if parts.fragment:
        raise InvalidInputError("a store's URL has no '#' part", subject=shown)
    if parts.scheme == "s3":
        return _s3_url(parts, shown)
    if parts.query:
        raise InvalidInputError(f"a {parts.scheme}:// URL has no options", subject=shown)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise InvalidInputError(
                "a file:// URL names no other machine", subject=shown, hint="file:///directory has three slashes"
            )
        return StoreUrl("file", _directory(urllib.parse.unquote(parts.path), shown), "", {})
    if parts.scheme == "memory":
        return StoreUrl("memory", parts.netloc + parts.path, "", {})
    raise InvalidInputError(f"no object store has the scheme {parts.scheme!r}", subject=shown, hint=f"use one of: {FORMS}")


def _directory(path: str, shown: str) -> str:
    if not os.path.isabs(path):
        raise InvalidInputError(
            "an object store's directory is an absolute path", subject=shown, hint=f"use one of: {FORMS}"
        )
    return os.path.normpath(path)


def _s3_url(parts: urllib.parse.SplitResult, shown: str) -> StoreUrl:
    from fabric.objects.s3_settings import URL_OPTIONS  # noqa: PLC0415  (S3 is optional at run time: only if it is used)

    options = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in URL_OPTIONS:
            raise InvalidInputError(
                f"an s3:// URL has no option {name!r}",
                subject=shown,
                hint=f"it has {', '.join(URL_OPTIONS)}; secrets do not belong here",
            )
    prefix = parts.path.strip("/")
    if prefix:
        check_key(prefix)
    return StoreUrl("s3", parts.netloc, prefix, options)


def open_store(
    url: str,
    *,
    create: bool = False,
    deadline_s: float = DEADLINE_S,
    calls_max: int = CALLS_MAX,
    credentials: "CredentialSource | None" = None,
) -> ObjectStore:
    """Open the object store that `url` names, wrapped as Retry(Limit(adapter)).

    Nothing is asked of a server yet: a wrong bucket or credential shows at the first call (see `fabric.objects.probe`).

    Args:
        url: `/directory`, `file:///directory`, `memory://name` or `s3://bucket/prefix?endpoint=...&region=...`.
        create: make the directory of a local store; buckets are never made.
        deadline_s: the total time for one call, retries included.
        calls_max: how many calls may run at a time.
        credentials: for s3, a function that returns credentials, instead of the environment.

    Raises:
        InvalidInputError: the URL or an option cannot be used.
        NotFoundError: a local store's directory does not exist.
    """
    parsed = parse_store_url(url)
    if credentials is not None and parsed.scheme != "s3":
        raise InvalidInputError(f"a {parsed.scheme} store takes no credentials", subject=describe(url))
    return Retry(Limit(_adapter(parsed, create, credentials), calls_max), deadline_s)


def _adapter(parsed: StoreUrl, create: bool, credentials: "CredentialSource | None") -> ObjectStore:
    # Each adapter is imported when it is used: S3 brings libraries that a local fabric never needs.
    if parsed.scheme == "s3":
        from fabric.objects.s3 import S3Store  # noqa: PLC0415
        from fabric.objects.s3_settings import s3_settings  # noqa: PLC0415

        return S3Store(s3_settings(parsed.name, parsed.prefix, parsed.options, credentials))
    if parsed.scheme == "memory":
        from fabric.objects.memory import shared_memory_store  # noqa: PLC0415

        return shared_memory_store(parsed.name)
    from fabric.objects.local import LocalStore  # noqa: PLC0415

    return LocalStore(parsed.name, create=create)


def describe(url: str) -> str:
    """Return a short text for people that says which store a URL names, without options that they need not see.

    Raises:
        InvalidInputError: the URL cannot be used.
    """
    parsed = parse_store_url(url)
    if parsed.scheme == "file":
        return f"directory {parsed.name}"
    if parsed.scheme == "memory":
        return f"memory of this process ({parsed.name or 'unnamed'})"
    place = f"bucket {parsed.name}" + (f", prefix {parsed.prefix}" if parsed.prefix else "")
    return f"S3 {place}" + (f" at {parsed.options['endpoint']}" if "endpoint" in parsed.options else "")
