"""Plain aligned tables: names on the left, numbers on the right, no lines; nothing is lost where they are too wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from specialize.text.document import Table
from specialize.text.terminal import visible

_GAP = 2


@dataclass(frozen=True, slots=True)
class _Column:
    """The texts of a column, header first; a text may have several lines."""

    texts: tuple[str, ...]
    left: bool
    width: int


def _column(texts: tuple[str, ...], left: bool) -> _Column:
    return _Column(texts, left, max(cell_len(line) for text in texts for line in text.split("\n")))


class Rows:
    """A table that never loses a column.

    Wider than the terminal it becomes several, each with the first column; where a column does not fit beside the
    first one, its rows stand one below the other.
    """

    def __init__(self, table: Table) -> None:
        self._columns = [
            _column(
                tuple(visible(text) for text in (column.title, *(row[place].text for row in table.rows))),
                column.kind in ("words", "code"),
            )
            for place, column in enumerate(table.columns)
            if not column.page
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table whole, in parts, or row by row."""
        first, *others = (column.width for column in self._columns)
        if first + _GAP + max(others, default=0) > options.max_width and others:
            yield from self._blocks(options.max_width if console.is_terminal else None)
            return
        for number, places in enumerate(_parts(others, options.max_width - first)):
            yield from [""] if number else []
            yield from _lines([self._columns[place] for place in (0, *places)])

    def _blocks(self, width: int | None) -> Iterator[Text]:
        """Yield the rows one below the other; words are wrapped at `width`, if it is given, and never cut."""
        first, *others = self._columns
        heads = [" ".join(column.texts[0].split()) for column in others]
        wide = max(map(len, heads))
        for row, name in enumerate(first.texts[1:], 1):
            yield _line(name)
            for head, column in zip(heads, others, strict=True):
                if not column.texts[row]:
                    continue
                label = f"  {head:<{wide}}{' ' * _GAP if wide else ''}"
                for line in _hanging(label, column.texts[row], width):
                    yield _line(line)


def _hanging(label: str, text: str, width: int | None) -> list[str]:
    """Return a text after its label, wrapped between words below its own beginning."""
    if width is None or len(label) + len(text) <= width:
        return [label + text]
    indent = " " * len(label)
    return textwrap.wrap(
        text,
        width,
        initial_indent=label,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _parts(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Yield columns that fit side by side, as many as there is room for; the first of `widths` is column 1."""
    part: list[int] = []
    used = 0
    for index, width in enumerate(widths, 1):
        if part and used + _GAP + width > room:
            yield part
            part, used = [], 0
        part.append(index)
        used += _GAP + width
    yield part


def _lines(columns: Sequence[_Column]) -> Iterator[Text]:
    """Yield the lines of columns side by side; headers are aligned at the bottom of their row, all else at the top."""
    for row, texts in enumerate(zip(*(column.texts for column in columns), strict=True)):
        cells = [text.split("\n") for text in texts]
        height = max(map(len, cells))
        for cell in cells:
            cell[len(cell) if row else 0 : 0] = [""] * (height - len(cell))
        for parts in zip(*cells, strict=True):
            aligned = [_aligned(part, column) for part, column in zip(parts, columns, strict=True)]
            yield _line((" " * _GAP).join(aligned), "" if row else "bold")


def _aligned(text: str, column: _Column) -> str:
    room = " " * (column.width - cell_len(text))
    return text + room if column.left else room + text


def _line(text: str, style: str = "") -> Text:
    return Text(text.rstrip(), style, no_wrap=True, overflow="ignore")
