"""Compare the masks that a graph computes from its calibration with an independent projection.

The graph is taken as correct: if its mask differs, the sidecar describes the graph wrongly, or the graph is fed
another matrix than it expects. Possible explanations are tried and named.
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
"""Differences beyond float32 rounding are doubtful; below this share of pairs, or if explained, they are errors."""
LENS_SLACK_PX = 0.5
"""How far float32 may move a pixel through a lens, for points at least an arm's length away."""
LEAST_KEPT = 0.1
"""In a real model most points of a frustum fall into the grid. If cameras are pooled that each see 1/N of the
surroundings, half of that is enough.
"""


@dataclass(frozen=True, slots=True, eq=False)
class SiteMask:
    """What a graph keeps at one site under the calibration.

    Attributes:
        where: Name of the node.
        seen: (G, Q) queries that read a row of each group; at a cross-attention the groups are cameras.
        points: Number of rows before any are dropped.
        kept: Number of rows that are kept.
    """

    where: str
    seen: Bools
    points: int
    kept: int


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Result of comparing the masks of a graph.

    Attributes:
        masks: The comparison, for each grid that sites belong to.
        pooled: The largest pooling, if no site has cameras and queries.
        findings: What is implausible.
        not_compared: What could not be judged, with the reason.
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
        fed: Input name -> (N, 4, 4) fed to the graph.
        mode: How the calibration is bound; the masks are exact in mode `exact` and supersets otherwise.
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
    """Return the grid of a site's size whose mask is most similar to the site's, or -1 if no grid has its size.

    Several planes may have the same number of queries, and each site of one grid may keep only a part of it.
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
    """Compare the union of all sites of one grid, because a graph may have one site per height."""
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
        f"the graph keeps {mask.pairs:,} camera-query pairs, the cameras see {mask.projected:,} on the declared "
        f"grid, and {both:,} are common"
    )
    straight = not any(isinstance(view, Through) for view in sight.views)
    why = explanation(kept, declared, sight, depth_m, fed) if exact and straight else ""
    severity = "error" if agreement < LEAST_AGREEMENT or why else "warning"
    mend = (
        "correct `grids`, `image` or `calibration_inputs` in the sidecar; without `grids` there "
        "is no comparison"
    )
    text = f"{told}; a likely cause: {why}" if why else told
    return mask, [Finding("mask-differs", severity, "", text, mend)]  # type: ignore[arg-type]


def _rounded(projected: Bools, kept: Bools, points: Floats, sight: Sight, depth_m: float) -> Bools:
    """Return the projection's pairs (N, Q), with the graph's answer where float32 may round either way."""
    settled = projected.copy()
    for index, (view, size) in enumerate(zip(sight.views, sight.sizes_px, strict=True)):
        queries = np.flatnonzero(projected[index] != kept[index])
        if len(queries):
            near = _either(view, points[queries], size, depth_m, reach_of(points))
            settled[index, queries[near]] = kept[index, queries[near]]
    return settled


def _either(view: View, points: Floats, size_px: tuple[int, int], depth_m: float, reach_m: Floats) -> Bools:
    """Return (Q,) which queries, of points (Q, D, 3), float32 may count as seen or unseen."""
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
    """Yield a finding for every camera of which the graph keeps nothing, at sites without a declared grid."""
    for index, name in enumerate(sight.cameras):
        empty = [site for site in sites if not site.seen[index].any()]
        if empty:
            message = f"the graph keeps none of its {empty[0].seen.shape[1]:,} queries at {empty[0].where}"
            mend = "check `calibration_inputs` and `image` in the sidecar, and the camera's pose"
            yield Finding("mask-empty", "error", name, message, mend)


def _empty(where: str, points: int, kept: int) -> Finding:
    """Return a finding if a pooling drops nearly everything."""
    share = 100 * kept / max(points, 1)
    message = (
        f"the graph keeps {kept:,} of {points:,} points ({share:.1f} %) at {where}; most of a camera's frustum "
        "should fall into the grid"
        if points
        else f"the graph keeps no row at {where}: no camera sees anything"
    )
    mend = "check `calibration_inputs`: which matrix each input expects, and in which direction"
    return Finding("mask-empty", "error", "", message, mend)


def _left_out(sites: Sequence[SiteMask], spec: ModelSpec, masks: Sequence[MaskSight]) -> Iterator[str]:
    """Yield what could not be compared, and why."""
    if not sites:
        yield "masks: the graph drops no rows"
    elif not masks:
        yield (
            "masks: no grid of the sidecar has the number of queries of a site"
            if spec.grids
            else "masks: the sidecar declares no grid"
        )
