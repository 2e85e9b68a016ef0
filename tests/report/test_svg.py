"""Paths are short, and as near to what was given as was asked for."""

from __future__ import annotations

import re

import numpy as np

from specialize.report.svg import circle, dots, line, lines, number, runs


def _points(path: str) -> np.ndarray:
    return np.array([[float(n) for n in pair.split()] for pair in re.split("[ML]", path.rstrip("z"))[1:]])


def test_numbers_have_at_most_one_decimal_and_no_minus_zero() -> None:
    """Coordinates are written as people would."""
    assert [number(value) for value in (1.0, -0.04, 12.34, 1234567.0)] == ["1", "0", "12.3", "1.23457e+06"]


def test_a_line_loses_what_it_does_not_need() -> None:
    """A straight line keeps its ends; a curve keeps within the tolerance of every point."""
    straight = np.stack([np.linspace(0, 100, 500), np.linspace(0, 50, 500)], axis=-1)
    assert line(straight, 0.1) == "M0 0L100 50"
    angle = np.linspace(0, np.pi, 500)
    curve = 100 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    kept = _points(line(curve, 0.5))
    assert 5 < len(kept) < 40
    steps = np.linspace(0, 1, 200)[:, None, None]
    drawn = (kept[:-1] * (1 - steps) + kept[1:] * steps).reshape(-1, 2)
    away = np.linalg.norm(curve[:, None] - drawn[None], axis=-1).min(axis=1)
    assert away.max() < 0.7


def test_nothing_is_no_path() -> None:
    """A single point, and points that all round to one, draw nothing."""
    assert (
        line(np.zeros((1, 2))) == ""
        and line(np.full((5, 2), 0.01), 0.1) == ""
        and dots(np.zeros((0, 2))) == ""
    )


def test_runs_are_drawn_apart() -> None:
    """Where a mask is false a line is interrupted."""
    mask = np.array([True, True, False, True, True, True, False])
    assert [(run.start, run.stop) for run in runs(mask)] == [(0, 2), (3, 6)]
    points = np.stack([np.arange(7.0), np.zeros(7)], axis=-1)
    assert lines(points, mask, 0.1) == "M0 0L1 0M3 0L5 0"


def test_a_circle_closes() -> None:
    """It is two arcs."""
    assert circle((10.0, 20.0), 5.0) == "M5 20a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z"
