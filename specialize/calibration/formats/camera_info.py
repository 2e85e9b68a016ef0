"""ROS camera_info files, from calibration tools or printed messages: the lens of one camera.

Pitfalls:
- `camera_matrix` (K) belongs to the raw image, `projection_matrix` (P) to the rectified one. P's last column is a
  baseline and becomes part of the pose; `rectification_matrix` (R) rotates the camera.
- K and P are those of the full resolution: binning and a region of interest change the image, but not these matrices.
- In files of cameras that were never calibrated all values are zero.
- Foxglove calls `equidistant` kannala_brandt, and has fisheye62 (k0 to k3, p0, p1, and optionally the maximum angle):
  no matrix describes its raw image, so it is a lens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import DISTORTION_MODELS, Distortion
from specialize.calibration.document import parse_document, read_text
from specialize.calibration.formats.lens_words import lens_of_matrix
from specialize.calibration.formats.source import Size
from specialize.calibration.lens import Lens
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, product, rigid, split_projection
from specialize.errors import InputError, closest

_ALIASES = {
    "width": ("image_width", "width"),
    "height": ("image_height", "height"),
    "k": ("camera_matrix", "K", "k"),
    "d": ("distortion_coefficients", "D", "d"),
    "r": ("rectification_matrix", "R", "r"),
    "p": ("projection_matrix", "P", "p"),
}
_MODELS = {
    "fisheye": "equidistant",
    "kannala_brandt": "equidistant",
    "": "plumb_bob",
    "radial-tangential": "plumb_bob",
}


@dataclass(frozen=True, slots=True, eq=False)
class CameraInfo:
    """The lens of one camera.

    Attributes:
        name: `camera_name`, or the file's name.
        frame: `header.frame_id` of a message; empty in a calibration file.
        size_px: Width and height of the image.
        intrinsic: (3, 3) in px.
        image_from_camera: (4, 4) in m, from the camera's optical frame to that of the image: identity
            for raw images, rectification and baseline for rectified ones.
        distortion: Lens model of a raw image; None for a rectified one.
        lens: The lens, for models that are given the raw image and project through it.
    """

    name: str
    frame: str
    size_px: Size
    intrinsic: Matrix
    image_from_camera: Matrix
    distortion: Distortion | None
    lens: Lens | None = None


def is_camera_info(document: Any) -> bool:
    """Return whether a document's plain values are a camera_info."""
    return isinstance(document, dict) and any(key in document for key in _ALIASES["k"])


def read_document_of(path: Path) -> Any:
    """Return the plain values of a YAML file; a trailing separator, as printed by `topic echo`, is dropped."""
    text = read_text(path).rstrip()
    return parse_document(text.removesuffix("---"), str(path))


def read_camera_info(path: Path, rectified: bool, through_lens: bool = False) -> CameraInfo:
    """Return one camera of a camera_info file; see `camera_info_of`."""
    return camera_info_of(read_document_of(path), str(path), path.stem, rectified, through_lens)


def camera_info_of(
    document: Any, source: str, name: str, rectified: bool, through_lens: bool = False
) -> CameraInfo:
    """Return one camera of a camera_info's plain values, for its rectified or its raw image.

    Args:
        document: The plain values.
        source: Where they are from, for errors.
        name: Name of the camera, if they have none.
        rectified: Whether the model's images are rectified.
        through_lens: Whether the model projects raw images through their lens instead of by their matrix.

    Raises:
        InputError: They are not a camera_info, or the camera was never calibrated.
    """
    if not is_camera_info(document):
        raise InputError(source, "a camera_info with camera_matrix or K", type(document).__name__)
    root = Node(document, source)
    size_px = Size(_entry(root, "width").count(), _entry(root, "height").count())
    header = document.get("header") or {}
    if rectified:
        intrinsic, offset = split_projection(_numbers(root, "p", 3, 4))
        rotation = _numbers(root, "r", 3, 3)
        pose = product(offset, rigid(rotation, np.zeros(3)))
        distortion = None
    else:
        intrinsic, pose = _numbers(root, "k", 3, 3), np.eye(4)
        through_lens = through_lens or root.value.get("distortion_model") == "fisheye62"
        distortion = None if through_lens else _distortion(root)
    intrinsic, size_px = _windowed(root, intrinsic, size_px)
    return CameraInfo(
        name=str(document.get("camera_name") or name),
        frame=str(header.get("frame_id", "")).lstrip("/"),
        size_px=size_px,
        intrinsic=checks.pinhole_intrinsic(
            intrinsic, f"{source}: {'projection' if rectified else 'camera'} matrix"
        ),
        image_from_camera=pose,
        distortion=distortion,
        lens=_lens(root, intrinsic) if through_lens and not rectified else None,
    )


