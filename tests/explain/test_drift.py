"""What makes a calibration another one for a model, beyond the cameras themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.load import dump_profile, load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.explain.drift import diff, difference
from specialize.files.resources import resource_dir

SPEC = """
schema: specialize/model@1
name: wants_ego
image: {size_px: [800, 480], scale: 0.5}
calibration_inputs: {lidar2img: lidar2img, lidar2ego: lidar2ego}
"""


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two profiles with the same cameras and another lidar pose, and a model's sidecar."""
    original = load_profile(resource_dir("calib_profiles") / "car42.yaml")
    assert original.ego_from_lidar is not None
    pose = original.ego_from_lidar.copy()
    pose[2, 3] += 0.25
    raised = CalibrationProfile("car42", original.cameras, pose)
    paths = (tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "m.model.yaml")
    paths[0].write_text(dump_profile(CalibrationProfile("car42", original.cameras, original.ego_from_lidar)))
    paths[1].write_text(dump_profile(raised))
    paths[2].write_text(SPEC)
    return paths


def test_a_model_that_reads_the_lidar_pose_notices_another_one(places: tuple[Path, Path, Path]) -> None:
    """The cameras' digest is the same, but the model's inputs are not: the build would be wrong."""
    first, second, spec = places
    assert load_profile(first).digest == load_profile(second).digest
    drift = diff(first, second, model_spec=spec)
    assert not drift.fresh
    assert drift.verdict == "other numbers"


def test_a_model_that_does_not_read_it_is_fresh(places: tuple[Path, Path, Path]) -> None:
    """For BEVFormer the lidar's place on the vehicle changes nothing."""
    first, second, _ = places
    assert np.array_equal(load_profile(first).image_from_lidar(), load_profile(second).image_from_lidar())
    assert diff(first, second).fresh


def test_cameras_that_are_off_in_both_do_not_differ() -> None:
    """A camera that is off has not moved and sees nothing; the others differ as they do with it."""
    folder = resource_dir("calib_profiles")
    paths = folder / "car42.yaml", folder / "car43.yaml"
    whole = difference(*paths).outcome
    degraded = difference(*paths, off=["CAM_BACK"]).outcome
    at = [camera.name for camera in degraded.delta.cameras].index("CAM_BACK")
    assert degraded.delta.cameras[at].rotation_mrad == degraded.delta.cameras[at].translation_mm == 0.0
    assert (degraded.queries[at].gained, degraded.queries[at].lost, degraded.queries[at].kept) == (0, 0, 0)
    assert whole.queries[at].kept > 0
    others = [place for place in range(len(whole.queries)) if place != at]
    assert [degraded.queries[place] for place in others] == [whole.queries[place] for place in others]
    assert difference(paths[0], paths[0], off=["CAM_BACK"]).outcome.fresh
