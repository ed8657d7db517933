"""Writing a view, or a part of it, into a local directory."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabric.checkout.checkout import checkout, checkout_file
from fabric.checkout.options import CheckoutOptions, CheckoutResult
from fabric.model.entry import Kind
from fabric.model.paths import subtree_range
from fabric.progress import Progress
from fabric.repo.tree import Tree

if TYPE_CHECKING:
    from fabric.repo.view import View


def get(
    view: "View", path: bytes, destination: str | os.PathLike[str], *, progress: Progress, **options: Any
) -> CheckoutResult:
    """Write the directory (or file) at `path` as `destination`; options are those of `fabric.checkout.CheckoutOptions`."""
    entry = view.stat(path)
    located = view.tree.locate(entry.path)
    assert located is not None
    leaf, index = located
    row = leaf.table.slice(index, 1)
    chosen = CheckoutOptions(**options)
    if entry.kind != Kind.DIRECTORY:
        return checkout_file(row, Path(destination), view.contents, options=chosen, progress=progress)
    count, size = view.tree.usage(entry.path)
    tables = chain([row], _below(view.tree, entry.path))
    return checkout(
        tables, entry.path, Path(destination), view.contents, options=chosen, progress=progress, files=count, size=size
    )


def _below(tree: Tree, path: bytes) -> Iterator[Any]:
    for leaf, start, stop in tree.spans(*subtree_range(path)):
        yield leaf.table.slice(start, stop - start)
