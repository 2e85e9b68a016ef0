"""Profiles with lenses: read, written again, digested, and refused."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from specialize.calibration.delta import compare
from specialize.calibration.document import parse_document
from specialize.calibration.load import dump_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from tests.calibration.lens.rigs import SPELLED

LENS = """
model: mei
parameters: {gamma1: 1336.3, gamma2: 1335.8, u0: 716.9, v0: 705.7, xi: 2.2134, k1: 0.0168, k2: 1.6548}
"""


def _profile(lens: str | dict[str, object], **more: object) -> CalibrationProfile:
    camera = {
        "name": "LEFT",
        "size_px": [1400, 1400],
        "lens": yaml.safe_load(lens) if isinstance(lens, str) else lens,
        "lidar2cam": [
            [0.0, -1.0, 0.0, 0.0],
            [0.0, 0.0, -1.0, -0.3],
            [1.0, 0.0, 0.0, -0.5],
            [0.0, 0.0, 0.0, 1.0],
        ],
    }
    document = {"schema": "specialize/profile@1", "vehicle": "wide", "cameras": [camera | more]}
    return parse_profile(document, "wide.yaml")


@pytest.mark.parametrize("name", sorted(SPELLED))
def test_a_lens_is_written_and_read_again(name: str) -> None:
    """Every lens survives a round trip with the same digest, whatever names its format had."""
    model, parameters = SPELLED[name]
    lens = {
        "model": model, "parameters": parameters, "max_angle_rad": 1.4, "pixel_centre": 0.5,
        "windshield": {"horizontal_poly": [0.0, 1.0, 0.01], "vertical_poly": [0.0, 0.0, 1.0]},
    }  # fmt: skip
    profile = _profile(lens)
    again = parse_profile(parse_document(dump_profile(profile), "again.yaml"), "again.yaml")
    assert again.digest == profile.digest
    assert again.cameras[0].lens == profile.cameras[0].lens


def test_names_of_other_formats_mean_the_same() -> None:
    """Aliases change no digest; another number does."""
    own = LENS.replace("gamma1", "fx").replace("gamma2", "fy").replace("u0", "cx").replace("v0", "cy")
    assert _profile(own).digest == _profile(LENS).digest
    assert _profile(LENS.replace("2.2134", "2.2135")).digest != _profile(LENS).digest
    assert _profile(LENS + "max_angle_rad: 1.9").digest != _profile(LENS).digest
    assert compare(_profile(LENS), _profile(LENS.replace("2.2134", "2.2135"))).cameras[0].lens_changed


def test_the_model_is_given_raw_images_or_undistorted_ones() -> None:
    """Points land where the lens says; beside an intrinsic, where the pinhole of the undistorted images says."""
    raw = _profile(LENS).cameras[0]
    flat = _profile(LENS, intrinsic=[[500.0, 0.0, 700.0], [0.0, 500.0, 700.0], [0.0, 0.0, 1.0]]).cameras[0]
    assert raw.is_raw and not flat.is_raw and flat.lens == raw.lens
    point = np.array([[4.0, 3.0, -0.5]])
    in_camera = point @ raw.camera_from_lidar[:3, :3].T + raw.camera_from_lidar[:3, 3]  # type: ignore[index]
    assert np.allclose(raw.project(point)[0], raw.lens.project(in_camera)[0])  # type: ignore[union-attr]
    assert np.allclose(flat.project(point)[0], 500 * in_camera[:, :2] / in_camera[:, 2:] + 700)


@pytest.mark.parametrize(
    ("lens", "more", "said"),
    [
        (LENS.replace("xi: 2.2134", "xi: -1.0"), {}, r"cameras\[0\]\.lens\.parameters\.xi: expected xi of at least 0"),
        (LENS.replace("mei", "mai"), {}, r"cameras\[0\]\.lens\.model: expected a known lens, got 'mai'"),
        (LENS + "max_angle_rad: 4.0", {}, r"cameras\[0\]\.lens\.max_angle_rad: expected an angle"),
        (LENS + "pixel_centre: 0.4", {}, r"lens\.pixel_centre: expected 0 or 0\.5"),
        (LENS + "size_px: [9, 9]", {}, r"lens\.size_px: expected no size in a `lens` without `intrinsic`"),
        (LENS + "windshield: {horizontal_poly: [1, 2], vertical_poly: [1]}", {}, r"windshield\.horizontal_poly"),
        (LENS + "angle: 3", {}, r"cameras\[0\]\.lens\.angle: expected a known key"),
        ("{model: mei, parameters: [1, 2]}", {}, "a mapping of parameters by name"),
        (LENS, {"distortion": {"model": "fov", "coefficients": [0.9]}}, "no distortion next to `lens`"),
    ],
)  # fmt: skip
def test_an_impossible_lens_is_refused_where_it_stands(lens: str, more: dict[str, object], said: str) -> None:
    """The error names the key of the file, what was expected and what was found."""
    with pytest.raises(InputError, match=said):
        _profile(lens, **more)


def test_no_lens_beside_a_bare_matrix() -> None:
    """A bare lidar2img says all that there is."""
    camera = {"name": "A", "size_px": [10, 10], "lidar2img": np.eye(4).tolist(), "lens": yaml.safe_load(LENS)}
    with pytest.raises(InputError, match="one of these forms"):
        parse_profile({"schema": "specialize/profile@1", "vehicle": "x", "cameras": [camera]}, "x")
