"""Run the notebooks of docs/notebooks and keep their outputs; a test runs them too and compares.

A notebook is a list of cells in JSON. They are run here without Jupyter, which takes 100 MB of packages: Python cells
in one namespace, lines that begin with `!` in a shell; the value of a last line is shown, as a picture if it is one.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = REPOSITORY / "docs" / "notebooks"
SHELL = re.compile(r"^!(.*)$", re.MULTILINE)

Cell = dict[str, Any]
Output = dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    """Return a notebook."""
    notebook: dict[str, Any] = json.loads(path.read_text())
    return notebook


def written(notebook: dict[str, Any]) -> str:
    """Return the text of a notebook's file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def source(cell: Cell) -> str:
    """Return the text of a cell."""
    return "".join(cell["source"])


def run(notebook: dict[str, Any], room: Path) -> dict[str, Any]:
    """Return a notebook with the outputs of its cells, run in order.

    Args:
        notebook: As `read` returns it.
        room: Empty folder for the files that cells write.

    Raises:
        RuntimeError: A cell failed; the text has the cell and the error.
    """
    cells, names = [], {"__name__": "__main__"}
    with place(room):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                count = 1 + sum(one["cell_type"] == "code" for one in cells)
                cell = cell | {"execution_count": count, "outputs": _outputs(source(cell), names, count)}
            cells.append(cell)
    return notebook | {"cells": cells}


@contextlib.contextmanager
def place(room: Path) -> Iterator[None]:
    """Run the block in a folder, with this code's `specialize` as a command and temporary files in the folder."""
    command = room / "bin" / "specialize"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m specialize "$@"\n')
    command.chmod(0o755)
    before = dict(os.environ), tempfile.tempdir
    os.environ["PATH"] = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    tempfile.tempdir = str(room)
    try:
        with contextlib.chdir(room):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        tempfile.tempdir = before[1]


def _outputs(code: str, names: dict[str, Any], count: int) -> list[Output]:
    """Run one cell and return what it prints, and the value of its last line."""
    stdout = io.StringIO()
    tree = ast.parse(SHELL.sub(lambda line: f"__shell__({line[1]!r})", code))
    last = tree.body[-1] if tree.body else None
    body = ast.Module(tree.body[:-1] if isinstance(last, ast.Expr) else tree.body, [])
    names["__shell__"] = lambda command: print(_shell(command), end="")
    try:
        with contextlib.redirect_stdout(stdout):
            exec(compile(body, "cell", "exec"), names)
            value = None
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    except Exception as error:
        raise RuntimeError(f"{code}\n\n{traceback.format_exc()}") from error
    printed = [{"name": "stdout", "output_type": "stream", "text": _lines(stdout.getvalue())}]
    shown = [] if value is None else [_shown(value, count)]
    return [*(printed if stdout.getvalue() else []), *shown]


def _shell(command: str) -> str:
    """Return what a command prints; as in Jupyter, its exit code is not asked for."""
    return subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, text=True, check=False).stdout


def _shown(value: object, count: int) -> Output:
    picture = getattr(value, "_repr_svg_", None)
    data = {"text/plain": _lines(repr(value) if picture is None else f"<{type(value).__name__}>")}
    if picture is not None:
        data = {"image/svg+xml": _lines(picture())} | data
    return {"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"}


def as_page(notebook: dict[str, Any], name: str, folder: Path) -> str:
    """Return a notebook as a page of Markdown, and write its pictures beside it.

    Args:
        notebook: With the outputs of its cells.
        name: Of its file, which the page links.
        folder: Where the page will be.
    """
    parts = []
    for cell in notebook["cells"]:
        code = cell["cell_type"] == "code"
        parts.append(f"```python\n{source(cell)}\n```" if code else source(cell))
        for output in cell.get("outputs", ()):
            parts.append(_on_page(output, f"{Path(name).stem}-{cell['execution_count']}.svg", folder))
    note = f"This page is a notebook with its outputs: [download it]({name})."
    return "\n\n".join([parts[0], note, *parts[1:]]) + "\n"


def _on_page(output: Output, picture: str, folder: Path) -> str:
    """Return what a page shows for an output."""
    data = output.get("data", {})
    if "image/svg+xml" in data:
        (folder / picture).write_text("".join(data["image/svg+xml"]))
        return f"![picture]({picture})"
    text = "".join(output.get("text") or data["text/plain"])
    return f"```text\n{text.rstrip()}\n```"


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Run notebooks and write them with their outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, metavar="FILE", help="notebooks [default: all]")
    for path in parser.parse_args().paths or sorted(NOTEBOOKS.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as room:
            path.write_text(written(run(read(path), Path(room))))
        print(path)


if __name__ == "__main__":
    main()
