"""An object store in an S3 bucket, through obstore.

obstore's runtime does not survive fork: after one request in the parent, a request in a forked child waits for ever. So
the process that first made a client is remembered, and in any descendant by fork every store uses another client
(`fabric.objects.s3_forked`), slower but safe. Nothing of the parent's client is touched there.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import obstore
import obstore.exceptions
import obstore.store

from fabric._version import __version__
from fabric.errors import DataError, ObjectNotFoundError, UnavailableError
from fabric.objects.check import (
    as_bytes_view,
    check_expiry,
    check_range,
    closed_error,
    past_end,
    settle_existing,
    wrong_length,
)
from fabric.objects.keys import check_key, check_prefix
from fabric.objects.port import Buffer, ObjectInfo
from fabric.objects.ranges import cut_ranges, join_ranges
from fabric.objects.rows import checked_rows
from fabric.objects.s3_errors import failure, no_credentials, parse_code, parse_status
from fabric.objects.s3_settings import CredentialSource, S3Settings, StaticCredentials

if TYPE_CHECKING:
    from fabric.objects.s3_forked import ForkedS3Store

MULTIPART_BYTES_MIN = 16 * 1024 * 1024
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_A_TIME = 4
DELETE_KEYS_MAX = 1_000
_CLIENT_OPTIONS = {
    "connect_timeout": "5s",
    "read_timeout": "60s",
    "timeout": "600s",
    "user_agent": f"datafabric/{__version__}",
}
# One quick second try, for a pooled connection that the server had closed; all else is the Retry wrapper's business,
# which has a total deadline.
_RETRY: Any = {
    "max_retries": 1,
    "backoff": {"init_backoff": timedelta(milliseconds=20), "max_backoff": timedelta(milliseconds=200), "base": 2},
    "retry_timeout": timedelta(seconds=10),
}
_RANGE_NOT_SATISFIABLE = 416
_NOT_IMPLEMENTED = 501
# What obstore says when it fails before the bucket is asked: instance and container services, and token files.
_NO_CREDENTIALS = ("http://169.254.169.254", "http://169.254.170.", "http://[fd00:ec2::", "Failed to read token file")
_EXCEPTIONS = (obstore.exceptions.BaseError, FileNotFoundError, ValueError, OSError)

_runtime_lock = threading.Lock()
_runtime_pid = 0


def _claim_runtime() -> bool:
    """Whether obstore may be used in this process: yes for the first that asks, no for what is forked from it."""
    global _runtime_pid
    with _runtime_lock:
        _runtime_pid = _runtime_pid or os.getpid()
        return _runtime_pid == os.getpid()


def _after_fork_in_child() -> None:
    global _runtime_lock
    _runtime_lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork_in_child)


class S3Store:
    """Objects below a prefix of a bucket. Nothing is asked of the server before the first call.

    Args:
        settings: where the bucket is and what to sign with.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._place = f"bucket {settings.bucket}" + (f" at {settings.endpoint}" if settings.endpoint else "")
        self._pid = os.getpid()
        self._client: Any = _make_client(settings) if _claim_runtime() else None
        self._forked: tuple[int, ForkedS3Store] | None = None
        self._closed = False
        # Conditional puts where the server can: it refuses to overwrite. Servers that do not know them say so once.
        self._conditional = True

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put. Large objects go in parts; memory beyond `data` is a few parts at most."""
        check_key(key)
        if (forked := self._other()) is not None:
            forked.put(key, data)
            return
        view = as_bytes_view(data)
        if len(view) >= MULTIPART_BYTES_MIN:
            self._put_parts(key, view)
        elif not self._conditional or not self._put_new(key, view):
            self._put_checked(key, view)

    def _put_new(self, key: str, data: memoryview) -> bool:
        """Put if absent. Returns False if the server does not know conditional puts."""
        try:
            obstore.put(self._client, key, data, mode="create")
        except obstore.exceptions.AlreadyExistsError:
            settle_existing(self, key, data)
        except _EXCEPTIONS as error:
            if parse_status(str(error)) != _NOT_IMPLEMENTED:
                raise self._error(error, key) from None
            self._conditional = False
            return False
        return True

    def _put_checked(self, key: str, data: memoryview) -> None:
        if not self._exists(key, data):
            try:
                obstore.put(self._client, key, data, use_multipart=False)
            except _EXCEPTIONS as error:
                raise self._error(error, key) from None

    def _put_parts(self, key: str, data: memoryview) -> None:
        # An upload in parts cannot be conditional: a look before costs a few milliseconds beside so many bytes.
        if not self._exists(key, data):
            try:
                obstore.put(
                    self._client, key, data, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_A_TIME
                )
            except _EXCEPTIONS as error:
                raise self._error(error, key) from None

    def _exists(self, key: str, data: memoryview) -> bool:
        try:
            settle_existing(self, key, data)
        except ObjectNotFoundError:
            return False
        return True

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get. The view that it returns keeps the body alive, without a copy."""
        check_range(key, start, length)
        if (forked := self._other()) is not None:
            return forked.get(key, start, length)
        if length == 0:
            return b""
        try:
            if length is not None:
                body = memoryview(obstore.get_range(self._client, key, start=start, length=length))
            elif start:
                return self._get_tail(key, start)
            else:
                result = obstore.get(self._client, key)
                length, body = result.meta["size"], memoryview(result.bytes())
        except _EXCEPTIONS as error:
            raise self._range_error(error, key, start, length) from None
        if len(body) != length:
            raise self._short(key, start, length, len(body))
        return body

    def _get_tail(self, key: str, start: int) -> memoryview | bytes:
        # S3 has no range for "nothing, since the object ends here", and answers it as if it were past the end.
        size = self.head(key).size
        if start > size:
            raise past_end(key, start, None, size)
        return self.get(key, start, size - start)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges. Ranges less than 256 KiB apart travel together, requests in parallel."""
        for start, length in ranges:
            check_range(key, start, length)
        if (forked := self._other()) is not None:
            return forked.get_ranges(key, ranges)
        spans = join_ranges(ranges)
        if not spans:
            return [b"" for _ in ranges]
        starts, lengths = [start for start, _ in spans], [length for _, length in spans]
        try:
            got = obstore.get_ranges(self._client, key, starts=starts, lengths=lengths, coalesce=0)
        except _EXCEPTIONS as error:
            raise self._range_error(error, key, *spans[-1]) from None
        for (start, length), body in zip(spans, got, strict=True):
            if len(body) != length:
                raise self._short(key, start, length, len(body))
        return cut_ranges(ranges, spans, [memoryview(body) for body in got])

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        check_key(key)
        if (forked := self._other()) is not None:
            return forked.head(key)
        try:
            return ObjectInfo(key, int(obstore.head(self._client, key)["size"]))
        except FileNotFoundError:
            self._check_bucket(key)
            raise ObjectNotFoundError("no such object", subject=key) from None
        except _EXCEPTIONS as error:
            raise self._error(error, key) from None

    def _check_bucket(self, key: str) -> None:
        """Tell an absent bucket from an absent object, which an answer to HEAD, having no body, cannot."""
        try:
            obstore.get(self._client, key, options={"range": (0, 1)})
        except _EXCEPTIONS as error:
            if parse_code(str(error)) == "NoSuchBucket":
                raise self._error(error, key) from None

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list. One request for each thousand objects."""
        check_prefix(prefix)
        if (forked := self._other()) is not None:
            return forked.list(prefix, after)
        return checked_rows(self._pages(prefix, after), prefix, after)

    def _pages(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        try:
            pages = obstore.list(self._client, prefix.removesuffix("/") or None, offset=after or None, chunk_size=1_000)
            for page in pages:
                for row in page:
                    yield ObjectInfo(row["path"], row["size"])
        except _EXCEPTIONS as error:
            raise self._error(error, prefix) from None

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete. A thousand a request."""
        for key in keys:
            check_key(key)
        if (forked := self._other()) is not None:
            forked.delete(keys)
            return
        unique = list(dict.fromkeys(keys))
        for begin in range(0, len(unique), DELETE_KEYS_MAX):
            batch = unique[begin : begin + DELETE_KEYS_MAX]
            try:
                obstore.delete(self._client, batch)
            except _EXCEPTIONS as error:
                if parse_code(str(error)) != "NoSuchKey":
                    raise self._error(error, batch[0]) from None
                self._delete_each(batch)

    def _delete_each(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                obstore.delete(self._client, key)
            except _EXCEPTIONS as error:
                if parse_code(str(error)) != "NoSuchKey":
                    raise self._error(error, key) from None

    def sign(self, key: str, expires_s: int) -> str:
        """See Signer.sign."""
        check_expiry(key, expires_s)
        if (forked := self._other()) is not None:
            return forked.sign(key, expires_s)
        try:
            url: str = obstore.sign(self._client, "GET", key, timedelta(seconds=expires_s))
        except _EXCEPTIONS as error:
            raise self._error(error, key) from None
        return url

    def probe_stat(self, key: str) -> tuple[str, datetime]:
        """Return an object's ETag and the server's time of its writing; for `fabric.objects.probe`."""
        check_key(key)
        self._require_obstore(key)
        try:
            found = obstore.head(self._client, key)
        except _EXCEPTIONS as error:
            raise self._error(error, key) from None
        return found["e_tag"] or "", found["last_modified"]

    def probe_if_match(self, key: str, etag: str) -> bool:
        """Whether a get on the condition of this ETag is answered with the object; for `fabric.objects.probe`."""
        check_key(key)
        self._require_obstore(key)
        try:
            obstore.get(self._client, key, options={"if_match": etag}).bytes()
        except obstore.exceptions.PreconditionError:
            return False
        except _EXCEPTIONS as error:
            raise self._error(error, key) from None
        return True

    def _require_obstore(self, key: str) -> None:
        if self._other() is not None:
            raise UnavailableError("a forked child cannot probe", subject=key, hint="probe in a process of its own")

    def close(self) -> None:
        """See ObjectStore.close."""
        self._closed = True
        if self._pid == os.getpid():
            self._client = None
        if self._forked is not None and self._forked[0] == os.getpid():
            self._forked[1].close()

    def __repr__(self) -> str:
        return f"S3Store({self._settings.bucket!r}, {self._settings.prefix!r})"

    def _other(self) -> "ForkedS3Store | None":
        """The store to use instead of obstore, if this process is forked from one that uses it."""
        if self._closed:
            raise closed_error(repr(self))
        pid = os.getpid()
        if pid == self._pid and self._client is not None:
            return None
        if self._forked is None or self._forked[0] != pid:
            from fabric.objects.s3_forked import ForkedS3Store  # noqa: PLC0415  (only forked children pay for it)

            self._forked = (pid, ForkedS3Store(self._settings))
        return self._forked[1]

    def _range_error(self, error: Exception, key: str, start: int, length: int | None) -> Exception:
        if parse_status(str(error)) == _RANGE_NOT_SATISFIABLE:
            return self._short(key, start, length or 0, 0)
        return self._error(error, key)

    def _short(self, key: str, start: int, length: int, got: int) -> DataError | UnavailableError:
        size = self.head(key).size
        return past_end(key, start, length, size) if start + length > size else wrong_length(key, length, got)

    def _error(self, error: Exception, subject: str) -> Exception:
        text = str(error)
        unsigned = isinstance(error, obstore.exceptions.UnauthenticatedError) and not parse_status(text)
        if unsigned or any(mark in text for mark in _NO_CREDENTIALS):
            return no_credentials(subject, self._place)
        return failure(parse_code(text), parse_status(text), text, subject=subject, place=self._place)


def _make_client(settings: S3Settings) -> Any:
    # Given twice, since AWS_ENDPOINT_URL_S3 of the environment, which obstore reads as well, has the last word otherwise.
    config: Any = {
        "endpoint": settings.host_url,
        "aws_endpoint_url_s3": settings.host_url,
        "region": settings.region,
        "virtual_hosted_style_request": settings.virtual_host,
        "conditional_put": "etag",
    }
    client_options: Any = {**_CLIENT_OPTIONS, "allow_http": settings.plain_http}
    if settings.ca_bundle:
        with open(settings.ca_bundle, "rb") as file:
            client_options["root_certificate"] = file.read()
    if settings.sts_endpoint:
        config["endpoint_url_sts"] = settings.sts_endpoint
    provider = None
    if isinstance(settings.credentials, StaticCredentials):
        fixed = settings.credentials()
        config |= {"access_key_id": fixed.access_key, "secret_access_key": fixed.secret_key}
        if fixed.session_token:
            config["session_token"] = fixed.session_token
    elif settings.credentials is not None:
        provider = _provider(settings.credentials)
    return obstore.store.S3Store(
        settings.bucket,
        prefix=settings.prefix or None,
        config=config,
        client_options=client_options,
        retry_config=_RETRY,
        credential_provider=provider,
    )


def _provider(source: CredentialSource) -> Any:
    def fetch() -> dict[str, Any]:
        found = source()
        expires_at = found.expires_at
        if expires_at is not None and expires_at.tzinfo is None:
            expires_at = expires_at.replace(tzinfo=UTC)
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.session_token,
            # Without an end obstore would never ask again.
            "expires_at": expires_at or datetime.now(UTC) + timedelta(hours=1),
        }

    return fetch
