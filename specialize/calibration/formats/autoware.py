"""Autoware's per-vehicle calibration folder: sensor kit, sensors, and camera_info.

`sensors_calibration.yaml` places the sensor kit on the vehicle, `sensor_kit_calibration.yaml` the sensors
on the kit: `parent: {child: {x, y, z, roll, pitch, yaw}}` in metres and radians, child to parent,
about fixed axes (Rz(yaw) Ry(pitch) Rx(roll)), as URDF has it.

Pitfalls:
- `cameraN/camera_link` is not the optical frame: it is x forward, y left, z up; the fixed rotation to the
  optical frame is appended here.
- Points are in `base_link` where Autoware has merged its lidars; a single lidar has its own frame.
- Intrinsics are kept elsewhere, as ROS camera_info: `NAME.yaml` or `NAME/*.yaml` in the folder `camera_info`.
- Rectified images use P, raw ones K: see `camera_info`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from specialize.calibration.document import read_document
from specialize.calibration.formats.camera_info import (
    CameraInfo,
    is_camera_info,
    read_camera_info,
    read_document_of,
)
from specialize.calibration.formats.frames import FrameTree
from specialize.calibration.formats.ros import camera_of, require_raw_images
from specialize.calibration.formats.source import folder, in_order
from specialize.calibration.node import Node
from specialize.calibration.pose import OPTICAL_FROM_BODY, product, rigid, rotation_from_rpy
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError

FILES = ("sensors_calibration.yaml", "sensor_kit_calibration.yaml")
_LINK = "/camera_link"
_KEYS = ("x", "y", "z", "roll", "pitch", "yaw")


def read(
    path: Path,
    points: str = "base_link",
    rectified: bool = True,
    camera_info: str = "camera_info",
    cameras: str = "",
    lens: bool = False,
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one vehicle.

    Args:
        path: Folder with the two files; its name is usually the vehicle's id.
        points: Frame of the points: `base_link`, or a lidar's.
        rectified: Whether the model is given rectified images.
        camera_info: Folder with the intrinsics, inside `path` or elsewhere.
        cameras: Names in order, separated by commas; the file's order if empty.
        lens: Whether the model projects raw images through their lens; needs rectified=false.
        vehicle: Name of the vehicle; the folder's name if empty.
    """
    require_raw_images(lens, rectified, "autoware")
    tree = FrameTree(str(folder(path)))
    names = []
    for name in FILES:
        file = path / name
        root = Node(read_document(file), str(file))
        if not isinstance(root.value, dict):
            raise root.error("a mapping of frames")
        for parent in root.value:
            names += _add_children(tree, root.child(parent), str(parent))
    links = {name.removesuffix(_LINK): name for name in names if name.endswith(_LINK)}
    optical_from_link = rigid(OPTICAL_FROM_BODY, np.zeros(3))
    result = []
    for name, link in in_order(links, cameras, (), str(path)).items():
        info = _lens(path / camera_info, name, rectified, lens)
        optical_from_points = product(optical_from_link, tree.between(link, points))
        camera = camera_of(info, product(info.image_from_camera, optical_from_points))
        result.append(camera)
    ego = tree.between("base_link", points) if "base_link" in tree.names() else None
    return CalibrationProfile(vehicle or path.resolve().name, tuple(result), ego)


def _add_children(tree: FrameTree, node: Node, parent: str) -> list[str]:
    """Add the children of one frame to the tree, and return their names."""
    if not isinstance(node.value, dict):
        raise node.error("a mapping of child frames")
    for child in node.value:
        entry = node.child(child).mapping(_KEYS)
        x, y, z, roll, pitch, yaw = (entry.child(key).number() for key in _KEYS)
        tree.add(parent, str(child), rigid(rotation_from_rpy(roll, pitch, yaw), [x, y, z]))
    return [str(child) for child in node.value]


def _lens(root: Path, name: str, rectified: bool, through_lens: bool) -> CameraInfo:
    """Return the lens of a camera, under the camera's name."""
    candidates = [root / f"{name}.yaml", *sorted((root / name).glob("*.yaml"))]
    for file in candidates:
        if file.is_file() and is_camera_info(read_document_of(file)):
            return replace(read_camera_info(file, rectified, through_lens), name=name)
    hint = f"put it at {root / name}.yaml, or name the folder with the option camera_info"
    raise InputError(str(root), f"a camera_info of {name!r}", "none", hint)
