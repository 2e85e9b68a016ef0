"""Calibrations of recordings: ROS bags and MCAP files, and calibrations that change within them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats.importer import read_format
from specialize.calibration.formats.recorded import Recording, kind_of, seconds
from specialize.calibration.formats.ros import Wanted
from specialize.errors import InputError, UsageError
from tests.calibration.formats import recordings
from tests.calibration.formats.recordings import START, Said, drive, edge, edges, foxglove, info
from tests.calibration.formats.rigs import LATE, OTHER, RealRig, check, real

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

Write = Callable[[Path, Sequence[Said]], Path]


def _cdr(path: Path, said: Sequence[Said], first: bool = False) -> Path:
    """Write an MCAP file with messages of ROS."""
    from rosbags.typesys import Stores, get_typestore

    store = recordings.ros1() if first else get_typestore(Stores.ROS2_HUMBLE)

    def encode(each: Said) -> bytes:
        message = recordings._message(store, each.kind, each.values)
        made = store.serialize_ros1(message, each.kind) if first else store.serialize_cdr(message, each.kind)
        return bytes(made)

    def text(kind: str) -> bytes:
        return str(store.generate_msgdef(kind, ros_version=1 if first else 2)[0]).encode()

    kind = "ros1msg" if first else "ros2msg"
    return recordings.write_mcap(path, said, encode, "ros1" if first else "cdr", (kind, text))


def _protobuf(path: Path, said: Sequence[Said]) -> Path:
    """Write an MCAP file with Foxglove's types as protobuf."""
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

    f = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="foxglove.proto", package="foxglove", syntax="proto3")

    def add(name: str, *fields: tuple[str, int, bool, str]) -> None:
        message = file.message_type.add(name=name)
        for number, (field, kind, many, of) in enumerate(fields, 1):
            label = f.LABEL_REPEATED if many else f.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, type=kind, label=label, json_name=field)
            if of:
                made.type_name = f".foxglove.{of}"

    doubles = f.TYPE_DOUBLE
    add("Vector3", *((axis, doubles, False, "") for axis in "xyz"))
    add("Quaternion", *((axis, doubles, False, "") for axis in "xyzw"))
    add(
        "FrameTransform", ("parent_frame_id", f.TYPE_STRING, False, ""), ("child_frame_id", f.TYPE_STRING, False, ""),
        ("translation", f.TYPE_MESSAGE, False, "Vector3"), ("rotation", f.TYPE_MESSAGE, False, "Quaternion"),
    )  # fmt: skip
    add("FrameTransforms", ("transforms", f.TYPE_MESSAGE, True, "FrameTransform"))
    add(
        "CameraCalibration", ("frame_id", f.TYPE_STRING, False, ""), ("width", f.TYPE_FIXED32, False, ""),
        ("height", f.TYPE_FIXED32, False, ""), ("distortion_model", f.TYPE_STRING, False, ""),
        *((letter, doubles, True, "") for letter in "DKRP"),
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    files = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()

    def encode(each: Said) -> bytes:
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(each.kind))
        return bytes(json_format.ParseDict(dict(each.values), kind()).SerializeToString())

    return recordings.write_mcap(path, said, encode, "protobuf", ("protobuf", lambda _: files))


WRITERS: dict[str, tuple[str, str, Callable[[Path, list[Said]], Path]]] = {
    "ROS 1 bag": ("rosbag", "drive.bag", lambda path, said: recordings.write_bag1(path, said)),
    "ROS 2 sqlite": ("rosbag", "drive", lambda path, said: recordings.write_bag2(path, said)),
    "ROS 2 mcap": ("rosbag", "drive", lambda path, said: recordings.write_bag2(path, said, "mcap")),
    "MCAP, ROS 2": ("mcap", "drive.mcap", lambda path, said: _cdr(path, said)),
    "MCAP, ROS 1": ("mcap", "drive.mcap", lambda path, said: _cdr(path, said, first=True)),
    "MCAP, JSON": ("mcap", "drive.mcap", lambda path, said: recordings.write_mcap(path, foxglove(said))),
    "MCAP, protobuf": ("mcap", "drive.mcap", lambda path, said: _protobuf(path, foxglove(said))),
}
BOTH = ("ROS 2 sqlite", "MCAP, JSON")


