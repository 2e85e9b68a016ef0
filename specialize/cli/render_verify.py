"""Render a comparison of two models as a table."""

from __future__ import annotations

from specialize.evidence.comparison import VerifyReport
from specialize.report.proof import compared, outputs_table
from specialize.text.document import Document


def verify_text(report: VerifyReport, place: str) -> Document:
    """Return what `specialize verify` shows."""
    head = "verified" if report.passed else "NOT VERIFIED"
    remarks = [*report.problems, *(output.reason for output in report.outputs.values() if output.reason)]
    notes = [f"note: {note}" for note in report.notes]
    return (f"{head}: {place} ({compared(report)})", outputs_table(report), *remarks, *notes)
