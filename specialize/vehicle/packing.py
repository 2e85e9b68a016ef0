"""Pack a calibration profile as `today.bin`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.text.record import Record
from specialize.vehicle.binary import raw_digest
from specialize.vehicle.lens_record import lens_records
from specialize.vehicle.today import CAMERA, Today
from specialize.vehicle.words import HAS_PINHOLE, HAS_PROJECTION, MOST_CAMERAS, NAME_BYTES


class Packed(Record, frozen=True, kw_only=True):
    """`specialize vehicle pack --json`.

    Attributes:
        calib: The profile.
        output: File that was written.
        vehicle: Name of the vehicle.
        profile: Digest of the profile.
        cameras: Number of cameras.
        size: Bytes.
    """

    calib: Path
    output: Path
    vehicle: str
    profile: str
    cameras: int
    size: int


def write_packed(calib: Path, output: Path, time_s: float, valid_s: tuple[float, float]) -> Packed:
    """Write a profile as what the vehicle reads.

    Raises:
        InputError: The profile cannot be read, or the vehicle cannot hold it.
    """
    profile = load_profile(calib)
    packed = pack(profile, time_s, valid_s).to_bytes()
    write_file(output, packed)
    return Packed(
        calib=calib, output=output, vehicle=profile.vehicle, profile=profile.digest,
        cameras=len(profile.cameras), size=len(packed),
    )  # fmt: skip


def pack(
    profile: CalibrationProfile,
    time_s: float = float("nan"),
    valid_s: tuple[float, float] = (float("nan"), float("nan")),
) -> Today:
    """Return a profile as what the vehicle reads.

    Raises:
        InputError: A name is too long, there are too many cameras, or a lens has too many numbers.
    """
    count = len(profile.cameras)
    if count > MOST_CAMERAS:
        raise InputError(profile.vehicle, f"at most {MOST_CAMERAS} cameras", str(count))
    cameras = np.zeros(count, CAMERA)
    for record, camera in zip(cameras, profile.cameras, strict=True):
        record["name"] = name_field(camera.name, f"{profile.vehicle}: cameras")
        record["size_px"] = camera.width_px, camera.height_px
        record["has"] = HAS_PROJECTION
        record["image_from_lidar"] = camera.image_from_lidar.ravel()
        if camera.intrinsic is not None and camera.camera_from_lidar is not None:
            record["has"] = HAS_PINHOLE
            record["intrinsic"] = camera.intrinsic.ravel()
            record["camera_from_lidar"] = camera.camera_from_lidar.ravel()
            record["image_from_lidar"] = 0.0
    ego = None if profile.ego_from_lidar is None else profile.ego_from_lidar.ravel()
    return Today(
        cameras=cameras,
        ego_from_lidar=ego,
        time_s=time_s,
        valid_s=valid_s,
        vehicle=name_field(profile.vehicle, "vehicle").decode(),
        profile=raw_digest(profile.digest),
        lenses=lens_records(profile.cameras, profile.vehicle),
    )


def name_field(name: str, where: str) -> bytes:
    """Return a name as a name field holds it.

    Raises:
        InputError: It is longer than that.
    """
    raw = name.encode()
    if not 0 < len(raw) < NAME_BYTES:
        raise InputError(where, f"a name of 1 to {NAME_BYTES - 1} bytes for the vehicle", repr(name))
    return raw
