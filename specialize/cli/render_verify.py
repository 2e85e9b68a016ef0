"""A comparison of two models, as a table; the JSON is the report's own."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType

from specialize.cli.output import stack
from specialize.cli.tables import table


def verify_text(report: dict[str, Any], place: str) -> RenderableType:
    """Return what `specialize verify` shows, from the JSON of a report."""
    body = table("output", "max abs", "max rel", "cosine", "of bound", "")
    for name, output in report["outputs"].items():
        figures = (f"{float(output[key]):.2e}" for key in ("max_abs", "max_rel"))
        rest = (f"{float(output['cosine']):.7f}", f"{100 * float(output['margin']):.0f} %")
        body.add_row(name, *figures, *rest, "equal" if output["passed"] else "DIFFERENT")
    head = "verified" if report["passed"] else "NOT VERIFIED"
    frames = f"{report['frames']} frames, {report['runtime']} against {report['reference_runtime']}"
    remarks = [
        *report["problems"],
        *(output["reason"] for output in report["outputs"].values() if output["reason"]),
    ]
    notes = [f"note: {note}" for note in report["notes"]]
    return stack(f"{head}: {place} ({frames})", body, *remarks, *notes)
