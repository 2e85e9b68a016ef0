"""Prove a build at its sites: compare what the calibration can change, and require that all else is as recorded.

The specialized model must have, segment by segment, the nodes and weights of a build that was proven whole, except
where the original's segment reads the calibration. Those segments of both models run on recorded values, with the new
calibration, and every value that they compute is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from specialize.errors import DeclinedError, VerificationError
from specialize.evidence.at_sites import AtSites, Recorded
from specialize.evidence.comparison import VerifyReport
from specialize.evidence.power import SHOWN, Power
from specialize.verify.alike import alike
from specialize.verify.cutting import Cutting, cut_at, differing
from specialize.verify.models import Compared, Judging
from specialize.verify.recording import Pair, bounds_of, ends_of, run_segments, weights_of
from specialize.verify.segments import segment_digests

Arrays = Mapping[str, np.ndarray]
RUNTIME = "onnxruntime"


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A recording as a store keeps it: what it says, its digest, and its values by name."""

    about: Recorded
    digest: str
    arrays: Arrays


def prove_at_sites(pair: Pair, kept: Kept) -> VerifyReport:
    """Compare a specialized model with the original where the calibration matters.

    Args:
        pair: The original and the specialized model.
        kept: What was recorded when another build of the model was proven whole.

    Raises:
        DeclinedError: The specialized model differs from that build elsewhere, so that only a whole proof can tell.
        InputError: The original does not run, or a recorded value is damaged.
        VerificationError: The specialized model does not run at its sites.
    """
    about = kept.about
    original, specialized = pair.nets()
    cutting = cut_at(original, specialized, frozenset(about.cuts), pair.calibration)
    weights = weights_of(pair.specialized, specialized)
    _require_equal(cutting, about, weights)
    if set(about.arrays) != cutting.reads:
        names = sorted(set(about.arrays) ^ cutting.reads)
        raise _declined(about, "the recorded values that its sites read", f"not {names[0]!r}")
    shown = alike(cutting, about.sites, weights)
    names = sorted(set(shown.values()))
    values = {name: kept.arrays[name] for name in sorted(cutting.read_by(names))}
    wanted = run_segments(cutting, pair, values, names, of_original=True)
    try:
        found = run_segments(cutting, pair, values, names, of_original=False)
    except Exception as error:  # the runtime raises types of its own
        raise VerificationError(
            "specialized model, at its sites", "a run without error", str(error)
        ) from error
    others = {name: one for name, one in shown.items() if name != one}
    return _report(kept, wanted, found, others)


def _require_equal(cutting: Cutting, about: Recorded, weights: Mapping[str, str]) -> None:
    """Require that all that does not read the calibration is what the other build has.

    Raises:
        DeclinedError: Something is not; names it.
    """
    net = cutting.specialized
    if ends_of(net) != about.ends:
        raise _declined(about, "its inputs and outputs", "others")
    if cutting.bound != set(about.noise):
        name = min(cutting.bound ^ set(about.noise))
        raise _declined(about, "the calibration at the same values", f"another use of it at {name!r}")
    other = differing(cutting, cutting.calibration)
    if other:
        raise _declined(about, "values that follow from the same ones", f"others at {other[0]!r}")
    clean = {name: each for name, each in cutting.of_specialized.items() if name not in cutting.bound}
    found = segment_digests(net, clean, weights)
    wrong = sorted(
        name for name in found.keys() | about.segments.keys() if found.get(name) != about.segments.get(name)
    )
    if wrong or not cutting.bound <= cutting.of_specialized.keys():
        name = wrong[0] if wrong else min(cutting.bound - cutting.of_specialized.keys())
        raise _declined(about, "its nodes and weights outside the sites", f"others at {name!r}")


def _report(kept: Kept, wanted: Arrays, found: Arrays, others: dict[str, str]) -> VerifyReport:
    about, bounds = kept.about, bounds_of(kept.about.noise)
    judged, problems = {}, []
    for name in sorted(wanted):
        one, other = wanted[name], found[name]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            problems.append(
                f"value {name!r} is {other.dtype}{list(other.shape)} instead of {one.dtype}{list(one.shape)}"
            )
            continue
        judging = Judging(bounds[name], once=True)
        judging.add(one, other, about.frame, one)
        judged[name] = judging.output()
    power = Power(
        frame=about.frame,
        influences=(),  # of inputs on outputs: the first build's
        not_shown=tuple(
            f"value {name!r}: cameras rotated by 2 degrees do not move it"
            for name, factor in about.moved.items()
            if factor < SHOWN
        ),
        outputs={name: each.conditioning for name, each in judged.items() if each.conditioning},
    )
    at = AtSites(
        build=about.build, vehicle=about.vehicle, recording=kept.digest, frame=about.frame,
        equal=len(about.segments), moved=about.moved, tolerances=about.tolerances, alike=others,
    )  # fmt: skip
    factor = max(about.moved.values())
    notes = (
        f"cameras rotated by 2 degrees move a value at the sites by {factor:.3g} times its tolerance",
        *(f"value {name!r} is {each.remark}" for name, each in judged.items() if each.remark),
    )
    compared = Compared(judged, tuple(problems), ())
    return compared.report((RUNTIME, RUNTIME), 1, notes, power, at)


def _declined(about: Recorded, expected: str, found: str) -> DeclinedError:
    return DeclinedError(f"proof at the sites, against the build of {about.vehicle}", expected, found)
