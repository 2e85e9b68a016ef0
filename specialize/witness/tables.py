"""Tables of places in images, read back: every row of one is where the points of a query fall in a camera's image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.witness.rig import Floats, Grid, Rig, Sidecar
from specialize.witness.rows import Ints, camera_of_places
from specialize.witness.sight import Bools, network_from_lidar, sight

ROUNDING = 4e-6
"""Roundings that a float32 graph may make between a place in the image and a table, relative to what is added up."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: `factor` times the place of a point along an axis of the image (0 to 1), plus `offset`."""

    anchor: int
    axis: int
    factor: float
    offset: float


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Where the points of the pairs fall that places of a table hold.

    Attributes:
        used: (U,) the places in use.
        shares: (U, D, 2) u / width and v / height of every point.
        slack: (U, D) how far rounding may move that.
        inside: (U, D) which points are surely inside the image; others may have been clipped.
    """

    used: Ints
    shares: Floats
    slack: Floats
    inside: Bools


def marks_of(rig: Rig, sidecar: Sidecar, grid: Grid, reader: Ints, lengths: Sequence[int]) -> Marks:
    """Return where the points fall of the pairs that `reader` (places,) says are held."""
    points, matrices = grid.points(), network_from_lidar(rig, sidecar)
    used = np.flatnonzero(reader >= 0)
    camera, query = camera_of_places(lengths)[used], reader[used]
    shares = np.zeros((len(used), points.shape[1], 2))
    slack, inside = np.zeros(shares.shape[:2]), np.zeros(shares.shape[:2], np.bool_)
    for index, prep in enumerate(sidecar.preparations):
        mine = camera == index
        found = sight(matrices[index], points, prep.size_px, sidecar.min_depth_m)
        shares[mine] = (found.places / np.array(prep.size_px))[query[mine]]
        slack[mine] = found.rounding_px[query[mine]] / min(prep.size_px)
        inside[mine] = found.surely[query[mine]]
    return Marks(used, shares, slack, inside)


def columns_of(table: npt.NDArray[np.generic], places: int, marks: Marks) -> tuple[Column, ...]:
    """Return what the columns of a table are; nothing if one of them is no place in the image."""
    values = _by_place(table, places)
    if values is None:
        return ()
    columns = [_column(values[marks.used, number], marks) for number in range(values.shape[1])]
    return tuple(column for column in columns if column is not None) if all(columns) else ()


def wrong_places(
    table: npt.NDArray[np.generic], places: int, marks: Marks, columns: Sequence[Column]
) -> tuple[Ints, int]:
    """Return the places whose values are not where their points fall, and how many values were compared."""
    values = _by_place(table, places)
    if values is None or values.shape[1] != len(columns):
        return marks.used, 0
    wrong, compared = np.zeros(len(marks.used), np.bool_), 0
    for number, column in enumerate(columns):
        off, inside = _off(values[marks.used, number], marks, column)
        wrong |= off & inside
        compared += int(inside.sum())
    return marks.used[wrong], compared


def _by_place(table: npt.NDArray[np.generic], places: int) -> Floats | None:
    if table.dtype.kind != "f" or places == 0 or table.size % places:
        return None
    return table.reshape(places, -1).astype(np.float64)


def _column(values: Floats, marks: Marks) -> Column | None:
    for anchor in range(marks.shares.shape[1]):
        inside = marks.inside[:, anchor]
        for axis in (0, 1):
            share = marks.shares[inside, anchor, axis]
            if len(share) < 8 or np.ptp(share) < 0.1:
                continue
            design = np.stack([share, np.ones_like(share)], axis=1)
            factor, offset = np.linalg.lstsq(design, values[inside], rcond=None)[0]
            column = Column(anchor, axis, float(f"{factor:.9g}"), float(f"{offset:.9g}"))
            if abs(factor) > 1e-6 and not (_off(values, marks, column)[0] & inside).any():
                return column
    return None


def _off(values: Floats, marks: Marks, column: Column) -> tuple[Bools, Bools]:
    """Return (U,) which values are not those of a column, and which of their points are inside the image."""
    share = marks.shares[:, column.anchor, column.axis]
    size = abs(column.factor) + abs(column.offset)
    allowed = abs(column.factor) * marks.slack[:, column.anchor] + ROUNDING * size
    off = ~(np.abs(values - (column.factor * share + column.offset)) <= allowed)
    return np.asarray(off), marks.inside[:, column.anchor]
