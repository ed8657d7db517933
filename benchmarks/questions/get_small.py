"""How fast do many small files come back, onto tmpfs, beside tar?"""

from collections.abc import Iterator

from benchmarks.kit import Bench, Result, fabric_cli, in_turns, medians, ratio, run, scratch, timed
from benchmarks.questions.put_small import BYTES, FILES

BAR = 0.7


def measure(bench: Bench) -> Iterator[Result]:
    """Both read from tmpfs and write onto it."""
    count = bench.count(FILES)
    source = bench.files(count, BYTES)
    with scratch(bench.memory) as work:
        fabric_cli("init", work / "fabric", home=work)
        fabric_cli("put", source, "files", "--create", home=work)
        run("tar", "cf", work / "x.tar", "-C", source, ".")

        def ours() -> float:
            with scratch(bench.memory) as out:
                return timed(lambda: fabric_cli("get", "files", out / "x", home=work))

        def tar() -> float:
            with scratch(bench.memory) as out:
                return timed(lambda: run("tar", "xf", work / "x.tar", "-C", out))

        samples = in_turns(bench.rounds, {"fabric get": ours, "tar xf": tar})
    rates = {name: count / seconds for name, seconds in medians(samples).items()}
    reached = ratio(samples, "tar xf", "fabric get")
    text = f"get {count:,} files of 10 KB onto tmpfs"
    others = {"tar xf": rates["tar xf"]}
    yield Result(text, "files/s", rates["fabric get"], others, f"{BAR} of tar", reached >= BAR, reached, samples,
                 "every byte verified by the fabric, not by tar")  # fmt: skip
