"""Whether a count and a measurement point in the same direction, for people who read only one of them."""

from __future__ import annotations

from specialize.flops.report import FormsReport

MARGIN = 1.1
"""How far from 1 a ratio must be to point anywhere: a few runs on a busy machine differ by less."""

OPERATIONS_PER_BYTE = 4
"""What a byte that is moved weighs against an operation, as where the compiler chooses between forms."""

_PARTS = {"sites": ("attention", "sites"), "model": ("model", "whole model")}


def counted_ratio(forms: FormsReport, part: str) -> float:
    """Return how many times less work the specialized form is by count; nan if something is not counted.

    Args:
        forms: What was counted.
        part: `sites` or `model`.
    """
    prefix, _ = _PARTS[part]
    first, last = forms.forms["original"], forms.forms["specialized"]
    flops, moved = f"{prefix}_flops", f"{prefix}_bytes"
    if {flops, moved} & {*first.uncounted, *last.uncounted}:
        return float("nan")
    one, two = (getattr(form, flops) + OPERATIONS_PER_BYTE * getattr(form, moved) for form in (first, last))
    return one / two if two else 1.0


def contradiction(forms: FormsReport, part: str, measured: float) -> str:
    """Return a sentence if a part is less work by count and takes longer, or the reverse; else nothing.

    Args:
        forms: What was counted.
        part: `sites` or `model`.
        measured: How many times less processor time the specialized form takes.
    """
    counted = counted_ratio(forms, part)
    _, name = _PARTS[part]
    if counted > MARGIN and measured < 1 / MARGIN:
        said, taken = f"{counted:.2f}x less work by count", f"{1 / measured:.2f}x more time measured"
    elif counted < 1 / MARGIN and measured > MARGIN:
        said, taken = f"{1 / counted:.2f}x more work by count", f"{measured:.2f}x less time measured"
    else:
        return ""
    return f"contradiction: {name}: {said}, {taken}"
