"""The rigs of `calib_profiles/`: equal to their description, and fit for what they are for."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.calibration.delta import compare
from specialize.calibration.load import load_profile
from tests.calibration.authored import PROFILES, files

REWRITE = "run `python -m tests.calibration.authored`"


@pytest.mark.parametrize("name", sorted(files()))
def test_a_file_is_what_its_description_gives(name: str) -> None:
    """Every shipped profile follows from its description, and every description is shipped."""
    assert (PROFILES / name).read_text() == files()[name], REWRITE


def test_nothing_else_is_shipped() -> None:
    """The folder contains no profile that the script does not write."""
    shipped = {path.relative_to(PROFILES).as_posix() for path in PROFILES.rglob("*.yaml")}
    assert shipped == set(files()), REWRITE


def test_the_three_spellings_are_in_use() -> None:
    """Each spelling of an extrinsic appears in some shipped profile."""
    texts = "".join(path.read_text() for path in PROFILES.rglob("*.yaml"))
    assert all(f"{key}:" in texts for key in ("lidar2img", "lidar2cam", "sensor2ego"))


def seen(name: str, scale: float, size_px: tuple[int, int]) -> np.ndarray:
    """Return which cells (N, 50, 50) of +-51.2 m each camera sees at any of four heights, plainly."""
    profile = load_profile(PROFILES / name)
    cells = (np.arange(50) + 0.5) / 50 * 102.4 - 51.2
    x, y, z = np.meshgrid(cells, cells, -5 + np.linspace(0.5, 7.5, 4))
    points = np.stack([x, y, z, np.ones_like(x)], axis=-1)  # (50, 50, 4, 4)
    views = np.diag([scale, scale, 1, 1]) @ profile.image_from_lidar()
    projected = np.einsum("nij,hwdj->nhwdi", views, points)
    depth = projected[..., 2]
    pixels = projected[..., :2] / np.maximum(depth, 1e-5)[..., None]
    inside = ((pixels > 0) & (pixels < size_px)).all(axis=-1) & (depth > 1e-5)
    return inside.any(axis=-1)


def test_the_longest_camera_of_car42_sees_at_most_30_percent() -> None:
    """What the main demo rests on, at half scale padded to 800x480."""
    shares = seen("car42.yaml", 0.5, (800, 480)).mean(axis=(1, 2))
    assert shares.min() > 0.1 and shares.max() <= 0.30


def test_the_wide_rig_is_harder_than_the_ring() -> None:
    """The longest of the four wide cameras sees a third of the grid, as its head says."""
    shares = seen("reference/wide4.yaml", 0.5, (960, 604)).mean(axis=(1, 2))
    assert 0.30 < shares.max() < 0.40


def test_the_seven_camera_rig_has_two_image_sizes() -> None:
    """One portrait camera, six landscape ones."""
    sizes = load_profile(PROFILES / "reference/ring7.yaml").sizes_px().tolist()
    assert sizes == [[1440, 1920]] + [[1920, 1440]] * 6


def test_one_van_of_the_demo_fleet_is_an_outlier() -> None:
    """Vans differ from van_01 by assembly errors only, but for the rear camera of van_05."""
    fleet = {path.stem: load_profile(path) for path in sorted((PROFILES / "demo_fleet").glob("*.yaml"))}
    assert len(fleet) == 8
    for name, van in fleet.items():
        for camera in compare(fleet["van_01"], van).cameras:
            knocked = (name, camera.name) == ("van_05", "CAM_BACK")
            assert (camera.rotation_mrad > 10.5) == knocked, (name, camera)
