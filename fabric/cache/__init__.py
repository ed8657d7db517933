"""The reading side: verified tree nodes and contents, kept close to the reader.

    NodeReader     tree nodes by id, checked, the recently used ones in memory
    ContentReader  bytes of contents, checked against their digests before anybody sees them

It knows objects and formats; it knows nothing of datasets' names, refs and commits.
"""
