"""A rig typed in from a data sheet is the rig that was meant."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.data_sheet import camera_from_text, data_sheet_text, lidar_from_text
from specialize.calibration.load import load_profile
from specialize.errors import UsageError
from specialize.explain.plan import resolve_spec
from specialize.model.visible import visible_sets
from tests.cli.running import CAR42, run_here

# What the comments of car42.yaml say of its cameras, roll and the last centimetres left out.
CAR = (
    "CAM_FRONT=1600x900,fov_deg=65.1,x_m=1.79,z_m=1.46,yaw_deg=0.26,pitch_deg=0.55",
    "CAM_FRONT_RIGHT=1600x900,fov_deg=64.8,x_m=1.60,y_m=-0.53,z_m=1.47,yaw_deg=-55.7,pitch_deg=0.83",
    "CAM_FRONT_LEFT=1600x900,fov_deg=65.3,x_m=1.60,y_m=0.54,z_m=1.48,yaw_deg=55.2,pitch_deg=0.61",
    "CAM_BACK=1600x900,fov_deg=89.6,x_m=0.03,z_m=1.55,yaw_deg=179.6,pitch_deg=1.1",
    "CAM_BACK_LEFT=1600x900,fov_deg=65,x_m=1.05,y_m=0.48,z_m=1.55,yaw_deg=110,pitch_deg=0.7",
    "CAM_BACK_RIGHT=1600x900,fov_deg=65,x_m=1.05,y_m=-0.48,z_m=1.55,yaw_deg=-110,pitch_deg=0.7",
)
LIDAR = "x_m=0.912,z_m=1.828,yaw_deg=-90"


def init(capsys: pytest.CaptureFixture[str], output: Path, *cameras: str) -> tuple[int, str, str]:
    """Run `specialize profile init` with these cameras."""
    words = [word for camera in cameras for word in ("--camera", camera)]
    ran = run_here(capsys, "profile", "init", "--vehicle", "van 7", *words, "--lidar", LIDAR, "-o", output)
    return ran.code, ran.out, ran.err


def test_a_rig_from_a_data_sheet_plans_as_the_measured_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The nominal numbers of car42 see the pairs that car42 sees, but for its assembly errors."""
    path = tmp_path / "van.yaml"
    code, out, _ = init(capsys, path, *CAR)
    assert code == 0 and f"next: specialize plan --calib {path}" in out
    spec = resolve_spec("bevformer_tiny", None)
    (nominal,), (measured,) = visible_sets(spec, load_profile(path)), visible_sets(spec, load_profile(CAR42))
    assert np.count_nonzero(nominal.seen != measured.seen) < 0.02 * measured.pairs
    assert path.read_text().startswith("# The vehicle's frame")


def test_show_tells_where_cameras_are_in_the_vehicle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was typed in comes back; pitch is shown upwards."""
    path = tmp_path / "van.yaml"
    init(capsys, path, *CAR)
    shown = json.loads(run_here(capsys, "profile", "show", path, "--json").out)
    left = shown["cameras"][2]["in_vehicle"]
    assert left == {"heading_deg": 55.2, "pitch_deg": -0.61, "centre_m": [1.6, 0.54, 1.48]}
    assert "-0.00" not in run_here(capsys, "profile", "show", path).out


def test_focal_length_and_field_of_view_are_one_number() -> None:
    """Across the width, square pixels, the principal point in the middle."""
    wide, long = camera_from_text("A=1000x600,fov_deg=90"), camera_from_text("A=1000x600,focal_px=500")
    assert wide.focal_px == pytest.approx(500.0) and long.fov_deg == pytest.approx(90.0)
    assert math.isclose(camera_from_text("A=1920x1080,fov_deg=65").fov_deg, 65.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CAM", "NAME=WIDTHxHEIGHT"),
        ("=100x100,fov_deg=3", "no name"),
        ("CAM=100,fov_deg=3", "then 100"),
        ("CAM=0x100,fov_deg=3", "then 0x100"),
        ("CAM=100x100", "neither"),
        ("CAM=100x100,fov_deg=60,focal_px=3", "fov_deg and focal_px"),
        ("CAM=100x100,fov_deg=180", "an angle between 0 and 180"),
        ("CAM=100x100,focal_px=-3", "a length above 0"),
        ("CAM=100x100,fov_deg=x", "a number"),
        ("CAM=100x100,fov_deg=nan", "a finite number"),
        ("CAM=100x100,fov_deg=3,fov_deg=4", "each key once"),
        ("CAM=100x100,fov_deg=3,yaw=4", "yaw_deg"),
    ],
)
def test_what_is_no_camera_is_refused(text: str, expected: str) -> None:
    """One sentence with the option, what it takes and what it got."""
    with pytest.raises(UsageError) as caught:
        camera_from_text(text)
    assert expected in str(caught.value) and "--camera" in str(caught.value)


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written over; two cameras of one name are no rig."""
    path = tmp_path / "van.yaml"
    path.write_text("mine")
    code, _, err = init(capsys, path, *CAR)
    assert code == 1 and "expected a new file" in err and path.read_text() == "mine"
    code, _, err = init(capsys, tmp_path / "other.yaml", CAR[0], CAR[0])
    assert code == 1 and "a unique name, not that of" in err and not (tmp_path / "other.yaml").exists()


def test_names_are_data(tmp_path: Path) -> None:
    """A name that YAML would take for something else is quoted."""
    text = data_sheet_text("yes: [no]", [camera_from_text("0x10=64x48,fov_deg=60")], lidar_from_text(""))
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    profile = load_profile(path)
    assert profile.vehicle == "yes: [no]" and profile.camera_names() == ("0x10",)


def test_the_next_command_is_one_for_this_rig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six cameras in the usual order can be planned at once; others need a model to be named."""
    init(capsys, tmp_path / "six.yaml", *CAR)
    six = run_here(capsys, "profile", "show", tmp_path / "six.yaml").out
    assert f"next: specialize plan --calib {tmp_path / 'six.yaml'} -o plan.npz" in six
    _, two, _ = init(capsys, tmp_path / "two.yaml", *CAR[:2])
    assert "--model MODEL.onnx -o plan.npz" in two and "wants others" in two
