"""Bytes by key: one port, three adapters, and wrappers that fulfil the same port.

    port.py      ObjectStore and Signer: what every adapter promises      keys.py   the one place that builds keys
    open.py      open_store(url): an adapter, limited and retried         probe.py  what a store can really do (doctor)

    adapters     local.py (a directory) | memory.py | s3.py (obstore; s3_forked.py in forked children)
    wrappers     retry.py | limit.py | meter.py        (fabric.testing.faults is one more)

    repo -> Retry -> Limit -> S3Store -> the bucket

This package knows nothing of packs, trees or commits: it moves bytes, exactly and durably, and says clearly why not.
"""
