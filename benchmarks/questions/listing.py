"""How fast does a listing of a million entries become an Arrow table, and how fast is a stat in an opened view?"""

import random
from collections.abc import Iterator

from benchmarks.kit import Bench, Result, in_turns, medians, scratch, timed
from benchmarks.million import ENTRIES, dataset, files

LISTED_MIN, STATS_MIN = 5_000_000, 100_000
STATS = 100_000


def measure(bench: Bench) -> Iterator[Result]:
    """Both in a view whose nodes were read before; the listing also without that."""
    entries = bench.count(ENTRIES, 2_000)
    dice = random.Random(3)
    with scratch(bench.disk) as work, dataset(work, entries) as (_, found, _meter):
        view = found.view()
        asked = [dice.choice(paths) for paths in [files(found)] for _ in range(STATS)]

        def listing() -> float:
            return timed(lambda: _listed(view, entries))

        def cold() -> float:
            found.store.nodes.close()
            return timed(lambda: _listed(view, entries))

        def stats() -> float:
            def all_of_them() -> None:
                for path in asked:
                    view.stat(path)

            return timed(all_of_them)

        stats()
        samples = in_turns(bench.rounds * 2, {"listing": listing, "listing, nodes on disk": cold})
        looks = in_turns(bench.rounds, {"stat": stats})
    rates = {name: entries / seconds / 1e6 for name, seconds in medians(samples).items()}
    best = f"the best round: {entries / min(samples['listing']) / 1e6:.1f} M/s"
    others = {"nodes read from disk": rates["listing, nodes on disk"]}
    text = f"list {entries:,} entries as an Arrow table"
    yield Result(
        text, "M entries/s", rates["listing"], others, "5 M/s", rates["listing"] * 1e6 >= LISTED_MIN, None, samples, best
    )
    rate = STATS / medians(looks)["stat"] / 1000
    best = f"the best round: {STATS / min(looks['stat']) / 1000:.0f} k/s"
    yield Result(
        f"stat of random paths among {entries:,}", "k/s", rate, {}, "100 k/s", rate * 1000 >= STATS_MIN, None, looks, best
    )


def _listed(view, entries: int) -> None:
    assert view.to_arrow().num_rows == entries - 1
