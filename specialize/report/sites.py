"""Draw the maps of a report: which camera sees which cell, and the resulting rows."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from specialize.artifact.manifest import Site
from specialize.report.draw import Bools, cells_path, density_paths, top_view
from specialize.text.units import count, counted, percent
from specialize.visibility.plan import VisibilityPlan

_LEVELS = 4  # steps of density in a camera's picture
_MOST = 4  # cells seen by this many cameras or more look alike
_PICTURE_COLUMNS = 48


@dataclass(frozen=True, slots=True)
class Layer:
    """One class of cells on the map: `kind` determines its look, `label` is its text in the legend."""

    kind: str
    label: str
    path: str


@dataclass(frozen=True, slots=True)
class CameraView:
    """One camera.

    Attributes:
        name: Its name.
        visible: Queries that it sees.
        share: The same as a share of all queries.
        alone: Queries that only this camera sees.
        footprint: Path of the cells that it sees.
        density: Paths of where the reference points fall in its image, sparsest first.
        costliest: Whether it sees most.
    """

    name: str
    visible: int
    share: float
    alone: int
    footprint: str
    density: tuple[str, ...]
    costliest: bool


@dataclass(frozen=True, slots=True)
class SiteView:
    """One grid of queries, and the attention sites that look like it.

    Attributes:
        number: Place among the grids.
        title: What it is.
        summary: Queries, pairs and rows computed, in a sentence.
        queries: Queries.
        longest: Queries of the longest camera.
        columns: Cells across.
        rows: Cells from the near to the far edge.
        axes: Names of the axes that run across the map and up it.
        x_range: Where the map begins and ends across, in metres.
        y_range: Where it begins and ends upwards, in metres.
        origin: Column and row of the lidar on the map.
        layers: Cells by the number of cameras that see them.
        cameras: The cameras.
        image_bins: Columns and rows of the cameras' pictures.
        masks: Base64 of the (N, H*W) masks, bits packed, for the interactive map.
    """

    number: int
    title: str
    summary: str
    queries: int
    longest: int
    columns: int
    rows: int
    axes: tuple[str, str]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    origin: tuple[str, str]
    layers: tuple[Layer, ...]
    cameras: tuple[CameraView, ...]
    image_bins: tuple[int, int]
    masks: str


def site_views(
    plans: Sequence[VisibilityPlan], sites: Sequence[Site], cameras: Sequence[str]
) -> tuple[SiteView, ...]:
    """Return one view per plan; attention sites with the same queries belong to the same plan."""
    return tuple(
        _view(number, plan, [site for site in sites if site.queries == plan.grid.queries], cameras)
        for number, plan in enumerate(plans)
    )


def _view(number: int, plan: VisibilityPlan, sites: list[Site], cameras: Sequence[str]) -> SiteView:
    grid = plan.grid
    ground = top_view(plan.seen, grid.shape, grid.order)  # (N, H, W)
    rows, columns = ground.shape[1:]
    up, across = tuple(grid.axes_order) if len(grid.shape) == 2 else ("y", "x")
    (x0, x1), (y0, y1) = (grid.range_m["xyz".index(axis) :: 3] for axis in (across, up))
    origin = (-x0 / (x1 - x0) * columns, rows + y0 / (y1 - y0) * rows)
    return SiteView(
        number=number,
        title=_title(plan, len(sites)),
        summary=_summary(plan, sites),
        queries=grid.queries,
        longest=plan.longest,
        columns=columns,
        rows=rows,
        axes=(across, up),
        x_range=(x0, x1),
        y_range=(y0, y1),
        origin=(f"{origin[0]:.2f}", f"{origin[1]:.2f}"),
        layers=_layers(ground),
        cameras=_cameras(plan, ground, cameras),
        image_bins=_bins(plan),
        masks=base64.b64encode(np.packbits(ground.reshape(len(ground), -1), axis=1).tobytes()).decode(),
    )


def _title(plan: VisibilityPlan, sites: int) -> str:
    cells = " × ".join(str(size) for size in plan.grid.shape)
    return f"{cells} queries" + (f", {counted(sites, 'attention site')}" if sites else "")


def _summary(plan: VisibilityPlan, sites: list[Site]) -> str:
    padded = plan.seen.size
    average = plan.pairs / plan.grid.queries
    text = (
        f"{count(plan.pairs)} of {count(padded)} pairs of camera and query are visible "
        f"({percent(plan.pairs / padded)}); {average:.2f} cameras see a query on average."
    )
    computed = sorted({site.rows_computed for site in sites})
    rows = " or ".join(count(number) for number in computed)
    return f"{text} Each attention site computes {rows} rows." if computed else text


def _layers(ground: Bools) -> tuple[Layer, ...]:
    """Return the cells by the number of cameras that see them, 0 first, without empty classes."""
    number = np.minimum(ground.sum(axis=0), _MOST)
    layers = []
    for seen_by in range(_MOST + 1):
        mask = np.asarray(number == seen_by)
        amount = int(np.count_nonzero(mask))
        if amount:
            label = (
                "no camera"
                if seen_by == 0
                else counted(seen_by, "camera") + (" or more" if seen_by == _MOST else "")
            )
            layers.append(Layer(f"k{seen_by}", f"{label}: {counted(amount, 'cell')}", cells_path(mask)))
    return tuple(layers)


def _cameras(plan: VisibilityPlan, ground: Bools, names: Sequence[str]) -> tuple[CameraView, ...]:
    points, inside = plan.reference_points(), plan.points_seen()  # (N, Q, D, 2), (N, Q, D)
    lengths = plan.lengths.tolist()
    alone = (plan.seen & (plan.count == 1)).sum(axis=1).tolist()
    queries, bins = plan.grid.queries, _bins(plan)
    return tuple(
        CameraView(
            name=name,
            visible=lengths[index],
            share=lengths[index] / queries,
            alone=alone[index],
            footprint=cells_path(ground[index]),
            density=density_paths(points[index], inside[index], bins, _LEVELS),
            costliest=lengths[index] == plan.longest,
        )
        for index, name in enumerate(names)
    )


def _bins(plan: VisibilityPlan) -> tuple[int, int]:
    """Return columns and rows of the cameras' pictures, in the proportion of the first camera's image."""
    image_width, image_height = plan.size_px[0].tolist()
    return _PICTURE_COLUMNS, max(8, round(_PICTURE_COLUMNS * image_height / image_width))
