"""What a model's calibration inputs are fed, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from specialize.witness.rig import Eye, Floats, Preparation, Rig, Sidecar


def matrices_of(kind: str, rig: Rig, sidecar: Sidecar) -> Floats | None:
    """Return what an input of a kind is fed, (N, 4, 4); None for a kind, or a spelling, that is not witnessed."""
    make = KINDS.get(kind)
    if make is None:
        return None
    made = [make(rig, eye, prep) for eye, prep in zip(rig.eyes, sidecar.preparations, strict=True)]
    return None if any(one is None for one in made) else np.stack([one for one in made if one is not None])


def _augmentation(prep: Preparation) -> Floats:
    """Return (4, 4), raw to network pixels that are not multiplied by depth."""
    (left, top), s = prep.crop_px, prep.scale
    return np.array([[s, 0, 0, -left], [0, s, 0, -top], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)


def _inverse(matrix: Floats | None) -> Floats | None:
    return None if matrix is None else np.asarray(np.linalg.inv(matrix), np.float64)


def _prepared_intrinsic(rig: Rig, eye: Eye, prep: Preparation) -> Floats | None:
    return None if eye.intrinsic is None else prep.matrix() @ eye.intrinsic


KINDS: Mapping[str, Callable[[Rig, Eye, Preparation], Floats | None]] = {
    "lidar2img": lambda rig, eye, prep: prep.matrix() @ eye.image_from_lidar,
    "img2lidar": lambda rig, eye, prep: _inverse(prep.matrix() @ eye.image_from_lidar),
    "lidar2cam": lambda rig, eye, prep: eye.camera_from_lidar,
    "cam2lidar": lambda rig, eye, prep: _inverse(eye.camera_from_lidar),
    "intrinsic": lambda rig, eye, prep: eye.intrinsic,
    "network_intrinsic": _prepared_intrinsic,
    "image_aug": lambda rig, eye, prep: _augmentation(prep),
    "lidar2ego": lambda rig, eye, prep: rig.ego_from_lidar,
    "ego2lidar": lambda rig, eye, prep: _inverse(rig.ego_from_lidar),
    "identity": lambda rig, eye, prep: np.eye(4),
}
"""Kinds of inputs that the witness computes, one (4, 4) per camera; others are reported as not witnessed."""
