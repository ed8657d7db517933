"""How to reach a bucket: endpoint, region, addressing and credentials, from a URL's options and the AWS_* variables.

The names and their order are those of the AWS tools, so that what works with them works here:

    endpoint      option, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_ENDPOINT, else AWS itself
    region        option, AWS_REGION, AWS_DEFAULT_REGION, the profile's, else us-east-1
    addressing    option: `path` (default with an endpoint) or `virtual` (default for AWS)
    credentials   given by the caller | a named profile | AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN |
                  web identity (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN) | container | the default profile | instance

Profiles need the extra `aws` (boto3). Web identity, container and instance credentials are fetched, and renewed, by the
client library.
"""

import importlib.util
import os
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fabric.errors import AccessDeniedError, InvalidInputError

if TYPE_CHECKING:
    import boto3.session

URL_OPTIONS = ("endpoint", "region", "addressing", "profile")
REGION = "us-east-1"
_PROFILE_TTL = timedelta(minutes=5)
_NATIVE_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs requests. Reprs show no secret.

    Attributes:
        access_key: the key's id.
        secret_key: its secret.
        session_token: for temporary credentials, else None.
        expires_at: when they must be fetched anew (with a time zone), or None.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


CredentialSource = Callable[[], Credentials]
"""Returns credentials that are valid now. Called from any thread, and again when they expire."""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the objects lie and how to get there.

    Attributes:
        bucket: its name.
        prefix: what every key begins with inside of the bucket, without slashes at its ends, or "".
        endpoint: the server's URL, or "" for AWS.
        region: what requests are signed for.
        virtual_host: whether the bucket is part of the host name.
        credentials: where to get them; None leaves it to the client library (web identity, container, instance).
        ca_bundle: a file of certificates to trust in addition, or "".
        sts_endpoint: where web identity tokens are exchanged, or "" for AWS.
        web_identity: whether the environment names a web identity token.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = REGION
    virtual_host: bool = False
    credentials: CredentialSource | None = field(default=None, repr=False)
    ca_bundle: str = ""
    sts_endpoint: str = ""
    web_identity: bool = False

    @property
    def plain_http(self) -> bool:
        """Whether the endpoint is reached without TLS."""
        return self.endpoint.startswith("http://")

    @property
    def host_url(self) -> str:
        """The URL that requests go to: with the bucket in the host name where addressing is virtual."""
        scheme, _, host = (self.endpoint or f"https://s3.{self.region}.amazonaws.com").partition("://")
        return f"{scheme}://{self.bucket}.{host}" if self.virtual_host else f"{scheme}://{host}"

    def full_key(self, key: str) -> str:
        """Return the key inside of the bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key


def s3_settings(
    bucket: str,
    prefix: str = "",
    options: Mapping[str, str] | None = None,
    credentials: CredentialSource | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> S3Settings:
    """Join a URL's parts with the environment.

    Raises:
        InvalidInputError: an option does not make sense, or a profile is asked for without the extra `aws`.
        AccessDeniedError: the profile does not exist or has no credentials.
    """
    options = options or {}
    environment = os.environ if environment is None else environment
    if not bucket:
        raise InvalidInputError("an S3 URL names a bucket", subject="s3://", hint="s3://bucket/prefix")
    endpoint = _endpoint(options.get("endpoint") or _first(environment, _ENDPOINT_VARIABLES))
    addressing = options.get("addressing", "path" if endpoint else "virtual")
    if addressing not in ("path", "virtual"):
        raise InvalidInputError(f"addressing is path or virtual, not {addressing!r}", subject=f"s3://{bucket}")
    region = options.get("region") or _first(environment, ("AWS_REGION", "AWS_DEFAULT_REGION"))
    if credentials is None:
        credentials = _credentials(options.get("profile", ""), environment)
    if not region and isinstance(credentials, ProfileCredentials):
        region = credentials.region
    sts_endpoint = _first(environment, ("AWS_ENDPOINT_URL_STS", "AWS_STS_ENDPOINT"))
    web_identity = bool(environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"))
    if web_identity and credentials is None and sts_endpoint.startswith("http://"):
        raise InvalidInputError(
            "a web identity token is sent over https only", subject=sts_endpoint, hint="set AWS_ENDPOINT_URL_STS=https://..."
        )
    return S3Settings(
        bucket=bucket,
        prefix=prefix,
        endpoint=endpoint,
        region=region or REGION,
        # A bucket with dots has no certificate as a host name.
        virtual_host=addressing == "virtual" and "." not in bucket,
        credentials=credentials,
        ca_bundle=environment.get("AWS_CA_BUNDLE", ""),
        sts_endpoint=sts_endpoint,
        web_identity=web_identity,
    )


_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


def _endpoint(text: str) -> str:
    if not text:
        return ""
    parts = urllib.parse.urlsplit(text)
    if "@" in parts.netloc:
        raise InvalidInputError("an endpoint holds no credentials", subject=f"{parts.scheme}://...")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidInputError("an S3 endpoint is a URL such as https://host:port", subject=text)
    return f"{parts.scheme}://{parts.netloc}"


class StaticCredentials:
    """Credentials that were given once and do not change."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self) -> Credentials:
        """Return them."""
        return self._credentials


