"""Recordings for viewers say what the profile says: read back, they are the same rig."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from specialize.calibration.camera import Camera
from specialize.calibration.formats.importer import read_format
from specialize.calibration.lens import lens_of
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.sight import pixels_of
from specialize.calibration.view import views_of
from specialize.errors import UsageError
from specialize.files.resources import resource_dir
from specialize.report.viewer import LENGTH_M, calibration, color, rig_messages
from specialize.report.viewer_file import mcap_bytes, schema_of
from tests.cli.running import CAR42, run_here
from tests.report import pages
from tests.report.rigs import camera_at, ring

pytest.importorskip("mcap")
PROFILES = resource_dir("calib_profiles")
SIZE = (1280, 960)


def _read(path: Path) -> dict[str, Any]:
    """Return the messages of an MCAP file by topic, each checked against the schema beside it."""
    from mcap.reader import make_reader

    found = {}
    with path.open("rb") as stream:
        for schema, channel, message in make_reader(stream, validate_crcs=True).iter_messages():
            assert schema is not None and schema.encoding == "jsonschema"
            values = json.loads(message.data)
            jsonschema.validate(values, json.loads(schema.data))
            found[channel.topic] = values
    return found


def test_a_rig_comes_back(tmp_path: Path) -> None:
    """What is written of car42 is imported as the same cameras, in the vehicle's frame as well."""
    profile, path = load_profile(CAR42), tmp_path / "car42.mcap"
    path.write_bytes(mcap_bytes(rig_messages(profile)))
    again = read_format("mcap", path, {"lidar": "lidar", "cameras": ",".join(profile.camera_names())})
    assert again.camera_names() == profile.camera_names()
    np.testing.assert_allclose(again.image_from_lidar(), profile.image_from_lidar(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(again.ego_from_lidar, profile.ego_from_lidar, atol=1e-9)  # type: ignore[arg-type]
    assert mcap_bytes(rig_messages(profile)) == path.read_bytes()


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("kannala_brandt", {"k1": -0.01, "k2": 0.002, "k3": 0.0001, "k4": 0.0}),
        ("brown_conrady", {"k1": -0.1, "k2": 0.01, "p1": 0.001, "p2": -0.001, "k3": 0.0, "k4": 0.01}),
    ],
)
def test_a_lens_that_fits_comes_back(model: str, more: dict[str, float], tmp_path: Path) -> None:
    """Lenses that Foxglove's message can hold land every point where they did."""
    lens = lens_of(model, {"fx": 500.0, "fy": 501.0, "cx": 639.0, "cy": 480.5} | more)
    camera = Camera.through("A", SIZE, lens, camera_at(10.0, 5.0, (1.0, 0.0, 1.5)))
    path = tmp_path / "a.mcap"
    path.write_bytes(mcap_bytes(rig_messages(CalibrationProfile("x", (camera,), np.eye(4)))))
    again = read_format("mcap", path, {"lidar": "lidar", "rectified": "false", "lens": "true"}).cameras[0]
    points = np.random.default_rng(0).uniform((3, -2, 0), (10, 2, 3), (100, 3))
    one, other = camera.project(points), again.project(points)
    assert one[1].any() and (one[1] == other[1]).all()
    np.testing.assert_allclose(one[0][one[1]], other[0][one[1]], atol=1e-6)


def test_a_lens_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    """Of a MEI lens there is no CameraCalibration, which would be wrong, but its true frustum."""
    profile = load_profile(PROFILES / "fisheye4.yaml")
    assert all(calibration(camera) is None for camera in profile.cameras)
    path = tmp_path / "f.mcap"
    path.write_bytes(mcap_bytes(rig_messages(profile)))
    found = _read(path)
    assert set(found) == {"/transforms", "/frusta"}
    entity = found["/frusta"]["entities"][0]
    assert "mei" in entity["metadata"][0]["value"] and entity["frame_id"] == "FISHEYE_FRONT"


def test_frusta_are_where_the_images_end() -> None:
    """Every point of a frustum is as far away as stated and lands on the border of the image."""
    profile = load_profile(CAR42)
    frusta = next(m for m in rig_messages(profile) if m.topic == "/frusta").values["entities"]
    for view, entity in zip(views_of(profile), frusta, strict=True):
        points = np.array([[p[axis] for axis in "xyz"] for p in entity["lines"][0]["points"]])
        points = points[np.linalg.norm(points, axis=1) > 0]
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), LENGTH_M, atol=1e-6)
        pixels, valid = pixels_of(view, (points - view.camera_from_level[:3, 3]) @ view.rotation)
        size = (view.camera.width_px, view.camera.height_px)
        edge = np.minimum(np.abs(pixels), np.abs(pixels - size)).min(axis=1)
        assert valid.all() and edge.max() < 1e-2


def test_cells_have_the_area_of_what_is_seen() -> None:
    """The triangles of a camera cover as many cells as its plan sees, in the lidar's frame and on the ground."""
    (plan,) = pages.plans()
    profile = load_profile(CAR42)
    cells = next(m for m in rig_messages(profile, (plan,)) if m.topic == "/cells/0").values["entities"]
    one = (102.4 / 50) ** 2
    for entity, seen in zip(cells, plan.lengths.tolist(), strict=True):
        points = entity["triangles"][0]["points"]
        corners = np.array([[p["x"], p["y"], p["z"]] for p in points]).reshape(-1, 3, 3)
        (a, b), height = np.moveaxis(corners[:, 1:, :2] - corners[:, :1, :2], 1, 0), corners[..., 2]
        area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2
        assert area / one == pytest.approx(seen)
        assert np.ptp(height) == 0 and height[0, 0] == pytest.approx(-1.828)
        assert entity["frame_id"] == "lidar"


def test_the_commands_write_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`plan --mcap` and `profile show --mcap --model` write the same file; without a model there are no cells."""
    one, other, bare = (tmp_path / f"{name}.mcap" for name in "abc")
    common = ("--calib", CAR42, "--model", "bevformer_tiny", "-o", tmp_path / "plan.npz")
    assert run_here(capsys, "plan", *common, "--mcap", one).code == 0
    assert run_here(capsys, "profile", "show", CAR42, "--mcap", other, "--model", "bevformer_tiny").code == 0
    assert run_here(capsys, "profile", "show", CAR42, "--mcap", bare).code == 0
    assert one.read_bytes() == other.read_bytes()
    assert set(_read(one)) - set(_read(bare)) == {"/cells/0"}


def test_without_mcap_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option needs an extra, and says which."""
    for name in [each for each in sys.modules if each.split(".")[0] == "mcap"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcap", None)
    with pytest.raises(UsageError) as caught:
        mcap_bytes(())
    assert "specialize[ros]" in caught.value.hint


def test_twelve_cameras_have_twelve_colors() -> None:
    """No two of a rig look alike, and an entity without its parts does not fit its schema."""
    colors = {tuple(round(value, 2) for value in color(index, 1.0).values()) for index in range(12)}
    assert len(colors) == 12
    assert len(list(rig_messages(ring(12)))) == 14
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"deletions": [], "entities": [{}]}, schema_of("foxglove.SceneUpdate"))
