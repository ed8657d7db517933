"""The S3 object store for forked children: the minio library over urllib3, plain Python that survives a fork.

A worker that torch or multiprocessing forked has no living obstore runtime. This adapter keeps the port's promises there
with the same settings and credentials, at about a fifth of the speed with small objects. It is made in the child, so that
no connection is shared with the parent.
"""

import http
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import ParseError

import certifi
import minio
import minio.deleteobjects
import minio.error
import urllib3
import urllib3.exceptions
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.credentials.providers import IamAwsProvider, Provider

from fabric.errors import DataError, FabricError, ObjectNotFoundError, UnavailableError
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
from fabric.objects.s3_errors import failure, no_credentials
from fabric.objects.s3_settings import CredentialSource, S3Settings

PART_BYTES = 8 * 1024 * 1024
CONNECTIONS = 32
RANGES_AT_A_TIME = 4
_CONNECT_S, _READ_S = 5.0, 60.0
_EXCEPTIONS = (minio.error.MinioException, urllib3.exceptions.HTTPError, ValueError, OSError, ParseError)


class ForkedS3Store:
    """Objects below a prefix of a bucket, as S3Store, without obstore.

    Args:
        settings: where the bucket is and what to sign with.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._place = f"bucket {settings.bucket}" + (f" at {settings.endpoint}" if settings.endpoint else "")
        self._pool = _connections(settings)
        self._client = _make_client(settings, self._pool)
        self._closed = False

    def put(self, key: str, data: Buffer) -> None:
        """See ObjectStore.put. It looks before it writes, since the library has no conditional put."""
        check_key(key)
        self._check_open()
        # Released at the end, since exceptions that the library keeps in cycles would hold on to the caller's buffer.
        with as_bytes_view(data) as view:
            try:
                settle_existing(self, key, view)
            except ObjectNotFoundError:
                self._put(key, view)

    def _put(self, key: str, view: memoryview) -> None:
        reader = cast("BinaryIO", _ViewReader(view))
        bucket, full = self._settings.bucket, self._settings.full_key(key)
        self._call(key, lambda: self._client.put_object(bucket, full, reader, len(view), part_size=PART_BYTES))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """See ObjectStore.get."""
        check_range(key, start, length)
        self._check_open()
        if length == 0:
            return b""
        if length is None:
            size = self.head(key).size
            if start > size:
                raise past_end(key, start, None, size)
            length = size - start
        return self._read(key, start, length) if length else b""

    def _read(self, key: str, start: int, length: int) -> bytes:
        try:
            response = self._client.get_object(
                self._settings.bucket, self._settings.full_key(key), offset=start, length=length
            )
        except _EXCEPTIONS as error:
            if isinstance(error, minio.error.S3Error) and error.code == "InvalidRange":
                raise self._short(key, start, length, 0) from None
            raise self._error(error, key) from None
        try:
            if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                raise UnavailableError(f"{self._place} ignores the range that was asked for", subject=key)
            body: bytes = response.read(decode_content=False)
        except _EXCEPTIONS as error:
            if isinstance(error, FabricError):
                raise
            raise self._error(error, key) from None
        finally:
            response.close()
            response.release_conn()
        if len(body) != length:
            raise self._short(key, start, length, len(body))
        return body

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
        """See ObjectStore.get_ranges. Ranges less than 256 KiB apart travel together."""
        for start, length in ranges:
            check_range(key, start, length)
        self._check_open()
        spans = join_ranges(ranges)
        if not spans:
            return [b"" for _ in ranges]
        with ThreadPoolExecutor(min(RANGES_AT_A_TIME, len(spans)), "fabric-ranges") as pool:
            bodies = list(pool.map(lambda span: memoryview(self._read(key, *span)), spans))
        return cut_ranges(ranges, spans, bodies)

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore.head."""
        check_key(key)
        self._check_open()
        try:
            found = self._client.stat_object(self._settings.bucket, self._settings.full_key(key))
        except _EXCEPTIONS as error:
            failed = self._error(error, key)
            if isinstance(failed, ObjectNotFoundError):
                self._check_bucket(key)
            raise failed from None
        return ObjectInfo(key, int(found.size or 0))

    def _check_bucket(self, key: str) -> None:
        """Tell an absent bucket from an absent object, which an answer to HEAD, having no body, cannot."""
        try:
            self._client.get_object(self._settings.bucket, self._settings.full_key(key), length=1).close()
        except minio.error.S3Error as error:
            if error.code == "NoSuchBucket":
                raise self._error(error, key) from None

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore.list."""
        check_prefix(prefix)
        self._check_open()
        return checked_rows(self._rows(prefix, after), prefix, after)

    def _rows(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        root = self._settings.full_key("")
        try:
            for row in self._client.list_objects(
                self._settings.bucket, root + prefix, recursive=True, start_after=root + after if after else None
            ):
                yield ObjectInfo(str(row.object_name).removeprefix(root), int(row.size or 0))
        except _EXCEPTIONS as error:
            raise self._error(error, prefix) from None

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        for key in keys:
            check_key(key)
        self._check_open()
        targets = [minio.deleteobjects.DeleteObject(self._settings.full_key(key)) for key in dict.fromkeys(keys)]
        subject = keys[0] if keys else ""
        failed = self._call(subject, lambda: list(self._client.remove_objects(self._settings.bucket, targets)))
        for error in failed:
            if error.code != "NoSuchKey":
                raise failure(error.code, 0, "", subject=subject, place=self._place) from None

    def sign(self, key: str, expires_s: int) -> str:
        """See Signer.sign."""
        check_expiry(key, expires_s)
        self._check_open()
        bucket, full = self._settings.bucket, self._settings.full_key(key)
        url: str = self._call(key, lambda: self._client.presigned_get_object(bucket, full, timedelta(seconds=expires_s)))
        return url

    def close(self) -> None:
        """See ObjectStore.close."""
        self._closed = True
        self._pool.clear()

    def __repr__(self) -> str:
        return f"ForkedS3Store({self._settings.bucket!r}, {self._settings.prefix!r})"

    def _check_open(self) -> None:
        if self._closed:
            raise closed_error(repr(self))

    def _call(self, subject: str, call: Any) -> Any:
        try:
            return call()
        except _EXCEPTIONS as error:
            if isinstance(error, FabricError):
                raise
            raise self._error(error, subject) from None

    def _short(self, key: str, start: int, length: int, got: int) -> DataError | UnavailableError:
        size = self.head(key).size
        return past_end(key, start, length, size) if start + length > size else wrong_length(key, length, got)

    def _error(self, error: Exception, subject: str) -> FabricError:
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, minio.error.S3Error):
            return failure(error.code or "", error.response.status, text, subject=subject, place=self._place)
        if isinstance(error, (minio.error.InvalidResponseError, minio.error.ServerError)):
            status = int(getattr(error, "status_code", 0) or getattr(error, "_code", 0) or 0)
            return failure("", status, text, subject=subject, place=self._place)
        if isinstance(error, _NoCredentialsError):
            return no_credentials(subject, self._place)
        return failure("", 0, text, subject=subject, place=self._place)


class _ViewReader:
    """Gives a view's bytes in pieces, so that an upload in parts copies one part at a time."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._view) if size < 0 else self._position + size
        piece = bytes(self._view[self._position : end])
        self._position += len(piece)
        return piece


