"""Check whether a count and a measurement point in the same direction, for readers of only one of them."""

from __future__ import annotations

from specialize.evidence.costs import FormsReport

MARGIN = 1.1
"""Minimum distance of a ratio from 1 to point in a direction: a few runs on a busy machine differ by less."""

_PARTS = {"sites": ("attention", "sites"), "model": ("model", "whole model")}


def counted_ratio(forms: FormsReport, part: str) -> float:
    """Return how many times faster the specialized form is by count, see `predict`; nan if something is not counted.

    Args:
        forms: What was counted.
        part: `sites` or `model`.
    """
    prefix, _ = _PARTS[part]
    return forms.ratio("specialized", f"{prefix}_predicted_ns")


def contradiction(forms: FormsReport, part: str, measured: float) -> str:
    """Return a sentence if a part should be faster by count and is slower, or the reverse; else nothing.

    Args:
        forms: What was counted.
        part: `sites` or `model`.
        measured: How many times less processor time the specialized form takes.
    """
    counted = counted_ratio(forms, part)
    _, name = _PARTS[part]
    if counted > MARGIN and measured < 1 / MARGIN:
        return f"contradiction: {name}: predicted {counted:.2f}x faster, measured {1 / measured:.2f}x slower"
    if counted < 1 / MARGIN and measured > MARGIN:
        return f"contradiction: {name}: predicted {1 / counted:.2f}x slower, measured {measured:.2f}x faster"
    return ""
