"""The digest covers physical content to the last bit, and nothing else."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.document import parse_document
from specialize.calibration.load import dump_profile, load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.tolerance import Tolerance
from specialize.errors import InputError
from tests.calibration.authored import PROFILES
from tests.calibration.documents import INTRINSIC, LIDAR2CAM, as_profile, by_sensor_pose, parse, valid
from tests.strategies import Rig, rigs

AUTHORED = sorted(PROFILES.rglob("*.yaml"))
LETTERS = st.characters(exclude_categories=["C", "Z"], include_characters=" ").filter(str.isprintable)
PRINTABLE = st.text(LETTERS, min_size=1)


def shuffled(value: Any, rng: random.Random) -> Any:
    """Return plain values with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@given(seed=st.integers(0, 2**32))
def test_key_order_does_not_change_the_digest(seed: int) -> None:
    """Mappings may be written in any order."""
    assert parse(shuffled(valid(), random.Random(seed))).digest == parse(valid()).digest


@pytest.mark.parametrize("path", AUTHORED, ids=lambda path: path.stem)
def test_comments_vehicle_notes_and_number_spelling_do_not_change_the_digest(path: Any) -> None:
    """Formatting and names are not physical."""
    text = path.read_text()
    digest = load_profile(path).digest
    edited = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    edited = edited.replace("[0.0, 0.0, 1.0]", "[0, -0.0, 1e0]").replace(", 1.0]", ", 1]")
    document = parse_document(edited, "f.yaml") | {"vehicle": "other", "notes": "seen from above"}
    assert parse(document).digest == digest


@given(rig=rigs(), camera=st.integers(0, 7), entry=st.integers(0, 24), up=st.booleans())
def test_the_last_bit_of_any_matrix_entry_changes_the_digest(
    rig: Rig, camera: int, entry: int, up: bool
) -> None:
    """Every entry of intrinsic (3x3) and lidar2cam (4x4) counts to the last bit."""
    profile = as_profile(rig)
    document = parse_document(dump_profile(profile), "f.yaml")
    assert parse(document).digest == profile.digest
    block = document["cameras"][camera % len(rig)]
    key, index = ("intrinsic", divmod(entry, 3)) if entry < 9 else ("lidar2cam", divmod(entry - 9, 4))
    row = block[key][index[0]]
    row[index[1]] = float(np.nextafter(row[index[1]], np.inf if up else -np.inf))
    assert parse(document).digest != profile.digest


