"""The one place where a failed S3 request becomes an error of the fabric.

Both clients' failures are brought to (code, status, text) first. Nothing of the server's text is passed on but its error
code: answers repeat what was sent (string to sign, key id, token), and URLs may be signed.
"""

import re
from typing import NoReturn

from fabric.errors import (
    AccessDeniedError,
    FabricError,
    InvalidInputError,
    NoSpaceError,
    NotFoundError,
    ObjectNotFoundError,
    UnavailableError,
)

_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>|\(code: ([A-Za-z0-9.]{1,64})\)")
_STATUS = re.compile(r"status code: (\d{3})\b|\(status: (\d{3})")
_HINT_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the profile), and the endpoint that they are for"
_HINT_RIGHTS = "ask for the rights to get, put, list and delete objects below the store's prefix"
_DENIED = {
    "AccessDenied": ("the credentials do not allow it", _HINT_RIGHTS),
    "AllAccessDisabled": ("all access to the bucket is disabled", "ask its owner"),
    "AccountProblem": ("the account has a problem", "ask the store's provider"),
    "InvalidAccessKeyId": ("the store does not know the access key", _HINT_KEYS),
    "SignatureDoesNotMatch": ("the secret key is wrong", _HINT_KEYS),
    "ExpiredToken": ("the credentials have expired", "fetch new ones"),
    "ExpiredTokenException": ("the credentials have expired", "fetch new ones"),
    "TokenRefreshRequired": ("the credentials must be renewed", "fetch new ones"),
    "InvalidToken": ("the session token is wrong", "fetch new credentials"),
    "InvalidTokenId": ("the session token is wrong", "fetch new credentials"),
    "InvalidIdentityToken": ("the web identity token was refused", "check AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN"),
    "RequestTimeTooSkewed": ("this machine's clock is too far from the store's", "set the clock (NTP)"),
    "MethodNotAllowed": ("the store forbids it", "is the object locked, or the endpoint no S3 API?"),
}
_REGION_CODES = (
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)
_FULL_CODES = ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "StorageFull")
_PASSING_CODES = (
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "InvalidPart",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "XAmzContentSHA256Mismatch",
)
_TOO_MANY = 429
_SERVER_ERRORS = 500
_FULL_STATUS = 507
_REASONS = (
    ("dns error", "the endpoint's name is not known"),
    ("failed to lookup", "the endpoint's name is not known"),
    ("Name or service not known", "the endpoint's name is not known"),
    ("NameResolutionError", "the endpoint's name is not known"),
    ("ertificate", "the endpoint's TLS certificate is not trusted"),
    ("Connection refused", "nothing listens at the endpoint"),
    ("ConnectionRefused", "nothing listens at the endpoint"),
    ("timed out", "it takes too long"),
    ("TimedOut", "it takes too long"),
    ("TimeoutError", "it takes too long"),
    ("NotPartial", "it ignores the range that was asked for"),
    ("non-partial", "it ignores the range that was asked for"),
    ("onnection reset", "the connection broke"),
    ("IncompleteMessage", "the connection broke"),
    ("IncompleteRead", "the body ended early"),
    ("end of file", "the body ended early"),
)


def parse_code(text: str) -> str:
    """Return S3's error code in a client's message, or ""."""
    if "incorrectly configured region" in text:  # obstore, of a redirect that does not say where to
        return "PermanentRedirect"
    found = _CODE.search(text)
    return (found[1] or found[2]) if found else ""


def parse_status(text: str) -> int:
    """Return the HTTP status in a client's message, or 0."""
    found = _STATUS.search(text)
    return int(found[1] or found[2]) if found else 0


def failure(  # noqa: PLR0911  (a table of cases, read from top to bottom)
    code: str, status: int, text: str, *, subject: str, place: str
) -> FabricError:
    """Return the error for a failed request.

    Args:
        code: S3's error code, or "".
        status: the HTTP status, or 0 if there was no answer.
        text: the client's message: looked at, never passed on.
        subject: the key or prefix.
        place: the bucket and endpoint, for people.
    """
    if code == "NoSuchBucket":
        return NotFoundError(f"{place} does not exist", subject=place, hint="check its name and the endpoint, or create it")
    if code in _FULL_CODES or status == _FULL_STATUS:
        return NoSpaceError(f"{place} is full{_said(code, status)}", subject=subject, hint="free space, or raise the quota")
    if code in _DENIED or status in (401, 403):
        why, hint = _DENIED.get(code, ("the credentials are refused", _HINT_KEYS))
        return AccessDeniedError(f"{place}: {why}{_said(code, status)}", subject=subject, hint=hint)
    if code in _REGION_CODES or status in (301, 307):
        return InvalidInputError(
            f"{place}: the bucket belongs to another region", subject=subject, hint="set AWS_REGION or region="
        )
    if code == "NoSuchKey" or (status == 404 and code not in _PASSING_CODES):
        return ObjectNotFoundError("no such object", subject=subject)
    if status and status < _SERVER_ERRORS and status != _TOO_MANY and code not in _PASSING_CODES:
        return InvalidInputError(
            f"{place} does not accept the request{_said(code, status)}", subject=subject, hint="is it an S3 endpoint?"
        )
    if status:
        return UnavailableError(f"{place} cannot answer now{_said(code, status)}", subject=subject, hint="try again later")
    return UnavailableError(
        f"{place} cannot be reached: {_reason(text)}", subject=subject, hint="check the endpoint and the network"
    )


def no_credentials(subject: str, place: str) -> AccessDeniedError:
    """The error for a client that found nothing to sign with."""
    return AccessDeniedError(
        f"{place}: no credentials were found, or their source failed",
        subject=subject,
        hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; profiles of ~/.aws need: pip install 'datafabric[aws]'",
    )


def raise_failure(text: str, *, subject: str, place: str) -> NoReturn:
    """Raise the error for a client's message, which is parsed for code and status.

    Raises:
        FabricError: always; without the client's exception as its context, since that one may hold secrets.
    """
    raise failure(parse_code(text), parse_status(text), text, subject=subject, place=place) from None


def _said(code: str, status: int) -> str:
    return f" ({code or status})" if code or status else ""


def _reason(text: str) -> str:
    return next((reason for mark, reason in _REASONS if mark in text), "the connection failed")
