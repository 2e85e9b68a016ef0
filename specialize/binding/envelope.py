"""Envelopes of a build: which pairs may ever be visible, what that costs, and whether a calibration is inside.

The file `envelope.npz` of a build holds the pairs, one bit each, and the calibrations that the build was verified with.
Reading it needs numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.artifact.witness import WitnessedEnvelope
from specialize.binding.witnessed.envelope import Edge, try_the_edge
from specialize.calibration.folder import load_profiles, profile_files
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.tolerance import Tolerance, parse_tolerance
from specialize.errors import InputError, UsageError
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.request import BuildRequest
from specialize.visibility.envelope import deviations, superset_within
from specialize.visibility.plan import VisibilityPlan
from specialize.visibility.pyramid import Deviation
from specialize.witness.off import rig_without
from specialize.witness.rig import Rig, read_rig

Bools = npt.NDArray[np.bool_]
Arrays = Mapping[str, npt.NDArray[np.generic]]

MOST_CASES = 8
"""Calibrations that the whole model is run with: the nominal one, given ones, adverse ones at the edge."""

Example = tuple[CalibrationProfile, Rig]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelope:
    """What a build with the calibration as an input is made for.

    Attributes:
        tolerance: Bounds around every calibration, for all cameras; None for each camera's own.
        over: Further calibrations inside.
        supersets: Per grid the pairs (N, Q) that any calibration inside may see.
        exact_pairs: Per grid, how many the nominal calibration sees.
        examples: Calibrations inside, the nominal one first.
        rigs: The same as the witness has them.
        witnessed: What the witness found at the edge of the tolerance.
    """

    tolerance: Tolerance | None
    over: tuple[CalibrationProfile, ...]
    supersets: tuple[Bools, ...]
    exact_pairs: tuple[int, ...]
    examples: tuple[CalibrationProfile, ...]
    rigs: tuple[Rig, ...]
    witnessed: WitnessedEnvelope

    @property
    def pairs(self) -> int:
        """Return the pairs inside, all grids together."""
        return sum(int(pairs.sum()) for pairs in self.supersets)

    @property
    def overhead(self) -> float:
        """Return the share of pairs beyond those of the nominal calibration; 0.02 is 2 %."""
        return self.pairs / max(sum(self.exact_pairs), 1) - 1

    def summary(self) -> dict[str, object]:
        """Return what the manifest says about it."""
        return {
            "tolerance": None if self.tolerance is None else self.tolerance.to_json(),
            "over": [profile.digest for profile in self.over],
            "pairs": [int(pairs.sum()) for pairs in self.supersets],
            "exact_pairs": list(self.exact_pairs),
            "overhead": round(self.overhead, 6),
        }


def make_envelope(
    request: BuildRequest, profile: CalibrationProfile, spec: ModelSpec, plans: Sequence[VisibilityPlan]
) -> Envelope:
    """Return the envelope that a request asks for; `plans` are what the cameras of the profile see.

    Raises:
        UsageError: Nothing says how large it is.
        InputError: A profile, the tolerance or the sidecar cannot be right.
    """
    tolerance = None if request.tolerance is None else parse_tolerance(request.tolerance)
    bounds = [camera.tolerance if tolerance is None else tolerance for camera in profile.cameras]
    over = load_profiles(request.envelope_over)
    if not over and all(bound.is_zero for bound in bounds):
        hint = "give --tolerance rotation=0.5deg,translation=3cm, --envelope-over, or a `tolerance:` in the profile"
        raise UsageError("--mode envelope", "how far calibrations may differ", "no tolerance", hint)
    if not plans:
        raise InputError(spec.name, "a grid of queries in its sidecar", "none", "add `grids:` to the sidecar")
    _require_same_cameras(profile, over)
    supersets = [reach_of(plan, profile, spec, tolerance) for plan in plans]
    for other in over:
        for pairs, plan in zip(supersets, visible_sets(spec, other), strict=True):
            pairs |= reach_of(plan, other, spec, tolerance)
    others = [read_rig(path) for path in profile_files(request.envelope_over)]
    rigs = [rig_without(read_rig(request.calib), request.without), *others]
    edge = try_the_edge(rigs, spec, request.tolerance, supersets, MOST_CASES - 1)
    examples = _examples(tuple(zip((profile, *over), rigs, strict=True)), edge)
    return Envelope(
        tolerance=tolerance,
        over=over,
        supersets=tuple(supersets),
        exact_pairs=tuple(plan.pairs for plan in plans),
        examples=tuple(example for example, _ in examples),
        rigs=tuple(rig for _, rig in examples),
        witnessed=WitnessedEnvelope(
            tried=edge.tried, margin_px=edge.margin_px, gained=edge.gained, cases=len(examples)
        ),
    )


def reach_of(
    plan: VisibilityPlan, profile: CalibrationProfile, spec: ModelSpec, tolerance: Tolerance | None
) -> Bools:
    """Return every pair (N, Q) of one grid that a calibration within a tolerance of this profile may see.

    Args:
        plan: What the profile sees of the grid.
        profile: The calibration.
        spec: The model.
        tolerance: For all cameras; None for each camera's own.
    """
    scales = [spec.image_of(index).scale for index in range(len(profile.cameras))]
    allowed = deviations(profile, scales, tolerance)
    if all(each == Deviation() for each in allowed):
        return plan.superset  # what is certified for no deviation is a few pairs of rounding more
    return superset_within(plan, allowed)


def _examples(given: Sequence[Example], edge: Edge) -> tuple[Example, ...]:
    """Return the nominal calibration, then given ones, evenly spread, and adverse ones at the edge in turn."""
    nominal, *over = given
    places = np.linspace(0, len(over) - 1, min(len(over), MOST_CASES - 1))
    spread = [over[round(place)] for place in places]
    rounds = max(len(spread), len(edge.examples))
    mixed = [part[index] for index in range(rounds) for part in (spread, edge.examples) if index < len(part)]
    return (nominal, *mixed[: MOST_CASES - 1])


def _require_same_cameras(profile: CalibrationProfile, others: Sequence[CalibrationProfile]) -> None:
    for other in others:
        if other.camera_names() != profile.camera_names():
            raise InputError(
                f"--envelope-over: {other.vehicle}",
                f"the cameras {', '.join(profile.camera_names())}",
                ", ".join(other.camera_names()),
            )
