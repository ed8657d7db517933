"""The fabric as an fsspec filesystem: `fabric://DATASET[@REF][/PATH]`, for pandas, pyarrow, datasets, zarr and others.

    places.py        addresses, as these libraries write and pass them back
    base.py          options, the connection, and which state an address means right now
    looking.py       ls, info, find, walk, ...         infos.py      what they say of an entry
    contents.py      cat, cat_ranges, open to read     readers.py    files opened for reading
    writing.py       pipe, open to write, mkdir, rm    writers.py    files opened for writing
    copying.py       cp, mv                            pairs.py      what goes where in bulk
    transfer.py      put, get                          signing.py    URLs of single files
    transactions.py  changes that become one commit

It is a face: each method is a short walk over a `View` or a `Transaction` of the engine, and holds no rule of its own about
datasets. fsspec is imported here and nowhere else in the library.
"""

from fabric.filesystem.system import FabricFileSystem

__all__ = ["FabricFileSystem"]
