"""The arrays of a pooling, computed from the frustum of a sidecar and a profile."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.model.kinds import POOL_TABLES
from specialize.model.parts import FrustumSpec, ImagePrep
from specialize.model.spec import ModelSpec, parse_spec
from specialize.visibility.splat import CellGrid, Frustum, plan_splat
from tests.cli.running import CAR42, CAR43

FRUSTUM = FrustumSpec(
    shape=(20, 4, 11),
    depth_m=(1.0, 58.0),
    cells=(32, 24, 2),
    range_m=(-51.2, -48.0, -5.0, 51.2, 48.0, 3.0),
    u_px=(0.0, 703.0),
    v_px=(0.0, 255.0),
)
SPEC = ModelSpec(
    image=ImagePrep(size_px=(704, 256), scale=0.44, crop_px=(0.0, 140.0)),
    calibration_inputs={kind: kind for kind in POOL_TABLES},
    frustum=FRUSTUM,
)


@pytest.mark.parametrize("calib", [CAR42, CAR43])
def test_the_arrays_are_those_of_the_planner(calib: str) -> None:
    """The planner of the built-in models, written apart, has the same points in the same cells."""
    profile = load_profile(calib)
    found = SPEC.calibration_arrays(profile)
    lidar_from_image = np.linalg.inv(SPEC.network_from_lidar(profile))
    frustum = Frustum(size_px=(704, 256), features=(4, 11), depths_m=(1.0, 61.0, 3.0))
    plan = plan_splat(lidar_from_image, frustum, CellGrid((-51.2, -48.0, -5.0), (3.2, 4.0, 4.0), (32, 24, 2)))
    x, y, z = np.unravel_index(plan.ranks_bev, (32, 24, 2))
    cell = np.full(plan.points, -1)
    cell[plan.ranks_depth] = (z * 24 + y) * 32 + x
    owner = np.full(plan.points, -1)
    owner[found["ranks_depth"]] = found["ranks_bev"]
    sure = np.ones(plan.points, bool)
    sure[plan.borderline] = False
    assert np.array_equal(owner[sure], cell[sure]) and (owner >= 0).sum() > 1000


@pytest.mark.parametrize("frame", ["lidar", "ego"])
@pytest.mark.parametrize("cut", ["toward_zero", "down"])
def test_the_arrays_are_in_the_layout_of_the_kernels(frame: str, cut: str) -> None:
    """Points ascend by cell, intervals cover them without gap, and every point's pixel is its own."""
    profile = load_profile(CAR42)
    spec = msgspec.structs.replace(SPEC, frustum=msgspec.structs.replace(FRUSTUM, frame=frame, cut=cut))
    tables = spec.calibration_arrays(profile)
    depth, feat, bev, starts, lengths = (tables[kind] for kind in POOL_TABLES)
    assert {each.dtype for each in tables.values()} == {np.dtype("int32")}
    assert (np.diff(bev) >= 0).all() and starts[0] == 0
    assert np.array_equal(starts[1:], np.cumsum(lengths)[:-1]) and lengths.sum() == len(bev)
    assert np.array_equal(np.unique(bev), bev[starts])
    camera, _, row, column = np.unravel_index(depth, (6, 20, 4, 11))
    assert np.array_equal(feat, np.ravel_multi_index((camera, row, column), (6, 4, 11)))


def test_the_frames_and_cuts_differ() -> None:
    """The vehicle's frame is not the lidar's, and `down` drops what truncation pulls up into the first cells."""
    profile = load_profile(CAR42)
    made = {
        (frame, cut): msgspec.structs.replace(
            SPEC, frustum=msgspec.structs.replace(FRUSTUM, frame=frame, cut=cut)
        ).calibration_arrays(profile)["ranks_depth"]
        for frame in ("lidar", "ego")
        for cut in ("toward_zero", "down")
    }
    assert not np.array_equal(made["lidar", "down"], made["ego", "down"])
    assert {*made["lidar", "down"]} < {*made["lidar", "toward_zero"]}


def test_arrays_need_a_frustum() -> None:
    """Without the section there is nothing to number."""
    text = "schema: specialize/model@1\nimage: {size_px: [8, 8]}\ncalibration_inputs: {a: ranks_bev}\n"
    with pytest.raises(Exception, match=r"calibration_inputs\.a: expected a `frustum`"):
        parse_spec(text, "mine")
