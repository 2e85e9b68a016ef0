"""mmdet3d infos: both versions, every pickle protocol, and pickles that try to run something."""

from __future__ import annotations

import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats import mmdet3d
from specialize.calibration.formats.safe_pickle import Array, numbers, read_pickle
from specialize.errors import InputError
from tests.calibration.formats.rigs import FRAME, LATE, RealRig, check, real, wxyz, xyz


def version_1(rig: RealRig, frame: RealRig) -> dict[str, Any]:
    """Return one frame of a version 1 file, as the converters write it."""
    cams: dict[str, Any] = {}
    for static, moving in zip(rig.cameras, frame.cameras, strict=True):
        lidar_from_camera = np.linalg.inv(moving.lidar2cam)
        for_rows = lidar_from_camera[:3, :3].T  # converters build R for `points @ R + T`
        cams[static.name] = {
            "data_path": "a.jpg",
            "cam_intrinsic": static.k,
            "sensor2lidar_rotation": for_rows.T,
            "sensor2lidar_translation": lidar_from_camera[:3, 3],
            "sensor2ego_rotation": wxyz(rig.cam2ego(static)),
            "sensor2ego_translation": xyz(rig.cam2ego(static)),
            "timestamp": 1533151603512404,
        }
    return {
        "token": "abc",
        "lidar2ego_rotation": wxyz(rig.lidar2ego),
        "lidar2ego_translation": xyz(rig.lidar2ego),
        "gt_names": np.array(["car", "bus"]),
        "gt_boxes": np.zeros((2, 7)),
        "valid_flag": np.array([True, False]),
        "cams": cams,
    }


def version_2(rig: RealRig, frame: RealRig) -> dict[str, Any]:
    """Return one frame of a version 2 file."""
    images: dict[str, Any] = {}
    for static, moving in zip(rig.cameras, frame.cameras, strict=True):
        images[static.name] = {
            "cam2img": static.k.tolist(),
            "lidar2cam": moving.lidar2cam.tolist(),
            "cam2ego": rig.cam2ego(static).tolist(),
        }
    return {"sample_idx": 0, "lidar_points": {"lidar2ego": rig.lidar2ego.tolist()}, "images": images}


def save(path: Path, value: object, protocol: int = 4) -> Path:
    """Write a pickle."""
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_version_1_is_read_from_every_pickle_protocol(tmp_path: Path, protocol: int) -> None:
    """The pose is that of the frame, and with `static` that of the vehicle."""
    rig, frame = real(LATE), real(FRAME)
    infos = {"infos": [{"cams": {}}, version_1(rig, frame)], "metadata": OrderedDict(version="v1.0")}
    path = save(tmp_path / "infos.pkl", infos, protocol)
    check(mmdet3d.read(path, index=1), frame)
    check(mmdet3d.read(path, index=1, static=True), rig)


def test_files_of_older_numpy_are_read(tmp_path: Path) -> None:
    """Arrays pickled by numpy 1 name other modules."""
    rig, frame = real(LATE), real(FRAME)
    data = pickle.dumps({"infos": [version_1(rig, frame)]}, protocol=2).replace(
        b"numpy._core.", b"numpy.core."
    )
    (tmp_path / "old.pkl").write_bytes(data)
    check(mmdet3d.read(tmp_path / "old.pkl"), frame)


def test_version_2_is_read(tmp_path: Path) -> None:
    """The pose is that of the frame, and with `static` that of the vehicle."""
    rig, frame = real(LATE), real(FRAME)
    path = save(tmp_path / "infos.pkl", {"metainfo": {}, "data_list": [version_2(rig, frame)]})
    check(mmdet3d.read(path), frame)
    check(mmdet3d.read(path, static=True), rig)


def test_the_translation_column_of_kitti_becomes_part_of_the_pose(tmp_path: Path) -> None:
    """A 4x4 cam2img with a baseline gives the same lidar2img as its product with lidar2cam."""
    rig = real("kitti_000008")
    camera = rig.cameras[0]
    projection = np.eye(4)
    projection[:3, :3] = camera.k
    projection[:3, 3] = (45.0, -0.2, 0.003)
    entry = {
        "cam2img": projection.tolist(),
        "lidar2cam": camera.lidar2cam.tolist(),
        "width": 1242,
        "height": 375,
    }
    path = save(tmp_path / "k.pkl", {"data_list": [{"images": {"R0_rect": [[1.0]], "CAM2": entry}}]})
    (read,) = mmdet3d.read(path).cameras
    assert (read.width_px, read.height_px) == (1242, 375)
    np.testing.assert_allclose(read.image_from_lidar, projection @ camera.lidar2cam, rtol=0, atol=1e-9)


