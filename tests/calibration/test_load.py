"""Profiles load as written, and every check says where, what was expected, what was found, and what to do."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from specialize.calibration import document
from specialize.calibration.document import parse_document
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from tests.calibration.authored import PROFILES
from tests.calibration.blunders import BLUNDERS, POSE_BLUNDERS
from tests.calibration.documents import by_sensor_pose, parse, valid
from tests.shared_files import calibrations, profile_document, raw_calibration


@pytest.mark.parametrize("blunder", BLUNDERS, ids=list(BLUNDERS))
def test_a_blunder_is_refused_with_its_place_and_its_remedy(blunder: str) -> None:
    """Each kind of mistake raises InputError whose text starts at the key path."""
    edit, text = BLUNDERS[blunder]
    document = valid()
    edit(document)
    with pytest.raises(InputError) as caught:
        parse(document)
    message = str(caught.value).removeprefix("car.yaml: ")
    assert message.startswith(text)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("blunder", POSE_BLUNDERS, ids=list(POSE_BLUNDERS))
def test_a_blunder_in_a_sensor_pose_is_refused(blunder: str) -> None:
    """Each mistake in quaternions and translations raises InputError at its key path."""
    edit, text = POSE_BLUNDERS[blunder]
    document = by_sensor_pose()
    edit(document)
    with pytest.raises(InputError) as caught:
        parse(document)
    assert str(caught.value).removeprefix("car.yaml: ").startswith(text)


def test_matrices_are_kept_bit_for_bit() -> None:
    """A rotation that is off by 1e-4 is admitted and not repaired."""
    document = valid()
    document["cameras"][0]["lidar2cam"][0][1] = 1e-4
    camera = parse(document).cameras[0]
    assert camera.camera_from_lidar is not None
    assert camera.camera_from_lidar.tolist() == document["cameras"][0]["lidar2cam"]
    with pytest.raises(ValueError, match="read-only"):
        camera.camera_from_lidar[0, 0] = 2.0


def test_the_three_spellings_agree() -> None:
    """sensor2ego, lidar2cam and lidar2img of one camera give one lidar2img, up to rounding."""
    by_matrix, by_pose = parse(valid()), parse(by_sensor_pose())
    np.testing.assert_allclose(by_matrix.image_from_lidar(), by_pose.image_from_lidar(), rtol=0, atol=1e-9)
    bare = valid()
    bare["cameras"][0] = {
        "name": "FRONT",
        "size_px": [1600, 900],
        "lidar2img": by_matrix.image_from_lidar()[0].tolist(),
    }
    recovered, given = parse(bare).cameras[0].as_pinhole(), by_matrix.cameras[0].as_pinhole()
    np.testing.assert_allclose(recovered.intrinsic, given.intrinsic, rtol=0, atol=1e-9)
    np.testing.assert_allclose(recovered.camera_from_lidar, given.camera_from_lidar, rtol=0, atol=1e-12)


def test_a_camera_overrides_the_default_tolerance_key_by_key() -> None:
    """The top-level tolerance fills what a camera's own tolerance leaves out."""
    document = valid()
    document["tolerance"] = {"rotation_deg": 0.5, "translation_m": 0.02}
    document["cameras"][0]["tolerance"] = {"rotation_deg": 1}
    front, back = parse(document).cameras
    assert (front.tolerance.rotation_deg, front.tolerance.translation_m) == (1.0, 0.02)
    assert (back.tolerance.rotation_deg, back.tolerance.translation_m) == (0.5, 0.02)


def test_every_real_rig_loads() -> None:
    """All real rigs pass the checks, and their lidar2img is what their files state."""
    files = calibrations()
    assert len(files) >= 103
    for path in files:
        profile = parse_profile(profile_document(path), str(path))
        stated = [camera["lidar2img"] for camera in raw_calibration(path)["cameras"]]
        np.testing.assert_allclose(profile.image_from_lidar(), stated, rtol=0, atol=1e-6)


def test_a_profile_is_parsed_once_by_the_parser_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading parses the text once, with libyaml; the parser in Python takes ten times as long."""
    loader, texts = document._LOADER, []

    def noting(text: str) -> Any:
        texts.append(text)
        return loader(text)

    monkeypatch.setattr(document, "_LOADER", noting)
    load_profile(PROFILES / "car42.yaml")
    assert len(texts) == 1
    assert loader is yaml.CSafeLoader


def test_loading_imports_nothing_heavy() -> None:
    """Reading and comparing profiles needs numpy and yaml, and none of the large packages."""
    code = (
        "import sys, specialize.calibration.load, specialize.calibration.delta, specialize.calibration.lint.rules;"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'scipy', 'pyarrow', 'onnx_ir', 'networkx'};"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_unusable_files_are_refused(tmp_path: Path) -> None:
    """A missing file, a directory, bytes that are no text, and an empty file each say so."""
    text = (PROFILES / "car42.yaml").read_text()
    (tmp_path / "car42.yaml").write_text(text)
    (tmp_path / "latin.yaml").write_bytes(b"vehicle: \xe4\n")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    expected = {
        "car24.yaml": "expected a readable file, got no such file\n\nhint: did you mean 'car42.yaml'?",
        ".": "expected a readable file, got a directory\n\nhint: name the file inside it",
        "latin.yaml": "expected UTF-8 text, got byte 0xe4 at 9\n\nhint: save it as UTF-8",
        "empty.yaml": "expected a mapping with cameras, lidar2ego, notes, schema, tolerance, vehicle"
        ", got nothing",
    }
    for name, message in expected.items():
        with pytest.raises(InputError) as caught:
            load_profile(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {message}"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@given(data=st.data(), junk=JUNK, sensor_pose=st.booleans())
def test_any_junk_anywhere_is_an_input_error_or_a_profile(
    data: st.DataObject, junk: Any, sensor_pose: bool
) -> None:
    """Whatever stands at any place of a profile, nothing but InputError is raised."""
    document: Any = by_sensor_pose() if sensor_pose else valid()
    node, key = {"": document}, ""
    while isinstance(node[key], dict | list) and data.draw(st.integers(0, 3)):
        node = node[key]
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = junk
    with contextlib.suppress(InputError):
        assert isinstance(parse(document), CalibrationProfile)


@given(text=st.text(alphabet=st.sampled_from("ab: -[]{}&*!#\"'\n1.e|>%@?,"), max_size=60))
def test_any_text_is_an_input_error_or_plain_values(text: str) -> None:
    """The YAML reader raises nothing but InputError, and gives what JSON can hold as well."""
    with contextlib.suppress(InputError):
        found = parse_document(text, "f.yaml")
        assert repr(json.loads(json.dumps(found))) == repr(found)


def test_a_profile_is_the_same_from_yaml_and_json(tmp_path: Path) -> None:
    """JSON is YAML: the same plain values written as JSON load to the same digest."""
    import json

    document = yaml.safe_load((PROFILES / "car42.yaml").read_text())
    (tmp_path / "car.json").write_text(json.dumps(document))
    assert load_profile(tmp_path / "car.json").digest == load_profile(PROFILES / "car42.yaml").digest


@pytest.mark.parametrize("size", ["1.0e+20", "70000"])
def test_a_size_beyond_every_sensor_is_refused(size: str) -> None:
    """The place is named; nothing is allocated for such an image."""
    text = (PROFILES / "car42.yaml").read_text(encoding="utf-8").replace("[1600, 900]", f"[{size}, 900]", 1)
    with pytest.raises(
        InputError, match=r"cameras\[0\]\.size_px\[0\]: expected a whole number of at most 65,536"
    ):
        parse_profile(yaml.safe_load(text), "car.yaml")
