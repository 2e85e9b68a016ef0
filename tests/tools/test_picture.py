"""The picture of the README is drawn from the plan that it speaks of."""

from __future__ import annotations

import re

import numpy as np

from tools.picture import PICTURE, REPOSITORY, drawn, spans


def test_the_picture_is_that_of_today() -> None:
    """`make picture` changes nothing."""
    assert PICTURE.read_text(encoding="utf-8") == drawn(), "run `make picture`"


def test_the_numbers_are_those_of_the_readme() -> None:
    """Rows before and after stand in the picture and in the text that replaces it."""
    text = PICTURE.read_text(encoding="utf-8")
    (before, after) = re.findall(r'<tspan font-weight="bold">([\d,]+)</tspan>', text)
    assert f"{after} instead of {before}" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_runs_cover_what_is_seen_and_nothing_else() -> None:
    """The rear row of a mask is at the bottom; a run of cells is one rectangle."""
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], bool)
    assert spans(mask, 8) == "M0 4h4v4h-4zM6 4h2v4h-2z"
