"""A data fabric for stateful containers: versioned datasets on object storage.

    import fabric

    with fabric.connect() as fab:
        dataset = fab.create("imagenet")
        with dataset.transaction(message="first images") as tx:
            tx.put_tree("/data/images", "train")
        dataset.create_snapshot("v1")
        for entry in dataset.view("v1").list("train"):
            ...

The names below are loaded when they are first used: `import fabric` itself imports nothing heavy.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fabric._version import __version__

if TYPE_CHECKING:
    from fabric.repo.dataset import Dataset
    from fabric.repo.fabric import Fabric, connect, init
    from fabric.repo.transaction import Transaction
    from fabric.repo.view import View

__all__ = ["Dataset", "Fabric", "Transaction", "View", "__version__", "connect", "init"]

_HOMES = {
    "Dataset": "fabric.repo.dataset",
    "Fabric": "fabric.repo.fabric",
    "Transaction": "fabric.repo.transaction",
    "View": "fabric.repo.view",
    "connect": "fabric.repo.fabric",
    "init": "fabric.repo.fabric",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fabric' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
