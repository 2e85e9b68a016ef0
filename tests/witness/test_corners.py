"""The search at the edge of a tolerance stays within it, and finds a certificate that is a tenth too small."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import yaml

from specialize import zoo
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.tolerance import TOLERANCE_KEYS, parse_tolerance
from specialize.errors import InputError
from specialize.files.resources import resource_dir
from specialize.model.visible import visible_sets
from specialize.visibility.envelope import deviations, superset_within
from specialize.witness.corners import adverse_rigs, search
from specialize.witness.moves import Bounds, bounds_of, moved_rig, taken_apart, written_tolerance
from specialize.witness.rig import Rig, read_rig, rig_of, sidecar_of
from specialize.witness.sight import network_from_lidar, pairs

CAR42 = resource_dir("calib_profiles") / "car42.yaml"
SPEC = zoo.spec("bevformer_tiny")
SIDECAR = sidecar_of(yaml.safe_load(SPEC.to_text()), 6)
TOLERANCES = (
    "rotation=0.5deg,translation=3cm,focal=0.5%",
    "rotation=1deg",
    "translation=10cm",
    "principal_point=8px",
    "rotation=0.2deg,speed=30m/s,yaw_rate=40deg/s,skew=50ms,principal_point=3px",
)


@pytest.mark.parametrize(
    "text", [*TOLERANCES, "rotation=3mrad,speed=36km/h,skew=0.1s,yaw_rate=0.2rad/s,translation=5mm"]
)
def test_a_tolerance_reads_as_everywhere(text: str) -> None:
    """The witness reads a tolerance as the command line does."""
    found, expected = written_tolerance(text), parse_tolerance(text).to_json()
    assert {key: found.get(key, 0.0) for key in TOLERANCE_KEYS} == pytest.approx(expected)


def test_a_tolerance_that_is_none_is_refused() -> None:
    """A quantity or a unit that is not known is an error, not zero."""
    for text in ("rotation=1px", "warp=1deg", "rotation"):
        with pytest.raises(InputError):
            written_tolerance(text)


@pytest.mark.parametrize("text", TOLERANCES)
def test_a_certificate_that_is_too_small_is_found(text: str) -> None:
    """No move leaves the certified superset; nine tenths of any kind of tolerance are not enough."""
    profile, rig = load_profile(CAR42), read_rig(CAR42)
    (plan,) = visible_sets(SPEC, profile)
    allowed = deviations(profile, [0.5] * 6, parse_tolerance(text))
    bounds = [bounds_of(eye, written_tolerance(text)) for eye in rig.eyes]
    for share in (1.0, 0.9):
        less = [
            dataclasses.replace(one, **{key: share * value for key, value in dataclasses.asdict(one).items()})
            for one in allowed
        ]
        superset = superset_within(plan, less)
        found = [
            search(rig, camera, SIDECAR, SIDECAR.grids[0], bounds[camera], superset[camera])
            for camera in range(6)
        ]
        lost = sum(len(one.lost) for one in found)
        assert (lost > 0) == (share < 1.0)
        assert (min(one.margin_px for one in found) <= 0) == (share < 1.0)


@pytest.mark.parametrize("bare", [False, True])
def test_examples_use_the_whole_tolerance_and_no_more(bare: bool) -> None:
    """Adverse calibrations turn, shift and refocus each camera by exactly the bounds, and are valid profiles."""
    rig = read_rig(CAR42)
    if bare:
        rig = Rig(
            rig.vehicle,
            tuple(dataclasses.replace(eye, intrinsic=None, camera_from_lidar=None) for eye in rig.eyes),
        )
    bounds = Bounds(0.01, 0.05, 0.02, 3.0, 0.0, 0.0)
    nothing = np.zeros(SIDECAR.grids[0].points().shape[0], np.bool_)
    seen = pairs(network_from_lidar(rig, SIDECAR), SIDECAR, SIDECAR.grids[0])
    found = [
        [search(rig, camera, SIDECAR, SIDECAR.grids[0], bounds, nothing | seen.possibly[camera])]
        for camera in range(6)
    ]
    examples = [moved_rig(rig, moves) for moves in adverse_rigs(found, 3)]
    assert len(examples) == 3
    for document in examples:
        moved = rig_of(document)
        assert len(parse_profile({"schema": "specialize/profile@1", **document}, "edge").cameras) == 6
        for before, after in zip(rig.eyes, moved.eyes, strict=True):
            (lens, pose), (new_lens, new_pose) = taken_apart(before), taken_apart(after)
            turn = new_pose[:3, :3] @ pose[:3, :3].T
            angle = math.acos(min(1.0, (np.trace(turn) - 1) / 2))
            centres = [np.linalg.inv(one)[:3, 3] for one in (pose, new_pose)]
            assert angle == pytest.approx(0.01, rel=1e-5)
            assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(0.05, rel=1e-6)
            ratios = np.diag(new_lens)[:2] / np.diag(lens)[:2] * lens[2, 2] / new_lens[2, 2]
            np.testing.assert_allclose(ratios, 0.98, rtol=1e-9)
            shift = new_lens[:2, 2] / new_lens[2, 2] - lens[:2, 2] / lens[2, 2]
            np.testing.assert_allclose(np.abs(shift), 3.0, rtol=1e-6)


def test_ego_motion_moves_points_as_the_vehicle_goes() -> None:
    """A vehicle that turns left sees what stands still turn right about its own z axis, not about the lidar."""
    from specialize.witness.moves import Moves, moved

    rig = read_rig(CAR42)
    zero3, zero2 = np.zeros(3), np.zeros(2)
    turn = Moves(zero3, zero3, zero2, zero2, np.asarray(-0.1), np.array([1.0, 0.0, 0.0]))
    ego_from_lidar = rig.ego_from_lidar
    assert ego_from_lidar is not None
    _, pose = moved(rig.eyes[0], ego_from_lidar, turn)
    point = np.array([12.0, 3.0, 1.0, 1.0])  # vehicle frame at the lidar's time
    cosine, sine = math.cos(0.1), math.sin(0.1)
    later = np.array([cosine * 11 + sine * 3, -sine * 11 + cosine * 3, 1.0, 1.0])
    before = rig.eyes[0].camera_from_lidar
    assert before is not None
    lidar_from_ego = np.linalg.inv(ego_from_lidar)
    np.testing.assert_allclose(pose @ lidar_from_ego @ point, before @ lidar_from_ego @ later, atol=1e-12)
