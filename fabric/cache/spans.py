"""Which blocks travel together: neighbours in one object come in one ranged GET. Pure planning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fabric.cache.blocks import Block
from fabric.objects.port import ObjectStore

SPAN_BYTES_MAX = 16 * 1024 * 1024
"""The most that one GET brings: large enough that its latency vanishes, small enough that several run side by side."""
GAP_BYTES_MAX = 1024 * 1024
"""Bytes between two neighbours that are rather read than asked around (1 MiB passes in the time of one round trip)."""


@dataclass(slots=True)
class Span:
    """One ranged GET and the blocks that lie in it, in order of offsets.

    Attributes:
        store: where the object lies.
        key: the object.
        offset: the first byte.
        length: how many.
        blocks: what is in it.
    """

    store: ObjectStore
    key: str
    offset: int
    length: int
    blocks: list[Block] = field(default_factory=list)


def coalesce(
    blocks: Iterable[Block], *, span_bytes_max: int = SPAN_BYTES_MAX, gap_bytes_max: int = GAP_BYTES_MAX
) -> Iterator[Span]:
    """Yield the spans that bring these blocks, in the order given. Holes and erased blocks must not be among them.

    Blocks that are not in order of (object, offset) are not wrong, they only travel alone: sort first where order is free.
    A block that lies inside of the span at hand (the same content twice) costs nothing.
    """
    span: Span | None = None
    for block in blocks:
        if span is not None and block.store is span.store and block.key == span.key:
            end = span.offset + span.length
            reach = block.offset + block.length - span.offset
            if span.offset <= block.offset <= end + gap_bytes_max and (reach <= span_bytes_max or reach <= span.length):
                span.blocks.append(block)
                span.length = max(span.length, reach)
                continue
        if span is not None:
            yield span
        assert block.store is not None, "a hole is not fetched"
        span = Span(block.store, block.key, block.offset, block.length, [block])
    if span is not None:
        yield span


def in_placement_order(block: Block) -> tuple[int, str, int]:
    """The key by which blocks are sorted to travel together."""
    return id(block.store), block.key, block.offset
