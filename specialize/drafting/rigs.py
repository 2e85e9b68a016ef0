"""Generate rigs in general position, on which all kinds of calibration differ, so that evaluation distinguishes them.

They are not vehicles. The cameras are so far behind the points of any grid that all points are in front of them, so
that clamps and masks of a graph have no effect; each camera has its own lens, pose, scale and crop.
"""

from __future__ import annotations

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from specialize.model.kinds import Rig
from specialize.model.parts import ImagePrep
from specialize.model.spec import ModelSpec

_AWAY_M = 300.0


def rig_in_general_position(cameras: int, seed: int = 0) -> Rig:
    """Return a rig with a number of cameras; each seed gives another rig."""
    random = np.random.default_rng([cameras, seed])
    made = tuple(_camera(index, random) for index in range(cameras))
    ego = np.eye(4)
    ego[:3, :3], ego[:3, 3] = _rotation(random, 1.0), random.uniform(-3.0, 3.0, 3)
    images = tuple(
        ImagePrep(
            size_px=(800, 480), scale=random.uniform(0.3, 0.9), crop_px=tuple(random.uniform(5.0, 90.0, 2))
        )
        for _ in range(cameras)
    )
    spec = ModelSpec(image=images[0], images=images, calibration_inputs={})
    return spec.rig(CalibrationProfile("general", made, ego))


def _camera(index: int, random: np.random.Generator) -> Camera:
    focal = random.uniform(700.0, 1500.0, 2)
    intrinsic = np.array(
        [[focal[0], 0.0, random.uniform(600, 900)], [0.0, focal[1], random.uniform(300, 500)], [0, 0, 1]]
    )
    pose = np.eye(4)
    pose[:3, :3] = _rotation(random, np.pi)
    pose[:3, 3] = [*random.uniform(-20.0, 20.0, 2), _AWAY_M + random.uniform(0.0, 60.0)]
    return Camera.pinhole(f"camera{index}", (1600, 900), intrinsic, pose)


def _rotation(random: np.random.Generator, most_rad: float) -> np.ndarray:
    """Return a (3, 3) rotation about a random axis."""
    axis = random.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = random.uniform(0.2, most_rad)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
