"""Pure values and their bytes: what docs/format.md specifies, and nothing that knows where anything is stored.

    ids.py  refs.py  paths.py      names, ids, DATASET[@REF][/PATH], paths and their order
    entry.py  xattrs.py  rows.py   one path as a value; many as columns, the form in which trees are worked on
    digest.py  content.py          what names a content; a content as readers need it
    extent.py  extents.py          where its bytes lie: one value; columns
    node.py  cuts.py  lookup.py    tree nodes, where a tree is cut into them, single looks into a leaf
    commit.py  pack.py             commits; packs
    envelope.py  frames.py  layout.py                  the bytes that all objects share
    checks.py  child_checks.py  extent_checks.py       what every row passes on the way in and on the way out

    entries -> rows -> leaves (cut by keys) -> index nodes -> root, whose id is the tree's -> commit

A decoder bounds sizes before it allocates, checks before it believes, and raises DataError or nothing. No function here
reads a file, a clock or the network.
"""
