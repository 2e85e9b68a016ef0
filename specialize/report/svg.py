"""Make pictures of values: shapes as paths with a class each, texts, and an image below them; templates print them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shape:
    """One path: `kind` is its class, `title` what it says when pointed at."""

    kind: str
    path: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `anchor` is the end that stands at `x`: `start`, `middle` or `end`."""

    kind: str
    x: str
    y: str
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: what it shows in a sentence, its size in units of its own, and what is drawn, lowest first.

    `image` is the data URL of an image that fills it, and `text_size` is the size of texts in its units.
    """

    label: str
    width: int
    height: int
    shapes: tuple[Shape, ...]
    texts: tuple[Text, ...] = ()
    image: str = ""
    text_size: float = 12.0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A picture with a title and lines below it; a line that begins with `!` is marked."""

    title: str
    picture: Picture
    lines: tuple[str, ...] = field(default=())


def text(kind: str, at: Sequence[float] | Floats, said: str, anchor: str = "middle") -> Text:
    """Return a text at a place (x, y)."""
    return Text(kind, number(at[0]), number(at[1]), said, anchor)


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    return f"{round(float(value), 1) + 0.0:g}"


def line(points: Floats, tolerance: float = 0.0, closed: bool = False) -> str:
    """Return the path through points (M, 2), without those that change it by less than `tolerance`."""
    if len(points) < 2:
        return ""
    kept = points[_needed(points, tolerance)] if tolerance else points
    pairs = [f"{number(x)} {number(y)}" for x, y in kept.tolist()]
    pairs = [pair for place, pair in enumerate(pairs) if not place or pair != pairs[place - 1]]
    return f"M{'L'.join(pairs)}{'z' if closed else ''}" if len(pairs) > 1 else ""


def lines(points: Floats, drawn: Bools, tolerance: float) -> str:
    """Return the path of the runs of points (M, 2) that are drawn (M,)."""
    return "".join(line(points[run], tolerance) for run in runs(drawn))


def runs(mask: Bools) -> Iterator[slice]:
    """Yield the runs of true values of a mask (M,)."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        yield slice(int(first), int(last))


def dots(points: Floats) -> str:
    """Return a path of points (M, 2), which a round line cap makes visible."""
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in points.tolist())


def circle(centre: Sequence[float] | Floats, radius: float) -> str:
    """Return the path of a circle."""
    x, y, r = number(centre[0] - radius), number(centre[1]), number(radius)
    across = number(2 * radius)
    return f"M{x} {y}a{r} {r} 0 1 0 {across} 0a{r} {r} 0 1 0 -{across} 0z"


def _needed(points: Floats, tolerance: float) -> Bools:
    """Return which points (M,) a line through them needs, by Douglas and Peucker."""
    kept = np.zeros(len(points), bool)
    kept[[0, -1]] = True
    open_parts = [(0, len(points) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        base, middle = points[last] - points[first], points[first + 1 : last] - points[first]
        length = float(np.hypot(*base))
        away = (
            np.abs(base[0] * middle[:, 1] - base[1] * middle[:, 0]) / length
            if length > tolerance
            else np.hypot(*middle.T)
        )
        farthest = int(np.round(away, 6).argmax())  # the same of equals, whatever the last bits are
        if away[farthest] > tolerance:
            split = first + 1 + farthest
            kept[split] = True
            open_parts += [(first, split), (split, last)]
    return kept