class ProfileCredentials:
    """Credentials of an AWS profile, or of boto3's own search: shared files, single sign-on, processes, roles.

    Args:
        profile: its name, or "" for the default.
    """

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._lock = threading.Lock()
        self._pid = 0
        self._session: boto3.session.Session | None = None

    @property
    def region(self) -> str:
        """The profile's region, or ""."""
        return self._open().region_name or ""

    def __call__(self) -> Credentials:
        """Return credentials that hold for some minutes at least.

        Raises:
            AccessDeniedError: the profile does not exist, or gives none.
        """
        import botocore.exceptions  # noqa: PLC0415  (the extra `aws`)

        subject = f"profile {self._profile or 'default'}"
        try:
            found = self._open().get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
        except botocore.exceptions.BotoCoreError as error:
            # The message may quote a process's output; the kind of failure says enough.
            raise AccessDeniedError(
                f"the AWS profile gives no credentials ({type(error).__name__})",
                subject=subject,
                hint="try: aws sts get-caller-identity",
            ) from None
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise AccessDeniedError("the AWS profile has no credentials", subject=subject, hint="try: aws configure")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token, datetime.now(UTC) + _PROFILE_TTL)

    def _open(self) -> "boto3.session.Session":
        import boto3.session  # noqa: PLC0415  (the extra `aws`)
        import botocore.exceptions  # noqa: PLC0415

        with self._lock:
            # A forked child opens its own: locks of the parent's session may be held by threads that it does not have.
            if self._session is None or self._pid != os.getpid():
                try:
                    self._session = boto3.session.Session(profile_name=self._profile or None)
                except botocore.exceptions.ProfileNotFound:
                    raise AccessDeniedError(
                        "there is no such AWS profile", subject=f"profile {self._profile}", hint="see ~/.aws/config"
                    ) from None
                self._pid = os.getpid()
            return self._session


def _credentials(profile: str, environment: Mapping[str, str]) -> CredentialSource | None:
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not profile and key and secret:
        return StaticCredentials(Credentials(key, secret, environment.get("AWS_SESSION_TOKEN") or None))
    named = profile or environment.get("AWS_PROFILE", "")
    has_boto3 = importlib.util.find_spec("boto3") is not None
    if named:
        if not has_boto3:
            raise InvalidInputError(
                "AWS profiles need boto3", subject=f"profile {named}", hint="pip install 'datafabric[aws]'"
            )
        return ProfileCredentials(named)
    if _first(environment, _NATIVE_VARIABLES):
        return None
    if has_boto3 and _has_shared_files(environment):
        return ProfileCredentials("")
    if environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return no_source
    return None


def no_source() -> Credentials:
    """The source where there is none, and where the instance must not be asked.

    Raises:
        AccessDeniedError: always.
    """
    raise AccessDeniedError("no credentials were found")


def _has_shared_files(environment: Mapping[str, str]) -> bool:
    home = Path(environment.get("HOME") or Path.home()) / ".aws"
    files = (environment.get("AWS_SHARED_CREDENTIALS_FILE"), environment.get("AWS_CONFIG_FILE"))
    return any(Path(chosen or home / name).is_file() for chosen, name in zip(files, ("credentials", "config"), strict=True))
