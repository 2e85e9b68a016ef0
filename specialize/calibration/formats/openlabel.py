"""ASAM OpenLABEL 1.0: the streams and coordinate systems of a label file.

Frames: `pose_wrt_parent` maps a coordinate system to its parent, in m; a camera's system has the name of its stream and
is x right, y down, z forward. Quaternions are x, y, z, w. `points` names the system that the points are in.

Pitfalls:
- Euler angles are radians, applied in the order of `sequence` about turning axes: ZYX is yaw, then pitch, then roll.
- A fisheye's centre is counted from the middle of the image, as the reference implementation (VCD) does; some writers
  count it from the corner: `centre=corner`. Its `lens_coeffs` are pixels per power of the angle.
- Keys were renamed between drafts: camera_matrix_3x4 and camera_matrix, lens_coeffs_1x4 and lens_coeffs, center_x and
  center_x_px are the same.
- Distortion of a pinhole says which raw images were undistorted; with `lens` the model is given the raw ones.
- `intrinsics_custom` is free; it is read if it has width_px, height_px, and `model` and `parameters` as a profile's
  `lens:` has them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.formats.frames import FrameTree
from specialize.calibration.formats.lens_words import lens_at, lens_of_matrix
from specialize.calibration.formats.source import in_order, read_json
from specialize.calibration.lens import Lens
from specialize.calibration.lens.kinds import COEFFICIENTS
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, product, rigid, rotation_from_quaternion, rotation_from_rpy
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import UsageError

VEHICLE = ("vehicle-iso8855", "iso8855-1", "base", "odom")


def read(
    path: Path,
    points: str = "",
    cameras: str = "",
    centre: str = "middle",
    lens: bool = False,
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration in one label file.

    Args:
        path: The file.
        points: Coordinate system of the points; required.
        cameras: Stream names in order, separated by commas; all streams of type camera if empty.
        centre: Where fisheye centres are counted from: `middle` or `corner` of the image.
        lens: Whether the model is given the raw images of pinhole cameras and projects through their distortion.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    root = Node(read_json(path), str(path)).child("openlabel")
    tree = _tree(root)
    if not points:
        hint = f"known systems: {', '.join(sorted(tree.names()))}"
        raise UsageError("openlabel: option points", "the coordinate system of the points", "nothing", hint)
    if centre not in ("middle", "corner"):
        raise UsageError("openlabel: option centre", "middle or corner", repr(centre))
    streams = root.child("streams")
    found = {
        str(name): streams.child(name).child("stream_properties")
        for name in streams.value
        if streams.child(name).child("type").value == "camera"
    }
    result = [
        _camera(name, node, tree.between(name, points), centre, lens)
        for name, node in in_order(found, cameras, (), str(path)).items()
    ]
    ego = next((name for name in VEHICLE if name in tree.names()), None)
    return CalibrationProfile(vehicle or path.stem, tuple(result), tree.between(ego, points) if ego else None)


def _tree(root: Node) -> FrameTree:
    """Return the tree of coordinate systems."""
    tree, systems = FrameTree(root.source), root.child("coordinate_systems")
    for name in systems.value:
        system = systems.child(name)
        if system.has("parent") and system.child("parent").value:
            pose = _pose(system.child("pose_wrt_parent")) if system.has("pose_wrt_parent") else np.eye(4)
            tree.add(system.child("parent").text(), name, pose)
    return tree


def _pose(node: Node) -> Matrix:
    """Return parent_from_system (4, 4) in any of the standard's three spellings."""
    if node.has("matrix4x4"):
        numbers = node.child("matrix4x4").vector(16, "(4x4, row by row)")
        return checks.rigid_pose(np.array(numbers).reshape(4, 4), node.where)
    offset_m = node.child("translation").vector(3, "in m")
    if node.has("quaternion"):
        x, y, z, w = node.child("quaternion").vector(4, "x, y, z, w")
        wxyz = checks.unit_quaternion([w, x, y, z], node.where)
        return rigid(rotation_from_quaternion([float(value) for value in wxyz]), offset_m)
    sequence = str(node.child("sequence").value) if node.has("sequence") else "ZYX"
    if len(sequence) != 3 or not set(sequence) <= set("XYZ"):
        raise node.child("sequence").error("three of X, Y and Z")
    rotation = np.eye(3)
    for axis, angle in zip(sequence, node.child("euler_angles").vector(3, "in radians"), strict=True):
        about = {"X": (angle, 0.0, 0.0), "Y": (0.0, angle, 0.0), "Z": (0.0, 0.0, angle)}[axis]
        rotation = product(rotation, rotation_from_rpy(*about))
    return rigid(rotation, offset_m)


