"""Results as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

ORDER = [
    "put_small",
    "put_many",
    "put_again",
    "commit",
    "diff",
    "listing",
    "get_small",
    "large",
    "s3",
    "startup",
]
"""The order of the questions: that of the table of bars."""

_HEAD = """# Benchmarks

Written by `make bench`: do not edit. What each row measures stands in the module of its name in `benchmarks/questions/`.
Ours and the others ran in turns in one run; numbers are medians over the rounds, ratios medians of the rounds' ratios.

"""


def _number(value: float) -> str:
    if value == 0 or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def line(result: Mapping[str, Any]) -> str:
    """Return one result as text."""
    others = ", ".join(f"{name} {_number(value)}" for name, value in result["others"].items())
    met = {True: "met", False: "MISSED", None: "-"}[result["met"]]
    shown = f" ({_number(result['ratio'])})" if result["ratio"] is not None else ""
    return f"{result['work']}: {_number(result['ours'])} {result['unit']}; {others}; bar {result['bar']}: {met}{shown}"


def _rows(run: Mapping[str, Any]) -> Iterator[str]:
    yield "| work | unit | fabric | beside it | bar | reached | |"
    yield "|---|---|---|---|---|---|---|"
    questions = run["questions"]
    for name in sorted(questions, key=lambda name: ORDER.index(name) if name in ORDER else 99):
        for result in questions[name]["results"]:
            others = ", ".join(f"{other} {_number(value)}" for other, value in result["others"].items())
            reached = _number(result["ratio"]) if result["ratio"] is not None else _number(result["ours"])
            met = {True: "met", False: "**missed**", None: ""}[result["met"]]
            cells = [result["work"], result["unit"], _number(result["ours"]), others, result["bar"], reached, met]
            yield "| " + " | ".join(cells) + " |"


def table(run: Mapping[str, Any]) -> str:
    """Return all results as a Markdown table."""
    return "\n".join(_rows(run))


def document(run: Mapping[str, Any]) -> str:
    """Return docs/benchmarks.md."""
    parts = [_HEAD, table(run), "\n\n## The runs\n\n"]
    notes = []
    parts.append("| question | when | load before and after | seconds | scale | commit |\n|---|---|---|---|---|---|\n")
    machines = []
    for name, question in sorted(
        run["questions"].items(), key=lambda item: ORDER.index(item[0]) if item[0] in ORDER else 99
    ):
        load = " to ".join(map(str, question["load"]))
        facts = question["machine"]
        cells = [
            f"`{name}`",
            question["time"],
            load,
            f"{question['seconds']:.0f}",
            f"{question['scale']:g}",
            facts["commit"],
        ]
        parts.append("| " + " | ".join(cells) + " |\n")
        notes += [f"- {result['work']}: {result['note']}\n" for result in question["results"] if result["note"]]
        shown = {key: value for key, value in facts.items() if key != "commit"}
        if shown not in machines:
            machines.append(shown)
    if notes:
        parts += ["\n## Notes\n\n", *notes]
    parts.append("\n## The machine\n\n")
    for facts in machines:
        libraries = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
        peers = "; ".join(f"{name}: {version}" for name, version in facts["peers"].items())
        parts.append(
            f"{facts['processor']}, {facts['cores']} cores, {facts['memory_bytes'] / 2**30:.0f} GiB memory, "
            f"{facts['system']}, disk {facts['disk']}, memory {facts['memory']}, Python {facts['python']}, {libraries}.\n"
            f"Peers: {peers}.\n"
        )
    return "".join(parts)
