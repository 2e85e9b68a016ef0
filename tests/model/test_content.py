"""Pairs that look at pixels which undistortion leaves black."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from specialize import zoo
from specialize.calibration.camera import Camera
from specialize.calibration.lens import lens_of
from specialize.calibration.load import dump_profile, load_profile
from specialize.model.content import pairs_cut_away, pairs_without_content
from specialize.model.visible import visible_sets
from tests.cli.running import CAR42, run_here

SPEC = zoo.spec("bevformer_tiny")


def _through(max_angle_rad: float) -> list[Camera]:
    """Return car42's cameras with raw images of a fisheye that ends at an angle, undistorted to their intrinsics."""
    found = []
    for camera in load_profile(CAR42).cameras:
        k = camera.intrinsic
        assert k is not None and camera.camera_from_lidar is not None
        focal = {"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]}
        lens = lens_of("kannala_brandt", focal, max_angle_rad=max_angle_rad)
        size = camera.width_px, camera.height_px
        found.append(Camera.pinhole(camera.name, size, k, camera.camera_from_lidar, lens=lens))
    return found


def test_pairs_beyond_the_lens_have_no_content() -> None:
    """A lens that ends inside the undistorted image leaves pairs without content: those whose points are all beyond."""
    profile = dataclasses.replace(load_profile(CAR42), cameras=tuple(_through(0.4)))
    plans = visible_sets(SPEC, profile)
    found = pairs_without_content(SPEC, profile, plans)
    (plan,) = plans
    points, seen = plan.grid.points(), plan.points_seen()
    for index, camera in enumerate(profile.cameras):
        pose = camera.camera_from_lidar
        assert pose is not None
        at = points @ pose[:3, :3].T + pose[:3, 3]
        ahead = np.arctan2(np.hypot(at[..., 0], at[..., 1]), at[..., 2]) < 0.4
        wanted = int((plan.seen[index] & ~(ahead & seen[index]).any(axis=-1)).sum())
        assert 0 < wanted == found[index] < plan.lengths[index]


def test_a_lens_that_shows_all_leaves_none() -> None:
    """Cameras without a lens, and lenses wider than the image, have content everywhere."""
    bare = load_profile(CAR42)
    wide = dataclasses.replace(bare, cameras=tuple(_through(1.5)))
    for profile in (bare, wide):
        assert pairs_without_content(SPEC, profile, visible_sets(SPEC, profile)) == (0,) * 6


def test_pairs_that_undistortion_cuts_away() -> None:
    """A fisheye sees half a sphere of which the undistorted image shows a part: the rest is cut away."""
    profile = dataclasses.replace(load_profile(CAR42), cameras=tuple(_through(1.5)))
    (plan,) = plans = visible_sets(SPEC, profile)
    found = pairs_cut_away(profile, plans)
    points = plan.grid.points()
    for index, camera in enumerate(profile.cameras):
        pose, lens = camera.camera_from_lidar, camera.lens
        assert pose is not None and lens is not None
        pixels, valid = lens.project(points @ pose[:3, :3].T + pose[:3, 3])
        inside = valid & (pixels[..., 0] > -0.5) & (pixels[..., 0] < 1599.5)
        inside &= (pixels[..., 1] > -0.5) & (pixels[..., 1] < 899.5)
        assert found[index] == (inside.any(axis=-1) & ~plan.superset[index]).sum()
    assert sum(found) > 0.05 * plan.pairs
    assert pairs_cut_away(load_profile(CAR42), plans) == (0,) * 6  # no lens is known


def test_a_plan_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text names cameras and pairs, the JSON has them all."""
    path = tmp_path / "narrow.yaml"
    path.write_text(dump_profile(dataclasses.replace(load_profile(CAR42), cameras=tuple(_through(0.4)))))
    asked = ("plan", "--calib", path, "--model", "bevformer_tiny", "-o", tmp_path / "p.npz")
    told = run_here(capsys, *asked)
    assert told.code == 0 and "pairs at pixels that undistortion leaves without content: " in told.out
    held = json.loads(run_here(capsys, *asked, "--json").out)["without_content"]
    assert len(held) == 6 and all(held) and f"{held[0]:,} of CAM_FRONT" in told.out
    wide = tmp_path / "wide.yaml"
    wide.write_text(dump_profile(dataclasses.replace(load_profile(CAR42), cameras=tuple(_through(1.5)))))
    cut = run_here(capsys, "plan", "--calib", wide, "--model", "bevformer_tiny", "-o", tmp_path / "w.npz")
    assert "pairs of raw images that undistortion cuts away: " in cut.out