def _camera(name: str, node: Node, camera_from_points: Matrix, centre: str, raw: bool) -> Camera:
    for key, make in (("intrinsics_fisheye", _fisheye), ("intrinsics_custom", _custom)):
        if node.has(key):
            inner = node.child(key)
            return Camera.through(name, _size_px(inner), make(inner, centre), camera_from_points)
    inner = node.child("intrinsics_pinhole")
    size_px = _size_px(inner)
    rows = np.array(_either(inner, "camera_matrix", "camera_matrix_3x4").vector(12, "(3x4, row by row)"))
    intrinsic = rows.reshape(3, 4)[:, :3]
    numbers = _distortion(inner)
    model = next((known for known, names in COEFFICIENTS.items() if len(names) == len(numbers)), "")
    if numbers and model not in ("radtan", "plumb_bob", "rational_polynomial", "thin_prism"):
        raise inner.error("4, 5, 8 or 12 distortion coefficients", str(len(numbers)))
    if raw:
        seen = lens_of_matrix(inner.where, intrinsic, model, numbers)
        return Camera.through(name, size_px, seen, camera_from_points)
    distortion = Distortion(model, numbers) if any(numbers) else None
    return Camera.pinhole(name, size_px, intrinsic, camera_from_points, distortion=distortion)


def _distortion(node: Node) -> tuple[float, ...]:
    """Return the coefficients in OpenCV's order; the tilt of a sensor must be zero."""
    for key in ("distortion_coeffs", "distortion_coeffs_1xN"):
        if node.has(key):
            numbers = tuple(item.number() for item in node.child(key).items())
            return numbers[:12] if len(numbers) == 14 and not any(numbers[12:]) else numbers
    return ()


def _fisheye(node: Node, centre: str) -> Lens:
    """Return the lens of the reference implementation: four powers of the angle."""
    k = _either(node, "lens_coeffs", "lens_coeffs_1x4").vector(4, "k1 to k4")
    parameters = {f"k{power}": value for power, value in enumerate(k, start=1)}
    for axis, size in zip("xy", _size_px(node), strict=True):
        place = _either(node, f"center_{axis}_px", f"center_{axis}")
        given = place.number()
        if centre == "middle" and abs(given) > size / 4:
            raise place.error("a distance from the middle of the image", hint="use centre=corner")
        parameters[f"c{axis}"] = given + (size / 2 if centre == "middle" else 0.0)
    if node.has("aspect_ratio"):
        parameters["aspect"] = node.child("aspect_ratio").number()
    return lens_at(node.where, "radial_poly", parameters)


def _custom(node: Node, _: str) -> Lens:
    """Return a lens that is spelled as in a profile."""
    parameters = node.child("parameters")
    if not isinstance(parameters.value, dict):
        raise parameters.error("parameters by name")
    numbers = {str(key): parameters.child(key).number() for key in parameters.value}
    limit = node.child("max_angle_rad").number() if node.has("max_angle_rad") else None
    return lens_at(node.where, node.child("model").text(), numbers, max_angle_rad=limit)


def _size_px(node: Node) -> tuple[int, int]:
    return node.child("width_px").count(), node.child("height_px").count()


def _either(node: Node, name: str, draft: str) -> Node:
    return node.child(draft if node.has(draft) and not node.has(name) else name)
