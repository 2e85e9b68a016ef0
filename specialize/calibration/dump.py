"""Write a calibration profile as tidy YAML that loads to the same digest."""

from __future__ import annotations

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.document import scalar
from specialize.calibration.lens_node import lens_lines
from specialize.calibration.pose import Matrix, quaternion_from_rotation, rotation_from_quaternion
from specialize.calibration.profile import CalibrationProfile


def dump_profile(profile: CalibrationProfile) -> str:
    """Return YAML in the spelling of the stored matrices, every number with all its digits.

    Cameras with an intrinsic or a lens are written with `lidar2cam`, others as `lidar2img`.
    """
    lines = [f"schema: {profile.schema}", f"vehicle: {word(profile.vehicle)}"]
    if profile.notes:
        lines.append(f"notes: {_quoted(profile.notes)}")
    if profile.ego_from_lidar is not None:
        lines.append("lidar2ego:")
        lines += [f"  {line}" for line in pose_lines(profile.ego_from_lidar)]
    lines.append("cameras:")
    for camera in profile.cameras:
        first, *rest = _camera_lines(camera)
        lines += [f"  - {first}", *(f"    {line}" for line in rest)]
    return "\n".join(lines) + "\n"


def pose_lines(pose: Matrix) -> list[str]:
    """Return a (4, 4) pose as `rotation_wxyz`, or `rotation` if that alone keeps every bit, and `translation_m`."""
    quaternion = quaternion_from_rotation(pose[:3, :3])
    rotation = f"rotation_wxyz: {_row(quaternion)}"
    if not np.array_equal(rotation_from_quaternion(quaternion), pose[:3, :3]):
        rotation = f"rotation: [{', '.join(map(_row, pose[:3, :3]))}]"
    return [rotation, f"translation_m: {_row(pose[:3, 3])}"]


def _camera_lines(camera: Camera) -> list[str]:
    lines = [f"name: {word(camera.name)}", f"size_px: [{camera.width_px}, {camera.height_px}]"]
    if camera.intrinsic is None or camera.camera_from_lidar is None:
        lines += _matrix_lines("lidar2img", camera.image_from_lidar)
    else:
        if not camera.is_raw:
            lines += _matrix_lines("intrinsic", camera.intrinsic)
        if camera.lens is not None:
            lines += lens_lines(camera.lens, camera.lens_size_px)
        lines += _matrix_lines("lidar2cam", camera.camera_from_lidar)
    if camera.distortion is not None:
        lens = camera.distortion
        lines.append(f"distortion: {{model: {lens.model}, coefficients: {_row(lens.coefficients)}}}")
    return [*lines, *timing_lines(camera)]


def timing_lines(camera: Camera) -> list[str]:
    """Return the YAML of when a camera exposes and how far it may be from its calibration."""
    lines = []
    if camera.time_offset_s:
        lines.append(f"time_offset_s: {camera.time_offset_s!r}")
    if not camera.tolerance.is_zero:
        bounds = {key: bound for key, bound in camera.tolerance.to_json().items() if bound}
        inside = ", ".join(f"{key}: {bound!r}" for key, bound in bounds.items())
        lines.append(f"tolerance: {{{inside}}}")
    return lines


def _matrix_lines(key: str, matrix: Matrix) -> list[str]:
    return [f"{key}:", *(f"  - {_row(row)}" for row in matrix)]


def _row(values: Matrix | tuple[float, ...]) -> str:
    return "[" + ", ".join(repr(float(value) + 0.0) for value in values) + "]"


def word(text: str) -> str:
    """Return text as YAML, quoted unless it is a plain word that reads back as itself."""
    plain = text.isascii() and text.replace("_", "").replace("-", "").replace(".", "").isalnum()
    if plain and text[0].isalnum() and scalar(text) == text:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """Return text in double quotes, with YAML's escapes for what does not print."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
