"""Compare two arrays element by element, each against its own row and column."""

from __future__ import annotations

import msgspec
import numpy as np

from specialize.evidence.comparison import OutputReport, Worst
from specialize.evidence.tolerance import Tolerance
from specialize.text.record import Figure
from specialize.verify.scale import Bools, Floats, element_scale


def compare_arrays(
    reference: np.ndarray, candidate: np.ndarray, tolerance: Tolerance, frame: int = 0
) -> OutputReport:
    """Compare one output of one frame.

    Args:
        reference: The original's values, any shape and dtype.
        candidate: The specialized model's values, same shape and dtype.
        tolerance: What may differ.
        frame: Number of the frame, for the report.
    """
    scale = element_scale(reference.astype(np.float64))
    wanted, got = (array.astype(np.float64).reshape(-1) for array in (reference, candidate))
    difference, bad = _difference(wanted, got, tolerance.nonfinite)
    allowed = tolerance.atol + tolerance.rtol * scale
    margin = _ratio(difference, allowed)
    worst = int(np.argmax(margin)) if margin.size else 0
    failures = int(np.count_nonzero(margin > 1.0))
    passed = failures <= tolerance.mismatches * margin.size and not bad.any()
    index = tuple(int(i) for i in np.unravel_index(worst, reference.shape)) if margin.size else ()
    return OutputReport(
        dtype=reference.dtype.name,
        shape=tuple(reference.shape),
        max_abs=Figure(_maximum(difference)),
        max_rel=Figure(_maximum(_ratio(difference, scale))),
        cosine=Figure(_cosine(wanted, got)),
        margin=Figure(_maximum(margin)),
        tolerance=tolerance,
        worst=Worst(
            frame=frame,
            index=index,
            reference=Figure(wanted[worst] if margin.size else 0.0),
            candidate=Figure(got[worst] if margin.size else 0.0),
        ),
        failures=failures,
        passed=passed,
        reason="" if passed else _reason(failures, margin.size, bad, float(allowed[worst])),
    )


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


def _ratio(difference: Floats, bound: Floats) -> Floats:
    """Return difference / bound; 0 where nothing differs, infinite where nothing was allowed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0.0, 0.0, difference / bound)


def _cosine(wanted: Floats, got: Floats) -> float:
    """Return the cosine similarity of the finite values; 1 if both are zero, 0 if one is."""
    a, b = (np.where(np.isfinite(x), x, 0.0) for x in (wanted, got))
    a, b = (x / max(_maximum(np.abs(x)), np.finfo(np.float64).tiny) for x in (a, b))
    norm_a, norm_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if norm_a == 0.0 or norm_b == 0.0:
        return 1.0 if norm_a == norm_b else 0.0
    return min(1.0, float(a @ b) / (norm_a * norm_b))


def _maximum(values: Floats) -> float:
    return float(values.max()) if values.size else 0.0


def _reason(failures: int, size: int, bad: Bools, allowed: float) -> str:
    if bad.any():
        return f"{int(np.count_nonzero(bad))} of {size} values are NaN or infinite"
    return f"{failures} of {size} values beyond their bound, allowed here {allowed:.3g}"
