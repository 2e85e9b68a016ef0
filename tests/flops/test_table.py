"""The documented formulas are the formulas."""

from __future__ import annotations

from pathlib import Path

from specialize.flops.table import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "flop-formulas.md"


def test_the_page_is_up_to_date() -> None:
    """The page of formulas is what the table says."""
    command = "python -m specialize.flops.table > docs/reference/flop-formulas.md"
    assert PAGE.read_text(encoding="utf-8") == page(), f"rewrite it: {command}"
