"""Golden files: what a person sees, kept in tests/golden and compared word for word."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
REWRITE = "UPDATE_GOLDEN"


def check_golden(name: str, text: str) -> None:
    """Compare a text with tests/golden/<name>, or rewrite that file if UPDATE_GOLDEN=1."""
    path = GOLDEN / name
    if os.environ.get(REWRITE) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    expected = path.read_text() if path.exists() else ""
    assert text == expected, f"{path.name} differs; if that is meant, rewrite it: {REWRITE}=1 make test"
