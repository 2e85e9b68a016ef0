"""OpenCV FileStorage: one YAML, XML or JSON file per camera, with matrices under free names.

Frames: an extrinsic maps lidar points to optical axes, as solvePnP gives it, unless `inverted` says that
it maps the camera to the lidar (what Autoware.AI calls `CameraExtrinsicMat` always does).

Pitfalls:
- `%YAML:1.0` and the tag `!!opencv-matrix` are no valid YAML; both are handled here.
- Names are free: the usual ones are known, others are given with `map`.
- Rotation and translation may be one 4x4 or 3x4, R and T, or rvec and tvec.
- Many files do not state the image size: `size` does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.document import parse_document, read_text
from specialize.calibration.formats.source import Size, in_order, parse_size
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, inverse, rigid, rotation_from_quaternion
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError, closest

ALIASES: dict[str, tuple[str, ...]] = {
    "intrinsic": (
        "camera_matrix",
        "cameraMatrix",
        "CameraMatrix",
        "CameraMat",
        "Camera_Matrix",
        "intrinsic",
        "K",
        "M",
    ),
    "distortion": (
        "distortion_coefficients",
        "Distortion_Coefficients",
        "distCoeffs",
        "DistCoeff",
        "dist_coeffs",
        "D",
    ),
    "extrinsic": ("lidar2cam", "extrinsic", "extrinsics", "T_cam_lidar", "lidar_to_camera", "Tr_velo_to_cam"),
    "camera2lidar": ("CameraExtrinsicMat", "cam2lidar", "T_lidar_cam"),
    "rotation": ("R", "rotation", "rvec"),
    "translation": ("T", "t", "translation", "tvec"),
    "width": ("image_width", "image_Width", "width", "imageWidth"),
    "height": ("image_height", "image_Height", "height", "imageHeight"),
    "size": ("ImageSize", "image_size", "imageSize"),
}


def read(
    path: Path, size: str = "", cameras: str = "", map: str = "", inverted: bool = False, vehicle: str = ""
) -> CalibrationProfile:
    """Return the calibration in one file per camera.

    Args:
        path: A file, or a folder of such files; a camera is named after its file.
        size: Size of the raw images where a file does not state it.
        cameras: File names without suffix, in order, separated by commas; sorted if empty.
        map: Names in these files as `intrinsic=NAME`, separated by commas; for any key of `ALIASES`.
        inverted: The extrinsic maps the camera to the lidar.
        vehicle: Name of the vehicle; the path's name if empty.
    """
    files = sorted(path.glob("*")) if path.is_dir() else [path]
    found = {file.stem: file for file in files if file.suffix in (".yaml", ".yml", ".xml", ".json")}
    aliases = _aliases(map)
    chosen = in_order(found if path.is_dir() else {path.stem: path}, cameras, (), str(path))
    result = [_camera(name, _document(file), aliases, size, inverted) for name, file in chosen.items()]
    return CalibrationProfile(vehicle or path.stem, tuple(result))


def _aliases(text: str) -> dict[str, tuple[str, ...]]:
    """Return the known names, those of the option first."""
    aliases = dict(ALIASES)
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, _, name = item.partition("=")
        if key not in ALIASES or not name:
            raise UsageError(
                "opencv: option map", "key=NAME with a known key", repr(item), closest(key, ALIASES)
            )
        aliases[key] = (name,)
    return aliases


def _document(path: Path) -> Node:
    """Return the values of a FileStorage file."""
    text = read_text(path)
    if path.suffix == ".xml":
        return Node(_from_xml(text, path), str(path))
    text = re.sub(r"\A%YAML[: ][0-9.]+[^\n]*\n", "", text)
    document = parse_document(re.sub(r"!!opencv-(nd-)?matrix", "", text), str(path))
    if not isinstance(document, dict):
        raise InputError(str(path), "a FileStorage with named matrices", type(document).__name__)
    return Node(document, str(path))


def _from_xml(text: str, path: Path) -> dict[str, Any]:
    """Return the plain values of the XML form."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(str(path), "XML without entities", "a document type")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(str(path), "valid XML", str(error)) from None
    values: dict[str, Any] = {}
    for element in root:
        parts = {child.tag: (child.text or "").strip() for child in element}
        try:
            if "data" in parts:
                data = [float(word) for word in parts["data"].split()]
                values[element.tag] = {"rows": int(parts["rows"]), "cols": int(parts["cols"]), "data": data}
            else:
                words = [float(word) for word in (element.text or "").split()]
                values[element.tag] = words[0] if len(words) == 1 else words
        except (KeyError, ValueError):
            continue  # text and other types, which no calibration needs
    return values


