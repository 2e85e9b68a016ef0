"""Plain aligned tables: names on the left, numbers on the right, no lines; nothing is lost where they are too wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

_GAP = 2


class Rows(Table):
    """A table that never loses a column.

    Wider than the terminal it becomes several, each with the first column; where a column does not fit beside the
    first one, its rows stand one below the other.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table whole, in parts, or row by row."""
        first, *others = [_width(column) for column in self.columns] or [0]
        if first + sum(_GAP + width for width in others) <= options.max_width:
            yield from super().__rich_console__(console, options)
        elif first + _GAP + max(others, default=0) <= options.max_width:
            for number, columns in enumerate(_parts(others, options.max_width - first)):
                part = _part([self.columns[index] for index in (0, *columns)])
                yield from (("", part) if number else (part,))
        else:
            yield from self._blocks()

    def _blocks(self) -> Iterator[RenderableType]:
        heads = [" ".join(str(column.header).split()) for column in self.columns[1:]]
        wide = max(map(len, heads), default=0)
        for first, *others in zip(*(map(_text, column.cells) for column in self.columns), strict=True):
            yield _line(first)
            for head, cell in zip(heads, others, strict=True):
                if cell:
                    yield _line(f"  {head:<{wide}}{' ' * _GAP if wide else ''}{cell}")


def table(first: str, *others: str) -> Table:
    """Return an empty table whose first column is left aligned, all others right aligned."""
    made = _empty(Rows)
    made.add_column(first, justify="left", vertical="bottom", no_wrap=True)
    for title in others:
        made.add_column(title, justify="right", no_wrap=True)
    return made


def _empty(kind: type[Table]) -> Table:
    return kind(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")


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


def _part(columns: Sequence[Column]) -> Table:
    made = _empty(Table)
    for column in columns:
        made.add_column(
            column.header, justify=column.justify, vertical=column.vertical, style=column.style, no_wrap=True
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        made.add_row(*cells)
    return made


def _width(column: Column) -> int:
    texts = (str(column.header), *map(_text, column.cells))
    return max(cell_len(line) for text in texts for line in text.split("\n"))


def _text(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


def _line(text: str) -> Text:
    return Text(text.rstrip(), no_wrap=True, overflow="ignore")
