"""Tolerances written as text."""

from __future__ import annotations

import math

import pytest

from specialize.calibration.tolerance import Tolerance, parse_tolerance
from specialize.errors import InputError


def test_units_are_converted() -> None:
    """Every quantity reads in each of its units."""
    text = (
        "rotation=0.5deg, translation=3cm,focal=0.5%,principal_point=2px,"
        "ego_speed=36km/h,yaw_rate=20deg/s,time_skew=50ms"
    )
    expected = Tolerance(0.5, 0.03, 0.5, 2.0, 10.0, 20.0, 0.05)
    assert parse_tolerance(text).to_json() == pytest.approx(expected.to_json())
    assert math.isclose(parse_tolerance("rotation=10mrad").rotation_deg, math.degrees(0.01))
    assert parse_tolerance("") == Tolerance()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "rotation=0.5",
            "expected items like rotation=0.5deg, got 'rotation=0.5'\n\nhint: every number needs a unit",
        ),
        ("rotaton=1deg", "expected a known quantity, got 'rotaton'\n\nhint: did you mean 'rotation'?"),
        ("rotation=1cm", "expected a unit of rotation, got 'cm'\n\nhint: known: deg, mrad, rad"),
        ("rotation=1deg,rotation=2deg", "expected rotation once, got it twice"),
        ("rotation=1-2deg", "expected a number before the unit, got '1-2'"),
        ("rotation=-1deg", "tolerance.rotation_deg: expected a finite number >= 0, got -1.0"),
    ],
)
def test_a_wrong_tolerance_is_refused(text: str, message: str) -> None:
    """Missing units, unknown words and negative bounds are errors that say so."""
    with pytest.raises(InputError) as caught:
        parse_tolerance(text)
    assert message in str(caught.value)
