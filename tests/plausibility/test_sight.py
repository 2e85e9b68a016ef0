"""The projection that plausibility is judged with: simple cameras, and all ways in which a model takes its geometry."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from specialize import zoo
from specialize.model.spec import InputKind
from specialize.plausibility.sight import Fed, ring_points, seen
from specialize.plausibility.values import see_points
from tests.calibration.wrong_rigs import CAR42

TINY = zoo.spec("bevformer_tiny")
WAYS: dict[str, dict[str, str | InputKind]] = {
    "lidar2img": {"a": "lidar2img"},
    "img2lidar": {"a": "img2lidar"},
    "ego2img": {"a": "ego2img"},
    "img2ego and lidar2ego": {"a": "img2ego", "b": "lidar2ego"},
    "pose and lens": {"a": "lidar2cam", "b": "network_intrinsic"},
    "inverse pose and lens": {"a": "cam2lidar", "b": "inverse_network_intrinsic"},
    "vehicle poses": {"a": "cam2ego", "b": "ego2lidar", "c": "network_intrinsic"},
    "raw lens and augmentation": {"a": "cam2lidar", "b": "intrinsic", "c": "image_aug"},
    "raw lens and its inverse preparation": {"a": "ego2cam", "b": "inverse_intrinsic", "c": "network2raw"},
    "raw projection": {"a": "lidar2raw", "b": "raw2network"},
    "preparation inside": {"a": "lidar2cam", "b": "intrinsic"},
    "pixels of a feature map": {"a": InputKind(kind="lidar2img", stride=16.0)},
    "nothing": {},
}


@pytest.mark.parametrize("name", ["bevformer_tiny", "bevfusion_camera", "streampetr"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_feeding_geometry_amounts_to_one_projection(way: str, name: str) -> None:
    """Matrices, their inverses and their factors are the same projection to network pixels."""
    model = zoo.spec(name)
    fed = see_points(msgspec.structs.replace(model, calibration_inputs=WAYS[way]), CAR42)
    np.testing.assert_allclose(fed.matrices, model.network_from_lidar(CAR42), rtol=1e-9, atol=1e-6)


def test_a_camera_sees_what_is_in_front_and_inside() -> None:
    """Borders and the least depth are not part of the image."""
    matrix = np.array([[100.0, 0, 50, 0], [0, 100, 25, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    points = np.array(
        [[0, 0, 1], [0.5, 0, 1], [0.49, 0, 1], [0, 0.25, 1], [0, 0, -1], [0, 0, 0], [-0.5, 0, 1.0]]
    )
    assert seen(matrix, (100, 50), points).tolist() == [True, False, True, False, False, False, False]
    assert not seen(matrix, (100, 50), np.array([[0.0, 0, 2]]), least_depth_m=2.0).any()


def test_the_ring_is_around_the_car() -> None:
    """Points are 5 to 40 m away, on the ground and a metre above it."""
    points = ring_points(-1.8)
    radii = np.linalg.norm(points[:, :2], axis=1)
    assert radii.min() == pytest.approx(5) and radii.max() == pytest.approx(40)
    assert set(points[:, 2].round(9)) == {-1.8, -0.8}


def test_what_is_not_fed_is_not_made_up() -> None:
    """Without a pose or a lens there is no projection."""
    matrices = np.broadcast_to(np.eye(4), (2, 4, 4))
    assert Fed({"lidar2cam": matrices}).network_from_lidar() is None
    assert Fed({"network_intrinsic": matrices}).network_from_lidar() is None
    assert Fed({"ego2img": matrices}).network_from_lidar() is None
    assert Fed({"ego2img": matrices}, matrices).network_from_lidar() is not None
