"""Style as a test: what linters cannot say about this code base, and what must not erode.

Each test collects all that is wrong and compares with nothing, so that one run tells everything. What may deviate stands in
a table here with its reason; an entry that is no longer needed fails too.
"""

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

MODULE_LINES = 400
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# Modules between MODULE_LINES and MODULE_LINES_MAX, and why they are one idea all the same.
LONG_MODULES: dict[str, str] = {
    "fabric/testing/metastore_refs.py": "one suite: each promise about refs is a test of its own",
}

# Functions above FUNCTION_LINES_MAX (docstrings not counted): "module.py:name" and why cutting them would not help.
LONG_FUNCTIONS: dict[str, str] = {}

# Third-party libraries that belong to one place: their types and errors do not leak out of it.
SDK_HOMES = {
    "obstore": ("fabric.objects",),
    "minio": ("fabric.objects", "fabric.testing"),
    "urllib3": ("fabric.objects", "fabric.testing"),
    "boto3": ("fabric.objects", "fabric.testing"),
    "tenacity": ("fabric.objects", "fabric.repo"),
    "sqlalchemy": ("fabric.metastore",),
    "alembic": ("fabric.metastore",),
    # The journal and the stat cache of ingest are SQLite files of their own; doctor shows the library's version.
    "sqlite3": ("fabric.metastore", "fabric.ingest", "fabric.cli.doctor"),
    "pathspec": ("fabric.ingest",),
    "fsspec": ("fabric.filesystem",),
    "click": ("fabric.cli",),
    "rich": ("fabric.cli",),
    "yaml": ("fabric.cli",),
    "platformdirs": ("fabric.config",),
    "tomllib": ("fabric.config",),
}

# Who may read settings: faces, and the two calls that users make on a place (connect, recover). Below are plain values.
CONFIG_READERS = ("fabric.cli", "fabric.filesystem", "fabric.repo.fabric", "fabric.repo.rebuild", "fabric.config")

# Who reads the environment, and what of it, beside fabric.config.
ENVIRONMENT_READERS = {
    "fabric.config": "FABRIC_*",
    "fabric.cli.terminal": "NO_COLOR, TERM: what every program on a terminal asks",
    "fabric.objects.s3_settings": "AWS_*: what every S3 client reads, credentials that are no settings of ours",
    "fabric.testing": "tools of the tests",
}

# Alembic finds its steps in this folder by itself.
MIGRATIONS = "fabric.metastore.sql.migrations"

# Modules that are started, or read by the build, and not imported.
ENTRY_POINTS = {"fabric", "fabric._version", "fabric.cli", "fabric.filesystem", "fabric.__main__", "fabric.cli.__main__"}

NEWS_KINDS = {"feature", "change", "fix", "removal", "security"}


@cache
def _python(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.is_file())


@cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _name(path):
    """`fabric/model/ids.py` is `fabric.model.ids`; a package's `__init__.py` is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _where(path, node=None):
    return f"{path.relative_to(ROOT)}" + (f":{node.lineno}" if node is not None else "")


def _below(module, homes):
    return any(module == home or module.startswith(home + ".") for home in homes)


@cache
def _imports(path):
    """(line, module) of each import, wherever it stands; `from a import b` counts as `a` and as `a.b`."""
    found = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.lineno, node.module))
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def _functions(tree, prefix=""):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            yield name, node
            yield from _functions(node, f"{name}.")
        else:
            yield from _functions(node, prefix)


def _body(node):
    """The statements after the docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


# ---------------------------------------------------------------------------------------------------------------- code


def test_modules_have_one_idea():
    lengths = {_where(path): len(path.read_text().splitlines()) for path in _python("fabric")}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}
    long = {name for name, lines in lengths.items() if lines > MODULE_LINES}
    assert long == set(LONG_MODULES)


