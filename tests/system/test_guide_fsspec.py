"""The code in the guide runs as it stands."""

import re
from pathlib import Path

import pytest

import fabric
from fabric.filesystem import FabricFileSystem

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "fsspec.md"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with a fabric that is the configured one, and a few figures."""
    with fabric.init(tmp_path / "fabric") as made:
        made.create("sales")
    monkeypatch.setenv("FABRIC_ENDPOINT", str(tmp_path / "fabric"))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "one.svg").write_text("<svg/>")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    FabricFileSystem.clear_instance_cache()


def test_the_guide(place):
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    names = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    fs = names["fs"]
    assert fs.cat("sales/notes.txt") == b"first\nsecond\n"
    assert (place / "copy" / "one.svg").read_text() == "<svg/>"
    assert fs.find("sales") == ["sales/2026/january.parquet", "sales/figures/one.svg", "sales/notes.txt"]
    log = [info.commit.message for info in names["fab"].dataset("sales").log()]
    assert log[0] == "numbers of January"
    assert "put sales/figures and 1 more" in log


def test_the_guide_names_every_option():
    text = GUIDE.read_text()
    options = FabricFileSystem.__init__.__kwdefaults__
    assert [name for name in options if f"`{name}`" not in text] == []
