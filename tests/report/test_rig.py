"""The pictures of a calibration: cameras from above and through their images, with what a lens folds back."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import views_of
from specialize.explain.plan import resolve_spec
from specialize.files.resources import resource_dir
from specialize.model.visible import visible_sets
from specialize.report.camera_views import camera_view, ground_cells
from specialize.report.ground import Scene
from specialize.report.profile import profile_report, profile_svg
from specialize.report.rig import lens_text, model_cells, rig_table, roll_rad
from specialize.report.rig_text import COLUMNS, ROWS, top_lines
from specialize.report.rig_top import close_picture, field_picture, short_names
from tests.report.rigs import ring, single

PROFILES = resource_dir("calib_profiles")
HOSTILE = "<script>alert(1)</script>"


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_has_every_camera_with_its_lens() -> None:
    """Name, lens and numbers of each camera are on the page, and a picture; the same profile gives the same bytes."""
    profile = load_profile(PROFILES / "kitti360_like.yaml")
    html = profile_report(profile, ())
    text = _text(html)
    for camera in profile.cameras:
        assert camera.name in text and lens_text(camera) in text
    assert html.count('class="picture seen"') == 4 and html.count('class="picture top"') == 2
    assert html == profile_report(profile, ())
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", html)


def test_the_horizon_of_a_level_camera_is_the_row_of_its_axis() -> None:
    """A level camera has its horizon in the middle; one that looks down by 10 degrees has it above."""
    for down, row in ((0.0, 300.0), (10.0, 300.0 - np.tan(np.radians(10)) * 400 / np.tan(np.radians(35)))):
        scene = Scene.of(single(0.0, down))
        (horizon,) = (
            s for s in camera_view(scene, 0, ground_cells(scene)).picture.shapes if s.kind == "horizon"
        )
        first = re.match(r"M(\S+) (\S+)L(\S+) (\S+?)M", horizon.path)
        assert first and [float(first[2]), float(first[4])] == pytest.approx([row, row], abs=0.1)


def test_what_a_lens_folds_back_is_counted_and_drawn() -> None:
    """A model that goes by the formula alone is told how many points are ghosts; a pinhole has none."""
    profile = load_profile(PROFILES / "kitti360_like.yaml")
    scene = Scene.of(profile)
    cells = ground_cells(scene)
    assert [camera_view(scene, index, cells).ghosts > 100 for index in range(4)] == [False, False, True, True]
    kinds = {shape.kind for shape in camera_view(scene, 2, cells).picture.shapes}
    assert "ghost" in kinds
    spec = resolve_spec("bevformer_tiny_mei", None)
    html = profile_report(profile, (), spec)
    counts = model_cells(scene, spec).counts_folded
    told = "the model counts" if counts else "would fold back into the image by its formula alone"
    assert told in html


def test_a_models_points_are_those_of_its_plan() -> None:
    """The points that a picture shows of a model are as many as its plan sees, but for padding below the image."""
    profile, spec = load_profile(PROFILES / "car42.yaml"), resolve_spec("bevformer_tiny", None)
    (plan,) = visible_sets(spec, profile)
    scene = Scene.of(profile)
    cells = model_cells(scene, spec)
    for index, seen in enumerate(plan.points_seen().reshape(6, -1).sum(axis=1).tolist()):
        assert camera_view(scene, index, cells).shown == pytest.approx(seen, rel=0.01)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_names_do_not_stand_on_each_other(count: int) -> None:
    """From one camera to twelve every name has a place of its own on both pictures."""
    scene = Scene.of(ring(count))
    for picture in (field_picture(scene), close_picture(scene)):
        labels = [text for text in picture.texts if text.kind == "halo"]
        assert len(labels) == count
        for one, other in combinations(labels, 2):
            apart = abs(float(one.x) - float(other.x)), abs(float(one.y) - float(other.y))
            assert apart[0] > 6 * (len(one.text) + len(other.text)) / 2 or apart[1] > 12


def test_a_straight_down_camera_has_a_picture() -> None:
    """It sees the ground below it, no horizon, and has a direction all the same."""
    scene = Scene.of(single(0.0, 90.0))
    sighted = camera_view(scene, 0, ground_cells(scene))
    assert "horizon" not in {shape.kind for shape in sighted.picture.shapes} and sighted.shown > 0
    assert "nan" not in profile_report(scene.profile, ()).lower().replace("finance", "")


def test_a_hostile_name_is_text() -> None:
    """Names with markup are shown as they are, in pages and pictures."""
    rig = ring(2, (HOSTILE, "\"'&<b>"))
    for made in (
        profile_report(CalibrationProfile(HOSTILE, rig.cameras, np.eye(4)), (HOSTILE,)),
        profile_svg(rig),
    ):
        assert HOSTILE not in made and "<b>" not in made and "&lt;script&gt;" in made


def test_roll_is_clockwise_as_the_camera_looks() -> None:
    """A camera turned about its axis shows it; a level one has none."""
    level = ring(3)
    assert [roll_rad(view) for view in views_of(level)] == pytest.approx([0.0] * 3, abs=1e-12)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.2), np.sin(0.2)], [-np.sin(0.2), np.cos(0.2)]]  # the image turns left
    camera = level.cameras[0]
    assert camera.camera_from_lidar is not None
    rolled = type(camera).pinhole("a", (800, 600), camera.intrinsic, turned @ camera.camera_from_lidar)
    (view,) = views_of(CalibrationProfile("x", (rolled,), np.eye(4)))
    assert roll_rad(view) == pytest.approx(0.2)


def test_the_table_is_in_the_vehicles_frame_if_that_is_known() -> None:
    """The front camera of car42 looks along x in the vehicle, and along y in the lidar's frame."""
    profile = load_profile(PROFILES / "car42.yaml")
    heads = [column.title.split("\n")[0] for column in rig_table(Scene.of(profile)).columns]
    bare = CalibrationProfile("x", profile.cameras)
    heading = [rig_table(Scene.of(each)).rows[0][heads.index("heading")].text for each in (profile, bare)]
    assert heading == ["0.3", "90.4"]


def test_short_names_lose_what_they_share() -> None:
    """A common beginning goes, unless a name would be a number or nothing."""
    assert short_names(["CAM_FRONT", "CAM_BACK_LEFT"]) == ("FRONT", "BACK_LEFT")
    assert short_names(["image_00", "image_01"]) == ("image_00", "image_01")
    assert short_names(["CAM", "CAM_LEFT"]) == ("CAM", "CAM_LEFT") and short_names(["CAM_X"]) == ("CAM_X",)


def test_characters_show_the_same_ground() -> None:
    """In a terminal the shade of a place is the number of cameras that see it, with a mark per camera."""
    profile = load_profile(PROFILES / "car42.yaml")
    rows = top_lines(profile).split("\n")[:ROWS]
    assert max(map(len, rows)) <= COLUMNS and rows[ROWS // 2][COLUMNS // 2] == "+"
    assert all(any(mark in row for row in rows) for mark in "123456")
    assert next(row for row in rows if "1" in row).index("1") == COLUMNS // 2  # the front camera is ahead
    assert "in the lidar's frame" in top_lines(CalibrationProfile("x", profile.cameras))
    assert top_lines(ring(70)).count("CAM_") == 61  # as many as there are marks
