"""The grids whose points a graph projects, one per set of points, in the order in which they stand in the graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from specialize.drafting.points import Floats, Typed
from specialize.model import GridSpec
from specialize.visibility.grid import QueryGrid

_HALF_M = 0.5  # from the lowest point of a pillar to the floor of its box, as in `QueryGrid.axes`
_CLOSE_M = 0.02
"""By how much recovered points differ from those of the graph at most: they went through float32 and back."""
WITHOUT = "without it the graph's own mask is used"


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A set of points that a graph projects into the cameras.

    Attributes:
        points: (P, 3) in the model's point frame, m, in the graph's order.
        order: Sizes of the axes that number them.
        grid: The grid that they are, if a sidecar can say it.
        reason: Why not, if it cannot.
    """

    points: Floats = field(repr=False)
    order: tuple[int, ...]
    grid: GridSpec | None = None
    reason: str = ""


def places_of(typed: Sequence[Typed], queries: Collection[int] = ()) -> tuple[Place, ...]:
    """Return the sets of points that a graph projects, in graph order, equal ones once.

    Args:
        typed: Points found in its values.
        queries: How many queries its sites have, to tell pillars from voxels where the axes do not.
    """
    found: list[Place] = []
    for one in typed:
        if one.source == "metres" and not any(_equal(one.points, place.points) for place in found):
            found.append(_place(one, queries))
    return tuple(found)


def described(place: Place) -> str:
    """Return what a set of points is, for people: the grid of a sidecar, or why there is none."""
    grid = place.grid
    if grid is None:
        return place.reason
    return f"shape {list(grid.shape)}, range_m {list(grid.range_m)}, anchors {grid.anchors}"


def holds(points: Floats, grid: QueryGrid) -> bool:
    """Return whether points (P, 3) are those of a grid, query by query or height by height."""
    own = grid.points()  # (Q, D, 3)
    return any(_equal(points, each.reshape(-1, 3)) for each in (own, own.transpose(1, 0, 2)))


def _place(typed: Typed, queries: Collection[int]) -> Place:
    lines = [_line(typed.points[:, axis]) for axis in range(3)]
    if any(line is None for line in lines):
        return Place(typed.points, typed.order, reason="the points fill no regular grid")
    x, y, z = (line for line in lines if line is not None)
    if min(len(x), len(y)) < 2 or len(typed.points) != len(x) * len(y) * len(z):
        return Place(typed.points, typed.order, reason="the points fill no regular grid")
    sizes = f"{len(x)} x, {len(y)} y and {len(z)} z"
    for spec in _specs(x, y, z, typed.order, queries):
        if holds(typed.points, spec.grid()):
            if _are_cells(typed, spec.grid(), queries):
                return Place(typed.points, typed.order, grid=spec)
            axes = " by ".join(str(size) for size in typed.order)
            reason = f"{sizes}, numbered {axes} by the graph: not as {spec.anchors} heights for each cell of a plane"
            return Place(typed.points, typed.order, reason=f"{reason}; {WITHOUT}")
    slowest = "xyz"[int(np.argmax([_strides(typed.points[:, axis]) for axis in range(3)]))]
    reason = f"{sizes} in an order that no grid of a sidecar has ({slowest} runs slowest)"
    return Place(typed.points, typed.order, reason=f"{reason}; {WITHOUT}")


def _are_cells(typed: Typed, grid: QueryGrid, queries: Collection[int]) -> bool:
    """Return whether a graph numbers the points of a grid by its cells, and by heights beside or before them.

    A plane that stands upright, as in TPVFormer, has points in the order of pillars, but its queries run over a height
    and one side, its anchors over the other side.
    """
    if len(typed.order) < 2 or grid.anchors == 1 or grid.queries in queries:
        return True
    cells, heights = grid.points(), grid.points().transpose(1, 0, 2)  # (Q, D, 3), (D, Q, 3)
    return any(
        _equal(typed.points, points.reshape(-1, 3)) and len(points) in np.cumprod(typed.order)
        for points in (cells, heights)
    )


def _specs(
    x: Floats, y: Floats, z: Floats, order: tuple[int, ...], queries: Collection[int]
) -> list[GridSpec]:
    """Return the grids that lines of coordinates may be, the likelier first."""
    flat, cells = (len(y), len(x)), len(y) * len(x)
    pillars = _spec(flat, (*_ends(x), *_ends(y), float(z[0]) - _HALF_M, float(z[-1]) + _HALF_M), len(z))
    if len(z) == 1:
        return [pillars]
    voxels = _spec((len(z), *flat), (*_ends(x), *_ends(y), *_ends(z)), 1)
    apart = len(z) in (order[0], order[-1]) and len(order) == 2
    by_axes = apart or (len(order) == 3 and order[-1] == len(z) and order[0] != len(z))
    by_sites = cells in queries if (cells in queries) != (cells * len(z) in queries) else by_axes
    return [pillars, voxels] if by_sites else [voxels, pillars]


def _spec(shape: tuple[int, ...], ends: tuple[float, ...], anchors: int) -> GridSpec:
    x0, x1, y0, y1, z0, z1 = (round(end, 3) for end in ends)
    return GridSpec(shape=shape, range_m=(x0, y0, z0, x1, y1, z1), anchors=anchors)


def _line(values: Floats) -> Floats | None:
    """Return the different values of a coordinate, ascending; None if they are not evenly spaced."""
    ordered = np.sort(values)
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > _CLOSE_M)
    line = np.array([part.mean() for part in np.split(ordered, starts[1:])])
    if len(line) > 2 and not np.allclose(np.diff(line), np.diff(line).mean(), atol=_CLOSE_M):
        return None
    ends = np.linspace(line[0], line[-1], len(line))
    return ends if np.abs(ends - line).max() < _CLOSE_M else None


def _ends(line: Floats) -> tuple[float, float]:
    """Return where the first cell of a line of centres begins and where the last one ends."""
    half = float(line[-1] - line[0]) / (len(line) - 1) / 2
    return float(line[0]) - half, float(line[-1]) + half


def _strides(values: Floats) -> int:
    """Return after how many points a coordinate changes for the first time."""
    return int(np.argmax(np.abs(values - values[0]) > _CLOSE_M))


def _equal(left: Floats, right: Floats) -> bool:
    return left.shape == right.shape and bool(np.abs(left - right).max() < _CLOSE_M)
