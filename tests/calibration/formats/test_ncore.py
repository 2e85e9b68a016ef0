"""NCore's cameras: read from what NCore itself wrote, they put points where NCore puts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats import ncore
from specialize.errors import InputError, UsageError
from tests.calibration.formats.poses import optical, pose
from tests.calibration.formats.rigs import write
from tests.calibration.lens.test_oracles import ORACLES

STORED = [oracle for oracle in ORACLES if oracle["oracle"] == "ncore"]
LEFT = optical(pose((0.0, 0.1, 1.5), (1.0, 0.9, 1.1)))
LIDAR = pose((0.0, 0.0, 0.1), (1.0, 0.0, 1.9))


def entry(index: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a camera as NCore wrote it, on the vehicle's left."""
    return {**STORED[index]["stored"], "T_sensor_rig": LEFT.tolist(), **changes}


def save(path: Path, cameras: dict[str, Any], under: str = "") -> Path:
    return write(path / "rig.json", json.dumps({under: cameras} if under else cameras))


@pytest.mark.parametrize("index", range(len(STORED)), ids=[oracle["name"] for oracle in STORED])
def test_points_land_where_ncore_puts_them(index: int, tmp_path: Path) -> None:
    """Principal points, references, windshields and pixel centres are as NCore means them, to 1e-9 px."""
    profile = ncore.read(save(tmp_path, {"left": entry(index, T_sensor_rig=np.eye(4).tolist())}))
    pixels, valid = profile.cameras[0].project(STORED[index]["points_m"])
    assert valid.all()
    np.testing.assert_allclose(pixels, STORED[index]["pixels"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("under", ["", "cameras"])
def test_points_are_in_the_rig_or_in_a_lidar(under: str, tmp_path: Path) -> None:
    """A pose maps the sensor to the rig; an entry without a camera model may be the frame of the points."""
    file = save(tmp_path, {"left": entry(), "lidar_top": {"T_sensor_rig": LIDAR.tolist()}}, under)
    for option, rig_from_points in (("", np.eye(4)), ("lidar_top", LIDAR)):
        profile = ncore.read(file, lidar=option)
        assert profile.camera_names() == ("left",)
        expected = np.linalg.inv(LEFT) @ rig_from_points
        np.testing.assert_allclose(profile.cameras[0].camera_from_lidar, expected, atol=1e-9)
        np.testing.assert_allclose(profile.ego_from_lidar, rig_from_points, atol=1e-9)
    with pytest.raises(UsageError, match="did you mean 'lidar_top'"):
        ncore.read(file, lidar="lidar")


def test_an_ideal_pinhole_counts_from_the_corner(tmp_path: Path) -> None:
    """Its principal point is half a pixel to the right of the pixel's whole coordinate."""
    parameters = {
        "resolution": [1920, 1080],
        "principal_point": [960.0, 540.0],
        "focal_length": [900.0, 901.0],
    }
    camera = {"camera_model_type": "ideal-pinhole", "camera_model_parameters": parameters}
    profile = ncore.read(save(tmp_path, {"front": {**camera, "T_sensor_rig": np.eye(4).tolist()}}))
    np.testing.assert_allclose(profile.cameras[0].project([0.0, 0.0, 1.0])[0], [959.5, 539.5])


def test_a_linear_map_of_zeros_is_none(tmp_path: Path) -> None:
    """Some data sets store zeros for c, d and e, which would be no map at all."""
    parameters = {**STORED[0]["stored"]["camera_model_parameters"], "linear_cde": [0.0, 0.0, 0.0]}
    lens = ncore.read(save(tmp_path, {"a": entry(camera_model_parameters=parameters)})).cameras[0].lens
    assert lens is not None and [lens.parameters[key] for key in "cde"] == [1.0, 0.0, 0.0]


def test_other_models_are_named(tmp_path: Path) -> None:
    """Unknown cameras, references and windshields are errors that say where."""
    with pytest.raises(InputError, match=r"left\.camera_model_type: expected ftheta, .*, got 'spline'"):
        ncore.read(save(tmp_path, {"left": entry(camera_model_type="spline")}))
    parameters = STORED[0]["stored"]["camera_model_parameters"]
    changed = {**parameters, "reference_poly": "BOTH"}
    with pytest.raises(
        InputError, match=r"reference_poly: expected PIXELDIST_TO_ANGLE or ANGLE_TO_PIXELDIST"
    ):
        ncore.read(save(tmp_path, {"left": entry(camera_model_parameters=changed)}))
    glass = {"external_distortion_type": "prism", "horizontal_poly": [0, 1, 0], "vertical_poly": [0, 0, 1]}
    changed = {**parameters, "external_distortion_parameters": glass}
    with pytest.raises(InputError, match="expected bivariate-windshield, got 'prism'"):
        ncore.read(save(tmp_path, {"left": entry(camera_model_parameters=changed)}))
    glass |= {"external_distortion_type": "bivariate-windshield", "vertical_poly": [0, 1]}
    with pytest.raises(
        InputError, match=r"left\..*windshield\.vertical_poly: expected .* coefficients, got 2"
    ):
        ncore.read(save(tmp_path, {"left": entry(camera_model_parameters=changed)}))
