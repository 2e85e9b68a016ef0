"""Decode tables of image locations: every row of a table is where the points of a query fall in a camera's image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from specialize.witness.rig import Eye, Floats, Grid, Preparation, Rig, Sidecar
from specialize.witness.rows import Ints, camera_of_places
from specialize.witness.sight import FLOAT32_ROUNDINGS, Bools, reach_of, sight
from specialize.witness.through import places_of

ROUNDING = 4e-6
"""Roundings that a float32 graph may make between a place in the image and a table, relative to what is added up."""


REACHES = ("inside", "ahead", "all")
"""For which points a table holds where they fall: those inside the image, those ahead of the camera, or all, with the
least depth in the place of a smaller one."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: `factor` times the place of a point along an axis of the image (0 to 1), plus `offset`.

    `reach`, one of `REACHES`, says for which points.
    """

    anchor: int
    axis: int
    factor: float
    offset: float
    reach: str = "inside"


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Where the points of the pairs fall that places of a table hold.

    Attributes:
        used: (U,) the places in use.
        shares: (U, D, 2) u / width and v / height of every point; at the least depth where it is not that deep.
        slack: (U, D) how far rounding may move that.
        reached: By reach, which points (U, D) surely are what it says; inside the image is a part of ahead.
    """

    used: Ints
    shares: Floats
    slack: Floats
    reached: Mapping[str, Bools]


def marks_of(rig: Rig, sidecar: Sidecar, grid: Grid, reader: Ints, lengths: Sequence[int]) -> Marks:
    """Return where the points fall of the pairs that `reader` (places,) says are held."""
    points = grid.points()
    used = np.flatnonzero(reader >= 0)
    camera, query = camera_of_places(lengths)[used], reader[used]
    shares, slack = np.zeros((len(used), points.shape[1], 2)), np.zeros((len(used), points.shape[1]))
    reached = {reach: np.zeros(slack.shape, np.bool_) for reach in REACHES}
    for index, (eye, prep) in enumerate(zip(rig.eyes, sidecar.preparations, strict=True)):
        mine = camera == index
        found = (
            _through(eye, prep, points, sidecar)
            if sidecar.lens
            else projected(prep.matrix() @ eye.image_from_lidar, points, prep.size_px, sidecar.min_depth_m)
        )
        shares[mine], slack[mine] = found.shares[query[mine]], found.slack[query[mine]]
        for reach in REACHES:
            reached[reach][mine] = found.reached[reach][query[mine]]
    return Marks(used, shares, slack, reached)


def _through(eye: Eye, prep: Preparation, points: Floats, sidecar: Sidecar) -> Marks:
    """Return where points (Q, D, 3) fall in one camera's image through its lens."""
    found = places_of(eye, prep, points, sidecar)
    reached = {"inside": found.inside, "ahead": found.imaged, "all": found.imaged}
    return Marks(np.arange(len(points)), found.shares, found.slack, reached)


def projected(matrix: Floats, points: Floats, size_px: Sequence[int], min_depth_m: float) -> Marks:
    """Return where points (Q, D, 3) fall in one camera's image, `used` being all of them."""
    size = np.array(size_px, np.float64)
    homogeneous = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)
    pqd = np.einsum("ij,...j->...i", matrix[:3], homogeneous)
    bound = np.abs(matrix[:3]) @ np.append(reach_of(points), 1.0) * FLOAT32_ROUNDINGS * 2.0**-24
    depth = np.maximum(pqd[..., 2], min_depth_m)
    places = pqd[..., :2] / np.maximum(depth, 1e-300)[..., None]
    deep, shallow = pqd[..., 2] > min_depth_m + bound[2], pqd[..., 2] < min_depth_m - bound[2]
    errors = bound[:2] + np.abs(places) * np.where(deep, bound[2], 0.0)[..., None]
    slack = (errors / np.maximum(depth, 1e-300)[..., None] / size).max(axis=-1)
    inside = sight(matrix, points, size_px, min_depth_m).surely
    reached = {"inside": inside, "ahead": deep, "all": deep | (shallow & (min_depth_m > 0))}
    return Marks(np.arange(len(points)), places / size, slack, reached)


def columns_of(table: npt.NDArray[np.generic], places: int, marks: Marks) -> tuple[Column, ...]:
    """Return the meaning of a table's columns; empty if one of them is not a location in the image."""
    values = _by_place(table, places)
    if values is None:
        return ()
    columns = [_column(values[marks.used, number], marks) for number in range(values.shape[1])]
    return tuple(column for column in columns if column is not None) if all(columns) else ()


def narrowed(
    table: npt.NDArray[np.generic], places: int, marks: Marks, columns: Sequence[Column]
) -> tuple[Column, ...]:
    """Return columns that reach no further than in another vehicle's table: a model may clip what is far out."""
    values = _by_place(table, places)
    if values is None or values.shape[1] != len(columns):
        return tuple(columns)
    return tuple(
        replace(column, reach=_reach(values[marks.used, number], marks, column, column.reach))
        for number, column in enumerate(columns)
    )


def wrong_places(
    table: npt.NDArray[np.generic], places: int, marks: Marks, columns: Sequence[Column]
) -> tuple[Ints, int]:
    """Return the places whose values are not where their points fall, and how many values were compared."""
    values = _by_place(table, places)
    if values is None or values.shape[1] != len(columns):
        return marks.used, 0
    wrong, compared = np.zeros(len(marks.used), np.bool_), 0
    for number, column in enumerate(columns):
        reached = marks.reached[column.reach][:, column.anchor]
        wrong |= _off(values[marks.used, number], marks, column) & reached
        compared += int(reached.sum())
    return marks.used[wrong], compared


def _by_place(table: npt.NDArray[np.generic], places: int) -> Floats | None:
    if table.dtype.kind != "f" or places == 0 or table.size % places:
        return None
    return table.reshape(places, -1).astype(np.float64)


def _column(values: Floats, marks: Marks) -> Column | None:
    for anchor in range(marks.shares.shape[1]):
        inside = marks.reached["inside"][:, anchor]
        for axis in (0, 1):
            share = marks.shares[inside, anchor, axis]
            if len(share) < 8 or np.ptp(share) < 0.1:
                continue
            design = np.stack([share, np.ones_like(share)], axis=1)
            factor, offset = np.linalg.lstsq(design, values[inside], rcond=None)[0]
            column = Column(anchor, axis, float(f"{factor:.9g}"), float(f"{offset:.9g}"))
            if abs(factor) > 1e-6 and not (_off(values, marks, column) & inside).any():
                return replace(column, reach=_reach(values, marks, column, REACHES[-1]))
    return None


def _reach(values: Floats, marks: Marks, column: Column, most: str) -> str:
    """Return how far a column holds where its points fall, at most as far as given; inside the image in any case."""
    off = _off(values, marks, column)
    further = REACHES[1 : REACHES.index(most) + 1]
    fitting = [reach for reach in further if not (off & marks.reached[reach][:, column.anchor]).any()]
    return fitting[-1] if fitting else REACHES[0]


def _off(values: Floats, marks: Marks, column: Column) -> Bools:
    """Return (U,) which values are not those of a column."""
    share = marks.shares[:, column.anchor, column.axis]
    size = abs(column.factor) * np.maximum(1.0, np.abs(share)) + abs(column.offset)
    allowed = abs(column.factor) * marks.slack[:, column.anchor] + ROUNDING * size
    return np.asarray(~(np.abs(values - (column.factor * share + column.offset)) <= allowed))
