"""Match grids with sites: a plan belongs to a site that projects its points in the same order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from specialize.drafting.grids import described, grid_text, places_of
from specialize.drafting.sites import ProjectedPoints, is_among, projected_points
from specialize.errors import InputError
from specialize.model.spec import ModelSpec
from specialize.passes.site import CompactedSite
from specialize.visibility.plan import VisibilityPlan

_WITHOUT = "without `grids` only the model's own masks are used"


def require_matching(
    sites: Sequence[CompactedSite], plans: Sequence[VisibilityPlan], prepared: ir.Model, spec: ModelSpec
) -> None:
    """Reject grids that differ from the model's, and plans that keep fewer queries than its own masks.

    Args:
        sites: Sites that compaction found.
        plans: What the cameras see, one per grid of the sidecar.
        prepared: The graph, folded, its calibration still an input.
        spec: The sidecar.

    Raises:
        InputError: A grid has other points than the model, or the plan of a site loses a query.
    """
    if not plans:
        return
    points = projected_points(prepared, spec, len(plans[0].seen))
    if points.by_value:
        _require_known(sites, plans, points, spec)
    else:
        _require_places(sites, plans)
    _require_covered(sites, plans, points)


def _require_known(
    sites: Sequence[CompactedSite],
    plans: Sequence[VisibilityPlan],
    points: ProjectedPoints,
    spec: ModelSpec,
) -> None:
    """Reject a grid whose points the graph does not project, or projects in another order."""
    for index, plan in enumerate(plans):
        if not points.hold(plan.grid):
            typed = [each for several in points.by_value.values() for each in several]
            own = [described(place) for place in places_of(typed, {site.queries for site in sites})]
            raise InputError(
                f"sidecar: grids[{index}]",
                f"points that the model projects, in its order: {'; '.join(own)}",
                grid_text(spec.grids[index]),
                f"`specialize inspect` drafts the grids of a model; {_WITHOUT}",
            )


def _require_places(sites: Sequence[CompactedSite], plans: Sequence[VisibilityPlan]) -> None:
    """Reject a grid that matches no site while a site matches no grid, because it is meant for that site."""
    grids = {plan.superset.shape for plan in plans}
    sizes = {site.seen.shape for site in sites if len(site.seen) > 1}
    if sizes - grids and grids - sizes:
        raise InputError(
            "sidecar: grids",
            f"grids of {_sizes(sizes)}, as the model's sites",
            _sizes(grids),
            f"correct `shape`; {_WITHOUT}",
        )


def lost_pairs(sites: Sequence[CompactedSite], plan: VisibilityPlan) -> int:
    """Return how many pairs the masks of sites of a plan's size keep and the plan does not, at the best of them."""
    alike = [site for site in sites if site.seen.shape == plan.superset.shape]
    return min((int((site.seen & ~plan.superset).sum()) for site in alike), default=0)


def _sizes(shapes: set[tuple[int, ...]]) -> str:
    return " and ".join(f"{queries:,} queries for {cameras} cameras" for cameras, queries in sorted(shapes))


def _require_covered(
    sites: Sequence[CompactedSite], plans: Sequence[VisibilityPlan], points: ProjectedPoints
) -> None:
    """Reject a plan that keeps fewer queries than the graph's mask, which is authoritative."""
    for site in sites:
        own = points.of_site(site.replaced)
        for plan in plans:
            if site.seen.shape != plan.superset.shape or (own and not is_among(own, plan.grid)):
                continue
            lost = site.seen & ~plan.superset
            if lost.any():
                camera, query = (int(index[0]) for index in np.nonzero(lost))
                raise InputError(
                    "sidecar: grids, image, rule",
                    f"a plan that keeps all {site.pairs} pairs of the model's own mask",
                    f"{int(lost.sum())} fewer, the first at camera {camera}, query {query}",
                    "the grid, the image preparation or the rule differs from the model's, or its queries are in "
                    f"another order; {_WITHOUT}",
                )
