"""Explain why a graph's mask differs from that of the declared grid, by trying the usual mistakes one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from specialize.plausibility.sight import Bools, Floats, seen_queries
from specialize.plausibility.values import Sight
from specialize.witness.rig import Grid

CONVINCING, IMPROVEMENT = 0.93, 0.3
"""Least agreement of an explanation's mask with the graph's, and largest share of the difference that may remain."""
SCALES = {"half": 0.5, "twice": 2.0, "a quarter of": 0.25, "four times": 4.0}
WIDEST, STEPS = 4.0, 12
"""Ranges up to this factor wider or narrower are tried, in this many steps each way."""
ANCHORS = (4, 1, 2, 3, 5, 6, 8)


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """Hypothetical projection: matrices (N, 4, 4), image sizes, points (Q, D, 3) of a grid."""

    matrices: Floats
    sizes_px: Sequence[tuple[int, int]]
    grid: Grid
    metres: float = 1.0

    def mask(self, depth_m: float) -> Bools:
        return seen_queries(self.matrices, self.sizes_px, self.metres * self.grid.points(), depth_m)

    def over(self, **changes: object) -> _Case:
        """Return the same case over another grid."""
        return replace(self, grid=replace(self.grid, **changes))  # type: ignore[arg-type]

    def wider(self, factor: float) -> _Case:
        """Return the same case over a grid wider by a factor, with the same heights."""
        x0, y0, z0, x1, y1, z1 = self.grid.range_m
        return self.over(range_m=(factor * x0, factor * y0, z0, factor * x1, factor * y1, z1))


def explanation(kept: Bools, grid: Grid, sight: Sight, depth_m: float, fed: Mapping[str, Floats]) -> str:
    """Return the mistake that explains the graph's mask, or an empty string if no known mistake does.

    Args:
        kept: (N, Q) mask of the graph.
        grid: Grid declared in the sidecar.
        sight: What the cameras see.
        depth_m: Minimum depth.
        fed: Input name -> (N, 4, 4) fed to the graph.
    """
    declared = _Case(sight.matrices, sight.sizes_px, grid)
    projected = declared.mask(depth_m)
    tried = [(_agreement(case.mask(depth_m), kept), text) for text, case in _cases(declared, fed)]
    tried += [_reordered(projected, kept, sight.cameras), _fitting_range(declared, kept, depth_m)]
    agreement, text = max(tried, key=lambda one: one[0])  # the first of equal ones
    left = IMPROVEMENT * (1.0 - _agreement(projected, kept))
    return text if agreement >= CONVINCING and 1.0 - agreement <= left else ""


def _cases(declared: _Case, fed: Mapping[str, Floats]) -> Iterator[tuple[str, _Case]]:
    """Yield the mistakes to try, with their projections."""
    matrices, grid = declared.matrices, declared.grid
    x0, y0, z0, x1, y1, z1 = grid.range_m
    for word, factor in SCALES.items():
        scaled = np.diag([factor, factor, 1.0, 1.0]) @ matrices
        yield f"{word} the image `scale`", replace(declared, matrices=scaled)
    yield "points in millimetres", replace(declared, metres=1000.0)
    yield "x and y of `range_m` swapped", declared.over(range_m=(y0, x0, z0, y1, x1, z1))
    yield "x mirrored in `range_m`", declared.over(range_m=(x1, y0, z0, x0, y1, z1))
    yield "y mirrored in `range_m`", declared.over(range_m=(x0, y1, z0, x1, y0, z1))
    *levels, rows, columns = grid.shape
    yield "rows and columns of `shape` swapped", declared.over(shape=(*levels, columns, rows))
    for anchors in ANCHORS if not levels else ():
        yield f"{anchors} `anchors`", declared.over(anchors=anchors)
    swapped = [(height, width) for width, height in declared.sizes_px]
    yield "width and height of `size_px` swapped", replace(declared, sizes_px=swapped)
    for name, given in fed.items():
        yield f"{name}, as fed, used as lidar2img", replace(declared, matrices=given)
        yield (
            f"the inverse of {name}, as fed, used as lidar2img",
            replace(declared, matrices=_inverse(given)),
        )
        yield f"{name} transposed", replace(declared, matrices=np.swapaxes(given, 1, 2))


def _reordered(projected: Bools, kept: Bools, names: Sequence[str]) -> tuple[float, str]:
    """Return the agreement if the graph's cameras are in another order, and that order."""
    agreements = np.array(
        [[_agreement(own, other) for own in projected] for other in kept]
    )  # graph x profile
    order = agreements.argmax(axis=1)
    if len(set(order.tolist())) < len(order) or (order == np.arange(len(order))).all():
        return 0.0, ""
    return _agreement(
        projected[order], kept
    ), f"the cameras in the order {', '.join(names[one] for one in order)}"


def _fitting_range(declared: _Case, kept: Bools, depth_m: float) -> tuple[float, str]:
    """Return the best agreement over grid ranges, and that range. Wedges look the same at every range."""
    ratio = WIDEST ** (1 / STEPS)
    factors = [ratio**step for step in range(-STEPS, STEPS + 1)]
    best, agreement = 1.0, 0.0
    for _ in range(4):
        measured = [_agreement(declared.wider(factor).mask(depth_m), kept) for factor in factors]
        agreement = max(measured)
        alike = [factor for factor, one in zip(factors, measured, strict=True) if one == agreement]
        best = alike[len(alike) // 2]
        ratio = ratio ** (1 / 4)
        factors = [best * ratio**step for step in range(-4, 5)]
    x0, y0, _, x1, y1, _ = declared.wider(best).grid.range_m
    return agreement, f"a `range_m` of about {x0:.3g} to {x1:.3g} and {y0:.3g} to {y1:.3g} m"


def _agreement(first: Bools, second: Bools) -> float:
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 0.0


def _inverse(matrices: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.inv(matrices), np.float64)
    except np.linalg.LinAlgError:
        return np.zeros_like(matrices)
