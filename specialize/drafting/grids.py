"""Derive the grids whose points a graph projects, one per set of points, in graph order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from specialize.drafting.points import Floats, Typed
from specialize.model.spec import GridSpec
from specialize.visibility.grid import FLAT, UPRIGHT, QueryGrid

_HALF_M = 0.5  # from the lowest point of a pillar to the floor of its box, as in `QueryGrid.axes`
_CLOSE_M = 0.02
"""Largest difference between recovered points and those of the graph, which went through float32 and back."""
WITHOUT = "without it the graph's own mask is used"


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A set of points that a graph projects into the cameras.

    Attributes:
        points: (P, 3) in the model's point frame, m, in the graph's order.
        order: Sizes of the axes that number them.
        grid: The grid that they form, if a sidecar can express it.
        reason: Why there is no grid.
    """

    points: Floats = field(repr=False)
    order: tuple[int, ...]
    grid: GridSpec | None = None
    reason: str = ""


def places_of(typed: Sequence[Typed], queries: Collection[int] = ()) -> tuple[Place, ...]:
    """Return the sets of points that a graph projects, in graph order, without duplicates.

    Args:
        typed: Points found in its values.
        queries: Numbers of queries of its sites, which distinguish pillars from voxels if the axes do not.
    """
    found: list[Place] = []
    for one in typed:
        if one.source == "metres" and not any(_equal(one.points, place.points) for place in found):
            found.append(_place(one, queries))
    return tuple(found)


def described(place: Place) -> str:
    """Describe a set of points: the grid of a sidecar, or why there is none."""
    return place.reason if place.grid is None else grid_text(place.grid)


def grid_text(grid: GridSpec) -> str:
    """Format a grid of a sidecar for people."""
    order = f", order {grid.order}" if grid.order else ""
    return f"shape {list(grid.shape)}, range_m {list(grid.range_m)}, anchors {grid.anchors}{order}"


def holds(points: Floats, grid: QueryGrid) -> bool:
    """Return whether points (P, 3) are those of a grid, query by query or height by height."""
    own = grid.points()  # (Q, D, 3)
    return any(_equal(points, each.reshape(-1, 3)) for each in (own, own.transpose(1, 0, 2)))


def _place(typed: Typed, queries: Collection[int]) -> Place:
    lines = {axis: _line(typed.points[:, index]) for index, axis in enumerate("xyz")}
    regular = {axis: line for axis, line in lines.items() if line is not None}
    if len(regular) < len(lines) or len(typed.points) != math.prod(len(line) for line in regular.values()):
        return Place(typed.points, typed.order, reason="the points do not form a regular grid")
    for spec in _specs(regular, typed.order, queries):
        if holds(typed.points, spec.grid()):
            return Place(typed.points, typed.order, grid=spec)
    sizes = f"{len(regular['x'])} x, {len(regular['y'])} y and {len(regular['z'])} z"
    reason = f"{sizes} in an order that no grid of a sidecar has; {WITHOUT}"
    return Place(typed.points, typed.order, reason=reason)


def _specs(
    lines: Mapping[str, Floats], order: tuple[int, ...], queries: Collection[int]
) -> Iterator[GridSpec]:
    """Yield the grids that lines of coordinates may be, the likelier first.

    A plane whose cells the graph numbers apart from its anchors comes first, upright ones, as in TPVFormer, included;
    then voxels and pillars in the usual order, then both in any other.
    """
    planes = [
        _spec(lines, "".join(axes)) for axes in itertools.permutations("yxz", 2) if _is_wide(lines, axes)
    ]
    volumes = [
        _spec(lines, "".join(axes)) for axes in itertools.permutations("zyx", 3) if _is_wide(lines, axes)
    ]
    usual = [spec for spec in (*volumes[:1], *planes[:1]) if not spec.order]
    total = math.prod(len(line) for line in lines.values())
    yield from (spec for spec in planes if _stands_apart(spec, order, queries, total))
    yield from usual
    yield from (spec for spec in (*volumes, *planes) if spec not in usual)


def _is_wide(lines: Mapping[str, Floats], axes: Sequence[str]) -> bool:
    """Return whether queries over some axes have cells of known width."""
    return all(len(lines[axis]) > 1 for axis in axes)


def _stands_apart(spec: GridSpec, order: tuple[int, ...], queries: Collection[int], total: int) -> bool:
    """Return whether a graph numbers the cells of a plane separately from its anchors, by its sites or its axes."""
    cells = math.prod(spec.shape)
    if (cells in queries) != (total in queries):
        return cells in queries
    apart = len(order) == 2 and spec.anchors in order
    last = len(order) == 3 and order[-1] == spec.anchors and order[0] != spec.anchors
    return apart or last or spec.anchors == 1


def _spec(lines: Mapping[str, Floats], axes: str) -> GridSpec:
    """Return a grid of queries over some axes, with anchors along the remaining one."""
    ends = {
        axis: _ends(line) if axis in axes else (float(line[0]) - _HALF_M, float(line[-1]) + _HALF_M)
        for axis, line in lines.items()
    }
    (x0, x1), (y0, y1), (z0, z1) = (tuple(round(end, 3) for end in ends[axis]) for axis in "xyz")
    left = [axis for axis in "xyz" if axis not in axes]
    return GridSpec(
        shape=tuple(len(lines[axis]) for axis in axes),
        range_m=(x0, y0, z0, x1, y1, z1),
        anchors=len(lines[left[0]]) if left else 1,
        order="" if axes in (FLAT, UPRIGHT) else axes,
    )


def _line(values: Floats) -> Floats | None:
    """Return the distinct values of a coordinate, ascending, or None if they are not evenly spaced."""
    ordered = np.sort(values)
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > _CLOSE_M)
    line = np.array([part.mean() for part in np.split(ordered, starts[1:])])
    if len(line) > 2 and not np.allclose(np.diff(line), np.diff(line).mean(), atol=_CLOSE_M):
        return None
    ends = np.linspace(line[0], line[-1], len(line))
    return ends if np.abs(ends - line).max() < _CLOSE_M else None


def _ends(line: Floats) -> tuple[float, float]:
    """Return the lower end of the first cell and the upper end of the last cell of a line of centres."""
    half = float(line[-1] - line[0]) / (len(line) - 1) / 2
    return float(line[0]) - half, float(line[-1]) + half


def _equal(left: Floats, right: Floats) -> bool:
    return left.shape == right.shape and bool(np.abs(left - right).max() < _CLOSE_M)
