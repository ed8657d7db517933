"""A dataset of a million entries for the questions about trees: its nodes are real, its files' bytes are not there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tree_nodes import make
from fabric.config import load
from fabric.metastore.export import ExportingMetastore
from fabric.metastore.open import open_metastore
from fabric.model.ids import new_ulid
from fabric.objects.meter import Meter
from fabric.objects.open import open_store
from fabric.repo.dataset import Dataset
from fabric.repo.fabric import Fabric, init

ENTRIES = 1_000_000


@contextlib.contextmanager
def dataset(home: Path, entries: int) -> Iterator[tuple[Fabric, Dataset, Meter]]:
    """Make the dataset in a new fabric below `home`; the meter counts every request to its store, exports too."""
    settings = load({"state_dir": str(home / "state")})
    init(home / "fabric", settings=settings).close()
    meter = Meter(open_store(str(home / "fabric" / "objects")))
    metastore = ExportingMetastore(open_metastore(f"sqlite://{home / 'fabric' / 'metastore.sqlite'}"), meter)
    with Fabric(str(home / "fabric"), settings, new_ulid(), meter, metastore) as fabric:
        found = fabric.create("tree")
        with found.transaction(message="a million") as transaction:
            transaction._staging.replace_tree(b"", make(entries), delete=True)
        yield fabric, found, meter


def files(found: Dataset) -> list[bytes]:
    """Return the paths of all files."""
    table = found.view().to_arrow(raw_paths=True)
    kinds = table.column("kind").to_pylist()
    return [path for path, kind in zip(table.column("path").to_pylist(), kinds, strict=True) if kind == "file"]
