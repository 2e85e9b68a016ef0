"""A comparison of two models, as a table."""

from __future__ import annotations

from rich.console import RenderableType

from specialize.cli.output import stack
from specialize.cli.tables import table
from specialize.evidence.comparison import VerifyReport


def verify_text(report: VerifyReport, place: str) -> RenderableType:
    """Return what `specialize verify` shows."""
    body = table("output", "max abs", "max rel", "cosine", "of bound", "")
    for name, output in report.outputs.items():
        figures = (f"{output.max_abs:.2e}", f"{output.max_rel:.2e}")
        rest = (f"{output.cosine:.7f}", f"{100 * output.margin:.0f} %")
        body.add_row(name, *figures, *rest, "equal" if output.passed else "DIFFERENT")
    head = "verified" if report.passed else "NOT VERIFIED"
    frames = f"{report.frames} frames, {report.runtime} against {report.reference_runtime}"
    remarks = [*report.problems, *(output.reason for output in report.outputs.values() if output.reason)]
    notes = [f"note: {note}" for note in report.notes]
    return stack(f"{head}: {place} ({frames})", body, *remarks, *notes)