def _read(kind: str, folder: Path, said: list[Said], rig: RealRig, **options: str) -> Any:
    name, file, write = WRITERS[kind]
    given = {"lidar": "lidar_top", "cameras": ",".join(rig.names())} | options
    return read_format(name, write(folder / file, said), given)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_rig_is_what_was_recorded(kind: str, tmp_path: Path) -> None:
    """Every way to record a rig gives its cameras, its lidar's pose, and the file's name as the vehicle's."""
    rig = real(OTHER)
    profile = _read(kind, tmp_path, drive(rig), rig)
    check(profile, rig)
    assert profile.ego_from_lidar is not None
    np.testing.assert_allclose(profile.ego_from_lidar, rig.lidar2ego, atol=1e-9)
    assert profile.vehicle == "drive"


@pytest.mark.parametrize("kind", BOTH)
def test_a_camera_that_changes_is_an_error_with_both_times(kind: str, tmp_path: Path) -> None:
    """Another focal length later in the recording is refused; `at` chooses before or after, and refuses before all."""
    rig = real(OTHER)
    camera = rig.cameras[1]
    other = info(replace(camera, k=camera.k * np.array([[1.01], [1], [1]])), f"{camera.name}_optical")
    late = START + 5_500_000_000
    said = [
        *drive(rig),
        Said(late, f"/sensing/{camera.name}/camera_info", "sensor_msgs/msg/CameraInfo", other),
    ]
    with pytest.raises(InputError, match="one calibration in the whole recording") as caught:
        _read(kind, tmp_path / "1", _made(tmp_path / "1", said), rig)
    assert "1700000001 s and another one at 1700000005.5 s" in caught.value.found
    assert camera.name in caught.value.where and "-O at=1700000005.5" in caught.value.hint
    check(_read(kind, tmp_path / "2", _made(tmp_path / "2", said), rig, at="1700000003"), rig)
    after = _read(kind, tmp_path / "3", _made(tmp_path / "3", said), rig, at="1700000005.5")
    ratio = after.cameras[1].intrinsic[0, 0] / camera.k[0, 0]
    assert ratio == pytest.approx(1.01)
    with pytest.raises(InputError, match="or before"):
        _read(kind, tmp_path / "4", _made(tmp_path / "4", said), rig, at="1")


def _made(folder: Path, said: list[Said]) -> list[Said]:
    folder.mkdir()
    return said


@pytest.mark.parametrize("kind", BOTH)
def test_a_frame_that_moves_matters_only_where_it_is_used(kind: str, tmp_path: Path) -> None:
    """Another pose of a camera is an error with both times; one of a frame that no camera hangs on is not."""
    rig = real(LATE)
    camera = rig.cameras[0]
    moved = rig.cam2ego(camera).copy()
    moved[0, 3] += 0.01
    late = START + 3 * recordings.SECOND
    unused = [
        Said(
            START + n,
            "/tf_static",
            "tf2_msgs/msg/TFMessage",
            {"transforms": [edge("base_link", "radar", pose)]},
        )
        for n, pose in ((1, np.eye(4)), (2, moved))
    ]
    check(
        _read(
            kind,
            tmp_path / "1",
            _made(tmp_path / "1", sorted(drive(rig) + unused, key=lambda s: s.time_ns)),
            rig,
        ),
        rig,
    )
    change = Said(
        late,
        "/tf_static",
        "tf2_msgs/msg/TFMessage",
        {"transforms": [edge("base_link", f"{camera.name}_optical", moved)]},
    )
    with pytest.raises(InputError, match="1700000003") as caught:
        _read(kind, tmp_path / "2", _made(tmp_path / "2", [*drive(rig), change]), rig)
    assert f"{camera.name}_optical" in caught.value.where
    after = _read(kind, tmp_path / "3", _made(tmp_path / "3", [*drive(rig), change]), rig, at="1700000004")
    expected = np.linalg.inv(moved) @ rig.lidar2ego
    np.testing.assert_allclose(after.cameras[0].as_pinhole().camera_from_lidar, expected, atol=1e-9)


@pytest.mark.parametrize("kind", ["ROS 1 bag", "MCAP, JSON", "MCAP, ROS 2"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99])
def test_a_recording_that_was_cut_off_is_an_error(kind: str, share: float, tmp_path: Path) -> None:
    """Whatever is missing at the end, the file is named and nothing is imported."""
    name, file, write = WRITERS[kind]
    path = write(tmp_path / file, drive(real(OTHER)))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"a whole"):
        read_format(name, path, {"lidar": "lidar_top"})