def test_every_folder_is_a_package():
    # Without its __init__.py a folder is still imported, but the layers contract and py.typed pass over it.
    folders = {path.parent for path in _python("fabric") if not _below(_name(path), (MIGRATIONS,))}
    assert [_where(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_functions_fit_a_screen():
    long = {}
    for path in _python("fabric"):
        for name, node in _functions(_tree(path)):
            if not isinstance(node, ast.ClassDef) and (body := _body(node)):
                lines = node.end_lineno - node.lineno + 1 - (body[0].lineno - node.body[0].lineno)
                if lines > FUNCTION_LINES_MAX:
                    long[f"{_where(path)}:{name}"] = lines
    assert set(long) == set(LONG_FUNCTIONS), long


def test_modules_classes_and_functions_say_what_they_are():
    silent = []
    for path in _python("fabric"):
        if ast.get_docstring(_tree(path)) is None:
            silent.append(_where(path))
        for name, node in _functions(_tree(path)):
            public = not any(part.startswith("_") for part in name.split("."))
            if public and "." not in name and ast.get_docstring(node) is None:
                silent.append(_where(path, node))
    assert silent == []


def test_nothing_is_a_stub():
    stubs = []
    for path in _python("fabric"):
        protocols = {
            id(child)
            for _, node in _functions(_tree(path))
            if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
            for child in ast.walk(node)
        }
        for _, node in _functions(_tree(path)):
            if isinstance(node, ast.ClassDef) or id(node) in protocols:
                continue
            decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
            # What a subclass gives: a conformance suite leaves the fixture to the test of each adapter.
            if not decorators & {"overload", "abstractmethod", "fixture"} and _is_stub(_body(node)):
                stubs.append(_where(path, node))
    assert stubs == []


def _is_stub(body):
    if len(body) != 1:
        return False
    only = body[0]
    if isinstance(only, ast.Raise) and only.exc is not None:
        return "NotImplementedError" in ast.unparse(only.exc)
    return isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and only.value.value is ...


def test_the_library_does_not_print():
    printed = [
        _where(path, node)
        for path in _python("fabric")
        if not _below(_name(path), ("fabric.cli",))
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printed == []


def test_nothing_is_left_over():
    words = re.compile(r"\b(" + "|".join(("FIX" + "ME", "TO" + "DO", "X" * 3, "HA" + "CK")) + r")\b")
    texts = [*_python("fabric", "tests", "scripts", "benchmarks"), *_documents(), *(ROOT / "scripts").glob("*.sh")]
    texts += [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci" / "run"]
    found = [
        f"{_where(path)}:{number}"
        for path in texts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert found == []


# ---------------------------------------------------------------------------------------------------- who imports what


def test_layers():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_are_absolute():
    relative = [
        _where(path, node)
        for path in _python("fabric", "tests", "scripts", "benchmarks")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_libraries_stay_in_their_adapter():
    leaks = [
        f"{_where(path)}:{line} imports {module}"
        for path in _python("fabric")
        for line, module in _imports(path)
        if (homes := SDK_HOMES.get(module.partition(".")[0])) and not _below(_name(path), homes)
    ]
    assert leaks == []


def test_settings_are_read_at_the_edge():
    readers = [
        f"{_where(path)}:{line}"
        for path in _python("fabric")
        for line, module in _imports(path)
        if _below(module, ("fabric.config",)) and not _below(_name(path), CONFIG_READERS)
    ]
    assert readers == []


def test_the_environment_is_read_in_one_place():
    readers = set()
    for path in _python("fabric"):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}:
                readers.add(_name(path))
    assert [name for name in sorted(readers) if not _below(name, ENVIRONMENT_READERS)] == []


def test_no_module_is_dead():
    imported = {module for path in _python("fabric", "scripts", "benchmarks", "tests") for _, module in _imports(path)}
    # Lazy tables name modules as text: "fabric.cli.care", "fabric.cli.care:fsck".
    constants = (
        node.value for path in _python("fabric") for node in ast.walk(_tree(path)) if isinstance(node, ast.Constant)
    )
    lazy = {text.partition(":")[0] for text in constants if isinstance(text, str)}
    modules = {_name(path) for path in _python("fabric")}
    packages = {name.rpartition(".")[0] for name in modules}
    dead = modules - imported - lazy - packages - ENTRY_POINTS
    assert [name for name in sorted(dead) if not _below(name, (MIGRATIONS,))] == []


def test_what_fabric_exports_is_there():
    fabric = importlib.import_module("fabric")
    exported = getattr(fabric, "__all__", [])
    assert [name for name, count in Counter(exported).items() if count > 1] == []
    assert [name for name in exported if not hasattr(fabric, name)] == []
    assert list(exported) == sorted(exported, key=str.casefold) or list(exported) == sorted(exported)


# ------------------------------------------------------------------------------------------------------------ documents


@cache
def _documents():
    return (
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "newsfragments").glob("*.md")),
    )


@cache
def _anchors(path):
    """The anchors of a document's headings, as the usual forges make them."""
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.*?) *$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_in_documents_lead_somewhere():
    broken = []
    for path in _documents():
        prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
                broken.append(f"{_where(path)}: {link}")
    assert broken == []


def test_decisions_are_numbered_once_indexed_and_have_a_state():
    folder = ROOT / "docs" / "decisions"
    decisions = [path for path in sorted(folder.glob("*.md")) if path.name != "README.md"]
    index = (folder / "README.md").read_text()
    wrong = [path.name for path in decisions if not re.fullmatch(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.md", path.name)]
    wrong += [f"{path.name}: not in README.md" for path in decisions if f"]({path.name})" not in index]
    for path in decisions:
        text = path.read_text()
        if not text.startswith(f"# {path.name[:4]} "):
            wrong.append(f"{path.name}: the title starts with the number")
        if not re.search(r"^State: (open|accepted|rejected|replaced by \d{4})\b", text, flags=re.MULTILINE):
            wrong.append(f"{path.name}: no state")
    assert wrong == []
    assert [number for number, count in Counter(path.name[:4] for path in decisions).items() if count > 1] == []


def test_news_is_one_file_a_change():
    folder = ROOT / "newsfragments"
    pattern = re.compile(rf"[a-z0-9]+(-[a-z0-9]+)*\.({'|'.join(sorted(NEWS_KINDS))})\.md")
    assert [path.name for path in folder.iterdir() if path.name != "README.md" and not pattern.fullmatch(path.name)] == []


def test_every_setting_is_documented():
    config = importlib.import_module("fabric.config")
    text = (ROOT / "docs" / "guides" / "configuration.md").read_text()
    names = [config.CONFIG_VARIABLE, *(word for key in config.SETTINGS for word in (config.variable(key), key))]
    assert [name for name in names if f"`{name}`" not in text] == []
    assert set(re.findall(r"`(FABRIC_[A-Z_]+)`", text)) <= set(names)


def test_every_command_is_documented():
    """docs/guides/cli.md has a section for each command, which names each of its options, and no other."""
    click = importlib.import_module("click")
    program = importlib.import_module("fabric.cli.root").cli
    text = (ROOT / "docs" / "guides" / "cli.md").read_text()
    sections = dict(re.findall(r"^### `(fabric[^`]*)`\n(.*?)(?=^##|\Z)", text, flags=re.MULTILINE | re.DOTALL))
    commands = {"fabric": program, **dict(_commands(click, program, "fabric"))}
    assert sorted(sections) == sorted(commands)
    wrong = []
    for name, command in commands.items():
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        options = [option for parameter in shown for option in (*parameter.opts, *parameter.secondary_opts)]
        wrong += [f"{name} {option}" for option in options if option.startswith("-") and f"`{option}" not in sections[name]]
    assert wrong == []


def _commands(click, group, prefix):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(click, command, f"{prefix} {name}")
        elif not command.hidden:
            yield f"{prefix} {name}", command
