"""Readers of the source tree for the architecture test: what each returns is a list of offences."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterator
from pathlib import Path

import networkx

FAMILIES = ("bevformer", "streampetr", "petr", "bevfusion", "surroundocc", "fastbev", "maptr", "detr3d")


def python_files(root: Path) -> list[Path]:
    """Return every Python file below `root`, sorted."""
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def long_files(files: list[Path], limit: int) -> list[str]:
    """Name the files of more than `limit` lines."""
    counts = {path: len(path.read_text().splitlines()) for path in files}
    return [f"{path}: {count} lines, at most {limit}" for path, count in counts.items() if count > limit]


def long_functions(files: list[Path], limit: int) -> list[str]:
    """Name the functions of more than `limit` lines, docstring and decorators not counted."""
    offences = []
    for path in files:
        for node in _functions(path):
            first = (
                node.body[1] if ast.get_docstring(node, clean=False) and len(node.body) > 1 else node.body[0]
            )
            signature = node.body[0].lineno - node.lineno
            lines = signature + (node.end_lineno or 0) - first.lineno + 1
            if lines > limit:
                offences.append(f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {limit}")
    return offences


def long_bodies(files: list[Path], limit: int) -> list[str]:
    """Name the functions whose body has more than `limit` lines, docstring, signature and decorators not counted."""
    offences = []
    for path in files:
        for node in _functions(path):
            body = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > limit:
                offences.append(
                    f"{path}:{node.lineno}: {node.name} has a body of {lines} lines, at most {limit}"
                )
    return offences


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that a file imports, wherever it does so.

    `from a import b` is `a.b`, whether that is a module or a name of the module `a`.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def importers(files: list[Path], package: str) -> list[Path]:
    """Return the files that import `package` or anything below it."""
    return [path for path in files if any(name.split(".")[0] == package for _, name in imports(path))]


def relative_imports(files: list[Path]) -> list[str]:
    """Name the imports that do not spell the package."""
    return [
        f"{path}:{line}: {name}" for path in files for line, name in imports(path) if name.startswith(".")
    ]


def import_cycles(files: list[Path], root: Path) -> list[str]:
    """Name the groups of modules that import each other."""
    names = {_module_name(path, root): path for path in files}
    graph = networkx.DiGraph()
    for name, path in names.items():
        reached = {_nearest(other, names) for _, other in imports(path)} - {"", name}
        graph.add_edges_from((name, other) for other in reached)
    groups = networkx.strongly_connected_components(graph)
    return [" <-> ".join(sorted(group)) for group in groups if len(group) > 1]


def prints(files: list[Path]) -> list[str]:
    """Name the calls of `print`."""
    return [
        f"{path}:{node.lineno}: print"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def model_names(files: list[Path], words: tuple[str, ...]) -> list[str]:
    """Name the code, comments and docstrings aside, that knows a model by its name."""
    offences = []
    for path in files:
        docstrings = set(_docstring_lines(path))
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type not in (tokenize.NAME, tokenize.STRING) or token.start[0] in docstrings:
                continue
            found = [word for word in words if word in token.string.lower()]
            if found:
                offences.append(f"{path}:{token.start[0]}: {found[0]}")
    return offences


def undocumented_modules(files: list[Path]) -> list[str]:
    """Name the files that do not say in a docstring what they are for."""
    return [str(path) for path in files if not ast.get_docstring(ast.parse(path.read_text()))]


def undocumented_tests(files: list[Path]) -> list[str]:
    """Name the tests that do not state in a docstring which behaviour they hold."""
    return [
        f"{path}:{node.lineno}: {node.name}"
        for path in files
        for node in _functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _docstring_lines(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node):
            yield from range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def _nearest(dotted: str, names: Collection[str]) -> str:
    """Return the module that a dotted name lives in: itself, or its parent; empty if it is not ours."""
    parent = dotted.rpartition(".")[0]
    return dotted if dotted in names else parent if parent in names else ""


def _module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tests_without_assertion(files: list[Path]) -> list[str]:
    """Name the tests that assert nothing: neither themselves nor through a function of the tests that does."""
    trees = {path: ast.parse(path.read_text()) for path in files}
    helpers: set[str] = set()
    functions = [
        node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    ]
    while found := {node.name for node in functions if node.name not in helpers and _asserts(node, helpers)}:
        helpers |= found
    return [
        f"{path}:{node.lineno}: {node.name} asserts nothing"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name not in helpers
    ]


def _asserts(function: ast.FunctionDef, helpers: Collection[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            if name.startswith("assert") or name in ("raises", "warns", "fail") or name in helpers:
                return True
    return False
