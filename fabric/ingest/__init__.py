"""From a local directory to rows and packs: scan, digest, pack, and what is remembered for the next time.

    scan -> (stat unchanged? reuse the row) -> read + digest -> pack -> ObjectWriter -> rows of `fabric.model.rows.SCHEMA`

It knows nothing of trees, commits and refs: the caller (`fabric.repo`) gives it a lease's writer and the rows of what is
there already, and gets sorted rows back.
"""
