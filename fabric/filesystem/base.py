"""Options, the connection, and which state of a dataset an address means right now."""

import contextlib
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from fsspec.config import apply_config
from fsspec.spec import AbstractFileSystem
from fsspec.utils import stringify_path

from fabric import config
from fabric.errors import InvalidInputError
from fabric.filesystem import places
from fabric.filesystem.places import Place
from fabric.filesystem.states import as_missing_file
from fabric.filesystem.transactions import Changes, FabricTransaction
from fabric.repo.dataset import Dataset
from fabric.repo.fabric import Fabric, connect
from fabric.repo.view import View

IGNORED_OPTIONS = {"asynchronous", "auto_mkdir", "listings_expiry_time", "loop", "max_paths", "use_listings_cache"}
"""What libraries pass to any filesystem, and what means nothing here: no listing is cached, directories need no making."""


class _Connection:
    """A fabric that filesystem instances of one process share: fsspec makes one instance a thread. Closed with the last."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        weakref.finalize(self, fabric.close)


_CONNECTIONS: "weakref.WeakValueDictionary[str, _Connection]" = weakref.WeakValueDictionary()


class _ByEndpoint(type(AbstractFileSystem)):  # type: ignore[misc]
    """Names instances by the endpoint they mean, before fsspec looks for one that it has.

    Otherwise an instance made before FABRIC_ENDPOINT or the directory changed would serve the old fabric, and a relative
    endpoint would mean something else in a worker process.
    """

    def __call__(cls, *args: Any, **options: Any) -> Any:
        options = apply_config(cls, options)
        if args:
            options = {"endpoint": args[0], **options}
        endpoint = options.pop("endpoint", None)
        settings = config.load({"endpoint": None if endpoint is None else stringify_path(endpoint)})
        if settings.sources.get("endpoint", config.DEFAULT) != config.DEFAULT:
            options["endpoint"] = settings.endpoint
        return super().__call__(*args[1:], **options)


class BaseFileSystem(AbstractFileSystem, metaclass=_ByEndpoint):  # type: ignore[misc]
    """What reading and writing share. See `FabricFileSystem` for the options."""

    protocol = places.PROTOCOL
    root_marker = ""
    transaction_type = FabricTransaction

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        ref: str | None = None,
        author: str | None = None,
        message: str = "",
        ref_ttl: float = 0.0,
        **ignored: Any,
    ) -> None:
        unknown = sorted(set(ignored) - IGNORED_OPTIONS)
        if unknown:
            # An endpoint with a typing error must not end in another fabric.
            raise InvalidInputError(
                f"the filesystem has no option {unknown[0]!r}",
                subject=unknown[0],
                hint="known: endpoint, ref, author, message, ref_ttl",
            )
        super().__init__()
        self.endpoint = endpoint
        self.ref = ref
        self.author = author
        self.message = message
        self.ref_ttl = ref_ttl
        self._settings = config.load({"endpoint": endpoint, "author": author})
        self._connection: _Connection | None = None
        self._recent: dict[tuple[str, str | None], tuple[float, View]] = {}
        self._local = threading.local()

    # -- addresses

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return places.strip(stringify_path(path))

    def unstrip_protocol(self, name: str) -> str:
        """Return an address with its scheme."""
        return f"{places.PROTOCOL}://{places.strip(name)}"

    @staticmethod
    def _get_kwargs_from_urls(_path: str) -> Mapping[str, Any]:
        """An address holds no option: what stands before its `@` is a dataset, no user."""
        return {}

    def _place(self, path: Any) -> Place:
        return places.parse(stringify_path(path))

    # -- the fabric

    @property
    def fabric(self) -> Fabric:
        """The fabric, opened at its first use.

        Raises:
            NotFoundError: there is none at the endpoint.
        """
        if self._connection is None:
            key = self._settings.endpoint
            found = _CONNECTIONS.get(key)
            if found is None:
                found = _CONNECTIONS.setdefault(key, _Connection(connect(self.endpoint, settings=self._settings)))
            self._connection = found
        return self._connection.fabric

    @property
    def fsid(self) -> str:
        """An id of the fabric that stays: the same on all machines."""
        return f"{places.PROTOCOL}-{self.fabric.id}"

    def dataset_of(self, place: Place) -> Dataset:
        """Return the dataset that a place is in; raises PathNotFoundError."""
        fabric = self.fabric
        with as_missing_file():
            return fabric.dataset(place.dataset)

    # -- states

    def _view(self, place: Place) -> View:
        """Return what an address means now: in a transaction that changed the branch, the transaction's own state.

        A branch is looked up at each call, so no commit stays unseen (but for `ref_ttl` seconds, if that was asked for);
        within one call of many steps it is looked up once, so that they all see one commit.
        """
        if place.is_root:
            raise InvalidInputError("this needs an address with a dataset", hint="write DATASET[@REF][/PATH]")
        if self._intrans:
            staged: View | None = self.transaction.changes.view(self, place)
            if staged is not None:
                return staged
        key = (place.dataset, place.ref)
        pinned: dict[tuple[str, str | None], View] | None = getattr(self._local, "pinned", None)
        if pinned is not None and key in pinned:
            return pinned[key]
        view = self._resolve(key, place)
        if pinned is not None:
            pinned[key] = view
        return view

    def _resolve(self, key: tuple[str, str | None], place: Place) -> View:
        if self.ref_ttl:
            end, recent = self._recent.get(key, (0.0, None))
            if recent is not None and time.monotonic() < end:
                return recent
        dataset = self.dataset_of(place)
        with as_missing_file():
            view = dataset.view(place.ref or self.ref)
        if self.ref_ttl:
            self._recent[key] = (time.monotonic() + self.ref_ttl, view)
        return view

    @contextlib.contextmanager
    def _one_state(self) -> Iterator[None]:
        """Let each address mean one state until the end, in this thread."""
        if getattr(self._local, "pinned", None) is not None:
            yield
            return
        self._local.pinned = {}
        try:
            yield
        finally:
            self._local.pinned = None

    def _forget_recent(self) -> None:
        self._recent.clear()

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget which commits branches were at (`ref_ttl`)."""
        self._forget_recent()
        super().invalidate_cache(path)

    def new_changes(self) -> Changes:
        """Return a unit of work, with the message and author that the options say."""
        return Changes(self.message, self.author)
