"""Tables keep all their cells, however narrow the terminal is; sentences are wrapped, commands are not."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from specialize.cli import tables
from specialize.cli.output import _PLAIN, _print, to_text
from specialize.cli.render_drift import diff_text
from specialize.explain.drift import diff
from specialize.text.document import Document, table
from tests.cli.running import CAR42, CAR43
from tests.golden_files import check_golden

WIDTHS = (60, 80, 100, 140)


def on_terminal(document: Document, width: int) -> str:
    """Return what a terminal of that width shows, without colours and ends of lines."""
    out = StringIO()
    _print(Console(file=out, width=width, force_terminal=True, color_system=None, **_PLAIN), document)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("width", WIDTHS)
def test_a_difference_fits_every_terminal(width: int) -> None:
    """The widest table of a vehicle: one from 80 columns on, two below."""
    text = on_terminal(diff_text(diff(CAR42, CAR43)), width)
    assert max(map(len, text.splitlines())) <= width
    check_golden(f"diff_{width}.txt", text)


@pytest.mark.parametrize("width", range(12, 70, 3))
def test_no_cell_is_lost(width: int) -> None:
    """Whole, in parts or row by row: every head and cell stands in the text, and no line is too long."""
    cells = [[f"row{row}", *(f"{row}.{column}" + "0" * column for column in range(6))] for row in range(3)]
    body = table("name", *(f"head\n{column}" for column in range(6)), rows=cells)
    text = on_terminal(body, width)
    found = text.split()
    assert all(found.count(cell) >= 1 for row in cells for cell in row)
    assert all(found.count(str(column)) >= 1 for column in range(6))
    assert max(map(len, text.splitlines())) <= max(width, len("  head 5  2.500000"))


def test_a_long_reason_stands_below_its_place() -> None:
    """A column that has no room beside the first goes into lines of its own; empty cells are left out."""
    rows = [("compact", "site 0", "70 of 200 rows kept, " * 4), ("tidy", "", "nothing to do")]
    body = table("pass", "where", "what", rows=rows)
    assert f"  what   {'70 of 200 rows kept, ' * 4}".rstrip() in to_text(body, 60).splitlines()
    assert on_terminal(body, 60) == (
        "compact\n"
        "  where  site 0\n"
        "  what   70 of 200 rows kept, 70 of 200 rows kept, 70 of 200\n"
        "         rows kept, 70 of 200 rows kept,\n"
        "tidy\n"
        "  what   nothing to do\n"
    )


def test_sentences_are_wrapped_and_commands_are_not() -> None:
    """Between words, on a terminal; in a file a line stays a line."""
    sentence, following = "word " * 30 + "end", "next: specialize " + "x" * 90
    text = on_terminal((sentence, following), 60)
    assert max(map(len, text.splitlines()[:-1])) <= 60
    assert following in text.splitlines()
    assert sentence in to_text(sentence).splitlines()


def test_a_file_gets_whole_lines_whatever_the_environment_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What forces colours on a pipe does not make a terminal of a text: a long path stays in one line."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert to_text(f"{'path/' * 60}tiny.onnx: 9 nodes").count("\n") == 1


def test_a_column_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time grows in proportion to cells: each is measured twice, for its column and for its room."""
    measured: list[str] = []

    def counted(text: str) -> int:
        measured.append(text)
        return len(text)

    monkeypatch.setattr(tables, "cell_len", counted)
    rows = [(f"row {number}", str(number)) for number in range(300)]
    assert "row 299" in to_text(table("name", "number", rows=rows))
    assert len(measured) <= 2 * 2 * 301
