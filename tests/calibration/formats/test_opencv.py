"""OpenCV FileStorage in YAML, XML and JSON, with names and forms as people use them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.formats import opencv
from specialize.errors import InputError, UsageError
from tests.calibration.formats.rigs import OTHER, RealCamera, check, real, write


def matrix_yaml(name: str, matrix: np.ndarray) -> str:
    """Return a matrix as FileStorage writes it."""
    rows, columns = matrix.shape
    data = ",\n       ".join(f"{value:.17e}" if value else "0." for value in matrix.ravel())
    return f"{name}: !!opencv-matrix\n   rows: {rows}\n   cols: {columns}\n   dt: d\n   data: [ {data} ]\n"


def matrix_xml(name: str, matrix: np.ndarray) -> str:
    """Return a matrix in the XML form."""
    data = " ".join(f"{value:.17e}" for value in matrix.ravel())
    size = f"<rows>{matrix.shape[0]}</rows><cols>{matrix.shape[1]}</cols>"
    return f'<{name} type_id="opencv-matrix">{size}<dt>d</dt><data>{data}</data></{name}>'


def yaml_text(camera: RealCamera, **matrices: np.ndarray) -> str:
    """Return a file with an image size, a K and some matrices."""
    body = "".join(matrix_yaml(name, matrix) for name, matrix in matrices.items())
    width, height = camera.size
    return f'%YAML:1.0\n---\ncalibration_time: "Mon"\nimage_width: {width}\nimage_height: {height}\n{body}'


def one(path: Path, **options: str | bool) -> np.ndarray:
    """Return camera_from_lidar of the only camera of a file."""
    (camera,) = opencv.read(path, **options).cameras  # type: ignore[arg-type]
    return camera.as_pinhole().camera_from_lidar


def test_a_folder_of_yaml_files_is_a_rig(tmp_path: Path) -> None:
    """The directive and the tag are not valid YAML, but are read nevertheless."""
    rig = real(OTHER)
    for camera in rig.cameras:
        text = yaml_text(camera, camera_matrix=camera.k, extrinsic=camera.lidar2cam)
        write(tmp_path / "car" / f"{camera.name}.yml", text)
    profile = opencv.read(tmp_path / "car", cameras=",".join(rig.names()))
    check(profile, rig)
    assert profile.vehicle == "car"


def test_xml_and_json_are_read_too(tmp_path: Path) -> None:
    """The three forms of FileStorage give one calibration."""
    camera = real(OTHER).cameras[1]
    body = "<image_width>1600</image_width><image_height>900</image_height><note>free text</note>"
    body += matrix_xml("K", camera.k) + matrix_xml("lidar2cam", camera.lidar2cam)
    body += matrix_xml("distCoeffs", np.array([[0.1, 0.2, 0.0, 0.0]]))
    xml = write(tmp_path / "a.xml", f'<?xml version="1.0"?>\n<opencv_storage>{body}</opencv_storage>')
    entries = {
        name: {
            "type_id": "opencv-matrix",
            "rows": len(m),
            "cols": len(m[0]),
            "dt": "d",
            "data": m.ravel().tolist(),
        }
        for name, m in (("K", camera.k), ("lidar2cam", camera.lidar2cam))
    }
    (tmp_path / "b.json").write_text(json.dumps({"ImageSize": [1600, 900], **entries}))
    for path in (xml, tmp_path / "b.json"):
        np.testing.assert_allclose(one(path), camera.lidar2cam, rtol=0, atol=1e-12)
    lens = opencv.read(xml).cameras[0].distortion
    assert lens is not None and (lens.model, lens.coefficients) == ("radtan", (0.1, 0.2, 0.0, 0.0))


def test_every_form_of_an_extrinsic_means_the_same(tmp_path: Path) -> None:
    """3x4, R and T, rvec and tvec, and the inverse under its own name or by option."""
    camera = real(OTHER).cameras[2]
    pose, inverted = camera.lidar2cam, np.linalg.inv(camera.lidar2cam)
    angle = np.arccos((np.trace(pose[:3, :3]) - 1) / 2)
    skew = (pose[:3, :3] - pose[:3, :3].T) / (2 * np.sin(angle))
    rvec = angle * np.array([[skew[2, 1]], [skew[0, 2]], [skew[1, 0]]])
    forms: list[tuple[dict[str, np.ndarray], bool]] = [
        ({"T_cam_lidar": pose[:3]}, False),
        ({"R": pose[:3, :3], "T": pose[:3, 3:]}, False),
        ({"rvec": rvec, "tvec": pose[:3, 3:]}, False),
        ({"CameraExtrinsicMat": inverted}, False),
        ({"extrinsics": inverted}, True),
    ]
    for number, (matrices, option) in enumerate(forms):
        path = write(tmp_path / f"{number}.yaml", yaml_text(camera, camera_matrix=camera.k, **matrices))
        np.testing.assert_allclose(
            one(path, inverted=option), pose, rtol=0, atol=1e-9, err_msg=str(matrices.keys())
        )


def test_free_names_are_given_with_map(tmp_path: Path) -> None:
    """An unknown name is an error that lists what the file has, until it is mapped."""
    camera = real(OTHER).cameras[0]
    path = write(tmp_path / "a.yaml", yaml_text(camera, Kleft=camera.k, pose_of_cam=camera.lidar2cam))
    with pytest.raises(InputError, match=r"set map=intrinsic=NAME; this file has: .*Kleft, pose_of_cam"):
        opencv.read(path)
    np.testing.assert_allclose(one(path, map="intrinsic=Kleft, extrinsic=pose_of_cam"), camera.lidar2cam)
    with pytest.raises(InputError, match="expected an extrinsic"):
        opencv.read(path, map="intrinsic=Kleft")
    with pytest.raises(UsageError, match="did you mean 'intrinsic'"):
        opencv.read(path, map="intrinsics=Kleft")


def test_the_image_size_may_have_to_be_said(tmp_path: Path) -> None:
    """A file without a size needs the option."""
    camera = real(OTHER).cameras[0]
    text = "%YAML:1.0\n" + matrix_yaml("K", camera.k) + matrix_yaml("lidar2cam", camera.lidar2cam)
    path = write(tmp_path / "a.yaml", text)
    with pytest.raises(InputError, match="expected the image size, got nothing"):
        opencv.read(path)
    assert opencv.read(path, size="1600x900").sizes_px().tolist() == [[1600, 900]]


def test_entities_and_damaged_files_are_refused(tmp_path: Path) -> None:
    """XML bombs, cut XML and wrong counts are errors of ours."""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><opencv_storage>&a;</opencv_storage>'
    with pytest.raises(InputError, match="expected XML without entities, got a document type"):
        opencv.read(write(tmp_path / "a.xml", bomb))
    with pytest.raises(InputError, match="expected valid XML"):
        opencv.read(write(tmp_path / "b.xml", "<opencv_storage><K>"))
    with pytest.raises(InputError, match=r"K.data: expected 9 numbers \(3x3\), got a list of 1"):
        opencv.read(write(tmp_path / "c.yaml", "K: !!opencv-matrix\n  rows: 3\n  cols: 3\n  data: [1]\n"))
    camera = real(OTHER).cameras[0]
    odd = yaml_text(camera, K=camera.k, lidar2cam=camera.lidar2cam, D=np.full((1, 7), 0.1))
    with pytest.raises(InputError, match="expected 4, 5, 8 or 12 coefficients, got 7 coefficients"):
        opencv.read(write(tmp_path / "d.yaml", odd))