class _NoCredentialsError(ValueError):
    """The chain of the library (web identity, container, instance) gave nothing."""


class _Provider(Provider):
    """Our credential sources as the library wants them."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source
        self._found: MinioCredentials | None = None

    def retrieve(self) -> MinioCredentials:
        if self._found is None or self._found.is_expired():
            got = self._source()
            self._found = MinioCredentials(
                access_key=got.access_key,
                secret_key=got.secret_key,
                session_token=got.session_token,
                expiration=got.expires_at,
            )
        return self._found


class _NativeProvider(Provider):
    """Web identity, container and instance credentials, as the AWS_* variables say."""

    def __init__(self, settings: S3Settings, pool: urllib3.PoolManager) -> None:
        # For this library the endpoint replaces that of any kind of source, so it is given for web identity only.
        web = settings.sts_endpoint if settings.web_identity else ""
        self._inner = IamAwsProvider(custom_endpoint=web or None, region=settings.region, http_client=pool)

    def retrieve(self) -> MinioCredentials:
        try:
            return self._inner.retrieve()
        except (*_EXCEPTIONS, KeyError) as error:
            # Its text may quote an answer that holds credentials.
            raise _NoCredentialsError(type(error).__name__) from None


def _make_client(settings: S3Settings, pool: urllib3.PoolManager) -> Any:
    host = urllib.parse.urlsplit(settings.endpoint or f"https://s3.{settings.region}.amazonaws.com").netloc
    source = settings.credentials
    client: Any = minio.Minio(
        host,
        secure=not settings.plain_http,
        region=settings.region,
        http_client=pool,
        credentials=_Provider(source) if source is not None else _NativeProvider(settings, pool),
    )
    if settings.virtual_host:
        client.enable_virtual_style_endpoint()
    else:
        client.disable_virtual_style_endpoint()
    return client


def _connections(settings: S3Settings) -> urllib3.PoolManager:
    # Also where the bucket is reached without TLS: the exchange of a web identity token never is.
    context = ssl.create_default_context()  # the machine's certificates, as the other client trusts them
    context.load_verify_locations(settings.ca_bundle or certifi.where())
    options: dict[str, Any] = {
        "timeout": urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
        "retries": urllib3.Retry(total=1, connect=0, read=0, status=0, other=0, redirect=0),
        "maxsize": CONNECTIONS,
        "ssl_context": context,
    }
    url = urllib.parse.urlsplit(settings.host_url)
    proxy = urllib.request.getproxies().get(url.scheme)
    if proxy and not urllib.request.proxy_bypass(url.hostname or ""):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)
