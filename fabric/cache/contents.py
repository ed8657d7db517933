"""Reading contents: every byte that leaves here was compared with its digest, or is of an import nobody has read yet."""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import lru_cache, partial
from itertools import groupby

from fabric.cache.ahead import Ahead, ForkSafePool
from fabric.cache.blocks import Block, BlockResolver
from fabric.cache.spans import SPAN_BYTES_MAX, Span, coalesce
from fabric.cache.windows import Request, Window, windows
from fabric.errors import DataError, InvalidInputError, UnsupportedFormatError
from fabric.model import extents as extent_lists
from fabric.model.content import Content
from fabric.model.digest import BLOCK_BYTES, DigestKind, block_digest, zero_digest
from fabric.model.extent import Codec, Extent, ExtentKind
from fabric.model.ids import DatasetId
from fabric.objects.port import ObjectStore

Bytes = bytes | memoryview
"""What a read returns: contiguous, not to be written to. A small view may keep a buffer of SPAN_BYTES_MAX alive."""

PARALLEL = 16
READ_AHEAD_BYTES_MAX = 256 * 1024 * 1024
STREAM_AHEAD_BYTES_MAX = 64 * 1024 * 1024
STREAM_SPAN_BYTES_MAX = 2 * BLOCK_BYTES
LISTS_KEPT = 8
LIST_BYTES_MAX = 512 * 1024 * 1024
_FSCK = "'fabric fsck --read-data' finds every file that is damaged"


