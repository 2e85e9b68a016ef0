"""Lay the steps of a drawing out in lanes, as a version control system draws its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specialize.artifact.drawing import Step


@dataclass(frozen=True, slots=True)
class Row:
    """One step in its lane.

    Attributes:
        lane: The lane of the step.
        passing: Lanes with a result that is read further down, this step's own aside.
        joining: Lanes whose result the step reads, its own lane aside.
        ending: Those of them that are not read any more.
        above: Whether the lane of the step comes from above.
        below: Whether the step is read further down.
    """

    lane: int
    passing: tuple[int, ...]
    joining: tuple[int, ...]
    ending: tuple[int, ...]
    above: bool
    below: bool


def lay_out(steps: Sequence[Step]) -> tuple[Row, ...]:
    """Return the place of each step; a step takes the leftmost lane that ends at it, or the leftmost free one."""
    last = {read: number for number, step in enumerate(steps) for read in step.after}
    lanes: list[int | None] = []  # what each lane carries: the number of a step
    rows = []
    for number, step in enumerate(steps):
        read = [lane for lane, carried in enumerate(lanes) if carried in step.after]
        ending = [lane for lane in read if last[_carried(lanes, lane)] == number]
        lane = ending[0] if ending else _free(lanes)
        passing = [
            k for k, carried in enumerate(lanes) if carried is not None and k not in ending and k != lane
        ]
        rows.append(
            Row(
                lane=lane,
                passing=tuple(passing),
                joining=tuple(k for k in read if k != lane),
                ending=tuple(k for k in ending if k != lane),
                above=lane in ending,
                below=number in last,
            )
        )
        for done in ending:
            lanes[done] = None
        lanes += [None] * (lane + 1 - len(lanes))
        lanes[lane] = number if number in last else None
    return tuple(rows)


def _free(lanes: list[int | None]) -> int:
    return lanes.index(None) if None in lanes else len(lanes)


def _carried(lanes: list[int | None], lane: int) -> int:
    carried = lanes[lane]
    assert carried is not None
    return carried


def as_text(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the lanes of each step as characters, all of the same width."""
    rows = lay_out(steps)
    width = 2 * max((max((row.lane, *row.passing, *row.joining)) for row in rows), default=0) + 1
    return tuple(_line(row, _MARKS[step.kind], width) for row, step in zip(rows, steps, strict=True))


_MARKS = {"input": "○", "calibration": "◇", "move": "◆", "work": "●"}


def _line(row: Row, mark: str, width: int) -> str:
    cells = [" "] * width
    for lane in row.passing:
        cells[2 * lane] = "│"
    for lane in row.joining:
        low, high = sorted((2 * lane, 2 * row.lane))
        for place in range(low + 1, high):
            cells[place] = "┼" if cells[place] in "│┼" else cells[place] if cells[place] in "┴├┤╯╰" else "─"
        left = lane < row.lane
        cells[2 * lane] = ("╰" if left else "╯") if lane in row.ending else ("├" if left else "┤")
    cells[2 * row.lane] = mark
    return "".join(cells)
