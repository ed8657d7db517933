"""Does a put of a million files take ten times as long as one of a hundred thousand, and how much memory does it need?"""

import shutil
from collections.abc import Iterator

from benchmarks.kit import FABRIC, Bench, Result, fabric_cli, peak_rss_of, run, scratch

FEW, MANY, BYTES = 100_000, 1_000_000, 64
RSS_BYTES_MAX = 2**30
LINEAR = 1.25
"""Seconds a file of the large put against the small one: what still counts as linear on a machine that others use too."""


def measure(bench: Bench) -> Iterator[Result]:
    """Put both from tmpfs into a fabric on tmpfs: the disk is no part of the question."""
    found = {}
    tar = {}
    for count in (bench.count(FEW), bench.count(MANY)):
        source = bench.files(count, BYTES, where=bench.memory)
        with scratch(bench.memory) as work:
            fabric_cli("init", work / "fabric", home=work)
            words = ("-q", "--endpoint", work / "fabric", "--state-dir", work / "state", "put", source, "files", "--create")
            found[count] = peak_rss_of(FABRIC, *words)
            shutil.rmtree(work / "fabric")
            tar[count] = peak_rss_of("tar", "cf", work / "x.tar", "-C", source, ".")[0]
        run("rm", "-rf", source)
    few, many = found
    rss = {count: memory / 2**20 for count, (_, memory) in found.items()}
    work_text = f"put {many:,} files"
    others = {f"put of {few:,}": rss[few]}
    yield Result(work_text, "MiB resident", rss[many], others, "under 1 GiB", found[many][1] < RSS_BYTES_MAX, None,
                 note="one round; files of 64 bytes, on tmpfs")  # fmt: skip
    each = {count: seconds / count * 1e6 for count, (seconds, _) in found.items()}
    others = {f"put of {few:,}": each[few], f"tar cf of {many:,}": tar[many] / many * 1e6}
    reached = each[many] / each[few]
    samples = {str(count): [seconds] for count, (seconds, _) in found.items()}
    yield Result(
        work_text, "us a file", each[many], others, f"linear: {LINEAR} x the smaller", reached <= LINEAR, reached, samples
    )
