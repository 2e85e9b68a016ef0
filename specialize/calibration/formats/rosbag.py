"""ROS bags: CameraInfo and tf_static messages of a ROS 1 `.bag`, or of the folder of a ROS 2 recording.

Frames: as in `ros`: a transform maps `child_frame_id` to `header.frame_id`, quaternions are x, y, z, w, and the
`frame_id` of a CameraInfo is the camera's optical frame (x right, y down, z forward). Points are in the frame that
the option `lidar` names.

Pitfalls:
- A calibration that changes within the recording is an error that names both times; `at` chooses one.
- Transforms on /tf move and are no calibration: only /tf_static is read.
- `rectified` decides between P with R and K with D: take what the model's images are.
- Cameras are in the order of their topics' names; `cameras` states the order that the model was trained with.
- A single `.mcap` file is read by the format `mcap`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from specialize.calibration.formats.recorded import Recording, kind_of, plain, take
from specialize.calibration.formats.ros import Wanted
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError, missing_package


def read(
    path: Path,
    lidar: str = "",
    at: str = "",
    rectified: bool = True,
    cameras: str = "",
    frames: str = "",
    lens: bool = False,
    vehicle_frame: str = "base_link",
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one vehicle.

    Args:
        path: A `.bag` file, or a ROS 2 recording's folder with `metadata.yaml`.
        lidar: Frame of the points; required.
        at: Time in seconds whose calibration is taken; without it the calibration must not change.
        rectified: Whether the model sees rectified images.
        cameras: Camera names in order, separated by commas; sorted by topic if empty.
        frames: Optical frames of cameras as `name=frame`, separated by commas.
        lens: Whether the model projects raw images through their lens; needs rectified=false.
        vehicle_frame: The vehicle's frame, if it is in the tree.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    wanted = Wanted(lidar, cameras, frames, vehicle_frame, vehicle or path.resolve().stem)
    return _recording(path).rig(wanted, "rosbag", at, rectified, lens)


def _recording(path: Path) -> Recording:
    if path.is_file() and path.suffix != ".bag":
        hint = "for a single .mcap use the format mcap; for .db3 give its folder, which has a metadata.yaml"
        raise InputError(
            str(path), "a .bag file or a ROS 2 recording's folder", f"a {path.suffix} file", hint
        )
    recording = Recording(str(path))
    with _reader(path) as reader:
        chosen = [each for each in reader.connections if kind_of(each.msgtype)]
        chosen.sort(key=lambda each: str(each.topic))
        for each in chosen if chosen else ():
            for connection, time_ns, raw in reader.messages(connections=[each]):
                message = plain(reader.deserialize(raw, connection.msgtype))
                take(recording, kind_of(connection.msgtype), connection.topic, time_ns, message)
    return recording


@contextmanager
def _reader(path: Path) -> Iterator[Any]:
    """Yield an open reader; whatever it trips over is the file's fault."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise missing_package("rosbag", "rosbags", "ros", "to read recordings") from None
    try:
        with AnyReader([path], default_typestore=get_typestore(Stores.LATEST)) as reader:
            yield reader
    except (InputError, UsageError):
        raise
    except Exception as error:  # rosbags raises errors of its own, of struct, of sqlite and of decompressors
        hint = "a recording that was interrupted can be repaired: `rosbag reindex`, `ros2 bag reindex`"
        raise InputError(
            str(path), "a whole recording", f"{type(error).__name__}: {error}"[:300], hint
        ) from error
