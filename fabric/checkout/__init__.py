"""Checkout: from rows of a tree to files in a directory, verified, and never outside of that directory.

    checkout.py     the one function faces call            options.py      what may be asked, what comes back
    run.py          rows in, directories and work out      columns.py      rows of a batch as lists
    destination.py  the directory it goes into             existing.py     what to do where something stands already
    directories.py  descriptors below it                   batches.py      which small files come from one read
    placing.py      small files: verify, write, rename     large.py        large files: blocks written side by side
    sources.py      their bytes: memory or a local pack    transfer.py     all that is under way, in bounded memory
    workers.py      processes that place small files       worker.py       ... one of them
    attributes.py   owner, mode, xattrs, ACLs, times       frames.py       directories, finished once all in them is

    rows -> run -> batches (fetched ahead by threads; a local pack: read by the workers) -> workers: verify, write, rename
                -> large files (threads): fetch, verify, pwrite; rename at the end

Three rules. Every step below the destination goes through a directory descriptor and follows no symlink, whatever the rows
or the destination hold. A file gets its name by a rename when it is complete and verified, so a failed or killed checkout
leaves nothing wrong under a right name (at worst a `.fabric-get-...` file beside it). Directories get their mode and time
last. Nothing is synced: a checkout can be repeated, and the second run keeps what is there.

The worker side (worker, placing, sources, attributes, directories, failures) imports neither Arrow nor NumPy: up in 40 ms.
"""
