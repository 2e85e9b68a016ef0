"""Define the result of a comparison of two models: values only, no time, host or path."""

from __future__ import annotations

import math
from collections.abc import Collection

import msgspec

from specialize.errors import VerificationError
from specialize.evidence.at_sites import AtSites, Proof
from specialize.evidence.power import EMPTY_PROOF, ILL_CONDITIONED, Power
from specialize.evidence.tolerance import Tolerance
from specialize.text.record import Figure, Record


class Worst(Record, frozen=True, kw_only=True):
    """The value closest to its bound, or farthest beyond.

    Attributes:
        frame: Number of the frame.
        index: Place in the output.
        reference: The original's value; text if it is no finite number.
        candidate: The specialized model's.
    """

    frame: int
    index: tuple[int, ...]
    reference: Figure
    candidate: Figure


class OutputReport(Record, frozen=True, kw_only=True):
    """One output, compared over all frames.

    Attributes:
        passed: Whether it is equal within its tolerance.
        reason: Why not; empty if passed.
        dtype: Type of its values.
        shape: Its shape.
        max_abs: Largest absolute difference.
        max_rel: Largest difference relative to the element's scale: its value, or its row and column.
        cosine: Least cosine of the angle between both over the frames.
        margin: Largest share of what is allowed that was used; above 1 if it failed.
        failures: Values beyond their bound, over all frames.
        tolerance: What was allowed.
        worst: The value closest to its bound.
    """

    passed: bool
    reason: str
    dtype: str
    shape: tuple[int, ...]
    max_abs: Figure
    max_rel: Figure
    cosine: Figure
    margin: Figure
    failures: int
    tolerance: Tolerance
    worst: Worst


def _whole() -> Proof:
    return "whole"


class VerifyReport(
    Record, frozen=True, kw_only=True, omit_defaults=True, tag="specialize/verify@1", tag_field="schema"
):
    """`specialize verify --json`.

    Attributes:
        passed: Whether every output was compared, in at least one frame, and is equal within its tolerance.
        runtime: What the specialized model ran on.
        reference_runtime: What the original ran on.
        frames: Frames compared.
        outputs: Name -> how it compares, for every output that both have with the same shape and type.
        problems: What made a comparison impossible: a missing output, another shape.
        notes: What should be known about it, and does not make it fail.
        power: What the comparison could show; null of a converted build, left out in a build's JSON.
        kernels: Kernels of 8 bits that the specialized model ran; left out where its runtime names none.
        proof: `whole` if both models ran from inputs to outputs; `sites` if what reads the calibration ran on recorded
            values, and `outputs` are the values that it computes.
        at: What a proof at the sites rests on; left out of a whole one.
    """

    passed: bool
    runtime: str
    reference_runtime: str
    frames: int
    outputs: dict[str, OutputReport]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    power: Power | msgspec.UnsetType | None = msgspec.UNSET
    kernels: tuple[str, ...] = ()
    proof: Proof = msgspec.field(
        default_factory=_whole
    )  # so that JSON always says it, and old builds can be read
    at: AtSites | None = None

    def require_passed(self) -> None:
        """Raise unless the models agree.

        Raises:
            VerificationError: Names the output, the index and both values of the worst element.
        """
        if self.passed:
            return
        if self.problems:
            hint = (
                "the specialized model must keep every output of the original; this is a bug of the compiler"
            )
            raise VerificationError("verification", "comparable outputs", "; ".join(self.problems), hint)
        if not self.outputs or self.frames == 0:
            raise VerificationError("verification", "at least one frame and one output to compare", "none")
        failed = {name: output for name, output in self.outputs.items() if not output.passed}
        # An index that differs is the consequence of a value that differs, so values are named first.
        name, worst = max(failed.items(), key=lambda item: (item[1].tolerance.rtol > 0.0, item[1].margin))
        value = worst.worst
        place = f"output {name!r}{list(value.index)}, frame {value.frame}"
        found = f"{value.candidate:.9g} ({worst.reason}; {len(failed)} of {len(self.outputs)} outputs differ)"
        raise VerificationError(place, f"{value.reference:.9g}", found, self._hint(name))

    def require_power(self, allowed: Collection[str] = ()) -> None:
        """Raise unless the comparison could have failed, or a person allowed that it could not.

        Raises:
            VerificationError: Nothing that a compiler could get wrong moves an output; says what.
        """
        if not self.power or not self.power.empty or EMPTY_PROOF in allowed:
            return
        raise VerificationError(
            "verification", "a comparison that can fail", self.power.empty,
            "check `inputs` of the sidecar: zeros, or values that the model was not made for, hide every error; "
            f"--allow {EMPTY_PROOF} builds the model nevertheless",
        )  # fmt: skip

    def _hint(self, name: str) -> str:
        """Return what may have made an output differ."""
        said = f"output {name!r} is ill-conditioned"
        if note := next((note for note in self.notes if note.startswith(said)), ""):
            return (
                f"{note}. Rounding alone moves it as far as an error would, so that this comparison shows nothing: "
                f"use weights and inputs of the usual scale, or --allow {ILL_CONDITIONED}"
            )
        output = self.outputs[name]
        if output.tolerance.rtol == 0.0 and output.tolerance.mismatches == 0.0:
            return (
                "an index or label may differ if scores are equal; then allow a share of mismatches "
                "for this output"
            )
        if not (math.isfinite(output.worst.reference) and math.isfinite(output.worst.candidate)):
            return (
                "NaN or infinity: check for a division by zero, or for inputs that the model was not made for"
            )
        return "the specialized model is discarded; report the model's operators and this message as a bug"


NOT_COMPARED = VerifyReport(
    passed=False, runtime="", reference_runtime="", frames=0, outputs={}, problems=(), notes=()
)
"""Of a build that is not proven yet."""
