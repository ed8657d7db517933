"""The main job on real input (`make demo`): a directory becomes a versioned dataset, and every byte comes back.

Puts a directory into an embedded fabric, takes a snapshot, gets it into a working directory, edits, adds and deletes files
there, puts that, shows the difference, reads both versions back through `fabric://`, and compares every byte with the
source. Exits with 1 if one byte differs. The fabric stays, with the next commands to try.
"""

import argparse
import os
import random
import shutil
import stat
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

import fabric
from fabric.config import load
from fabric.errors import FabricError
from fabric.units import format_size

DATASET = "demo"
CHUNK_FILES = 2_000
IGNORED = ("__pycache__",)
"""Written by the Python that runs the demo, while it runs."""


class Steps:
    """Prints what is done, and how long it took."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, float]] = []

    @contextmanager
    def step(self, text: str) -> Iterator[list[str]]:
        """Time one step; what is appended to the list is shown behind it."""
        print(f"{text:<44}", end="", flush=True)
        notes: list[str] = []
        start = time.perf_counter()
        yield notes
        seconds = time.perf_counter() - start
        self.rows.append((text, " ".join(notes), seconds))
        print(f"{seconds:8.2f} s   {' '.join(notes)}")


def sources(chosen: str | None) -> dict[str, Path]:
    """Return what to put where: the directory chosen, or the running Python's library and its packages."""
    if chosen:
        return {"": Path(chosen).resolve()}
    return {name: Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib")}


def files_below(directory: Path) -> list[str]:
    """Return the relative paths of all regular files that the demo puts, sorted."""
    found = []
    for root, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name not in IGNORED]
        found += [os.path.relpath(os.path.join(root, name), directory) for name in names]
    return sorted(name for name in found if stat.S_ISREG(os.lstat(directory / name).st_mode))


def compare(url: str, endpoint: str, directory: Path, notes: list[str]) -> int:
    """Read every file of a version through fsspec and compare it; returns how many differ or are missing."""
    fs, root = fsspec.core.url_to_fs(url, endpoint=endpoint)
    wanted = files_below(directory)
    # find follows symlinks to files, as every fsspec file system does: those are not counted here.
    present = {name[len(root) :].lstrip("/") for name in fs.find(root)}
    wrong = [name for name in wanted if name not in present]
    size = 0
    for start in range(0, len(wanted), CHUNK_FILES):
        part = [name for name in wanted[start : start + CHUNK_FILES] if name in present]
        contents = fs.cat([f"{root}/{name}" for name in part])
        for name, (_, data) in zip(part, contents.items(), strict=True):
            size += len(data)
            if data != (directory / name).read_bytes():
                wrong.append(name)
    extra = sum(1 for name in present if not os.path.lexists(directory / name))
    for name in wrong[:5]:
        print(f"\n  differs: {name}", end="")
    notes.append(f"{len(wanted):,} files, {format_size(size)}, {len(wrong) + extra} differ")
    return len(wrong) + extra


def put(dataset: "fabric.Dataset", trees: dict[str, Path], message: str) -> Any:
    """Put several directories as one commit; returns it, or None if nothing changed."""
    with dataset.transaction(message=message) as transaction:
        for prefix, path in trees.items():
            transaction.put_tree(path, prefix, ignore=IGNORED)
    return transaction.result


