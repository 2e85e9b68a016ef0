"""The witness takes cameras off with formulas of its own, and comes to the same matrices."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.off import without
from specialize.files.resources import resource_dir
from specialize.witness.off import rig_without
from specialize.witness.rig import parse_rig, read_rig

CAR42 = resource_dir("calib_profiles") / "car42.yaml"


def bare_text() -> str:
    """Return car42 as a profile of bare matrices."""
    cameras = "".join(
        f"  - {{name: {each.name}, size_px: [1600, 900], lidar2img: {each.image_from_lidar.tolist()}}}\n"
        for each in load_profile(CAR42).cameras
    )
    return f"schema: specialize/profile@1\nvehicle: bare\ncameras:\n{cameras}"


@pytest.mark.parametrize("bare", [False, True])
def test_both_take_the_same_camera_off(bare: bool) -> None:
    """From an intrinsic as from a bare matrix, whose intrinsic each finds in its own way."""
    whole = parse_rig(bare_text()) if bare else read_rig(CAR42)
    wanted = without(load_profile(CAR42), ("CAM_BACK",)).image_from_lidar()
    matrices = np.stack([eye.image_from_lidar for eye in rig_without(whole, ("CAM_BACK",)).eyes])
    assert np.allclose(matrices, wanted, rtol=1e-9, atol=1e-6)
    assert not np.allclose(np.stack([eye.image_from_lidar for eye in whole.eyes]), wanted)
