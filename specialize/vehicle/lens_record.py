"""What the vehicle's files hold of a camera's lens: its model and its numbers, to be compared bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialize.calibration.camera import Camera
from specialize.errors import InputError
from specialize.vehicle.binary import Bytes
from specialize.vehicle.words import LENS_BYTES, MOST_LENS_NUMBERS, NAME_BYTES


def lens_records(cameras: Sequence[Camera], where: str) -> Bytes | None:
    """Return the records (N, LENS_BYTES) of cameras; zeros for one without a lens, None if none has one.

    Raises:
        InputError: A lens has more numbers than a record.
    """
    if all(camera.lens is None for camera in cameras):
        return None
    return np.stack([_record(camera, f"{where}: camera {camera.name!r}: lens") for camera in cameras])


def _record(camera: Camera, where: str) -> Bytes:
    found = np.zeros(LENS_BYTES, np.uint8)
    lens = camera.lens
    if lens is None:
        return found
    glass = lens.windshield
    across, down = ((), ()) if glass is None else (glass.horizontal, glass.vertical)
    size = camera.lens_size_px or (camera.width_px, camera.height_px)
    numbers = [
        *(lens.parameters[name] for name in (*lens.REQUIRED, *lens.OPTIONAL)),
        lens.max_angle_rad or 0.0,
        lens.pixel_centre,
        *size,
        camera.is_raw,
        len(across),
        len(down),
        *across,
        *down,
    ]
    if len(numbers) > MOST_LENS_NUMBERS:
        raise InputError(where, f"at most {MOST_LENS_NUMBERS} numbers for the vehicle", str(len(numbers)))
    name = lens.MODEL.encode()
    found[: len(name)] = np.frombuffer(name, np.uint8)
    values = np.array(numbers, "<f8") + 0.0  # no negative zeros
    found[NAME_BYTES : NAME_BYTES + values.nbytes] = values.view(np.uint8)
    return found
