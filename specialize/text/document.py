"""What people read, as values: the command line prints them as text, reports as HTML, and both print the same tables.

Figures are text already (`units`), so that a number reads the same wherever it is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

State = Literal["plain", "quiet", "good", "bad", "mark"]
Kind = Literal["figures", "words", "code", "bars"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its head, of one line or several.
        kind: What stands in it: words and code on the left, figures on the right; pages draw bars below figures.
        page: Whether only pages have room for it.
    """

    title: str
    kind: Kind = "figures"
    page: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it says.
        bar: Length of its bar on a page as a share (0 to 1) of the longest.
        state: How it is marked on a page.
        link: Where it leads on a page, as `#place`.
    """

    text: str
    bar: float = 0.0
    state: State = "plain"
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below the heads of their columns; `look` names a style of pages."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    look: str = ""
    macro: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of what follows, with the name that a link leads to."""

    text: str
    level: int = 2
    anchor: str = ""
    macro: ClassVar[str] = "heading"


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph that is marked; one that is not is a plain string."""

    text: str
    state: State = "quiet"
    macro: ClassVar[str] = "line"


@dataclass(frozen=True, slots=True)
class View:
    """What only a page can show, such as a picture: `macro` of the templates lays out `value`."""

    macro: str
    value: Any


@dataclass(frozen=True, slots=True)
class Beside:
    """Parts side by side on a page that is wide enough."""

    columns: tuple[tuple[Part, ...], ...]
    macro: ClassVar[str] = "beside"


@dataclass(frozen=True, slots=True)
class Fact:
    """One answer at the top of a page: a question, the answer, and what it rests on."""

    question: str
    answer: str
    detail: str
    state: State = "plain"


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page: warnings and answers first."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = ()


Part = str | Table | Heading | Line | View | Beside
Document = str | Table | Sequence[str | Table]
"""What a command prints, an empty line between the parts; pages are made of the same tables."""


def table(*heads: str | Column, rows: Iterable[Sequence[str | Cell]], look: str = "") -> Table:
    """Return a table: words in the first column and figures in the others, if a head does not say otherwise."""
    columns = (
        head if isinstance(head, Column) else Column(head, "figures" if place else "words")
        for place, head in enumerate(heads)
    )
    cells = (tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    return Table(tuple(columns), tuple(cells), look)


def words(*titles: str) -> tuple[Column, ...]:
    """Return columns of words."""
    return tuple(Column(title, "words") for title in titles)


def pairs(entries: Iterable[tuple[str, str]], kind: Kind = "words") -> Table:
    """Return names and values without heads."""
    return table("", Column("", kind), rows=entries)