class Attack:
    """Something whose pickle calls a function with arguments when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        """Return the call that an ordinary unpickler would make."""
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch {victim}",), "posix.system"),
        (eval, ("open('{victim}', 'w')",), "builtins.eval"),
        (getattr, ("", "join"), "builtins.getattr"),
        (np.load, ("{victim}",), "numpy.load"),
        (np.fromfile, ("{victim}",), "numpy"),
    ],
)
def test_a_pickle_that_runs_something_is_refused_unrun(
    tmp_path: Path, function: Any, arguments: tuple[str, ...], name: str
) -> None:
    """Whatever a pickle names beyond plain data is refused by name, and nothing happens."""
    victim = tmp_path / "victim"
    filled = tuple(argument.format(victim=victim) for argument in arguments)
    path = save(tmp_path / "bad.pkl", {"infos": [Attack(function, *filled)]})
    with pytest.raises(InputError, match=f"expected plain data, got the name {name}"):
        mmdet3d.read(path)
    assert not victim.exists()


def test_stand_ins_cannot_be_changed_by_a_pickle(tmp_path: Path) -> None:
    """A pickle cannot give the functions that it may call other defaults or attributes."""
    names = {op.name: op.code.encode("latin1") for op in pickletools.opcodes}
    state = pickle.dumps((None, {"_function": "x"}), protocol=2)[2:-1]
    for module, name in ((b"_codecs", b"encode"), (b"collections", b"OrderedDict"), (b"numpy", b"dtype")):
        data = names["GLOBAL"] + module + b"\n" + name + b"\n" + state + names["BUILD"] + names["STOP"]
        (tmp_path / "bad.pkl").write_bytes(data)
        with pytest.raises(InputError):
            read_pickle(tmp_path / "bad.pkl")
    path = save(tmp_path / "good.pkl", {"a": b"\xff", "b": OrderedDict(c=1)}, protocol=2)
    assert read_pickle(path) == {"a": b"\xff", "b": {"c": 1}}


def test_persistent_and_damaged_pickles_are_refused(tmp_path: Path) -> None:
    """Persistent references and cut-off files are errors of ours."""
    (tmp_path / "persistent.pkl").write_bytes(b"Pname\n.")
    with pytest.raises(InputError, match="a persistent object 'name'"):
        read_pickle(tmp_path / "persistent.pkl")
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({"infos": [1, 2, 3]})[:-4])
    with pytest.raises(InputError, match="expected a complete pickle of plain data"):
        read_pickle(tmp_path / "cut.pkl")
    (tmp_path / "text.pkl").write_text("hello")
    with pytest.raises(InputError, match="expected a complete pickle of plain data"):
        read_pickle(tmp_path / "text.pkl")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_of_numbers_are_decoded(tmp_path: Path, protocol: int) -> None:
    """Layouts, byte orders, kinds and scalars come out as numpy itself would have them."""
    grid = np.arange(6.0).reshape(2, 3)
    values = [
        grid,
        np.asfortranarray(grid),
        grid.astype(">f4"),
        grid.astype("<i2"),
        grid > 2,
        np.float64(1.5),
    ]
    read = read_pickle(save(tmp_path / "a.pkl", values, protocol))
    for value, given in zip(read, values, strict=True):
        np.testing.assert_array_equal(numbers(value, "a"), np.asarray(given, np.float64))
    read = read_pickle(save(tmp_path / "b.pkl", [np.array(["a"]), np.array([{}], object)], protocol))
    assert all(isinstance(value, Array) and value.decoded() is None for value in read)
    with pytest.raises(InputError, match="b: expected numbers, got Array"):
        numbers(read[0], "b")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data": []}, "expected `infos`"),
        ({"infos": []}, "expected `infos`"),
        ({"infos": [{"token": 1}]}, r"infos\[0\]: expected the key 'cams'"),
        ({"infos": [{"cams": {"CAM_FRONT": {"cam_intrinsic": [[1]]}}}]}, "the key 'sensor2lidar_rotation'"),
    ],
)
def test_files_that_are_no_infos_are_refused(tmp_path: Path, value: object, message: str) -> None:
    """Missing keys are named with their place."""
    with pytest.raises(InputError, match=message):
        mmdet3d.read(save(tmp_path / "x.pkl", value))


def test_an_index_beyond_the_end_is_refused(tmp_path: Path) -> None:
    """The error states the number of frames."""
    path = save(tmp_path / "x.pkl", {"infos": [{"cams": {}}]})
    with pytest.raises(InputError, match="option index: expected a frame below 1, got 5"):
        mmdet3d.read(path, index=5)
