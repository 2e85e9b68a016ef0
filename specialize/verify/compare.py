"""Compare two arrays element by element, each against its own row and column."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import msgspec
import numpy as np

from specialize.evidence.comparison import OutputReport, Worst
from specialize.evidence.tolerance import Tolerance
from specialize.text.record import Figure
from specialize.verify.scale import Bools, ElementScales, Floats, as_rows, blocks


def compare_arrays(
    reference: np.ndarray, candidate: np.ndarray, tolerance: Tolerance, frame: int = 0
) -> OutputReport:
    """Compare one output of one frame, some rows at a time.

    Args:
        reference: The original's values, any shape and dtype.
        candidate: The specialized model's values, same shape and dtype.
        tolerance: What may differ.
        frame: Number of the frame, for the report.
    """
    scales, tally = ElementScales.of(reference), _Tally(tolerance)
    wanted, got = as_rows(reference), as_rows(candidate)
    for some in blocks(reference):
        tally.add(wanted[some], got[some], scales)
    index = tuple(int(i) for i in np.unravel_index(tally.worst, reference.shape)) if reference.size else ()
    passed = tally.failures <= tolerance.mismatches * reference.size and not tally.bad
    return OutputReport(
        dtype=reference.dtype.name,
        shape=tuple(reference.shape),
        max_abs=Figure(tally.max_abs),
        max_rel=Figure(tally.max_rel),
        cosine=Figure(tally.cosine()),
        margin=Figure(max(tally.margin, 0.0)),
        tolerance=tolerance,
        worst=Worst(
            frame=frame, index=index, reference=Figure(tally.values[0]), candidate=Figure(tally.values[1])
        ),
        failures=tally.failures,
        passed=passed,
        reason="" if passed else tally.reason(reference.size),
    )


@dataclass(slots=True)
class _Tally:
    """What was found in the rows compared so far.

    Attributes:
        tolerance: What may differ.
        seen: Number of values.
        max_abs: Largest absolute difference.
        max_rel: Largest difference relative to the element's scale.
        margin: Largest share of what is allowed that was used.
        worst: Which value used it, in C order.
        values: The original's and the specialized model's there.
        allowed: What was allowed there.
        failures: Values beyond their bound.
        bad: Values that are NaN or infinite.
        angles: Of each block of rows the largest magnitudes, the norms divided by these, and the product.
    """

    tolerance: Tolerance
    seen: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    margin: float = -1.0
    worst: int = 0
    values: tuple[float, float] = (0.0, 0.0)
    allowed: float = 0.0
    failures: int = 0
    bad: int = 0
    angles: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def add(self, reference: np.ndarray, candidate: np.ndarray, scales: ElementScales) -> None:
        """Compare some (rows, C) rows."""
        wanted, got = reference.astype(np.float64), candidate.astype(np.float64)
        scale = scales.at(wanted)
        difference, bad = _difference(wanted, got, self.tolerance.nonfinite)
        if reference.dtype.kind in "iu":
            difference = _apart(reference, candidate)
        allowed = self.tolerance.atol + self.tolerance.rtol * scale
        allowed[~np.isfinite(allowed)] = 0.0  # a scale that overflows allows nothing
        margin = _ratio(difference, allowed)
        worst = int(np.argmax(margin))
        if margin.flat[worst] > self.margin:
            self.margin, self.worst = float(margin.flat[worst]), self.seen + worst
            self.values = float(wanted.flat[worst]), float(got.flat[worst])
            self.allowed = float(allowed.flat[worst])
        self.max_abs = max(self.max_abs, float(difference.max()))
        self.max_rel = max(self.max_rel, float(_ratio(difference, scale).max()))
        self.failures += int(np.count_nonzero(margin > 1.0))
        self.bad += int(np.count_nonzero(bad))
        self.angles.append(_angle(wanted, got))
        self.seen += wanted.size

    def cosine(self) -> float:
        """Return the cosine similarity of the finite values; 1 if both are zero, 0 if one is."""
        a, b = (max((each[side] for each in self.angles), default=0.0) for side in (0, 1))
        if a == 0.0 or b == 0.0:
            return 1.0 if a == b else 0.0
        norm_a = math.sqrt(sum((each[0] / a * each[2]) ** 2 for each in self.angles))
        norm_b = math.sqrt(sum((each[1] / b * each[3]) ** 2 for each in self.angles))
        return min(
            1.0, sum(each[0] / a * (each[1] / b) * each[4] for each in self.angles) / (norm_a * norm_b)
        )

    def reason(self, size: int) -> str:
        """Return why some values are not equal."""
        if self.bad:
            return f"{self.bad} of {size} values are NaN or infinite"
        return f"{self.failures} of {size} values beyond their bound, allowed here {self.allowed:.3g}"


def merge(first: OutputReport, second: OutputReport) -> OutputReport:
    """Join the reports of one output over two sets of frames; the worse element stays."""
    worse = second if (second.passed, -second.margin) < (first.passed, -first.margin) else first
    return msgspec.structs.replace(
        worse,
        max_abs=max(first.max_abs, second.max_abs),
        max_rel=max(first.max_rel, second.max_rel),
        cosine=min(first.cosine, second.cosine),
        margin=max(first.margin, second.margin),
        failures=first.failures + second.failures,
    )


def _difference(wanted: Floats, got: Floats, nonfinite: bool) -> tuple[Floats, Bools]:
    """Return |got - wanted|, infinite where NaN or infinity is not allowed, and where that is."""
    finite = np.isfinite(wanted) & np.isfinite(got)
    alike = (np.isnan(wanted) & np.isnan(got)) | (wanted == got)
    bad = ~finite & ~(alike & nonfinite)
    with np.errstate(invalid="ignore"):
        difference = np.where(finite, np.abs(got - wanted), 0.0)
    return np.where(bad, np.inf, difference), bad


def _apart(first: np.ndarray, second: np.ndarray) -> Floats:
    """Return |second - first| of integers, of which float64 alone would not tell those above 2^53 apart."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.asarray(high.astype(np.uint64) - low.astype(np.uint64), np.float64)


def _ratio(difference: Floats, bound: Floats) -> Floats:
    """Return difference / bound; 0 where nothing differs, infinite where nothing was allowed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0.0, 0.0, difference / bound)


def _angle(wanted: Floats, got: Floats) -> tuple[float, float, float, float, float]:
    """Return the largest finite magnitudes of two arrays, their norms, and their product, both divided by these."""
    a, b = (np.where(np.isfinite(x), x, 0.0).reshape(-1) for x in (wanted, got))
    most_a, most_b = (float(np.abs(x).max()) for x in (a, b))
    a, b = (x / max(most, np.finfo(np.float64).tiny) for x, most in ((a, most_a), (b, most_b)))
    return most_a, most_b, float(np.linalg.norm(a)), float(np.linalg.norm(b)), float(a @ b)
