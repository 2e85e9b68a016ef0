"""Where queries stand, and the rule at its borders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from specialize.errors import InputError
from specialize.visibility.grid import QueryGrid, VisibilityRule
from tests import strategies
from tests.visibility import plain

RANGE = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)


@given(strategies.grids())
def test_points_stand_where_plain_loops_put_them(grid: QueryGrid) -> None:
    """Cell centres and heights equal those of loops over rows and columns, in the same flat order."""
    np.testing.assert_allclose(grid.points(), np.array(plain.points_by_loops(grid)), rtol=0, atol=1e-12)


def test_pillars_have_the_heights_of_the_field() -> None:
    """Four points in a pillar of 8 m stand from half a metre above its floor to half below its ceiling."""
    _, _, z = QueryGrid((2, 2), RANGE, 4).axes()
    np.testing.assert_allclose(z, [-4.5, -5 + 0.5 + 7 / 3, -5 + 0.5 + 14 / 3, 2.5])


def test_flat_index_runs_along_x_first() -> None:
    """Query h * W + w stands in column w (x) and row h (y); voxels add (z, h, w)."""
    grid = QueryGrid((3, 5), RANGE)
    x, y, _ = grid.axes()
    assert grid.points()[2 * 5 + 4, 0].tolist()[:2] == [x[4], y[2]]
    volume = QueryGrid((2, 3, 5), RANGE)
    x, y, z = volume.axes()
    assert volume.points()[(1 * 3 + 2) * 5 + 4, 0].tolist() == [x[4], y[2], z[1]]


@pytest.mark.parametrize(
    ("shape", "bounds", "anchors", "where"),
    [
        ((5,), RANGE, 1, "grid.shape"),
        ((0, 5), RANGE, 1, "grid.shape"),
        ((5, 5), RANGE[:5], 1, "grid.range_m"),
        ((5, 5), (*RANGE[:5], float("nan")), 1, "grid.range_m"),
        ((5, 5), (51.2, -51.2, -5.0, -51.2, 51.2, 3.0), 1, "x0 < x1"),
        ((5, 5), RANGE, 0, "grid.anchors"),
        ((2, 5, 5), RANGE, 4, "1 for voxels"),
        ((100_000, 100_000), RANGE, 1, "at most"),
    ],
)
def test_grids_that_cannot_be_are_refused(shape, bounds, anchors, where) -> None:  # type: ignore[no-untyped-def]
    """A wrong grid is an error that names the key."""
    with pytest.raises(InputError, match=where):
        QueryGrid(shape, bounds, anchors)


@pytest.mark.parametrize(
    ("values", "where"),
    [({"min_depth": -1.0}, "min_depth"), ({"border": "ajar"}, "border"), ({"dtype": "float8"}, "dtype")],
)
def test_rules_that_cannot_be_are_refused(values, where) -> None:  # type: ignore[no-untyped-def]
    """A wrong rule is an error that names the key."""
    with pytest.raises(InputError, match=where):
        VisibilityRule(**values)


def test_borders_are_strict_unless_closed() -> None:
    """A functional of exactly 0 is outside; with closed borders only the depth stays strict."""
    on_border = np.array([[0.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0, 1.0]])
    at_depth = np.array([[1.0, 1.0, 1.0, 1.0, 0.0]])
    for border, verdict in (("open", False), ("closed", True)):
        rule = VisibilityRule(border=border)  # type: ignore[arg-type]
        assert (rule.holds(on_border) == verdict).all()
        assert not rule.holds(at_depth).any()
