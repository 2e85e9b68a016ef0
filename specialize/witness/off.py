"""Take cameras off a second time: 10 km above the lidar, looking up, with the lenses that their profile spells."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np

from specialize.witness.rig import Eye, Floats, Rig

ABOVE_M = 10_000.0


def rig_without(rig: Rig, names: Collection[str]) -> Rig:
    """Return a rig in which these cameras are off."""
    return dataclasses.replace(rig, eyes=tuple(_blind(eye) if eye.name in names else eye for eye in rig.eyes))


def _blind(eye: Eye) -> Eye:
    away = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, -ABOVE_M], [0, 0, 0, 1.0]])
    if eye.lens is not None:
        return dataclasses.replace(eye, camera_from_lidar=away)
    intrinsic = _intrinsic_of(eye.image_from_lidar) if eye.intrinsic is None else eye.intrinsic
    return dataclasses.replace(
        eye, intrinsic=intrinsic, camera_from_lidar=away, image_from_lidar=intrinsic @ away
    )


def _intrinsic_of(image_from_lidar: Floats) -> Floats:
    """Return K (4, 4) of a bare `lidar2img`: its left part M is K R, so M Mᵀ is K Kᵀ, K upper triangular."""
    left = image_from_lidar[:3, :3]
    flipped = (left @ left.T)[::-1, ::-1]
    upper = np.linalg.cholesky(flipped)[::-1, ::-1]
    intrinsic = np.eye(4)
    intrinsic[:3, :3] = upper / upper[2, 2]
    return intrinsic
