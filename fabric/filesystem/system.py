"""`FabricFileSystem`: what fsspec makes for `fabric://`."""

from fabric.filesystem.transfer import TransferFileSystem


class FabricFileSystem(TransferFileSystem):
    """Versioned datasets as an fsspec filesystem: `fabric://DATASET[@REF][/PATH]`.

    Reading goes through a ref (a branch, a snapshot, a commit, `main~2`, `main@{2026-01-31}`; without one the default
    branch), writing to a branch. A call that writes is one commit; in `with fs.transaction:` all calls together are one, and
    none if an exception leaves the block. A call that reads, and an open file, sees one commit from beginning to end.

    Args:
        endpoint: the fabric; by default that of the configuration (FABRIC_ENDPOINT, ...).
        ref: what addresses without a ref mean; by default the dataset's default branch.
        author: of the commits; by default the configured one.
        message: of the commits; by default it says what was done.
        ref_ttl: seconds for which a branch may be taken to be where it was, which saves two look-ups in the metastore for
            each call; 0, the default, always looks. Changes through this filesystem itself are seen at once.
    """
