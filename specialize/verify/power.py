"""Determine what a comparison of two models can show: which changes move the original's outputs, and by how much.

A comparison proves nothing if no possible error of a compiler would move an output, whatever its result. So the
original is run on changed inputs, one change at a time, on one frame: a camera with the features of its neighbour, an
input with its values of another frame, a calibration with every camera rotated. The influence of a change on an output
is its largest movement as a multiple of the output's tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from specialize.evidence.power import SHOWN, Influence, Kind, Power, SitePower
from specialize.verify.conditioning import Bound
from specialize.verify.tolerance import allowed_by

MOST = 1e9
"""Upper limit of influences; also the influence on an output that must be equal."""

Arrays = Mapping[str, np.ndarray]


def influence(kind: Kind, name: str, base: Arrays, changed: Arrays, bounds: Mapping[str, Bound]) -> Influence:
    """Return what a change does to each output.

    Args:
        kind: What was changed.
        name: Its name.
        base: The outputs before, by name.
        changed: The outputs after.
        bounds: What the comparison allows.
    """
    outputs = movements(base, changed, bounds)
    largest = max(outputs.values(), default=0.0)
    return Influence(kind=kind, name=name, outputs=outputs, shown=largest >= SHOWN)


def movements(base: Arrays, changed: Arrays, bounds: Mapping[str, Bound]) -> dict[str, float]:
    """Return the largest movement of each output that both have, as a multiple of what the comparison allows there."""
    return {
        output: _factor(array, changed[output], bounds[output])
        for output, array in base.items()
        if output in bounds and output in changed
    }


def site_power(where: str, pairs: int, moved: int, elsewhere: int, outputs: dict[str, float]) -> SitePower:
    """Return what was shown at a site: the fields are those of `SitePower`."""
    strong = max(outputs.values(), default=0.0) >= SHOWN
    return SitePower(
        where=where,
        pairs=pairs,
        moved=moved,
        elsewhere=elsewhere,
        outputs=outputs,
        shown=moved == pairs and not elsewhere and strong,
    )


def weighed(
    frame: int,
    influences: tuple[Influence, ...],
    unchanged: tuple[str, ...],
    without: tuple[str, ...],
    sites: tuple[SitePower, ...] = (),
) -> Power:
    """Return what a comparison can show.

    Args:
        frame: Frame that the inputs were changed in.
        influences: Every change and what it does.
        unchanged: Inputs that have the same values in every frame, so that their influence is not known.
        without: What cannot be asked of this model, in one line each.
        sites: What is shown at each site.
    """
    lost = [_line(each) for each in influences if not each.shown]
    rows = [line for site in sites for line in _site_lines(site)]
    same = [f"input {name!r} has the same values in every frame" for name in unchanged]
    return Power(
        frame=frame,
        influences=influences,
        not_shown=(*lost, *same, *without, *rows),
        empty=_empty(influences, unchanged),
        sites=sites,
    )


def _site_lines(site: SitePower) -> list[str]:
    """Return what was not shown at a site, in one line each."""
    lines = []
    if site.moved < site.pairs:
        lost = f"{site.pairs - site.moved:,} of {site.pairs:,} rows do not change with their camera"
        lines.append(f"site {site.where}: {lost}")
    if site.elsewhere:
        told = "rows change with a camera, but not through its rows"
        lines.append(f"site {site.where}: {site.elsewhere:,} {told}")
    if max(site.outputs.values(), default=0.0) < SHOWN:
        lines.append(f"site {site.where}: shuffled rows move no output by much more than its tolerance")
    return lines


def _factor(base: np.ndarray, changed: np.ndarray, bound: Bound) -> float:
    if base.shape != changed.shape or not base.size:
        return 0.0
    tolerance = bound.strict
    if tolerance.rtol == 0.0:
        return MOST if np.any(base != changed) else 0.0
    a, b = base.astype(np.float64), changed.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(np.abs(b - a) / allowed_by(tolerance, a), nan=0.0, posinf=MOST)
    return float(f"{min(MOST, float(shares.max())):.3g}")


def _line(change: Influence) -> str:
    what = {
        "camera": f"features of camera {change.name}",
        "input": f"input {change.name!r}",
        "calibration": "cameras rotated by 2 degrees",
    }[change.kind]
    if change.factor == 0.0:
        return f"{what}: no output changes"
    return f"{what}: no output changes by more than {change.factor:.3g} times its tolerance"


def _empty(influences: tuple[Influence, ...], unchanged: tuple[str, ...]) -> str:
    kinds = {
        kind: [each.shown for each in influences if each.kind == kind]
        for kind in ("camera", "input", "calibration")
    }
    if kinds["camera"] and not any(kinds["camera"]):
        return "no camera's features influence an output"
    if kinds["calibration"] and not any(kinds["calibration"]):
        return "cameras rotated by 2 degrees change no output"
    inputs = kinds["camera"] + kinds["input"]
    if (inputs or unchanged) and not any(inputs):
        return "no input influences an output"
    return ""
