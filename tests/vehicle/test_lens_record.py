"""What the vehicle's files hold of a lens: every number once, in the order that the reference states."""

from __future__ import annotations

import re

import numpy as np
import pytest

from specialize.calibration.camera import Camera
from specialize.calibration.lens import LENSES, Lens
from specialize.calibration.lens.windshield import Windshield
from specialize.errors import InputError
from specialize.vehicle.lens_record import lens_records
from specialize.vehicle.words import LENS_BYTES, MOST_LENS_NUMBERS
from tests.calibration.lens.rigs import SPELLED, lens
from tests.cli.running import REPOSITORY

GLASS = Windshield((0.05, 1.0, 0.02), (-0.04, 0.01, 1.0))


def camera(one: Lens | None) -> Camera:
    """Return a camera that looks along x."""
    pose = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0.4], [1, 0, 0, -0.5], [0, 0, 0, 1]])
    if one is None:
        return Camera.pinhole("NONE", (1280, 800), [[600, 0, 640], [0, 600, 400], [0, 0, 1]], pose)
    return Camera.through("CAM", (1280, 800), one, pose)


def numbers(one: Lens) -> list[float]:
    """Return the numbers of a lens's record."""
    records = lens_records([camera(one)], "car")
    assert records is not None and records.shape == (1, LENS_BYTES)
    assert records[0, :64].tobytes().rstrip(b"\0").decode() == one.MODEL
    return np.frombuffer(records[0, 64:].tobytes(), "<f8").tolist()


def test_the_reference_states_the_order() -> None:
    """Its table names every model, and parameters as records have them."""
    page = (REPOSITORY / "docs" / "reference" / "vehicle-files.md").read_text()
    section = page.partition("### A lens")[2].partition("### A grid")[0]
    stated = {
        model: row[2].split()
        for row in re.finditer(r"^\| (`\w+`.*?) \| (\w+ .*?) \|$", section, re.MULTILINE)
        for model in re.findall(r"`(\w+)`", row[1])
    }
    assert stated == {name: [*kind.REQUIRED, *kind.OPTIONAL] for name, kind in LENSES.items()}


@pytest.mark.parametrize("name", SPELLED)
def test_every_number_is_in_the_record(name: str) -> None:
    """Parameters, limit, pixel centre, size, whether images are raw, and the windshield; no zero is negative."""
    plain = lens(name)
    one = type(plain)(plain.parameters, max_angle_rad=0.7, pixel_centre=0.5, windshield=GLASS)
    wanted = [*(one.parameters[key] for key in (*one.REQUIRED, *one.OPTIONAL)), 0.7, 0.5, 1280, 800, 1, 3, 3]
    wanted += [*GLASS.horizontal, *GLASS.vertical]
    found = numbers(one)
    assert found == wanted + [0.0] * (MOST_LENS_NUMBERS - len(wanted))
    assert not np.signbit(found[len(wanted) :]).any() and numbers(plain)[len(plain.parameters)] == 0.0


def test_cameras_without_lenses_have_zeros_or_nothing() -> None:
    """No section if no camera has a lens, else zeros; a negative zero is a zero."""
    assert lens_records([camera(None)], "car") is None
    mixed = lens_records([camera(None), camera(lens("eucm"))], "car")
    assert mixed is not None and not mixed[0].any() and mixed[1].any()
    one, other = (lens("radtan").like(dict(lens("radtan").parameters) | {"p1": zero}) for zero in (0.0, -0.0))
    assert numbers(one) == numbers(other) and not np.signbit(numbers(other)[7])


def test_a_windshield_with_too_many_numbers_is_refused() -> None:
    """A record has room for two polynomials of fifth order behind every lens, and not for tenth order."""
    fifth, tenth = (Windshield((0.0, 1.0, *[0.0] * (count - 2)), (0.0,) * count) for count in (21, 66))
    assert (
        len(numbers(type(lens("ftheta"))(lens("ftheta").parameters, windshield=fifth))) == MOST_LENS_NUMBERS
    )
    with pytest.raises(InputError, match="at most 72 numbers for the vehicle"):
        numbers(type(lens("ftheta"))(lens("ftheta").parameters, windshield=tenth))
