"""Take the same cameras of many vehicles off at once, with the bits and digests that `off.without` gives each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialize.calibration.many import Alike, Bools, Numbers
from specialize.calibration.off import parked, without


def off_in(vehicles: Alike) -> Bools:
    """Return which cameras (V, N) are off."""
    return np.asarray((vehicles.camera_from_lidar == parked()).all(axis=(-2, -1)))


def is_bare(vehicles: Alike) -> bool:
    """Return whether their cameras are matrices only, so that with one off they would not be alike any more."""
    return vehicles.example.cameras[0].camera_from_lidar is None


def without_many(vehicles: Alike, off: Sequence[int]) -> Alike:
    """Return vehicles, not bare ones, without the cameras at some places.

    Raises:
        UsageError: No camera would be left.
    """
    names = vehicles.example.camera_names()
    example = without(vehicles.example, [names[index] for index in off])
    poses = vehicles.camera_from_lidar.copy()
    poses[:, list(off)] = parked()
    matrices = {"intrinsic": vehicles.intrinsic, "lidar2cam": poses}
    numbers = Numbers(vehicles.names, matrices, vehicles.distortion, vehicles.ego_from_lidar)
    return numbers.vehicles(example)
