"""What a dataset should be: dictionaries, and the three-way merge as its documentation tells it."""

from dataclasses import dataclass, field

Node = tuple[str, bytes, int]
"""(kind, bytes of the file or target of the symlink, mode)."""
Tree = dict[bytes, Node]
DIRECTORY: Node = ("directory", b"", 0o755)


def ancestors(path):
    parts = path.split(b"/")
    return [b"/".join(parts[:n]) for n in range(1, len(parts))]


def below(tree, path):
    return [other for other in tree if other.startswith(path + b"/")]


def put(tree, path, node):
    """Put a file or symlink; False if it cannot stand there."""
    if tree.get(path, ("",))[0] == "directory" or any(tree.get(a, DIRECTORY)[0] != "directory" for a in ancestors(path)):
        return False
    for above in ancestors(path):
        tree.setdefault(above, DIRECTORY)
    tree[path] = node
    return True


def mkdir(tree, path):
    if path in tree or any(tree.get(a, DIRECTORY)[0] != "directory" for a in ancestors(path)):
        return False
    for above in ancestors(path):
        tree.setdefault(above, DIRECTORY)
    tree[path] = DIRECTORY
    return True


def remove(tree, path, recursive):
    if path not in tree or (below(tree, path) and not recursive):
        return False
    for other in below(tree, path):
        del tree[other]
    del tree[path]
    return True


def move(tree, old, new):
    """Move old to new; what is at new is replaced if a file lands on a file, or a directory lands on anything but a file."""
    if old not in tree or new.startswith(old + b"/"):
        return False
    if old == new:
        return True
    moved = {new + path[len(old) :]: node for path, node in tree.items() if path == old or path.startswith(old + b"/")}
    trial = dict(tree)
    if trial.get(new, ("",))[0] == "directory":
        if old.startswith(new + b"/"):
            return False
        remove(trial, new, recursive=True)
    if tree[old][0] == "directory":
        if any(trial.get(a, DIRECTORY)[0] != "directory" for a in ancestors(new)):
            return False
        for above in ancestors(new):
            trial.setdefault(above, DIRECTORY)
    elif not put(trial, new, tree[old]):
        return False
    remove(trial, old, recursive=True)
    trial.update(moved)
    tree.clear()
    tree.update(trial)
    return True


def three_way(base, ours, theirs):
    """Return (merged, conflicting paths)."""
    merged, conflicts = {}, set()
    for path in base.keys() | ours.keys() | theirs.keys():
        b, o, t = base.get(path), ours.get(path), theirs.get(path)
        if o == t or t == b:
            result = o
        elif o == b:
            result = t
        else:
            conflicts.add(path)
            continue
        if result is not None:
            merged[path] = result
    for one, other in ((ours, theirs), (theirs, ours)):
        gone = {p for p, node in base.items() if node[0] == "directory" and other.get(p, ("",))[0] != "directory"}
        for path, node in one.items():
            if node != base.get(path) and any(above in gone for above in ancestors(path)):
                conflicts.add(path)
    return merged, conflicts


@dataclass
class Commit:
    tree: Tree
    parents: tuple[str, ...]


@dataclass
class Model:
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)

    def history(self, commit_id):
        todo, seen = [commit_id], set()
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(self.commits[one].parents)
        return seen
