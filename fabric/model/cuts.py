"""Where a tree is cut into nodes (docs/format.md, "Boundaries").

A cut depends on keys alone, never on content, order of edits or placement, so the same entries always give the same nodes.
From the last cut on: skip `minimum` keys; end the node at the first key whose hash is under a low threshold, and from
`target` on under a higher one; at `maximum` end it in any case. Nothing looks ahead: after an edit only the nodes from
the edited one to the next old cut change.

The hash is multilinear over 64-bit words, mixed at the end: cheap, vectorised, fixed for ever, and no secret: names made
against it can only make nodes of minimal or maximal size.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fabric.model import rows

_MASK = 2**64 - 1
_WORDS_MAX = 640
_WORD = 8
_BATCH = 32 * 1024
"""Rows hashed at a time: what lies between the steps stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How long nodes become, in keys, and the odds of a cut at one key before and from the target on."""

    minimum: int
    target: int
    maximum: int
    odds_before: int
    odds_after: int

    def threshold(self, length: int) -> int:
        """Return the value under which the hash of the key that would end a node of `length` keys ends it."""
        if length < self.minimum:
            return 0
        if length >= self.maximum:
            return 2**64
        return 2**64 // (self.odds_before if length < self.target else self.odds_after)


LEAF_RULE = Rule(minimum=2_000, target=8_000, maximum=16_000, odds_before=16_000, odds_after=1_000)
INDEX_RULE = Rule(minimum=256, target=1_024, maximum=2_048, odds_before=2_048, odds_after=128)


def _splitmix(index: int) -> int:
    value = (index + 1) * 0x9E3779B97F4A7C15 & _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


_MULTIPLIERS = [_splitmix(index) | 1 for index in range(_WORDS_MAX)]
_LENGTH_MULTIPLIER = _splitmix(_WORDS_MAX) | 1
_PARENT_MULTIPLIER = _splitmix(_WORDS_MAX + 1) | 1
_MIX_1, _MIX_2 = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
_MASKS = np.array([2 ** (8 * count) - 1 for count in range(_WORD + 1)], np.uint64)


def _hash_bytes(value: bytes) -> int:
    total = len(value) * _LENGTH_MULTIPLIER
    for index in range(0, len(value), 8):
        total += int.from_bytes(value[index : index + 8], "little") * _MULTIPLIERS[index >> 3]
    return total & _MASK


def _mix(value: int) -> int:
    value = (value ^ value >> 33) * _MIX_1 & _MASK
    value = (value ^ value >> 33) * _MIX_2 & _MASK
    return value ^ value >> 33


def row_hash(parent: bytes, name: bytes) -> int:
    """Return the boundary hash of one row (the reference for row_hashes)."""
    return _mix(_hash_bytes(parent) * _PARENT_MULTIPLIER + _hash_bytes(name) & _MASK)


def child_hash(level: int, key: bytes) -> int:
    """Return the boundary hash of a child with this first key in an index node of `level`."""
    return _mix(_hash_bytes(key) + _splitmix(level) & _MASK)


def _hash_column(column: Any) -> Any:
    """Return _hash_bytes of each value of a binary array, as u64."""
    ends = rows.offsets(column).astype(np.int64)
    ends -= ends[0]
    # Room for a whole word after the last byte.
    data = np.frombuffer(rows.raw_bytes(column) + bytes(_WORD), np.uint8)
    words = np.ndarray((len(data) - _WORD + 1,), "<u8", data, strides=(1,))
    result = np.empty(len(column), np.uint64)
    for start in range(0, len(result), _BATCH):
        stop = min(start + _BATCH, len(result))
        result[start:stop] = _hash_batch(words, ends[start:stop], np.diff(ends[start : stop + 1]))
    return result


def _hash_batch(words: Any, starts: Any, lengths: Any) -> Any:
    result = lengths.astype(np.uint64) * np.uint64(_LENGTH_MULTIPLIER)
    shortest, longest = int(lengths.min()), int(lengths.max())
    last = len(words) - 1
    for word in range((longest + _WORD - 1) // _WORD):
        multiplier, done = np.uint64(_MULTIPLIERS[word]), word * _WORD
        if done + _WORD <= shortest:  # A whole word of every value.
            result += words[starts + done] * multiplier
        elif done < shortest or word == 0:  # Some or all bytes of a word of (almost) every value.
            values = words[np.minimum(starts + done, last)] & _MASKS[np.clip(lengths - done, 0, _WORD)]
            result += values * multiplier
        else:
            index = np.flatnonzero(lengths > done)
            values = words[starts[index] + done] & _MASKS[np.minimum(lengths[index] - done, _WORD)]
            result[index] += values * multiplier
    return result


def row_hashes(batch: Any) -> Any:
    """Return the boundary hash of each row, as a NumPy array of u64."""
    parent, name = rows.single_chunk(batch.column("parent")), rows.single_chunk(batch.column("name"))
    starts = rows.parent_starts(parent)
    run_hashes = _hash_column(parent.take(pa.array(starts)))
    run_hashes *= np.uint64(_PARENT_MULTIPLIER)
    value = np.repeat(run_hashes, np.diff(np.append(starts, len(parent))))
    value += _hash_column(name)
    for multiplier in (_MIX_1, _MIX_2):
        value ^= value >> np.uint64(33)
        value *= np.uint64(multiplier)
    value ^= value >> np.uint64(33)
    return value


def cut_points(hashes: Any, rule: Rule = LEAF_RULE) -> list[int]:
    """Return the ends (exclusive) of the nodes that are complete; what follows the last one is still open.

    `hashes` start right after a cut.
    """
    count = len(hashes)
    low, high = 2**64 // rule.odds_before, 2**64 // rule.odds_after
    likely = np.flatnonzero(hashes < np.uint64(high))
    rare = np.flatnonzero(hashes < np.uint64(low))
    ends = []
    start = 0
    while count - start >= rule.minimum:
        end = _first(rare, start + rule.minimum - 1, start + rule.target - 2)
        if end is None:
            end = _first(likely, start + rule.target - 1, start + rule.maximum - 2)
        if end is None:
            end = start + rule.maximum - 1
        if end >= count:
            break
        ends.append(end + 1)
        start = end + 1
    return ends


def _first(candidates: Any, low: int, high: int) -> int | None:
    """Return the first candidate in [low, high]."""
    position = int(np.searchsorted(candidates, low))
    if position < len(candidates) and int(candidates[position]) <= high:
        return int(candidates[position])
    return None
