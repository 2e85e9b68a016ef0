"""Compare what two calibrations cover: which cells go blind, which lose their overlap, and where these are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from types import EllipsisType

import numpy as np

from specialize.calibration.pose import Matrix, inverse
from specialize.report.draw import cells_path, top_view
from specialize.report.svg import Bools, Card, Floats, Picture, Shape, line
from specialize.text.document import Column, Heading, Line, Part, View, table
from specialize.text.units import counted, number
from specialize.visibility.plan import VisibilityPlan

SECTORS = ("front", "front left", "left", "rear left", "rear", "rear right", "right", "front right")
MOST_PLACES = 12
APART = 3.0
"""Cells between which there is more than this many are of two places."""
_LEGEND = (
    ("cell none", "seen by no camera"),
    ("cell one", "seen by one camera"),
    ("cell more", "by two or more"),
    ("cell blind", "blind now, seen before"),
    ("cell single", "overlap lost: one camera now, several before"),
    ("cell new", "seen now, blind before"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Cells that are together: how many, how far away from the vehicle's origin, and on which side of it."""

    cells: int
    nearest_m: float
    farthest_m: float
    side: str

    def __str__(self) -> str:
        return place_text(self.nearest_m, self.farthest_m, self.side)


def place_text(nearest_m: float, farthest_m: float, side: str) -> str:
    """Return how far away a place is, and on which side."""
    low, high = number(nearest_m, 0), number(farthest_m, 0)
    return f"{low} m, {side}" if low == high else f"{low} to {high} m, {side}"


def coverage_parts(
    before: VisibilityPlan,
    after: VisibilityPlan,
    ego_from_lidar: Matrix | None,
    titles: tuple[str, str] = ("Before", "Now"),
) -> tuple[Part, ...]:
    """Return what becomes of the cells of one grid, if that shows the ground.

    Args:
        before: What the first calibration sees.
        after: What the second one sees.
        ego_from_lidar: (4, 4) pose of the lidar of the second one, to name places by sides of the vehicle.
        titles: Of both maps.
    """
    grid = before.grid
    if not {"x", "y"} <= set(grid.axes_order):
        return ()
    counts = [top_view(plan.seen, grid.shape, grid.order).sum(axis=0) for plan in (before, after)]
    old, new = (np.asarray(each) for each in counts)
    blind, single, gained = (old > 0) & (new == 0), (old > 1) & (new == 1), (old == 0) & (new > 0)
    cells = " × ".join(str(size) for size in grid.shape)
    shown = ((old == 0).any() or (new == 0).any(), True, True, blind.any(), single.any(), gained.any())
    legend = tuple(entry for entry, is_shown in zip(_LEGEND, shown, strict=True) if is_shown)
    return (
        Heading(f"Blind cells and overlap, {cells} queries"),
        _summary(old, new),
        *_tables(
            before,
            {"goes blind": blind, "loses its overlap": single, "is seen again": gained},
            ego_from_lidar,
        ),
        View("legend", legend),
        View("cards", ("top", _cards(before, (old, new), (blind, single, gained), ego_from_lidar, titles))),
    )


def cells_m(plan: VisibilityPlan, ego_from_lidar: Matrix | None, mask: Bools | EllipsisType = ...) -> Floats:
    """Return the cells (H, W, 3) of a grid that shows the ground, or those (M, 3) of a mask, m.

    They are in the vehicle's frame, or in the lidar's if its pose is unknown.
    """
    x, y, _ = plan.grid.axes()
    at: Floats = np.stack(np.broadcast_arrays(x, y[:, None], 0.0), axis=-1)[mask]
    return at if ego_from_lidar is None else at @ ego_from_lidar[:3, :3].T + ego_from_lidar[:3, 3]


def places(mask: Bools, plan: VisibilityPlan, ego_from_lidar: Matrix | None) -> tuple[Place, ...]:
    """Return where the cells (H, W) of a mask are, the largest place first."""
    x, y, _ = plan.grid.axes()
    at = cells_m(plan, ego_from_lidar, mask)  # (M, 3)
    distance, angle = np.hypot(at[:, 0], at[:, 1]), np.arctan2(at[:, 1], at[:, 0])
    sector = np.round(angle / (math.pi / 4)).astype(int) % len(SECTORS)
    gap = APART * max(abs(float(axis[1] - axis[0])) if len(axis) > 1 else 1.0 for axis in (x, y))
    found = []
    for index in np.unique(sector).tolist():
        side = SECTORS[index] if ego_from_lidar is not None else f"{45 * index:d}° from the lidar's x axis"
        found += [
            Place(len(run), run[0], run[-1], side) for run in _runs(np.sort(distance[sector == index]), gap)
        ]
    return tuple(sorted(found, key=lambda place: (-place.cells, place.nearest_m, place.side)))