class ContentReader:
    """Verified reads of the contents of one dataset. Thread-safe; usable after fork in parent and child.

    A content of one block is fetched whole and compared with its digest before any byte of it is returned; of a larger one
    just the blocks touched. What does not match is fetched once more (a network may lie), then it is a DataError that names
    the object and the offset. There are no zeros in place of missing bytes, and no short answers.

    All reads raise:
        DataError: stored bytes or extents are damaged, or were erased on purpose.
        UnsupportedFormatError: a codec, key or format that this release does not know.
        ObjectNotFoundError, AccessDeniedError, UnavailableError: from the store.
        InvalidInputError: a range that is not inside of the content.

    Args:
        store: where the dataset's objects lie (with its retries and limits around it).
        dataset: whose objects they are.
        locations: returns the store of a registered location; None refuses external extents.
        parallel: requests under way at a time.
        read_ahead_bytes_max: bound of what `read_many` holds ahead of its consumer.
    """

    def __init__(
        self,
        store: ObjectStore,
        dataset: DatasetId,
        *,
        locations: Callable[[str], ObjectStore] | None = None,
        parallel: int = PARALLEL,
        read_ahead_bytes_max: int = READ_AHEAD_BYTES_MAX,
    ) -> None:
        self.store = store
        self._resolver = BlockResolver(store, dataset, locations)
        self.parallel = parallel
        self.pool = ForkSafePool(parallel, "fabric-read")
        self._read_ahead_bytes_max = read_ahead_bytes_max
        self._listed = lru_cache(LISTS_KEPT)(self._load_list)

    def close(self) -> None:
        """End the threads of this process. May be called twice; the store stays open."""
        self.pool.close()

    def read(self, content: Content, start: int = 0, length: int | None = None) -> Bytes:
        """Return exactly `length` bytes from `start` (to the end if None)."""
        request = self._request(content, start, length)
        if len(request.blocks) == 1:
            block = request.blocks[0]
            data = self.fetch_block(block)
            low = request.start - block.start
            return data if request.length == block.length else memoryview(data)[low : low + request.length]
        return next(self._in_order([request]), b"")

    def read_many(self, contents: Iterable[Content]) -> Generator[Bytes, None, None]:
        """Yield the bytes of each content, in order, reading ahead.

        Neighbours in one object come in one ranged GET, in whatever order a stretch of the contents stands. Each result is
        whole in memory: for large files use `stream`.
        """
        return self.read_ranges((content, 0, None) for content in contents)

    def read_ranges(self, ranges: Iterable[tuple[Content, int, int | None]]) -> Generator[Bytes, None, None]:
        """As read_many, for (content, start, length) each; a length of None means to the end."""
        return self._in_order(self._request(*item) for item in ranges)

    def stream(self, content: Content, start: int = 0, end: int | None = None) -> Generator[memoryview, None, None]:
        """Yield the bytes from `start` up to `end` in blocks of at most 4 MiB, reading ahead."""
        request = self._request(content, start, None if end is None else end - start)
        low, high = request.start, request.start + request.length
        ahead = Ahead[list[memoryview]](self.pool, bytes_max=STREAM_AHEAD_BYTES_MAX, count_max=self.parallel)
        jobs = self.runs(request.blocks, span_bytes_max=STREAM_SPAN_BYTES_MAX)
        at = request.blocks[0].start if request.blocks else 0
        for views in ahead.results((cost, work) for _, cost, work in jobs):
            for view in views:
                yield view[max(low - at, 0) : high - at] if at < low or at + len(view) > high else view
                at += len(view)

    def runs(
        self, blocks: Iterable[Block], *, span_bytes_max: int = SPAN_BYTES_MAX
    ) -> Iterator[tuple[list[Block], int, Callable[[], list[memoryview]]]]:
        """Cut consecutive blocks into (blocks, bytes held, function that returns their verified bytes), in order."""
        for stored, group in groupby(blocks, key=lambda block: block.store is not None):
            if stored:
                for span in coalesce(group, span_bytes_max=span_bytes_max):
                    yield span.blocks, span.length, partial(self.fetch, span)
            else:
                for hole in group:
                    yield [hole], 0, partial(self._fetch_hole, hole)

    def blocks(self, content: Content) -> list[Block]:
        """Return all blocks of a content in order, their placement checked; reads its extent list if it has one."""
        first = content.extents[0] if content.extents else None
        if first is not None and first.kind == ExtentKind.LIST and len(content.extents) == 1:
            return self._listed(first, content.size, content.digest_kind, content.digest)
        return self._resolver.blocks(content)

    def object_key(self, reference: bytes) -> str:
        """Return the key of the object that an extent of kind OBJECT names; raises DataError."""
        return self._resolver.object_key(reference)

    def is_verified(self, content: Content) -> bool:
        """Whether reads of this content are compared with a digest: not those of an import that nobody has read yet."""
        return content.digest_kind != DigestKind.DEFERRED or all(block.digest for block in self.blocks(content))

    def fetch(self, span: Span) -> list[memoryview]:
        """Return the verified bytes of each block of a span, from one GET."""
        data = self.fetch_unverified(span)
        views = []
        for block in span.blocks:
            low = block.offset - span.offset
            view = data[low : low + block.length]
            if block.digest and block_digest(view) != block.digest:
                view = memoryview(self.fetch_block(block))
            views.append(view)
        return views

    def fetch_unverified(self, span: Span) -> memoryview:
        """Return the bytes of a span for a caller that verifies each block itself (and asks fetch_block for bad ones)."""
        data = span.store.get(span.key, span.offset, span.length)
        if len(data) != span.length:
            raise DataError(f"object {span.key} gave {len(data)} bytes for {span.length}", subject=span.key, hint=_FSCK)
        return memoryview(data)

    def fetch_block(self, block: Block) -> Bytes:
        """Return the verified bytes of one block; what does not match is fetched once more."""
        if block.store is None:
            return self._fetch_hole(block)[0]
        for _ in range(2):
            data = block.store.get(block.key, block.offset, block.length)
            if len(data) == block.length and (not block.digest or block_digest(data) == block.digest):
                return data
        raise DataError(
            f"object {block.key} holds other bytes at {block.offset}+{block.length} than their digest says",
            subject=block.key,
            hint=_FSCK,
        )

    def _fetch_hole(self, block: Block) -> list[memoryview]:
        if block.erased:
            raise DataError(
                "the bytes of this content were erased on purpose and cannot be read",
                hint="read another commit, or put the file anew",
            )
        if block.digest and block.digest != zero_digest(block.length):
            raise DataError(f"a hole of {block.length} bytes has a digest that is not that of zeros", hint=_FSCK)
        return [memoryview(bytes(block.length))]

    def _request(self, content: Content, start: int, length: int | None) -> Request:
        length = content.size - start if length is None else length
        if start < 0 or length < 0 or start + length > content.size:
            raise InvalidInputError(f"bytes {start} to {start + length} are not inside of a content of {content.size} bytes")
        blocks = self.blocks(content)
        if length == 0:
            return Request(start, 0, [])
        if length < content.size:
            blocks = _touched(blocks, start, start + length)
        return Request(start, length, blocks)

    def _in_order(self, requests: Iterable[Request]) -> Generator[Bytes, None, None]:
        ahead = Ahead[tuple[Window, int, list[memoryview]]](
            self.pool, bytes_max=self._read_ahead_bytes_max, count_max=2 * self.parallel
        )
        for window, number, views in ahead.results(self._window_jobs(requests)):
            if window.deliver(number, views):
                yield from window.results(lambda hole: self._fetch_hole(hole)[0])

    def _window_jobs(
        self, requests: Iterable[Request]
    ) -> Iterator[tuple[int, Callable[[], tuple[Window, int, list[memoryview]]]]]:
        for window in windows(requests):
            if not window.spans:
                yield 0, partial(_nothing, window)
            for number, span in enumerate(window.spans):
                yield span.length, partial(self._fetch_numbered, window, number, span)

    def _fetch_numbered(self, window: Window, number: int, span: Span) -> tuple[Window, int, list[memoryview]]:
        return window, number, self.fetch(span)

    def _load_list(self, extent: Extent, size: int, digest_kind: DigestKind, digest: bytes) -> list[Block]:
        if extent.codec != Codec.NONE or extent.key != 0:
            raise UnsupportedFormatError(
                f"an extent list is stored with codec {extent.codec} and key {extent.key}", hint="upgrade datafabric"
            )
        if extent.length != size or not 0 < extent.stored <= LIST_BYTES_MAX or extent.offset < 0:
            raise DataError(f"the extent list of a content of {size} bytes claims {extent.length}", hint=_FSCK)
        key = self.object_key(extent.object)
        try:
            try:
                listed = self._get_list(key, extent)
            except UnsupportedFormatError:
                raise
            except DataError:
                listed = self._get_list(key, extent)  # A network may lie once.
            return self._resolver.blocks(Content(size, digest_kind, digest, listed))
        except DataError as error:
            raise type(error)(f"extent list {key}: {error}", subject=key, hint=error.hint or _FSCK) from error

    def _get_list(self, key: str, extent: Extent) -> list[Extent]:
        return extent_lists.decode(self.store.get(key, extent.offset, extent.stored))


def _nothing(window: Window) -> tuple[Window, int, list[memoryview]]:
    return window, 0, []


def _touched(blocks: list[Block], start: int, end: int) -> list[Block]:
    """Return the blocks that hold some of the bytes from start up to end: by bisection, a file may have 10^6."""
    low, high = 0, len(blocks)
    while low < high:
        middle = (low + high) // 2
        if blocks[middle].start + blocks[middle].length <= start:
            low = middle + 1
        else:
            high = middle
    result = []
    for block in blocks[low:]:
        if block.start >= end:
            break
        result.append(block)
    return result
