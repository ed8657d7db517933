"""A fabric: one metastore and one object store, opened by its endpoint."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fabric.config import Settings, load
from fabric.errors import InvalidInputError, NotFoundError
from fabric.metastore.export import ExportingMetastore
from fabric.metastore.open import open_metastore
from fabric.metastore.port import Metastore
from fabric.metastore.records import DatasetRecord
from fabric.model.ids import DatasetId, new_ulid, parse_name
from fabric.model.refs import parse_address
from fabric.objects.keys import format_key
from fabric.objects.open import open_store
from fabric.objects.port import ObjectStore
from fabric.repo import home
from fabric.repo.dataset import Dataset
from fabric.repo.formats import format_bytes
from fabric.repo.store import DatasetStore
from fabric.repo.suggest import closest
from fabric.repo.view import View

DATASETS_PAGE = 1_000
SERVICE_SCHEMES = ("grpc://", "grpcs://")


class Fabric:
    """An open fabric. A context manager; thread-safe; picklable: another process opens the same endpoint."""

    def __init__(
        self, endpoint: str, settings: Settings, fabric_id: str, objects: ObjectStore, metastore: Metastore
    ) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.id = fabric_id
        self.objects = objects
        self.metastore = metastore
        self._stores: dict[DatasetId, DatasetStore] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Fabric {self.endpoint}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.endpoint,)

    @property
    def author(self) -> str:
        """Who commits and moves refs."""
        return self.settings.author

    @property
    def state(self) -> Path:
        """The local directory of what saves work and may be lost: stat caches, journals."""
        return self.settings.state_dir

    def own_directories(self) -> list[tuple[int, int]]:
        """Return device and inode of the fabric's own directory, which no put enters."""
        try:
            found = os.stat(self.endpoint)
        except OSError:
            return []
        return [(found.st_dev, found.st_ino)]

    def datasets(self) -> list[DatasetRecord]:
        """Return all datasets, by name."""
        found: list[DatasetRecord] = []
        while page := self.metastore.datasets.list(after=found[-1].name if found else "", limit=DATASETS_PAGE):
            found.extend(page)
        return found

    def create(self, name: str, *, metadata: Mapping[str, str] | None = None) -> Dataset:
        """Make a dataset with an empty default branch; raises AlreadyExistsError, InvalidInputError."""
        parse_name(name, "dataset name")
        dataset_id = DatasetId(new_ulid())
        self.objects.put(format_key(dataset_id), format_bytes())
        record = self.metastore.datasets.create(dataset_id, name, metadata=metadata)
        dataset = self._open(record)
        dataset.make_first_commit()
        return dataset

    def dataset(self, name: str) -> Dataset:
        """Return a dataset by its name; raises NotFoundError."""
        try:
            return self._open(self.metastore.datasets.get(parse_name(name, "dataset name")))
        except NotFoundError:
            known = [record.name for record in self.metastore.datasets.list(limit=DATASETS_PAGE)]
            hint = closest(name, known) or f"'fabric create {name}' makes it, 'fabric datasets' shows what there is"
            raise NotFoundError(f"there is no dataset {name!r}", subject=name, hint=hint) from None

    def _open(self, record: DatasetRecord) -> Dataset:
        store = self._stores.get(record.id)
        if store is None:
            store = self._stores.setdefault(record.id, DatasetStore(self.objects, self.metastore, record.id, self.state))
        return Dataset(self, record, store)

    def delete(self, name: str) -> None:
        """Delete a dataset: its name is free again, its objects stay until they are collected. Raises NotFoundError."""
        self.metastore.datasets.delete(self.dataset(name).id)

    def open(self, address: str) -> View:
        """Return a view of `DATASET[@REF]`; raises NotFoundError, InvalidInputError (for a path after it)."""
        parsed = parse_address(address)
        if parsed.path:
            raise InvalidInputError(f"{address!r} names a path, not a dataset at a ref", subject=address)
        return self.dataset(parsed.dataset).view(parsed.ref)

    def close(self) -> None:
        """Release threads, connections and caches. May be called twice."""
        stores, self._stores = self._stores, {}
        for store in stores.values():
            store.close()
        self.metastore.close()
        self.objects.close()


def _reopen(endpoint: str) -> Fabric:
    return connect(endpoint)


def init(
    directory: str | os.PathLike[str],
    *,
    store: str | None = None,
    metastore: str | None = None,
    settings: Settings | None = None,
) -> Fabric:
    """Make a fabric and open it.

    Args:
        directory: its home; new or empty.
        store: where objects go: a directory or `s3://bucket/prefix`; default: in the home.
        metastore: URL of the metastore; default: SQLite in the home.
        settings: as `fabric.config.load` gives them by default.

    Raises:
        AlreadyExistsError, InvalidInputError, SourceError: there is a fabric or something else, or it cannot be written.
        AccessDeniedError, UnavailableError: the store or the metastore cannot be reached; nothing is made then.
    """
    settings = settings or load()
    path = Path(directory).expanduser().absolute()
    if store is not None:
        # A store that does not answer is found out before anything is made.
        _try_store(store)
    home.check_new(path)
    made = home.Home(new_ulid(), store or home.EMBEDDED_STORE, metastore or home.EMBEDDED_METASTORE)
    fabric = _open_home(path, made, settings, create=True)
    try:
        home.write(path, made)
    except BaseException:
        fabric.close()
        raise
    return fabric


def _try_store(url: str) -> None:
    objects = open_store(url)
    try:
        next(iter(objects.list("fabric/")), None)
    finally:
        objects.close()


def _open_home(directory: Path, found: home.Home, settings: Settings, *, create: bool = False) -> Fabric:
    objects = open_store(
        found.store_url(directory),
        create=create,
        calls_max=settings.store_concurrency,
        deadline_s=settings.store_deadline,
    )
    opened: Metastore | None = None
    try:
        opened = inner = open_metastore(found.metastore_url(directory), create=create)
        metastore = ExportingMetastore(inner, objects)
    except BaseException:
        if opened is not None:
            opened.close()
        objects.close()
        raise
    return Fabric(str(directory), settings, found.id, objects, metastore)


def connect(endpoint: str | os.PathLike[str] | None = None, *, settings: Settings | None = None) -> Fabric:
    """Open a fabric.

    Args:
        endpoint: its home directory; default: the endpoint of the settings (flag, FABRIC_ENDPOINT, configuration), which is
            made at its first use if nobody configured it.
        settings: as `fabric.config.load` gives them by default.

    Raises:
        NotFoundError: there is no fabric at the endpoint.
        InvalidInputError: an endpoint that this release cannot open.
        DataError, UnsupportedFormatError, UnavailableError, AccessDeniedError.
    """
    settings = settings or load()
    text = os.fspath(endpoint) if endpoint is not None else settings.endpoint
    if text.startswith(SERVICE_SCHEMES):
        raise InvalidInputError(
            f"{text} is a service, and this release has no client for it", subject=text, hint="give a directory"
        )
    if "://" in text and not text.startswith("file://"):
        raise InvalidInputError(
            f"{text} is no endpoint", subject=text, hint="give the directory that 'fabric init DIR --store URL' makes"
        )
    path = Path(text.removeprefix("file://")).expanduser().absolute()
    is_default = endpoint is None and settings.sources.get("endpoint", "default") == "default"
    if is_default and not (path / home.FILE_NAME).exists():
        return init(path, settings=settings)
    return _open_home(path, home.read(path), settings)
