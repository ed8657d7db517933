"""What an import may load. Sets of modules, not times: a time would measure the machine."""

import subprocess
import sys

import pytest

# Each costs 20 to 320 ms (facts in docs/decisions): loaded by the module that needs it, when it needs it.
HEAVY = {
    "alembic", "asyncio", "boto3", "botocore", "click", "datasets", "duckdb", "fsspec", "grpc", "minio", "multiprocessing",
    "numpy", "obstore", "pandas", "pathspec", "platformdirs", "pyarrow", "rich", "s3fs", "sqlalchemy", "sqlite3", "tenacity",
    "tomllib", "torch", "urllib3",
}  # fmt: skip


def _loaded_by(statement):
    """The top-level modules that a fresh interpreter holds after `statement`."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    # -S would hide site-packages; -I keeps the user's own start-up files and variables out.
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def bare():
    return _loaded_by("pass")


@pytest.mark.parametrize("module", ["fabric", "fabric.errors", "fabric.config", "fabric.units", "fabric.model.ids"])
def test_light_modules_load_nothing_heavy(bare, module):
    loaded = _loaded_by(f"import {module}") - bare
    assert "fabric" in loaded
    assert not loaded & HEAVY


def test_fabric_itself_loads_no_module_of_ours_but_its_version():
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import fabric, sys; print(*(m for m in sys.modules if m.startswith('fabric.')))"],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert set(done.stdout.split()) <= {"fabric._version", "fabric._lazy"}


@pytest.mark.parametrize(
    ("arguments", "allowed"), [(["--version"], set()), (["--help"], {"click"}), (["put", "--help"], {"click"})]
)
def test_a_command_that_does_no_work_loads_nothing_heavy(bare, arguments, allowed):
    loaded = _loaded_by(
        f"import fabric.cli\nsys.argv = ['fabric', *{arguments}]\n"
        "sys.stdout = open('/dev/null', 'w')\n"
        "try:\n    fabric.cli.main()\nexcept SystemExit:\n    pass\nsys.stdout = sys.__stdout__"
    )
    assert "fabric" in loaded
    assert (loaded - bare) & HEAVY <= allowed