@pytest.mark.parametrize("kind", BOTH)
def test_what_is_missing_is_said(kind: str, tmp_path: Path) -> None:
    """Without the lidar's frame the known ones are named; without camera_info, and with a wrong time, that is said."""
    rig = real(OTHER)
    with pytest.raises(UsageError, match="the frame of the points") as caught:
        _read(kind, tmp_path / "1", _made(tmp_path / "1", drive(rig)), rig, lidar="")
    assert "lidar_top" in caught.value.hint
    with pytest.raises(InputError, match="a recording with camera_info"):
        _read(kind, tmp_path / "2", _made(tmp_path / "2", drive(rig)[:1]), rig)
    with pytest.raises(UsageError, match="a time in seconds"):
        _read(kind, tmp_path / "3", _made(tmp_path / "3", drive(rig)), rig, at="noon")
    with pytest.raises(UsageError, match="rectified=false"):
        _read(kind, tmp_path / "4", _made(tmp_path / "4", drive(rig)), rig, lens="yes")
    with pytest.raises(InputError, match="CAM_FRONTT"):
        _read(kind, tmp_path / "5", _made(tmp_path / "5", drive(rig)), rig, cameras="CAM_FRONTT")


@pytest.mark.parametrize(
    "options", [{"use_chunking": False}, {"repeat_channels": False}, {"use_summary_offsets": False}]
)
def test_a_file_without_an_index_is_read_from_its_beginning(options: dict[str, bool], tmp_path: Path) -> None:
    """Writers may leave out chunks, or what a summary repeats."""
    rig = real(OTHER)
    path = recordings.write_mcap(tmp_path / "a.mcap", foxglove(drive(rig)), **options)
    check(read_format("mcap", path, {"lidar": "lidar_top", "cameras": ",".join(rig.names())}), rig)


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    """An .mcap for `rosbag`, a folder for `mcap`, and a folder that is no recording name the right way."""
    path = recordings.write_mcap(tmp_path / "a.mcap", foxglove(drive(real(OTHER))))
    with pytest.raises(InputError, match="use the format mcap"):
        read_format("rosbag", path, {"lidar": "x"})
    with pytest.raises(InputError, match="use rosbag"):
        read_format("mcap", tmp_path, {"lidar": "x"})
    with pytest.raises(InputError, match="a whole recording"):
        read_format("rosbag", tmp_path, {"lidar": "x"})


@pytest.mark.parametrize(
    ("name", "module"), [("rosbag", "rosbags"), ("rosbag", "rosbags.highlevel"), ("mcap", "mcap")]
)
def test_without_the_package_the_line_that_installs_it_is_given(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recordings need an extra, and say which."""
    kind = "ROS 1 bag" if name == "rosbag" else "MCAP, JSON"
    path = WRITERS[kind][2](tmp_path / WRITERS[kind][1], drive(real(OTHER)))
    for loaded in [each for each in sys.modules if each.split(".")[0] == module.split(".")[0]]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError) as caught:
        read_format(name, path, {"lidar": "x"})
    assert "specialize[ros]" in caught.value.hint


def test_cameras_are_named_by_what_tells_their_topics_apart() -> None:
    """`/a/left/camera_info` and `/b/left/camera_info` are a_left and b_left; one topic is its last part."""
    recording = Recording("x")
    camera = real(OTHER).cameras[0]
    for topic in ("/a/left/camera_info", "/b/left/camera_info", "/b/right/image_raw/camera_info"):
        recording.info(0, topic, info(camera, f"{camera.name}_optical"))
    for one in edges(real(OTHER)):
        recording.transform(0, one)
    rig = recording.rig(Wanted("lidar_top", "", "", "base_link", "v"), "rosbag", "", True, False)
    assert rig.camera_names() == ("a_left", "b_left", "b_right")


def test_types_are_known_as_all_of_them_are_written() -> None:
    """ROS 1, ROS 2 and Foxglove's names mean the same; other messages are not read."""
    for name in (
        "sensor_msgs/CameraInfo",
        "sensor_msgs/msg/CameraInfo",
        "foxglove_msgs/msg/CameraCalibration",
    ):
        assert kind_of(name)
    assert kind_of("sensor_msgs/msg/Image") == "" and seconds(1_500_000_000) == "1.5"
