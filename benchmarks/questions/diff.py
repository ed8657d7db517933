"""What does the difference of two commits of a million entries cost, and does it follow the change, not the size?"""

import random
from collections.abc import Iterator

from benchmarks.kit import Bench, Result, in_turns, medians, scratch, timed
from benchmarks.million import ENTRIES, dataset, files

CHANGES = 10
SECONDS_MAX = 0.050


def measure(bench: Bench) -> Iterator[Result]:
    """Diff in a process that has the fabric open, with its node cache and without (the page cache stays warm)."""
    found_ms = {}
    dice = random.Random(2)
    for entries in (bench.count(ENTRIES // 10, 2_000), bench.count(ENTRIES, 2_000)):
        with scratch(bench.disk) as work, dataset(work, entries) as (_, found, _meter):
            with found.transaction(message="ten files") as transaction:
                for path in dice.sample(files(found), CHANGES):
                    transaction.put(path, dice.randbytes(1_000))

            def warm() -> float:
                return timed(lambda: _diff(found))

            def cold() -> float:
                found.store.nodes.close()
                return timed(lambda: _diff(found))

            samples = in_turns(bench.rounds * 4, {"nodes in memory": warm, "nodes on disk": cold})
        found_ms[entries] = {name: seconds * 1000 for name, seconds in medians(samples).items()}
    few, many = found_ms
    ours = found_ms[many]["nodes in memory"]
    others = {"nodes read from disk": found_ms[many]["nodes on disk"], f"of {few:,}": found_ms[few]["nodes in memory"]}
    fastest = {name: min(values) * 1000 for name, values in samples.items()}
    note = f"the best round: {fastest['nodes in memory']:.1f} ms, {fastest['nodes on disk']:.1f} from disk"
    text = f"diff of two commits of {many:,} entries, {CHANGES} changes"
    yield Result(text, "ms", ours, others, "under 50 ms", ours < SECONDS_MAX * 1000, None, samples, note)


def _diff(found) -> None:
    changes = [*found.diff("main~1", "main")]
    assert len(changes) == CHANGES, len(changes)
