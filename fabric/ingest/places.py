"""A place: where a row's content lies, as one number as long as possible, since there are as many of them as files.

>= 0        in a pack: number of the object in the writer's table << 32 | offset; one extent, as long as the content
NOWHERE     it has no bytes
<= -2       as in row -2 - place of the base
a list      these extents (large files, holes, what an earlier run left)
"""

from collections.abc import Sequence

from fabric.model.extent import Extent

Place = int | Sequence[Extent]
NOWHERE = -1
OFFSET_BITS = 32
OFFSET_MASK = (1 << OFFSET_BITS) - 1


def base_place(row: int) -> int:
    """Return the place "as in this row of the base"."""
    return -2 - row


def base_row(place: int) -> int:
    """Return which row of the base a place below NOWHERE means."""
    return -2 - place
