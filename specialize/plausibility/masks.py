"""Are the masks that a graph computes from its calibration plausible? Compared with an independent projection.

The graph is what it is: where its mask differs, the sidecar says something that the graph does not do, or the graph is
fed another matrix than it wants. What would explain the difference is tried and named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specialize.calibration.lint.findings import Finding
from specialize.model.spec import GridSpec, ModelSpec
from specialize.plausibility.explain import explanation
from specialize.plausibility.record import MaskSight, Pooled
from specialize.plausibility.sight import Bools, Floats, Through, View, seen, seen_queries
from specialize.plausibility.values import Sight
from specialize.witness.rig import Grid
from specialize.witness.sight import reach_of
from specialize.witness.sight import sight as witness_sight

LEAST_AGREEMENT = 0.98
"""What differs beyond the rounding of float32 is doubtful; below this share of pairs, or explained, it is an error."""
LENS_SLACK_PX = 0.5
"""How far float32 may move a pixel through a lens, for points of an arm's length and more."""
LEAST_KEPT = 0.1
"""Of the points of a frustum most fall into the grid of a real model. Where cameras are pooled that each see 1/N of
what is around the car, half of that is enough."""


@dataclass(frozen=True, slots=True, eq=False)
class SiteMask:
    """What a graph keeps at one site under the calibration.

    Attributes:
        where: The node.
        seen: (G, Q) which queries read a row of which group; groups are cameras at a site of cross-attention.
        points: Rows before anything is dropped.
        kept: Rows that are kept.
    """

    where: str
    seen: Bools
    points: int
    kept: int


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """What the masks of a graph say.

    Attributes:
        masks: Per grid that sites were found for, the comparison.
        pooled: The largest pooling, where no site is of cameras and queries.
        findings: What is implausible.
        not_compared: What could not be judged, and why.
    """

    masks: tuple[MaskSight, ...]
    pooled: Pooled | None
    findings: tuple[Finding, ...]
    not_compared: tuple[str, ...]


def judge_masks(
    sites: Sequence[SiteMask],
    spec: ModelSpec,
    sight: Sight,
    fed: Mapping[str, Floats],
    mode: str,
) -> Masks:
    """Compare the masks of a graph's sites with what the cameras see.

    Args:
        sites: What the graph keeps.
        spec: The model.
        sight: What the cameras see, by an independent projection.
        fed: Input name -> (N, 4, 4) that the graph is fed.
        mode: How calibration is bound; in `exact` the masks are those of the calibration, else supersets.
    """
    count = len(sight.cameras)
    by_camera = [site for site in sites if site.seen.shape[0] == count and count > 1]
    found: list[Finding] = []
    masks = []
    for number, grid in enumerate(spec.grids):
        alike = [site for site in by_camera if number == _closest(site, spec, sight)]
        if alike:
            mask, more = _compare(number, grid, alike, spec, sight, fed, mode == "exact")
            masks.append(mask)
            found.extend(more)
    compared = {int(np.prod(grid.shape)) for grid in spec.grids}
    found.extend(_unseen([site for site in by_camera if site.seen.shape[1] not in compared], sight))
    others = [] if by_camera else [site for site in sites if site.points and site.points % count == 0]
    pooled = max(others, key=lambda site: site.points, default=None)
    least = min(LEAST_KEPT, 0.5 / count)
    bare = next((site for site in sites if not site.points), None)
    if bare is not None:
        found.append(_empty(bare.where, 0, 0))
    elif pooled is not None and pooled.kept < least * pooled.points and mode == "exact":
        found.append(_empty(pooled.where, pooled.points, pooled.kept))
    return Masks(
        tuple(masks),
        None if pooled is None else Pooled(points=pooled.points, kept=pooled.kept),
        tuple(found),
        tuple(_left_out(sites, spec, masks)),
    )


def _closest(site: SiteMask, spec: ModelSpec, sight: Sight) -> int:
    """Return which grid of a site's size has the mask that is most like its own; -1 if none has its size.

    Planes may have as many queries as each other, and sites of one grid may keep a part of it each.
    """
    rivals = [
        number for number, grid in enumerate(spec.grids) if site.seen.shape[1] == int(np.prod(grid.shape))
    ]
    if len(rivals) < 2:
        return rivals[0] if rivals else -1

    def outside(number: int) -> tuple[int, int]:
        seen = _projected(spec.grids[number], spec, sight)
        return int((site.seen & ~seen).sum()), int((seen & ~site.seen).sum())

    return min(rivals, key=outside)


def _projected(grid: GridSpec, spec: ModelSpec, sight: Sight) -> Bools:
    """Return (N, Q) which queries of a grid the cameras see, by the independent projection."""
    points = Grid(tuple(grid.shape), tuple(grid.range_m), grid.anchors, grid.order).points()
    return seen_queries(sight.views, sight.sizes_px, points, spec.rule.min_depth_m)


