"""URDF: the frames of a vehicle's description, with the lenses from ROS camera_info files.

Frames: a joint's `origin` is the pose of its child link in its parent: metres, and roll, pitch, yaw in radians about
the parent's fixed axes (Rz Ry Rx). A camera is a link `NAME_optical_frame` (x right, y down, z forward); points are in
the link that the option `lidar` names.

Pitfalls:
- `camera_link` is x forward; the optical link below it is the one that a camera's image is in. `frames` names it if it
  is not called NAME_optical_frame, NAME_optical_link or NAME_optical.
- Only fixed joints are calibration: another kind between a camera and the points is an error.
- A URDF is nominal, from CAD: a calibrated car has transforms of its own (the formats ros, rosbag and mcap).
- Lenses are not in it: `NAME.yaml` in the folder `camera_info`, as in the format autoware.
- Xacro has to be expanded first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from specialize.calibration.document import read_text
from specialize.calibration.formats.camera_info import (
    CameraInfo,
    is_camera_info,
    read_camera_info,
    read_document_of,
)
from specialize.calibration.formats.frames import FrameTree
from specialize.calibration.formats.ros import Wanted, require_lidar, require_raw_images, rig_of
from specialize.calibration.pose import Matrix, rigid, rotation_from_rpy
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest

_SUFFIXES = ("_optical_frame", "_optical_link", "_optical")


def read(
    path: Path,
    lidar: str = "",
    camera_info: str = "camera_info",
    rectified: bool = True,
    cameras: str = "",
    frames: str = "",
    lens: bool = False,
    vehicle_frame: str = "base_link",
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one vehicle.

    Args:
        path: The URDF file.
        lidar: Link of the points; required.
        camera_info: Folder with `NAME.yaml` per camera, beside the file or elsewhere.
        rectified: Whether the model sees rectified images.
        cameras: Camera names in order, separated by commas; the file's order if empty.
        frames: Optical links of cameras as `name=link`, separated by commas.
        lens: Whether the model projects raw images through their lens; needs rectified=false.
        vehicle_frame: The vehicle's link, if there is such a link.
        vehicle: Name of the vehicle; the robot's name in the file if empty.
    """
    require_raw_images(lens, rectified, "urdf")
    robot = _robot(path)
    tree = _tree(path, robot)
    require_lidar(lidar, tree, "urdf")
    stated = dict(item.strip().split("=", 1) for item in frames.split(",") if "=" in item)
    optical = {name: link for link in _links(robot) if (name := _camera_of(link))} | stated
    if not optical:
        hint = f"name the links of cameras: -O frames=NAME=LINK; known: {', '.join(sorted(tree.names()))}"
        raise InputError(str(path), "links such as NAME_optical_frame", "none", hint)
    wanted = [name.strip() for name in cameras.split(",") if name.strip()] or list(optical)
    folder = path.resolve().parent / camera_info
    infos = [_info(folder, name, optical, rectified, lens) for name in wanted]
    named = vehicle or robot.get("name") or path.stem
    return rig_of(str(path), tree, infos, Wanted(lidar, cameras, frames, vehicle_frame, named))


def _robot(path: Path) -> ElementTree.Element:
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(str(path), "a URDF without a document type", "one with entities")
    if "xmlns:xacro" in text:
        raise InputError(str(path), "a URDF", "a xacro file", "expand it: `xacro FILE > robot.urdf`")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(str(path), "XML", str(error)) from None
    if root.tag != "robot":
        raise InputError(str(path), "a <robot>", f"a <{root.tag}>")
    return root


def _tree(path: Path, robot: ElementTree.Element) -> FrameTree:
    tree = FrameTree(str(path))
    for joint in robot.findall("joint"):
        where = f"{path}: joint {joint.get('name')!r}"
        ends = [joint.find(end) for end in ("parent", "child")]
        names = [end.get("link") if end is not None else None for end in ends]
        if not all(names):
            raise InputError(where, "a parent and a child link", "none of one")
        parent, child = map(str, names)
        origin = joint.find("origin")
        given: Mapping[str, str] = {} if origin is None else origin.attrib
        offset, angles = (_three(given.get(key, "0 0 0"), f"{where}: {key}") for key in ("xyz", "rpy"))
        tree.add(parent, child, rigid(rotation_from_rpy(*(float(angle) for angle in angles)), offset))
        if joint.get("type") != "fixed":
            hint = "its pose is not a constant: fix it, or take transforms of the calibrated car"
            tree.doubt(child, InputError(where, "a fixed joint", f"a {joint.get('type')} joint", hint))
    return tree


def _three(text: str, where: str) -> Matrix:
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError:
        values = np.zeros(0)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise InputError(where, "three numbers", repr(text))
    return values


def _links(robot: ElementTree.Element) -> list[str]:
    return [str(link.get("name")) for link in robot.findall("link")]


def _camera_of(link: str) -> str:
    """Return the camera of an optical link, or nothing."""
    for suffix in _SUFFIXES:
        if link.endswith(suffix):
            return link.removesuffix(suffix)
    return ""


def _info(folder: Path, name: str, optical: Mapping[str, str], rectified: bool, lens: bool) -> CameraInfo:
    """Return the lens of a camera, in its optical link."""
    if name not in optical:
        raise InputError("urdf: option cameras", "a camera of the file", repr(name), closest(name, optical))
    for file in (folder / f"{name}.yaml", *sorted((folder / name).glob("*.yaml"))):
        if file.is_file() and is_camera_info(read_document_of(file)):
            return replace(read_camera_info(file, rectified, lens), name=name, frame=optical[name])
    hint = f"put it at {folder / name}.yaml, or name the folder with -O camera_info=FOLDER"
    raise InputError(str(folder), f"a camera_info of {name!r}", "none", hint)