@given(entry=st.integers(0, 15), up=st.booleans())
def test_the_last_bit_of_a_bare_lidar2img_changes_the_digest(entry: int, up: bool) -> None:
    """The same holds for the 4x4 of the shortest spelling."""
    document = valid()
    row = document["cameras"][1]["lidar2img"][entry // 4]
    row[entry % 4] = float(np.nextafter(row[entry % 4], np.inf if up else -np.inf))
    assert parse(document).digest != parse(valid()).digest


@given(rig=rigs(), seed=st.integers(0, 2**32))
def test_order_and_names_of_cameras_change_the_digest(rig: Rig, seed: int) -> None:
    """The order of cameras is part of what a profile means, as are their names."""
    profile = as_profile(rig)
    order = list(profile.cameras)
    random.Random(seed).shuffle(order)
    permuted = CalibrationProfile("generated", tuple(order))
    assert (permuted.digest == profile.digest) == (tuple(order) == profile.cameras)
    document = parse_document(dump_profile(profile), "f.yaml")
    document["cameras"][0]["name"] += "x"
    assert parse(document).digest != profile.digest


PHYSICAL = {
    "size": {"size_px": [1601, 900]},
    "lens": {"distortion": {"model": "radial", "coefficients": [0.1, 0, 0]}},
    "time": {"time_offset_s": 0.01},
    "tolerance": {"tolerance": {"rotation_deg": 0.1}},
}


@pytest.mark.parametrize("key", PHYSICAL)
def test_everything_physical_changes_the_digest(key: str) -> None:
    """Size, lens, time offset and tolerance are covered."""
    document = valid()
    document["cameras"][0] |= PHYSICAL[key]
    assert parse(document).digest != parse(valid()).digest


def test_a_default_tolerance_equals_the_same_bounds_on_every_camera() -> None:
    """Where a bound is written does not matter, only which camera it holds for."""
    default, each = valid(), valid()
    default["tolerance"] = {"focal_percent": 0.3}
    for camera in each["cameras"]:
        camera["tolerance"] = {"focal_percent": 0.3, "rotation_deg": 0}
    assert parse(default).digest == parse(each).digest


def test_spelling_by_pose_and_by_matrix_have_one_digest() -> None:
    """sensor2ego + lidar2ego equals lidar2cam when they give the same float64 matrix."""
    by_pose = parse(by_sensor_pose())
    spelled = by_sensor_pose()
    del spelled["lidar2ego"], spelled["cameras"][0]["sensor2ego"]
    matrix = by_pose.cameras[0].camera_from_lidar
    assert matrix is not None
    spelled["cameras"][0]["lidar2cam"] = matrix.tolist()
    assert parse(spelled).digest == by_pose.digest


def test_exact_rotations_have_one_digest_however_they_are_spelled() -> None:
    """Quaternions of halves are exact, so the pose by hand and by quaternion agree in every bit."""
    by_pose, by_matrix = by_sensor_pose(), valid()
    by_pose["cameras"][0]["sensor2ego"] = {
        "rotation_wxyz": [0.5, -0.5, 0.5, -0.5],
        "translation_m": [1.5, 0.25, 1],
    }
    by_pose["lidar2ego"] = {"rotation_wxyz": [1, 0, 0, 0], "translation_m": [1, 0, 2]}
    by_matrix["cameras"][0]["lidar2cam"] = [[0, -1, 0, 0.25], [0, 0, -1, -1], [1, 0, 0, -0.5], [0, 0, 0, 1]]
    assert parse(by_pose).digest == parse(by_matrix).digest


def test_a_quaternion_and_its_negative_have_one_digest() -> None:
    """Both are the same rotation."""
    first, second = by_sensor_pose(), by_sensor_pose()
    pose = second["cameras"][0]["sensor2ego"]
    pose["rotation_wxyz"] = [-value for value in pose["rotation_wxyz"]]
    assert parse(first).digest == parse(second).digest


@given(
    rig=rigs(),
    offset=st.floats(-1, 1),
    coefficients=st.lists(st.floats(-1, 1), min_size=5, max_size=5),
    bound=st.floats(0, 10),
    names=st.lists(PRINTABLE.map(str.strip).filter(bool), min_size=8, max_size=8, unique=True),
    vehicle=PRINTABLE.filter(lambda text: bool(text.strip())),
    notes=st.text(),
)
def test_dump_and_load_keep_the_digest(
    rig: Rig,
    offset: float,
    coefficients: list[float],
    bound: float,
    names: list[str],
    vehicle: str,
    notes: str,
) -> None:
    """Written and read again, a profile is the same, with any printable text in its names."""
    cameras = [
        Camera.pinhole(
            names[i],
            (int(size[0]), int(size[1])),
            rig.intrinsic[i],
            rig.camera_from_lidar[i],
            distortion=Distortion("plumb_bob", tuple(coefficients)) if i % 2 else None,
            time_offset_s=offset,
            tolerance=Tolerance(rotation_deg=bound, time_skew_s=bound / 100),
        )
        for i, size in enumerate(rig.size_px)
    ]
    cameras.append(Camera.projective("bare", (640, 480), cameras[0].image_from_lidar))
    pose = rig.camera_from_lidar[0]
    profile = CalibrationProfile(vehicle, tuple(cameras), ego_from_lidar=pose, notes=notes.strip())
    again = parse(parse_document(dump_profile(profile), "f.yaml"))
    assert again.digest == profile.digest
    assert (again.vehicle, again.notes) == (vehicle, notes.strip())
    np.testing.assert_array_equal(again.ego_from_lidar, pose)  # the guard on the car compares bits


def test_a_written_profile_reads_well() -> None:
    """The layout of a written profile, line by line."""
    cameras = (
        Camera.pinhole("FRONT", (1600, 900), INTRINSIC, LIDAR2CAM, tolerance=Tolerance(rotation_deg=0.5)),
        Camera.projective("no", (1600, 900), np.eye(4), time_offset_s=-0.02),
    )
    text = dump_profile(
        CalibrationProfile("my car", cameras, ego_from_lidar=np.eye(4), notes='a "note"\nof two lines')
    )
    assert text.splitlines() == [
        "schema: specialize/profile@1",
        'vehicle: "my car"',
        r'notes: "a \"note\"\nof two lines"',
        "lidar2ego:",
        "  rotation_wxyz: [1.0, 0.0, 0.0, 0.0]",
        "  translation_m: [0.0, 0.0, 0.0]",
        "cameras:",
        "  - name: FRONT",
        "    size_px: [1600, 900]",
        "    intrinsic:",
        "      - [1250.0, 0.0, 801.5]",
        "      - [0.0, 1249.0, 452.5]",
        "      - [0.0, 0.0, 1.0]",
        "    lidar2cam:",
        "      - [1.0, 0.0, 0.0, 0.2]",
        "      - [0.0, 0.0, -1.0, -0.3]",
        "      - [0.0, 1.0, 0.0, -0.8]",
        "      - [0.0, 0.0, 0.0, 1.0]",
        "    tolerance: {rotation_deg: 0.5}",
        "  - name: no",
        "    size_px: [1600, 900]",
        "    lidar2img:",
        "      - [1.0, 0.0, 0.0, 0.0]",
        "      - [0.0, 1.0, 0.0, 0.0]",
        "      - [0.0, 0.0, 1.0, 0.0]",
        "      - [0.0, 0.0, 0.0, 1.0]",
        "    time_offset_s: -0.02",
    ]


def test_values_made_by_hand_are_checked_too() -> None:
    """The types refuse what the loader refuses, without a file."""
    camera = Camera.pinhole("A", (10, 10), INTRINSIC, LIDAR2CAM)
    with pytest.raises(InputError, match="profile 'x': cameras: expected at least one camera, got none"):
        CalibrationProfile("x", ())
    with pytest.raises(InputError, match="expected unique names, got 'A' 2 times"):
        CalibrationProfile("x", (camera, camera))
    for name in ("A\x1b[2J", "A\nB", "A\u202eB", "A\x9b1m", "A\ud800"):
        with pytest.raises(InputError, match="vehicle: expected printable characters"):
            CalibrationProfile(name, (camera,))
        with pytest.raises(InputError, match=r"camera 'A.*: expected printable characters"):
            Camera.pinhole(name, (10, 10), INTRINSIC, LIDAR2CAM)
    with pytest.raises(
        InputError, match="camera 'A': width_px: expected a number from 1 to 65,536 px, got 0"
    ):
        Camera.pinhole("A", (0, 10), INTRINSIC, LIDAR2CAM)
    with pytest.raises(InputError, match="camera 'A': time_offset_s: expected a finite number, got nan"):
        Camera.pinhole("A", (10, 10), INTRINSIC, LIDAR2CAM, time_offset_s=float("nan"))
    with pytest.raises(InputError, match=r"expected an array of shape \(4, 4\), got shape \(3, 3\)"):
        Camera.projective("A", (10, 10), np.eye(3))
    with pytest.raises(InputError, match="both intrinsic and camera_from_lidar, or neither, got one of them"):
        Camera("A", 10, 10, np.eye(4), intrinsic=np.eye(3))
    with pytest.raises(InputError, match="got 'a'\n\nhint: known: A"):
        CalibrationProfile("x", (camera,)).camera("a")


def test_arrays_given_to_a_camera_are_copied() -> None:
    """Changing the array afterwards changes nothing in the camera."""
    pose = np.array(LIDAR2CAM)
    camera = Camera.pinhole("A", (10, 10), INTRINSIC, pose)
    before = camera.content()
    pose[0, 3] = 9.0
    np.testing.assert_equal(camera.content(), before)


def test_a_profile_of_car42_has_the_shapes_that_it_says() -> None:
    """lidar2img is (6, 4, 4) in float64, sizes (6, 2) whole numbers, names in BEVFormer's order."""
    profile = load_profile(PROFILES / "car42.yaml")
    assert profile.image_from_lidar().shape == (6, 4, 4)
    assert profile.image_from_lidar().dtype == np.float64
    assert profile.sizes_px().tolist() == [[1600, 900]] * 6
    assert profile.camera_names()[:3] == ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT")
    assert json.loads(json.dumps(copy.deepcopy(profile.cameras[0].tolerance.to_json())))["rotation_deg"] == 0
