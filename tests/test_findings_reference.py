"""The reference of findings names every code with its severities, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from specialize.plausibility.fit import ALL_RULES

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "findings.md"


def test_every_code_is_documented() -> None:
    """The table of findings has one row per rule."""
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(ALL_RULES)
