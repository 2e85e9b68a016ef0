"""Define `today.bin`: one vehicle's calibration as plain doubles, for a vehicle without YAML."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from specialize.binding.relink.checksum import sealed
from specialize.vehicle.binary import PREFIX, VERSION, Bytes, FileRefusedError, is_name, require_file
from specialize.vehicle.words import LENS_BYTES, MOST_CAMERAS, NAME_BYTES, Reason

KIND = b"SPZTODAY"

HEADER = np.dtype(
    [
        *PREFIX,
        ("profile", "V32"),
        ("vehicle", f"S{NAME_BYTES}"),
        ("has_ego", "<u4"),
        ("zero", "<u4"),
        ("time_s", "<f8"),
        ("valid_s", "<f8", 2),
        ("ego_from_lidar", "<f8", 16),
    ]
)
CAMERA = np.dtype(
    [
        ("name", f"S{NAME_BYTES}"),
        ("size_px", "<u4", 2),
        ("has", "<u4"),
        ("zero", "<u4"),
        ("intrinsic", "<f8", 9),
        ("camera_from_lidar", "<f8", 16),
        ("image_from_lidar", "<f8", 16),
    ]
)

Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Today:
    """One vehicle's calibration.

    Attributes:
        cameras: (N,) records of `CAMERA`, in order; matrices row-major, pixels of the raw image, metres.
        ego_from_lidar: (16,) float64; None if it is not known.
        time_s: Time of the check, NaN if it is not known; of the same clock as `valid_s`.
        valid_s: From when until when the calibration is valid, NaN where it is not known.
        vehicle: Name of the vehicle.
        profile: Digest of the profile, 32 bytes; zeros if there is none.
        lenses: (N, LENS_BYTES) what is known of the cameras' lenses; None if no camera has one.
    """

    cameras: Records
    ego_from_lidar: npt.NDArray[np.float64] | None = None
    time_s: float = float("nan")
    valid_s: tuple[float, float] = (float("nan"), float("nan"))
    vehicle: str = "vehicle"
    profile: bytes = field(default=bytes(32), repr=False)
    lenses: Bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the content of `today.bin`."""
        header = np.zeros((), HEADER)
        header["kind"], header["version"], header["own"] = KIND, VERSION, len(self.cameras)
        header["profile"] = np.void(self.profile)
        header["vehicle"] = self.vehicle.encode()
        header["time_s"], header["valid_s"] = self.time_s, self.valid_s
        if self.ego_from_lidar is not None:
            header["has_ego"], header["ego_from_lidar"] = 1, self.ego_from_lidar
        lenses = b"" if self.lenses is None else self.lenses.tobytes()
        return sealed(header.tobytes() + self.cameras.tobytes() + lenses)


def parse_today(data: bytes) -> Today:
    """Return what `Today.to_bytes` wrote.

    Raises:
        FileRefusedError: The bytes are not that.
    """
    require_file(data, KIND, HEADER.itemsize)
    header = np.frombuffer(data, HEADER, 1)[0]
    count = int(header["own"])
    end = HEADER.itemsize + count * CAMERA.itemsize
    sized = 0 < count <= MOST_CAMERAS and len(data) in (end, end + count * LENS_BYTES)
    if not sized or header["has_ego"] > 1 or header["zero"] or not is_name(data[64:128]):
        raise FileRefusedError(Reason.MALFORMED)
    cameras = np.frombuffer(data, CAMERA, count, HEADER.itemsize)
    names = (data[at : at + NAME_BYTES] for at in range(HEADER.itemsize, end, CAMERA.itemsize))
    if not all(map(is_name, names)) or (cameras["has"] > 3).any() or cameras["zero"].any():
        raise FileRefusedError(Reason.MALFORMED)
    return Today(
        cameras=cameras,
        ego_from_lidar=header["ego_from_lidar"] if header["has_ego"] else None,
        time_s=float(header["time_s"]),
        valid_s=(float(header["valid_s"][0]), float(header["valid_s"][1])),
        vehicle=header["vehicle"].decode(errors="replace"),
        profile=bytes(header["profile"]),
        lenses=np.frombuffer(data, np.uint8, -1, end).reshape(count, -1) if len(data) > end else None,
    )
