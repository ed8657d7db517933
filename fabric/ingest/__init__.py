"""From a local directory to rows and packs: scan, digest, pack, and what is remembered for the next time.

    walk -> plain (the hot loops) ----------\
       |  -> reader (every other file) -> packer -> ObjectWriter
       |                                     |        `-> journal: what is durable, should this run be killed
       `-> sink -> rowbuilder -> rows of `fabric.model.rows.SCHEMA`
                        `-> statcache: what the source looked like, once the rows are committed

Key types: `tree.ingest_tree`, `packer.PackWriter`, `source.Source`, `statcache.StatCache`, `journal.Journal`.

It knows nothing of trees, commits and refs: the caller (`fabric.repo`) gives it a lease's writer and the rows of what is
there already, and gets sorted rows back. `statcache` and `source` import neither NumPy nor Arrow: whether anything changed
at all is asked before the engine is loaded.
"""
