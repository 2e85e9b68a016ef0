"""Costs of the forms of a model."""

from __future__ import annotations

from specialize.evidence.costs import FormsReport
from specialize.report.costs import costs_remarks, costs_table
from specialize.text.document import Document


def flops_text(costs: FormsReport, title: str) -> Document:
    """Return what `specialize flops` shows."""
    return (title, costs_table(costs), *costs_remarks(costs))
