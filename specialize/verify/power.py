"""What a comparison of two models can show: whose change moves the original's outputs, and by how much.

A comparison in which nothing that a compiler could get wrong moves an output proves nothing, whatever it finds. So the
original is run on changed inputs, one change at a time, on one frame: a camera with the features of its neighbour, an
input with its values of another frame, a calibration of which every camera is turned. The influence of a change on an
output is its largest movement as a multiple of what the comparison allows there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from specialize.verify.conditioning import Bound
from specialize.verify.scale import element_scale

SHOWN = 10.0
"""A change that moves an output by this many times of what is allowed cannot hide in it."""

MOST = 1e9
"""Influences are not told apart beyond; that of an output that must be equal is this."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Influence:
    """One change of the original's inputs, and what it does.

    Attributes:
        kind: `camera`, `input` or `calibration`.
        name: Name of the camera or the input; empty for the calibration.
        outputs: Largest movement of each output, as a multiple of what the comparison allows there.
    """

    kind: str
    name: str
    outputs: Mapping[str, float]

    @property
    def factor(self) -> float:
        """The largest influence on any output."""
        return max(self.outputs.values(), default=0.0)

    @property
    def shown(self) -> bool:
        """Whether the change cannot hide in what the comparison allows."""
        return self.factor >= SHOWN


@dataclass(frozen=True, slots=True)
class SitePower:
    """What was shown at one site of the original.

    Attributes:
        where: Name of the node.
        pairs: Pairs of camera and query that the build computes there.
        moved: Those whose row changes if that camera, and no other, gets the features of its neighbour.
        elsewhere: Rows that change although the build has no row of that camera there.
        outputs: Largest movement of each output if every row of the site's result has the values of the one before,
            as a multiple of what the comparison allows.
    """

    where: str
    pairs: int
    moved: int
    elsewhere: int
    outputs: Mapping[str, float]

    @property
    def shown(self) -> bool:
        """Whether exactly the rows that are computed matter, and matter to the outputs."""
        strong = max(self.outputs.values(), default=0.0) >= SHOWN
        return self.moved == self.pairs and not self.elsewhere and strong

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return asdict(self) | {"shown": self.shown}

    def lines(self) -> list[str]:
        """Return what was not shown, in one line each."""
        lines = []
        if self.moved < self.pairs:
            lost = f"{self.pairs - self.moved:,} of {self.pairs:,} rows do not change with their camera"
            lines.append(f"site {self.where}: {lost}")
        if self.elsewhere:
            lines.append(
                f"site {self.where}: {self.elsewhere:,} rows change with a camera in another way than through its rows"
            )
        if max(self.outputs.values(), default=0.0) < SHOWN:
            lines.append(f"site {self.where}: shuffled rows move no output by much more than is allowed")
        return lines


@dataclass(frozen=True, slots=True)
class Power:
    """What a comparison can show.

    Attributes:
        frame: Frame that the inputs were changed in.
        influences: Every change and what it does.
        not_shown: What could not be shown, in one line each.
        empty: Why the comparison as a whole shows nothing; empty if it does.
        sites: What is shown at each site.
    """

    frame: int
    influences: tuple[Influence, ...]
    not_shown: tuple[str, ...] = ()
    empty: str = ""
    sites: tuple[SitePower, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        influences = [asdict(each) | {"shown": each.shown} for each in self.influences]
        return asdict(self) | {"influences": influences, "sites": [site.to_json() for site in self.sites]}


def influence(kind: str, name: str, base: Arrays, changed: Arrays, bounds: Mapping[str, Bound]) -> Influence:
    """Return what a change does to each output.

    Args:
        kind: `camera`, `input` or `calibration`.
        name: Name of what was changed.
        base: The outputs before, by name.
        changed: The outputs after.
        bounds: What the comparison allows.
    """
    factors = {
        output: _factor(array, changed[output], bounds[output])
        for output, array in base.items()
        if output in bounds and output in changed
    }
    return Influence(kind, name, factors)


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
    rows = [line for site in sites for line in site.lines()]
    same = [f"input {name!r} has the same values in every frame" for name in unchanged]
    return Power(frame, influences, (*lost, *same, *without, *rows), _empty(influences, unchanged), sites)


def _factor(base: np.ndarray, changed: np.ndarray, bound: Bound) -> float:
    if base.shape != changed.shape or not base.size:
        return 0.0
    tolerance = bound.strict
    if tolerance.rtol == 0.0:
        return MOST if np.any(base != changed) else 0.0
    a, b = base.astype(np.float64), changed.astype(np.float64)
    allowed = tolerance.atol + tolerance.rtol * element_scale(a)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(np.abs(b - a).reshape(-1) / allowed, nan=0.0, posinf=MOST)
    return float(f"{min(MOST, float(shares.max())):.3g}")


def _line(change: Influence) -> str:
    what = {
        "camera": f"features of camera {change.name}",
        "input": f"input {change.name!r}",
        "calibration": "cameras turned by 2 degrees",
    }[change.kind]
    if change.factor == 0.0:
        return f"{what}: no output changes"
    return f"{what}: no output changes by more than {change.factor:.3g} times what is allowed"


def _empty(influences: tuple[Influence, ...], unchanged: tuple[str, ...]) -> str:
    kinds = {
        kind: [each.shown for each in influences if each.kind == kind]
        for kind in ("camera", "input", "calibration")
    }
    if kinds["camera"] and not any(kinds["camera"]):
        return "the features of no camera influence an output"
    if kinds["calibration"] and not any(kinds["calibration"]):
        return "cameras turned by 2 degrees change no output"
    inputs = kinds["camera"] + kinds["input"]
    if (inputs or unchanged) and not any(inputs):
        return "no input influences an output"
    return ""