def _camera(name: str, root: Node, aliases: dict[str, tuple[str, ...]], size: str, inverted: bool) -> Camera:
    """Return one camera of one file."""
    intrinsic = _matrix(root, aliases["intrinsic"])
    if intrinsic is None:
        hint = f"set map=intrinsic=NAME; this file has: {', '.join(_names(root))}"
        raise root.error(f"an intrinsic ({', '.join(aliases['intrinsic'][:3])}, ...)", "none", hint)
    return Camera.pinhole(
        name,
        _size(root, aliases, size),
        checks.pinhole_intrinsic(intrinsic, f"{root.source}: intrinsic"),
        _pose(root, aliases, inverted),
        distortion=_distortion(root, aliases),
    )


def _names(root: Node) -> list[str]:
    """Return the names in a file, for hints."""
    return [str(key) for key in root.value]


def _matrix(root: Node, names: tuple[str, ...]) -> Matrix | None:
    """Return the first of these matrices that the file has."""
    for name in names:
        if not root.has(name):
            continue
        node = root.child(name)
        if isinstance(node.value, dict):
            rows, columns = node.child("rows").count(), node.child("cols").count()
            return np.array(node.child("data").vector(rows * columns, f"({rows}x{columns})")).reshape(
                rows, columns
            )
        items = node.items()
        if items and isinstance(items[0].value, list):
            return np.array(node.matrix(len(items), len(items[0].value)))
        return np.array([[item.number() for item in items]])
    return None


def _pose(root: Node, aliases: dict[str, tuple[str, ...]], inverted: bool) -> Matrix:
    """Return camera_from_lidar (4, 4) from whichever form the file has."""
    where = f"{root.source}: extrinsic"
    given = _matrix(root, aliases["extrinsic"])
    backwards = _matrix(root, aliases["camera2lidar"])
    rotation, translation = (_matrix(root, aliases[key]) for key in ("rotation", "translation"))
    if given is None and backwards is not None:
        given, inverted = backwards, True
    if given is None and rotation is not None and translation is not None:
        turn = rotation if rotation.shape == (3, 3) else _rodrigues(rotation.ravel(), where)
        given = rigid(turn, checks.finite(translation.ravel(), (3,), f"{root.source}: translation"))
    if given is None:
        hint = f"set map=extrinsic=NAME; this file has: {', '.join(_names(root))}"
        raise root.error("an extrinsic (4x4, or rotation and translation)", "none", hint)
    if given.shape == (3, 4):
        given = np.vstack([given, [0.0, 0.0, 0.0, 1.0]])
    pose = checks.rigid_pose(given, where)
    return inverse(pose) if inverted else pose


def _rodrigues(vector: Matrix, where: str) -> Matrix:
    """Return the (3, 3) rotation of an axis (3,) whose length is the angle in radians."""
    x, y, z = (float(value) for value in checks.finite(vector, (3,), where))
    angle = float(np.sqrt(x * x + y * y + z * z))
    half = float(np.sin(angle / 2)) / angle if angle > 0 else 0.5
    return rotation_from_quaternion([float(np.cos(angle / 2)), x * half, y * half, z * half])


def _size(root: Node, aliases: dict[str, tuple[str, ...]], size: str) -> Size:
    """Return the image size that the file states, or else the option's."""
    stated = [
        next((root.child(name) for name in aliases[key] if root.has(name)), None)
        for key in ("width", "height")
    ]
    if stated[0] is not None and stated[1] is not None:
        return Size(stated[0].count(), stated[1].count())
    pair = next((root.child(name) for name in aliases["size"] if root.has(name)), None)
    if pair is not None:
        width, height = (item.count() for item in pair.items())
        return Size(width, height)
    if not size:
        raise root.error("the image size", "nothing", "give the option size=WIDTHxHEIGHT")
    return parse_size(size, "option size")


def _distortion(root: Node, aliases: dict[str, tuple[str, ...]]) -> Distortion | None:
    """Return the lens model by the number of its coefficients, as OpenCV does."""
    matrix = _matrix(root, aliases["distortion"])
    values = () if matrix is None else tuple(float(value) for value in matrix.ravel())
    if not any(values):
        return None
    values = values[:12] if len(values) == 14 and not any(values[12:]) else values
    names = {4: "radtan", 5: "plumb_bob", 8: "rational_polynomial", 12: "thin_prism"}
    if len(values) not in names:
        found = f"{len(values)} coefficients"
        raise InputError(f"{root.source}: distortion", "4, 5, 8 or 12 coefficients", found)
    return Distortion(names[len(values)], values)
