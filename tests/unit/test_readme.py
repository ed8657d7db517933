"""What README and the Python guide show is what happens: commands and code run as they stand, in an empty directory.

Commands of one document share a shell's environment and directory. Output is compared after replacing what differs from run
to run: commit ids, dates, durations, rates and the directory.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELL_S_MAX = 120
CHANGING = [
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "<date>"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms)\b"), "<seconds>"),
    (re.compile(r"\b[\d,.]+ ([KMG]i)?B/s"), "<rate>"),
    (re.compile(r"/\S*/store\b"), "<directory>/store"),
]


def _blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), flags=re.MULTILINE | re.DOTALL)


def _plain(text):
    for pattern, name in CHANGING:
        text = pattern.sub(name, text)
    # A rate or a duration may be wider than the one shown, and columns with it.
    return [re.sub(r" +", " ", line).rstrip() for line in text.strip().splitlines()]


def _steps(document):
    """(command, output) of all console blocks, in order."""
    steps = []
    for line in "".join(_blocks(document, "console")).splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


@pytest.fixture
def environment(tmp_path):
    """A user who has just installed the fabric."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FABRIC_", "AWS_", "XDG_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return {
        **kept,
        "PATH": path,
        "HOME": str(tmp_path / "home"),
        "NO_COLOR": "1",
        "FABRIC_AUTHOR": "ada",
        "LC_ALL": "C.UTF-8",
    }


def _run_tour(steps, directory, environment):
    """Run all commands in one shell; returns the output of each."""
    mark = "=== end of step ==="
    script = "".join(f"{{ {command}\n}} 2>&1 || echo failed with $?\necho '{mark}'\n" for command, _ in steps)
    done = subprocess.run(
        ["sh", "-c", script], cwd=directory, env=environment, check=True, capture_output=True, text=True, timeout=SHELL_S_MAX
    )
    return done.stdout.split(f"{mark}\n")[:-1]


def _run_python(blocks, directory, environment):
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", "\n".join(blocks)],
        cwd=directory, env=environment, check=False, capture_output=True, text=True, timeout=SHELL_S_MAX,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(2 * SHELL_S_MAX)
def test_readme_runs_as_it_stands(tmp_path, environment):
    steps = _steps("README.md")
    directory = tmp_path / "tour"
    directory.mkdir()
    (tmp_path / "home").mkdir()
    outputs = _run_tour(steps, directory, environment)
    said = [(command, _plain(output)) for (command, _), output in zip(steps, outputs, strict=True)]
    assert said == [(command, _plain("\n".join(output))) for command, output in steps]
    environment["FABRIC_ENDPOINT"] = str(directory / "store")
    for block in _blocks("README.md", "python"):
        _run_python([block], directory, environment)


def test_python_guide_runs_as_it_stands(tmp_path, environment):
    blocks = _blocks("docs/guides/python.md", "python")
    assert len(blocks) > 5
    _run_python(blocks, tmp_path, environment)