def _lens(root: Node, intrinsic: Matrix) -> Lens:
    """Return the whole lens of a raw image."""
    if root.value.get("distortion_model") != "fisheye62":
        distortion = _distortion(root)
        words = (distortion.model, distortion.coefficients) if distortion else ("none", ())
        return lens_of_matrix(root.source, intrinsic, *words)
    values, node = _coefficients(root)
    if len(values) not in (6, 7):
        raise node.error("k0, k1, k2, k3, p0, p1 and optionally an angle for fisheye62", str(len(values)))
    return lens_of_matrix(root.source, intrinsic, "fisheye62", values[:6], values[6] if values[6:] else None)


def _entry(root: Node, key: str) -> Node:
    """Return the entry under any of its names."""
    for name in _ALIASES[key]:
        if root.has(name):
            return root.child(name)
    raise root.error(f"the key {_ALIASES[key][0]!r}", "nothing")


def _numbers(root: Node, key: str, rows: int, columns: int) -> Matrix:
    """Return a matrix, given as `{rows, cols, data}` or as a flat list."""
    node = _entry(root, key)
    if isinstance(node.value, dict):
        node = node.child("data")
    matrix = np.array(node.vector(rows * columns, f"({rows}x{columns}, row by row)")).reshape(rows, columns)
    if not matrix.any():
        raise node.error("a calibrated camera", "only zeros", "calibrate it, or use the other image's matrix")
    return matrix


def _distortion(root: Node) -> Distortion | None:
    """Return the lens model, or None if it has no effect."""
    if not any(root.has(name) for name in _ALIASES["d"]):
        return None
    values, node = _coefficients(root)
    stated = str(root.value.get("distortion_model") or "")
    model = _MODELS.get(stated, stated)
    if model == "plumb_bob" and len(values) == 4:
        model = "radtan"
    if model not in DISTORTION_MODELS:
        raise InputError(
            f"{root.source}: distortion_model",
            "a known model",
            repr(stated),
            closest(stated, DISTORTION_MODELS),
        )
    if model != "equidistant" and not any(values):
        return None
    if len(values) != DISTORTION_MODELS[model]:
        raise node.error(f"{DISTORTION_MODELS[model]} coefficients for {model}", str(len(values)))
    return Distortion(model, tuple(values))


def _coefficients(root: Node) -> tuple[list[float], Node]:
    """Return the distortion's coefficients and their key path."""
    node = _entry(root, "d")
    if isinstance(node.value, dict):
        node = node.child("data")
    return [item.number() for item in node.items()], node


def _windowed(root: Node, intrinsic: Matrix, size_px: Size) -> tuple[Matrix, Size]:
    """Return intrinsic and size of the published image: the region of interest, binned."""
    roi = root.value.get("roi") or {}
    window = {key: float(roi.get(key) or 0) for key in ("x_offset", "y_offset", "width", "height")}
    width = int(window["width"]) or size_px.width_px
    height = int(window["height"]) or size_px.height_px
    binning = [max(1, int(root.value.get(key) or 1)) for key in ("binning_x", "binning_y")]
    changed = intrinsic.copy()
    changed[:2, 2] -= (window["x_offset"], window["y_offset"])
    changed[:2] /= np.array(binning, dtype=np.float64)[:, None]
    return changed, Size(width // binning[0], height // binning[1])