def _runs(distances: Floats, gap: float) -> Iterator[list[float]]:
    """Yield ascending distances without gaps."""
    for run in np.split(distances, np.flatnonzero(np.diff(distances) > gap) + 1):
        yield run.tolist()


def _summary(old: Floats, new: Floats) -> Part:
    blind, single = int(((old > 0) & (new == 0)).sum()), int(((old > 1) & (new == 1)).sum())
    were, are = int((old == 0).sum()), int((new == 0).sum())
    told = f"{counted(were, 'cell')} seen by no camera before, {are:,} now."
    if not blind and not single:
        return Line(f"No cell goes blind, and none loses its overlap. {told}", "good")
    many = f"{counted(blind, 'cell')} {'goes' if blind == 1 else 'go'} blind, {single:,} lose their overlap."
    return Line(f"{many} {told}", "bad" if blind else "plain")


def _tables(plan: VisibilityPlan, masks: dict[str, Bools], ego_from_lidar: Matrix | None) -> list[Part]:
    """Return where cells change, a table for all that happens to them."""
    rows = []
    for what, mask in masks.items():
        found = places(mask, plan, ego_from_lidar)
        rows += [(what, str(place), f"{place.cells:,}") for place in found[:MOST_PLACES]]
        if rest := found[MOST_PLACES:]:
            rows.append(
                (what, f"{counted(len(rest), 'further place')}", f"{sum(each.cells for each in rest):,}")
            )
    return [table("what", Column("where", "words"), "cells", rows=rows, look="compact")] if rows else []


def _cards(
    plan: VisibilityPlan,
    counts: tuple[Floats, Floats],
    masks: tuple[Bools, ...],
    ego_from_lidar: Matrix | None,
    titles: tuple[str, str],
) -> tuple[Card, ...]:
    marks = _forward(plan, ego_from_lidar)
    kinds = zip(("blind", "single", "new"), masks, strict=True)
    changed = [Shape(f"cell {kind}", cells_path(mask)) for kind, mask in kinds]
    how = (
        "The arrow points forward." if ego_from_lidar is not None else "In the lidar's frame, x to the right."
    )
    return tuple(
        Card(title, _map(f"{title}: cells by the number of cameras", each, [*more, *marks]), (how,))
        for title, each, more in zip(titles, counts, ([], changed), strict=True)
    )


def _map(said: str, counts: Floats, more: list[Shape]) -> Picture:
    rows, columns = counts.shape
    shapes = (
        Shape("sheet", f"M0 0H{columns}V{rows}H0z"),
        Shape("cell one", cells_path(counts == 1)),
        Shape("cell more", cells_path(counts > 1)),
        *more,
    )
    return Picture(said, columns, rows, tuple(shape for shape in shapes if shape.path), kind="cells")


def _forward(plan: VisibilityPlan, ego_from_lidar: Matrix | None) -> list[Shape]:
    """Return an arrow forward from the vehicle's origin on the map of a grid."""
    rows, columns = (
        plan.grid.shape[-2:] if not plan.grid.order else (plan.grid.count("y"), plan.grid.count("x"))
    )
    x0, y0, _, x1, y1, _ = plan.grid.range_m
    lidar_from_ego = np.eye(4) if ego_from_lidar is None else inverse(ego_from_lidar)
    forward = lidar_from_ego[:2, 0] / np.linalg.norm(lidar_from_ego[:2, 0])
    scale = np.array([columns / (x1 - x0), -rows / (y1 - y0)])

    def at(point: Floats) -> Floats:
        return np.asarray((point - (x0, y1)) * scale)

    origin, end = lidar_from_ego[:2, 3], lidar_from_ego[:2, 3] + forward * (y1 - y0) / 10
    side = np.array([-forward[1], forward[0]])
    back = end - forward * (y1 - y0) / 28
    head = np.stack([at(back + side * (y1 - y0) / 50), at(end), at(back - side * (y1 - y0) / 50)])
    return [Shape("axis", line(np.stack([at(origin), at(end)])) + line(head))]
