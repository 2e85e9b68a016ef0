"""Define the calibration of one vehicle: its cameras in order, and a digest of their physical content."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from specialize.calibration import checks
from specialize.calibration.camera import Camera
from specialize.calibration.pose import Matrix
from specialize.digest import digest
from specialize.errors import InputError, closest

SCHEMA = "specialize/profile@1"


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationProfile:
    """One vehicle: cameras in the order that the model sees them; compare profiles by digest.

    Attributes:
        vehicle: Name of the vehicle; not part of the digest.
        cameras: At least one, names unique. Their order is part of the meaning.
        ego_from_lidar: (4, 4) float64 in m, lidar points to the vehicle frame (x forward, y left,
            z up), if known. Not part of the digest: no model reads it.
        notes: Free text of the author; not part of the digest.
        schema: Version of the file format.
        digest: `sha256:` over the cameras' physical content.
    """

    vehicle: str
    cameras: tuple[Camera, ...]
    ego_from_lidar: Matrix | None = None
    notes: str = ""
    schema: str = SCHEMA
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Check the cameras, copy the pose, and compute the digest.

        Raises:
            InputError: There is no camera, a name is used twice, or the vehicle's name is not printable.
        """
        keep = object.__setattr__
        checks.printable(self.vehicle, "vehicle")
        keep(self, "cameras", tuple(self.cameras))
        if not self.cameras:
            raise InputError(f"profile {self.vehicle!r}: cameras", "at least one camera", "none")
        name, count = Counter(self.camera_names()).most_common(1)[0]
        if count > 1:
            raise InputError(f"profile {self.vehicle!r}: cameras", "unique names", f"{name!r} {count} times")
        if self.ego_from_lidar is not None:
            pose = checks.rigid_pose(self.ego_from_lidar, f"profile {self.vehicle!r}: ego_from_lidar")
            keep(self, "ego_from_lidar", pose)
        content = {"schema": SCHEMA, "cameras": [camera.content() for camera in self.cameras]}
        keep(self, "digest", digest(content))

    def camera_names(self) -> tuple[str, ...]:
        """Return the names in order."""
        return tuple(camera.name for camera in self.cameras)

    def camera(self, name: str) -> Camera:
        """Return the camera of this name.

        Raises:
            InputError: The vehicle has no such camera.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        hint = closest(name, self.camera_names())
        raise InputError(f"profile {self.vehicle!r}", "a camera of this vehicle", repr(name), hint)

    def image_from_lidar(self) -> Matrix:
        """Return `lidar2img` of all cameras, (N, 4, 4) float64, to raw image pixels."""
        return np.stack([camera.image_from_lidar for camera in self.cameras])

    def sizes_px(self) -> NDArray[np.int64]:
        """Return width and height of all raw images, (N, 2)."""
        return np.array([(camera.width_px, camera.height_px) for camera in self.cameras], dtype=np.int64)
