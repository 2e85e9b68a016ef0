"""The notebooks run as they stand and print what they show, and the runner notices a cell that does not."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.golden_files import REWRITE
from tools.notebooks import NOTEBOOKS, as_page, read, run, written

NOTEBOOK_FILES = sorted(NOTEBOOKS.glob("*.ipynb"))
VARIES = re.compile(r" \(\d+ (s|min)[^)]*\)|\b[0-9a-f]{12}\b|\b\d+(\.\d+)? (s|min)\b")
"""What differs from run to run and from one compiler to the next: times of long steps, digests, durations."""


def cell(code: str) -> dict[str, Any]:
    """Return a cell of Python."""
    return {"cell_type": "code", "source": [code], "outputs": [], "execution_count": None, "metadata": {}}


def texts(notebook: dict[str, Any]) -> list[str]:
    """Return what the cells of a notebook print or show, without what varies."""
    outputs = [one for each in notebook["cells"] for one in each.get("outputs", ())]
    shown = [
        "".join(line for kind in one.get("data", {"": one.get("text")}).values() for line in kind)
        for one in outputs
    ]
    return [VARIES.sub("", text) for text in shown]


@pytest.mark.parametrize("path", NOTEBOOK_FILES, ids=lambda path: path.stem)
def test_notebooks_print_what_they_show(
    path: Path, tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell runs, in a process and a store without anything else, and prints what the file has below it."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(store_dir))
    today = run(read(path), tmp_path)
    if os.environ.get(REWRITE) == "1":
        path.write_text(written(today))
    assert texts(today) == texts(read(path)), "if that is meant, run `make notebooks`"


@pytest.mark.parametrize("path", NOTEBOOK_FILES, ids=lambda path: path.stem)
def test_notebooks_are_written_in_one_way(path: Path) -> None:
    """Cells have names, and nothing of the machine they ran on is in the file."""
    notebook = read(path)
    assert path.read_text() == written(notebook)
    assert len({one["id"] for one in notebook["cells"]}) == len(notebook["cells"])
    assert "/tmp" not in path.read_text() and "/home" not in path.read_text()


def test_there_are_three() -> None:
    """One vehicle, one fleet, and a model from elsewhere."""
    assert [path.stem for path in NOTEBOOK_FILES] == ["fleet", "one-vehicle", "your-own-model"]


def test_cells_share_names_and_show_values(tmp_path: Path) -> None:
    """As in Jupyter: names live on, the last value is shown, `!` asks a shell, and a picture is one."""
    picture = "class P:\n    def _repr_svg_(self): return '<svg/>'\nP()"
    cells = [
        cell("import os\na = 2"),
        cell("print(a)\na + 1"),
        cell("!echo $((1 + 1)); exit 3"),
        cell(picture),
    ]
    before = Path.cwd(), dict(os.environ)
    made = run({"cells": cells}, tmp_path)
    assert texts(made) == ["2\n", "3", "2\n", "<svg/><P>"]
    assert [one["execution_count"] for one in made["cells"]] == [1, 2, 3, 4]
    assert (Path.cwd(), dict(os.environ)) == before
    page = as_page(made, "n.ipynb", tmp_path)
    assert "```text\n2\n```" in page and "![picture](n-4.svg)" in page
    assert (tmp_path / "n-4.svg").read_text() == "<svg/>"


def test_a_cell_that_fails_is_named(tmp_path: Path) -> None:
    """The error has the code of the cell and what went wrong."""
    with pytest.raises(RuntimeError, match=r"(?s)nothing\(\).*NameError"):
        run({"cells": [cell("nothing()")]}, tmp_path)
