"""Plain JSON with `lidar2img` matrices, as demos of deployed models ship them.

`{"lidar2img": [[4x4] x N], ...}`, with or without a batch dimension, or the list alone; other keys
(`can_bus`) are left alone. A matrix may be flat (16 numbers).

Pitfalls:
- There is no image size, and it matters which image the matrix belongs to: a demo's matrices are often
  scaled to the network's input. `size` is therefore required, and `scale` undoes a scaling of the matrices.
- There are no names: `cameras` gives them, in the matrices' order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.formats.source import SIX_CAMERAS, parse_size, read_json
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError


def read(
    path: Path, size: str = "", scale: str = "1", cameras: str = "", vehicle: str = ""
) -> CalibrationProfile:
    """Return the calibration in a JSON file.

    Args:
        path: The JSON file.
        size: Size of the raw images, such as 1600x900; required.
        scale: Factor from raw pixels to the pixels of these matrices; 0.5 if they are for half-size images.
        cameras: Names in the matrices' order, separated by commas; BEVFormer's six names if empty and six.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    if not size:
        hint = "the matrices belong to one image size, which the file does not state: add size=1600x900"
        raise UsageError("lidar2img: option size", "the size of the raw images", "nothing", hint)
    document = read_json(path)
    given = document.get("lidar2img") if isinstance(document, Mapping) else document
    try:
        array = np.array(given, dtype=np.float64)
        factor = float(scale)
    except (TypeError, ValueError):
        raise InputError(str(path), "lists of numbers, all of one length", "another structure") from None
    if not factor > 0:
        raise UsageError("lidar2img: option scale", "a factor > 0", repr(scale))
    if array.size == 0 or array.size % 16 or array.shape[-1] not in (4, 16):
        raise InputError(f"{path}: lidar2img", "N matrices of 4x4", f"shape {array.shape}")
    matrices = array.reshape(-1, 4, 4)
    matrices[:, :2] /= factor
    names = [name.strip() for name in cameras.split(",") if name.strip()]
    if not names:
        names = list(SIX_CAMERAS) if len(matrices) == 6 else [f"CAM{i}" for i in range(len(matrices))]
    if len(names) != len(matrices):
        raise UsageError("lidar2img: option cameras", f"{len(matrices)} names", f"{len(names)}")
    size_px = parse_size(size, "option size")
    result = [Camera.projective(name, size_px, matrix) for name, matrix in zip(names, matrices, strict=True)]
    return CalibrationProfile(vehicle or path.stem, tuple(result))