def edit(directory: Path) -> tuple[int, int, int]:
    """Change, add and delete some files; returns how many of each."""
    names = files_below(directory)
    chosen = random.Random(7).sample(names, min(len(names), 30))
    changed, deleted = chosen[: len(chosen) // 3], chosen[len(chosen) // 3 : len(chosen) * 2 // 3]
    for name in changed:
        os.chmod(directory / name, 0o644)
        with open(directory / name, "ab") as file:
            file.write(b"\n# changed by the demo\n")
    for name in deleted:
        os.unlink(directory / name)
    (directory / "added").mkdir(exist_ok=True)
    for number in range(10):
        (directory / "added" / f"file-{number}.txt").write_text(f"added by the demo: {number}\n")
    return len(changed), 10, len(deleted)


def main() -> int:
    """Run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", help="the directory to put (it is only read); default: Python's library and packages")
    parser.add_argument("--fabric", default="demo-fabric", help="where the fabric is made; an earlier one is replaced")
    chosen = parser.parse_args()
    home = Path(chosen.fabric).resolve()
    if home.exists():
        if not (home / "fabric.json").exists():
            print(f"{home} exists and is no fabric: choose another place with --fabric", file=sys.stderr)
            return 2
        shutil.rmtree(home)
    if chosen.dir is not None and not os.path.isdir(chosen.dir):
        print(f"{chosen.dir} is no directory: DIR=... names one to read", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="fabric-demo-") as temporary:
            return run(Path(temporary), chosen.dir, home)
    except FabricError as error:
        print(f"\n{error}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)
        return 1


def run(work: Path, chosen: str | None, home: Path) -> int:
    """Do the steps in a working directory."""
    steps = Steps()
    settings = load({"state_dir": str(work / "state")})
    trees = sources(chosen)
    print("source: " + ", ".join(str(path) for path in trees.values()))
    edited = work / "edited"
    with fabric.init(home, settings=settings) as fab:
        dataset = fab.create(DATASET)
        with steps.step("put it, commit, snapshot v1") as notes:
            commit = put(dataset, trees, "first version")
            assert commit is not None
            dataset.create_snapshot("v1", message="as it was installed")
            notes.append(f"{commit.commit.entries:,} entries, {format_size(commit.commit.size)}")
        with steps.step("put it again, unchanged") as notes:
            again = put(dataset, trees, "nothing")
            notes.append("no commit" if again is None else f"a commit {again.id[:12]}?!")
        with steps.step("get v1 into a working directory") as notes:
            result = dataset.view("v1").get("", edited)
            notes.append(f"{result.files:,} files")
        with steps.step("edit, add and delete files there") as notes:
            notes.append("{} changed, {} added, {} deleted".format(*edit(edited)))
        with steps.step("put it, commit, snapshot v2") as notes:
            commit = dataset.put_tree(edited, message="second version")
            assert commit is not None
            dataset.create_snapshot("v2")
            notes.append(f"{commit.commit.entries:,} entries, {format_size(commit.commit.size)}")
        with steps.step("diff v1 v2") as notes:
            changes = [change for change in dataset.diff("v1", "v2") if change.is_content]
            kinds = {
                kind: sum(change.kind == kind for change in changes) for kind in ("modified", "added", "removed", "renamed")
            }
            notes.append(", ".join(f"{count} {kind}" for kind, count in kinds.items() if count))
    wrong = 0
    for name, expected in (("v1", trees), ("v2", {"": edited})):
        for prefix, directory in expected.items():
            url = f"fabric://{DATASET}@{name}/{prefix}".rstrip("/")
            with steps.step(f"read {url}, compare bytes") as notes:
                wrong += compare(url, str(home), directory, notes)
    stored = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    print(f"\nstored: {format_size(stored)} for both versions and all history")
    if wrong or again is not None:
        print(f"FAILED: {wrong} files differ" if wrong else "FAILED: an unchanged tree made a commit")
        return 1
    print(f"every byte of both versions came back. The fabric is at {home}\n")
    fabric_command = os.path.join(os.path.dirname(sys.executable), "fabric")
    shown = os.path.relpath(fabric_command) if os.path.exists(fabric_command) else "fabric"
    print("Try next:")
    print(f"  export FABRIC_ENDPOINT={home}")
    for arguments in (f"log {DATASET}", f"diff {DATASET}@v1 v2", f"ls {DATASET}@v1", f"get {DATASET}@v1 /tmp/v1", "--help"):
        print(f"  {shown} {arguments}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
