"""ROS: camera_info YAML files and static transforms in one folder.

Frames: a transform maps `child_frame_id` to `header.frame_id`; quaternions are x, y, z, w; cameras must
be given by their optical frames (x right, y down, z forward), not their `camera_link` (x forward).

Pitfalls:
- The pose is a chain of transforms; a missing link is an error that names the two ends.
- `rectified` decides between P with R and K with D: take what the model's images are. See `camera_info`.
- A calibration file does not name its frame: `frames` does, or a frame `NAME`, `NAME_optical_frame` or
  `NAME_optical_link` is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera
from specialize.calibration.formats.camera_info import (
    CameraInfo,
    is_camera_info,
    read_camera_info,
    read_document_of,
)
from specialize.calibration.formats.frames import FrameTree
from specialize.calibration.formats.source import folder, in_order
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, product, rigid, rotation_from_quaternion
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError

_SUFFIXES = ("", "_optical_frame", "_optical_link", "_optical", "/camera_optical_link")


def read(
    path: Path,
    lidar: str = "",
    rectified: bool = True,
    transforms: str = "",
    cameras: str = "",
    frames: str = "",
    lens: bool = False,
    vehicle_frame: str = "base_link",
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one vehicle.

    Args:
        path: Folder with camera_info files and a file of static transforms.
        lidar: Frame of the points; required.
        rectified: Whether the model sees rectified images.
        transforms: Name of the file of transforms; any file that has `transforms` if empty.
        cameras: Camera names in order, separated by commas; sorted by file name if empty.
        frames: Optical frames of cameras as `name=frame`, separated by commas.
        lens: Whether the model projects raw images through their lens; needs rectified=false.
        vehicle_frame: The vehicle's frame, if it is in the tree.
        vehicle: Name of the vehicle; the folder's name if empty.
    """
    require_raw_images(lens, rectified, "ros")
    documents = {file: read_document_of(file) for file in sorted(folder(path).glob("*.y*ml"))}
    tree = _tree(path, documents, transforms)
    require_lidar(lidar, tree, "ros")
    infos = [
        read_camera_info(file, rectified, lens)
        for file, document in documents.items()
        if is_camera_info(document)
    ]
    wanted = Wanted(lidar, cameras, frames, vehicle_frame, vehicle or path.resolve().name)
    return rig_of(str(path), tree, infos, wanted)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a rig is made of camera_infos and frames by: the options that importers of ROS share.

    Attributes:
        lidar: Frame of the points.
        cameras: Names in order, separated by commas; empty for all.
        frames: Optical frames of cameras as `name=frame`, separated by commas.
        vehicle_frame: The vehicle's frame, if it is in the tree.
        vehicle: Name of the vehicle.
    """

    lidar: str
    cameras: str
    frames: str
    vehicle_frame: str
    vehicle: str


def require_raw_images(lens: bool, rectified: bool, name: str) -> None:
    """Reject the lens of rectified images.

    Raises:
        UsageError: A lens is asked for, and images are rectified.
    """
    if lens and rectified:
        raise UsageError(f"{name}: option lens", "rectified=false", "rectified images, which have no lens")


def require_lidar(lidar: str, tree: FrameTree, name: str) -> None:
    """Reject a missing frame of the points.

    Raises:
        UsageError: It is not given.
    """
    if not lidar:
        hint = f"known frames: {', '.join(sorted(tree.names()))}"
        raise UsageError(f"{name}: option lidar", "the frame of the points", "nothing", hint)


def rig_of(source: str, tree: FrameTree, infos: Sequence[CameraInfo], wanted: Wanted) -> CalibrationProfile:
    """Return the vehicle of camera_infos and the tree of their frames.

    Raises:
        InputError: Two cameras have one name, or one is missing or has no pose.
    """
    found = {info.name: info for info in infos}
    if len(found) != len(infos):
        raise InputError(source, "unique camera names", f"{len(infos)} files for {len(found)} names")
    stated = dict(item.strip().split("=", 1) for item in wanted.frames.split(",") if "=" in item)
    result = []
    for info in in_order(found, wanted.cameras, (), source).values():
        pose = tree.between(_frame_of(info, tree, stated), wanted.lidar)
        result.append(camera_of(info, product(info.image_from_camera, pose)))
    known = wanted.vehicle_frame.lstrip("/") in tree.names()
    ego = tree.between(wanted.vehicle_frame, wanted.lidar) if known else None
    return CalibrationProfile(wanted.vehicle, tuple(result), ego)


def camera_of(info: CameraInfo, image_from_lidar: Matrix) -> Camera:
    """Return a camera of a lens and the pose (4, 4) from points to the image's optical frame."""
    if info.lens is not None:
        return Camera.through(info.name, info.size_px, info.lens, image_from_lidar)
    return Camera.pinhole(
        info.name, info.size_px, info.intrinsic, image_from_lidar, distortion=info.distortion
    )


def _frame_of(info: CameraInfo, tree: FrameTree, stated: Mapping[str, str]) -> str:
    """Return the optical frame of a camera."""
    if info.name in stated or info.frame:
        return stated.get(info.name, info.frame)
    for suffix in _SUFFIXES:
        if info.name + suffix in tree.names():
            return info.name + suffix
    hint = f"set frames={info.name}=FRAME; known: {', '.join(sorted(tree.names()))}"
    raise InputError(f"{tree.source}: {info.name}", "an optical frame of this camera", "none", hint)


def _tree(path: Path, documents: Mapping[Path, Any], transforms: str) -> FrameTree:
    """Return the tree of all static transforms."""
    chosen = {
        file: document
        for file, document in documents.items()
        if (
            file.name == transforms if transforms else isinstance(document, dict) and "transforms" in document
        )
    }
    if not chosen:
        expected = f"the file {transforms!r}" if transforms else "a YAML file with `transforms:`"
        raise InputError(str(path), expected, "none", "save one with `topic echo --once /tf_static`")
    tree = FrameTree(str(path))
    for file, document in chosen.items():
        root = Node(document, str(file))
        for node in (root.child("transforms") if isinstance(document, dict) else root).items():
            tree.add(*transform_of(node))
    return tree


def transform_of(node: Node) -> tuple[str, str, Matrix]:
    """Return parent, child and `parent_from_child` (4, 4) of a TransformStamped."""
    node.mapping(("header", "child_frame_id", "transform"))
    pose = node.child("transform").mapping(("translation", "rotation"))
    offset, turn = pose.child("translation"), pose.child("rotation")
    offset.mapping(("x", "y", "z"))
    turn.mapping(("x", "y", "z", "w"))
    wxyz = checks.unit_quaternion([turn.child(key).number() for key in "wxyz"], turn.where)
    translation_m = np.array([offset.child(key).number() for key in "xyz"])
    rotation = rotation_from_quaternion([float(value) for value in wxyz])
    parent = node.child("header").mapping(("frame_id",), ("stamp", "seq")).child("frame_id").text()
    return parent, node.child("child_frame_id").text(), rigid(rotation, translation_m)
