"""The maps of a report: who sees which cell, and what that makes of the rows."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from specialize.artifact.manifest import Site
from specialize.report.draw import Bools, cells_path, density_paths, top_view
from specialize.report.numbers import count, percent, plural, width
from specialize.report.page import CameraView, Layer, SiteView
from specialize.visibility.plan import VisibilityPlan

_LEVELS = 4  # steps of density in a camera's picture
_MOST = 4  # cells seen by this many cameras or more look alike
_PICTURE_COLUMNS = 48


def site_views(
    plans: Sequence[VisibilityPlan], sites: Sequence[Site], cameras: Sequence[str]
) -> tuple[SiteView, ...]:
    """Return one view per plan; attention sites with the same queries belong to the same plan."""
    return tuple(
        _view(plan, [site for site in sites if site.queries == plan.grid.queries], cameras) for plan in plans
    )


def _view(plan: VisibilityPlan, sites: list[Site], cameras: Sequence[str]) -> SiteView:
    grid = plan.grid
    ground = top_view(plan.seen, grid.shape, grid.order)  # (N, H, W)
    rows, columns = ground.shape[1:]
    up, across = tuple(grid.axes_order) if len(grid.shape) == 2 else ("y", "x")
    (x0, x1), (y0, y1) = (grid.range_m["xyz".index(axis) :: 3] for axis in (across, up))
    origin = (-x0 / (x1 - x0) * columns, rows + y0 / (y1 - y0) * rows)
    return SiteView(
        title=_title(plan, len(sites)),
        summary=_summary(plan, sites),
        queries=count(plan.grid.queries),
        longest=count(plan.longest),
        longest_width=width(plan.longest / plan.grid.queries),
        columns=columns,
        rows=rows,
        axes=(across, up),
        x_range=(f"{x0:g}", f"{x1:g}"),
        y_range=(f"{y0:g}", f"{y1:g}"),
        origin=(f"{origin[0]:.2f}", f"{origin[1]:.2f}"),
        marker=f"{columns / 90:.2f}",
        layers=_layers(ground),
        cameras=_cameras(plan, ground, cameras),
        image_bins=_bins(plan),
        masks=base64.b64encode(np.packbits(ground.reshape(len(ground), -1), axis=1).tobytes()).decode(),
    )


def _title(plan: VisibilityPlan, sites: int) -> str:
    cells = " × ".join(str(size) for size in plan.grid.shape)
    return f"{cells} queries" + (f", {plural(sites, 'attention site')}" if sites else "")


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
                else plural(seen_by, "camera") + (" or more" if seen_by == _MOST else "")
            )
            layers.append(Layer(f"k{seen_by}", label, plural(amount, "cell"), cells_path(mask)))
    return tuple(layers)


def _cameras(plan: VisibilityPlan, ground: Bools, names: Sequence[str]) -> tuple[CameraView, ...]:
    points, inside = plan.reference_points(), plan.points_seen()  # (N, Q, D, 2), (N, Q, D)
    lengths = plan.lengths.tolist()
    alone = (plan.seen & (plan.count == 1)).sum(axis=1).tolist()
    queries, bins = plan.grid.queries, _bins(plan)
    return tuple(
        CameraView(
            name=name,
            visible=count(lengths[index]),
            share=percent(lengths[index] / queries),
            width=width(lengths[index] / queries),
            alone=count(alone[index]),
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
