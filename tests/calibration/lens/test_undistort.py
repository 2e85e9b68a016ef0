"""The intrinsic of undistorted images is the one that OpenCV 5.0.0 chooses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.lens import lens_of
from specialize.calibration.load import load_profile
from specialize.calibration.undistort import balanced_intrinsic, optimal_intrinsic, undistorted
from specialize.errors import InputError
from specialize.files.resources import resource_dir

RADTAN = {
    "fx": 1336.3,
    "fy": 1335.8,
    "cx": 716.9,
    "cy": 705.7,
    "k1": -0.31,
    "k2": 0.11,
    "p1": 4.2e-4,
    "p2": -3.1e-4,
}
RADTAN |= {"k3": -0.012}
FISHEYE = {
    "fx": 420.5,
    "fy": 418.9,
    "cx": 640.2,
    "cy": 398.7,
    "k1": 0.021,
    "k2": -0.013,
    "k3": 0.0042,
    "k4": -0.0011,
}
OPTIMAL = {
    0.0: (1206.9137782913015, 1213.856223884056, 715.764514146752, 707.701312026213),
    0.35: (1160.442208372984, 1165.3238157051985, 715.6054243280595, 707.9289968193436),
    1.0: (1074.1378642389657, 1075.192200515892, 715.3099718076303, 708.3518400065861),
}
"""cv2.getOptimalNewCameraMatrix of 1440 x 1400 px, by alpha: fx, fy, cx, cy. It ends its search
for rays after five steps, which is
0.7 px of focal length in the corners here."""
BALANCED = {
    0.0: (292.76894563338027, 291.6549615358454, 674.9031466916487, 392.459693523418),
    0.35: (200.95110454333118, 200.18648678525906, 663.9568642246223, 394.8244752810572),
    1.0: (30.4322568046686, 30.31646224845583, 643.6280539287162, 399.2162128309585),
}
"""cv2.fisheye.estimateNewCameraMatrixForUndistortRectify of 1280 x 800 px, by balance."""


def numbers(intrinsic: np.ndarray) -> np.ndarray:
    """Return fx, fy, cx and cy."""
    return intrinsic[[0, 1, 0, 1], [0, 1, 2, 2]]


@pytest.mark.parametrize("alpha", OPTIMAL)
def test_alpha_is_opencvs(alpha: float) -> None:
    """Within what OpenCV's own iteration leaves open: most in the corners, which alpha 0 does not look at."""
    found = optimal_intrinsic(lens_of("brown_conrady", RADTAN), (1440, 1400), alpha)
    assert numbers(found) == pytest.approx(np.array(OPTIMAL[alpha]), rel=1e-3 if alpha else 5e-5)


@pytest.mark.parametrize("balance", BALANCED)
def test_balance_is_opencvs(balance: float) -> None:
    """Within what OpenCV's own iteration leaves open."""
    found = balanced_intrinsic(lens_of("kannala_brandt", FISHEYE), (1280, 800), balance)
    assert numbers(found) == pytest.approx(np.array(BALANCED[balance]), rel=1e-6)


def test_no_black_at_zero_and_nothing_lost_at_one() -> None:
    """At 0 the corners of the flat image are inside the raw one; at 1 those of the raw one inside the flat one."""
    lens, size = lens_of("brown_conrady", RADTAN), np.array([1439.0, 1399.0])
    corners = size * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    tight, wide = (optimal_intrinsic(lens, (1440, 1400), alpha) for alpha in (0.0, 1.0))
    rays = np.linalg.solve(tight, np.column_stack([corners, np.ones(4)]).T).T
    raw, _ = lens.project(rays)
    assert ((raw > -1) & (raw < size + 1)).all()
    seen, _ = lens.unproject(corners)
    flat = (seen / seen[:, 2:]) @ wide.T
    assert ((flat[:, :2] > -1) & (flat[:, :2] < size + 1)).all()


def test_a_profile_goes_from_raw_to_flat(tmp_path: Path) -> None:
    """The lens stays beside the intrinsic, the poses stay, and what was written is read again."""
    raw = load_profile(resource_dir("calib_profiles") / "fisheye4.yaml")
    with pytest.raises(InputError, match="a raw image whose border looks ahead"):
        undistorted(raw, alpha=0.5)  # the corners of these fisheyes look backwards
    pinholes = load_profile(resource_dir("calib_profiles") / "car42.yaml")
    with pytest.raises(InputError, match="a camera with a lens, got none"):
        undistorted(pinholes, alpha=0.0)
    lens = lens_of("brown_conrady", RADTAN | {"cx": 800.0, "cy": 450.0})
    first, *others = pinholes.cameras
    bent = Camera.through(first.name, (1600, 900), lens, first.as_pinhole().camera_from_lidar)
    rig = dataclasses.replace(pinholes, cameras=(bent, *others))
    flat = undistorted(rig, alpha=0.0)
    (tmp_path / "flat.yaml").write_text(dump_profile(flat))
    again = load_profile(tmp_path / "flat.yaml")
    assert again.digest == flat.digest
    assert again.cameras[0].lens is not None
    assert not again.cameras[0].is_raw
    assert np.array_equal(again.cameras[1].intrinsic, pinholes.cameras[1].intrinsic)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alpha": 1.5}, "a number from 0 to 1, got 1.5"),
        ({"alpha": 0.1, "balance": 0.1}, "one of them, got both"),
        ({}, "one of them, got neither"),
    ],
)
def test_what_cannot_be_asked_for(given: dict[str, float], said: str) -> None:
    """One share, from 0 to 1."""
    with pytest.raises(InputError, match=said):
        undistorted(load_profile(resource_dir("calib_profiles") / "fisheye4.yaml"), **given)
