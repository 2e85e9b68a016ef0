"""Plain JSON of lidar2img: sizes and names must be said, scalings undone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats import lidar2img
from specialize.errors import InputError, UsageError
from tests.calibration.formats.rigs import OTHER, real, write


def matrices() -> np.ndarray:
    """Return lidar2img (6, 4, 4) of a real rig."""
    return np.array([camera.raw["lidar2img"] for camera in real(OTHER).cameras])


@pytest.mark.parametrize(
    "shape", [lambda m: m, lambda m: m[None], lambda m: m.reshape(6, 16)], ids=["N44", "1N44", "N16"]
)
def test_every_nesting_in_use_is_read(tmp_path: Path, shape: Any) -> None:
    """With a batch dimension or without, rows or flat, under the key or alone."""
    stored = shape(matrices()).tolist()
    for document in ({"lidar2img": stored, "can_bus": [0.0] * 18}, stored):
        path = write(tmp_path / "calib.json", json.dumps(document))
        profile = lidar2img.read(path, size="1600x900")
        np.testing.assert_array_equal(profile.image_from_lidar(), matrices())
        assert profile.camera_names() == real(OTHER).names()
        assert profile.cameras[0].intrinsic is None


def test_matrices_of_scaled_images_are_scaled_back(tmp_path: Path) -> None:
    """A demo's matrices for half-size images give the raw image's matrices."""
    half = np.diag([0.5, 0.5, 1, 1]) @ matrices()
    path = write(tmp_path / "calib.json", json.dumps({"lidar2img": half.tolist()}))
    profile = lidar2img.read(path, size="1600x900", scale="0.5")
    np.testing.assert_allclose(profile.image_from_lidar(), matrices(), rtol=1e-15)


def test_the_size_must_be_said(tmp_path: Path) -> None:
    """The file does not know it, and guessing would be silent."""
    path = write(tmp_path / "calib.json", "[]")
    with pytest.raises(UsageError, match="expected the size of the raw images"):
        lidar2img.read(path)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"lidar2img": []}, r"expected N matrices of 4x4, got shape \(0,\)"),
        ({"lidar2img": [[1, 2], [3]]}, "expected lists of numbers, all of one length"),
        ({"other": 1}, "expected N matrices of 4x4"),
        ({"lidar2img": np.zeros((1, 4, 4)).tolist()}, "expected the last row"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, document: object, message: str) -> None:
    """Nothing that is not a list of 4x4 matrices is taken for one."""
    with pytest.raises(InputError, match=message):
        lidar2img.read(write(tmp_path / "calib.json", json.dumps(document)), size="1600x900")


def test_names_must_fit_the_matrices(tmp_path: Path) -> None:
    """Two matrices need two names; without names they are numbered."""
    path = write(tmp_path / "calib.json", json.dumps(matrices()[:2].tolist()))
    assert lidar2img.read(path, size="1600x900").camera_names() == ("CAM0", "CAM1")
    with pytest.raises(UsageError, match="option cameras: expected 2 names, got 1"):
        lidar2img.read(path, size="1600x900", cameras="FRONT")
    with pytest.raises(InputError, match="expected valid JSON"):
        lidar2img.read(write(tmp_path / "bad.json", "{"), size="1600x900")
