"""What a comparison of two models found: values only, no time, host or path."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from specialize.errors import VerificationError
from specialize.power import EMPTY_PROOF, ILL_CONDITIONED, Conditioning, Power
from specialize.verify.tolerance import Tolerance

SCHEMA = "specialize/verify@1"


@dataclass(frozen=True, slots=True)
class OutputReport:
    """One output, over all frames.

    Attributes:
        name: Name of the output.
        dtype: Its numpy dtype.
        shape: Its shape.
        max_abs: Largest absolute difference.
        max_rel: Largest difference relative to the element's scale (its value, or its row and column).
        cosine: Smallest cosine similarity of a whole frame.
        margin: Largest share of the allowed difference that was used; at most 1 passes.
        tolerance: What was allowed.
        worst_frame: Frame of the element closest to or beyond its bound.
        worst_index: Its index in the output.
        reference: Its value in the original.
        candidate: Its value in the specialized model.
        failures: Number of elements beyond their bound, over all frames.
        passed: Whether the output is equal within its tolerance.
        reason: Why not; empty if passed.
        conditioning: How the bound follows from the original's own noise; None if a caller gave it.
        remark: That the output is ill-conditioned, if that mattered.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    max_abs: float
    max_rel: float
    cosine: float
    margin: float
    tolerance: Tolerance
    worst_frame: int
    worst_index: tuple[int, ...]
    reference: float
    candidate: float
    failures: int
    passed: bool
    reason: str
    conditioning: Conditioning | None = None
    remark: str = ""

    def to_json(self) -> dict[str, object]:
        """Return plain values; NaN and infinity become strings, because JSON has neither."""
        return {
            "passed": self.passed,
            "reason": self.reason,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "max_abs": plain(self.max_abs),
            "max_rel": plain(self.max_rel),
            "cosine": plain(self.cosine),
            "margin": plain(self.margin),
            "failures": self.failures,
            "tolerance": self.tolerance.to_json(),
            "worst": {
                "frame": self.worst_frame,
                "index": list(self.worst_index),
                "reference": plain(self.reference),
                "candidate": plain(self.candidate),
            },
        }


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Whether two models compute the same.

    Attributes:
        runtime: Runtime of the specialized model.
        reference_runtime: Runtime of the original.
        frames: Number of frames compared.
        outputs: One report per output that both have with the same shape and dtype.
        problems: What made a comparison impossible: a missing output, another shape.
        notes: What weakens the evidence without failing it.
        kernels: Kernels of 8 bits that the specialized model ran, where its runtime names them; not in JSON.
        power: What the comparison can show; None where that was not asked for.
    """

    runtime: str
    reference_runtime: str
    frames: int
    outputs: tuple[OutputReport, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    power: Power | None = None

    @property
    def passed(self) -> bool:
        """Whether every output was compared, in at least one frame, and is equal within its tolerance."""
        compared = self.frames > 0 and len(self.outputs) > 0
        return compared and not self.problems and all(output.passed for output in self.outputs)

    def to_json(self) -> dict[str, object]:
        """Return plain values, the same for the same models on every machine up to rounding."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "runtime": self.runtime,
            "reference_runtime": self.reference_runtime,
            "frames": self.frames,
            "outputs": {output.name: output.to_json() for output in self.outputs},
            "problems": list(self.problems),
            "notes": list(self.notes),
            "power": self._power(),
        }

    def _power(self) -> dict[str, object] | None:
        if self.power is None:
            return None
        judged = {out.name: out.conditioning for out in self.outputs if out.conditioning is not None}
        found: dict[str, object] = msgspec.to_builtins(msgspec.structs.replace(self.power, outputs=judged))
        return found

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
        failed = [output for output in self.outputs if not output.passed]
        # An index that differs is the consequence of a value that differs, so values are named first.
        worst = max(failed, key=lambda output: (output.tolerance.rtol > 0.0, output.margin))
        place = f"output {worst.name!r}{list(worst.worst_index)}, frame {worst.worst_frame}"
        found = f"{worst.candidate:.9g} ({worst.reason}; {len(failed)} of {len(self.outputs)} outputs differ)"
        raise VerificationError(place, f"{worst.reference:.9g}", found, _hint(worst))


def require_power(report: VerifyReport, allowed: Collection[str] = ()) -> None:
    """Raise unless the comparison could have failed, or a person allowed that it could not.

    Raises:
        VerificationError: Nothing that a compiler could get wrong moves an output; says what.
    """
    if report.power is None or not report.power.empty or EMPTY_PROOF in allowed:
        return
    raise VerificationError(
        "verification", "a comparison that can fail", report.power.empty,
        "look at `inputs` of the sidecar: zeros, or values outside what the model was made for, hide every fault; "
        f"--allow {EMPTY_PROOF} builds the model all the same",
    )  # fmt: skip


def plain(value: float) -> float | str:
    """Return a number that JSON can carry, or its name."""
    return value if math.isfinite(value) else str(value)


def _hint(output: OutputReport) -> str:
    if output.remark:
        return (
            f"output {output.name!r} is {output.remark}. Rounding alone moves it as far as a fault would, so that this "
            f"comparison shows nothing: use weights and inputs of the usual scale, or --allow {ILL_CONDITIONED}"
        )
    if output.tolerance.rtol == 0.0 and output.tolerance.mismatches == 0.0:
        return (
            "an index or label may differ where scores tie; then allow a share of mismatches for this output"
        )
    if not (math.isfinite(output.reference) and math.isfinite(output.candidate)):
        return "NaN or infinity: look for a division by zero, or inputs that the model was not made for"
    return "the specialized model is not kept; report the model's operators and this message as a bug"
