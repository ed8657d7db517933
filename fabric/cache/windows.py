"""Requests in the consumer's order, cut into windows inside of which blocks may travel in the order in which they lie."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fabric.cache.blocks import Block
from fabric.cache.spans import SPAN_BYTES_MAX, Span, coalesce, in_placement_order

WINDOW_BYTES_FIRST = 256 * 1024
"""The first window is small, so that the first answer comes soon; each next one is four times as large."""
WINDOW_BYTES_MAX = 2 * SPAN_BYTES_MAX
WINDOW_REQUESTS_MAX = 4_096


class Request(NamedTuple):
    """A range of a content and the blocks that hold it, in order (none for an empty range)."""

    start: int
    length: int
    blocks: list[Block]


@dataclass(slots=True)
class Window:
    """Some consecutive requests and the spans that bring their blocks."""

    requests: list[Request]
    spans: list[Span]
    _slots: list[list[tuple[int, int]]]
    _views: list[list[memoryview] | None]

    def deliver(self, number: int, views: list[memoryview]) -> bool:
        """Take the bytes of one span; return whether all are there. Spans come in order."""
        if self.spans:
            self._views[number] = views
        return number >= len(self.spans) - 1

    def results(self, hole: Callable[[Block], memoryview]) -> Iterator[bytes | memoryview]:
        """Yield the bytes of each request, in order."""
        for request, slots in zip(self.requests, self._slots, strict=True):
            parts = [self._view(block, slot, hole) for block, slot in zip(request.blocks, slots, strict=True)]
            yield _cut(request, parts)

    def _view(self, block: Block, slot: tuple[int, int], hole: Callable[[Block], memoryview]) -> memoryview:
        if block.store is None:
            return hole(block)
        views = self._views[slot[0]]
        assert views is not None, "every span was delivered"
        return views[slot[1]]


def windows(requests: Iterable[Request]) -> Iterator[Window]:
    """Cut requests into windows of bounded bytes and number; a request larger than the bound has a window of its own."""
    bound, size = WINDOW_BYTES_FIRST, 0
    gathered: list[Request] = []
    for request in requests:
        held = sum(block.length for block in request.blocks)
        if gathered and (size + held > bound or len(gathered) >= WINDOW_REQUESTS_MAX):
            yield _window(gathered)
            bound, size, gathered = min(4 * bound, WINDOW_BYTES_MAX), 0, []
        gathered.append(request)
        size += held
    if gathered:
        yield _window(gathered)


def _window(requests: list[Request]) -> Window:
    slots = [[(-1, -1)] * len(request.blocks) for request in requests]
    wanted = [
        (block, number, position)
        for number, request in enumerate(requests)
        for position, block in enumerate(request.blocks)
        if block.store is not None
    ]
    wanted.sort(key=lambda item: in_placement_order(item[0]))
    spans = list(coalesce(block for block, _, _ in wanted))
    # Spans hold the wanted blocks in the order in which they were given.
    source = iter(wanted)
    for span_number, span in enumerate(spans):
        for index in range(len(span.blocks)):
            _, number, position = next(source)
            slots[number][position] = (span_number, index)
    return Window(requests, spans, slots, [None] * len(spans))


def _cut(request: Request, parts: list[memoryview]) -> bytes | memoryview:
    if not parts:
        return b""
    low = request.start - request.blocks[0].start
    if len(parts) == 1:
        return parts[0] if request.length == len(parts[0]) else parts[0][low : low + request.length]
    parts[0] = parts[0][low:]
    excess = sum(map(len, parts)) - request.length
    if excess:
        parts[-1] = parts[-1][: len(parts[-1]) - excess]
    return b"".join(parts)