def _compare(
    number: int,
    grid: GridSpec,
    sites: Sequence[SiteMask],
    spec: ModelSpec,
    sight: Sight,
    fed: Mapping[str, Floats],
    exact: bool,
) -> tuple[MaskSight, list[Finding]]:
    """Compare all sites of one grid: what any of them keeps, for a graph may have one site per height."""
    kept = np.logical_or.reduce([site.seen for site in sites])
    declared = Grid(tuple(grid.shape), tuple(grid.range_m), grid.anchors, grid.order)
    points, depth_m = declared.points(), spec.rule.min_depth_m
    projected = seen_queries(sight.views, sight.sizes_px, points, depth_m)
    projected = _rounded(projected, kept, points, sight, depth_m)
    both, either = int((kept & projected).sum()), int((kept | projected).sum())
    whole = either if exact else int(projected.sum())
    agreement = both / whole if whole else 0.0
    mask = MaskSight(
        grid=number,
        sites=len(sites),
        pairs=int(kept.sum()),
        projected=int(projected.sum()),
        agreement=math.floor(1e4 * agreement) / 1e4,
    )
    if agreement == 1.0:
        return mask, []
    told = (
        f"the graph keeps {mask.pairs:,} pairs of camera and query, the cameras see {mask.projected:,} of the declared "
        f"grid, {both:,} of them the same"
    )
    straight = not any(isinstance(view, Through) for view in sight.views)
    why = explanation(kept, declared, sight, depth_m, fed) if exact and straight else ""
    severity = "error" if agreement < LEAST_AGREEMENT or why else "warning"
    mend = (
        "correct `grids`, `image` or `calibration_inputs` in the sidecar; without `grids` nothing is compared"
    )
    text = f"{told}; {why} would explain it" if why else told
    return mask, [Finding("mask-differs", severity, "", text, mend)]  # type: ignore[arg-type]


def _rounded(projected: Bools, kept: Bools, points: Floats, sight: Sight, depth_m: float) -> Bools:
    """Return the projection's pairs (N, Q), with the graph's own answer where float32 may round either way."""
    settled = projected.copy()
    for index, (view, size) in enumerate(zip(sight.views, sight.sizes_px, strict=True)):
        queries = np.flatnonzero(projected[index] != kept[index])
        if len(queries):
            near = _either(view, points[queries], size, depth_m, reach_of(points))
            settled[index, queries[near]] = kept[index, queries[near]]
    return settled


def _either(view: View, points: Floats, size_px: tuple[int, int], depth_m: float, reach_m: Floats) -> Bools:
    """Return (Q,) which queries, of points (Q, D, 3), float32 may count as seen or as not seen."""
    if isinstance(view, Through):
        flat = points.reshape(-1, 3)
        least, most = (
            seen(view, size_px, flat, depth_m, slack).reshape(points.shape[:2]).any(-1)
            for slack in (-LENS_SLACK_PX, LENS_SLACK_PX)
        )
        return np.asarray(most & ~least)
    near = witness_sight(view, points, size_px, depth_m, reach_m)
    return np.asarray(near.possibly.any(-1) & ~near.surely.any(-1))


def _unseen(sites: Sequence[SiteMask], sight: Sight) -> Iterator[Finding]:
    """Yield the cameras of which the graph keeps nothing at sites that no grid is declared for."""
    for index, name in enumerate(sight.cameras):
        empty = [site for site in sites if not site.seen[index].any()]
        if empty:
            message = f"the graph keeps none of its {empty[0].seen.shape[1]:,} queries at {empty[0].where}"
            mend = "check `calibration_inputs` and `image` in the sidecar, and the camera's pose"
            yield Finding("mask-empty", "error", name, message, mend)


def _empty(where: str, points: int, kept: int) -> Finding:
    """Return what is said of a pooling that leaves nearly everything out."""
    share = 100 * kept / max(points, 1)
    message = (
        f"the graph keeps {kept:,} of {points:,} points ({share:.1f} %) at {where}; of a camera's frustum most fall "
        "into the grid"
        if points
        else f"the graph keeps no row at all at {where}: no camera sees anything"
    )
    mend = "check `calibration_inputs`: which matrix does each input want, and in which direction?"
    return Finding("mask-empty", "error", "", message, mend)


def _left_out(sites: Sequence[SiteMask], spec: ModelSpec, masks: Sequence[MaskSight]) -> Iterator[str]:
    """Yield what could not be compared."""
    if not sites:
        yield "masks: no rows are dropped in this graph, so it shows none"
    elif not masks:
        yield (
            "masks: no grid of the sidecar has as many queries as a site"
            if spec.grids
            else "masks: no grid is declared"
        )
