"""Describe a rig for viewers of recordings: messages of Foxglove's types, as plain values.

Topics: `/calibration/NAME` (CameraCalibration) of every camera whose lens such a message can hold, `/transforms`
(FrameTransforms), `/frusta` and, of a plan, `/cells/N` (SceneUpdate). Frames: `base_link` is the vehicle if its pose is
known, `lidar` that of the points, and a camera's name its optical frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.lens.kinds import COEFFICIENTS
from specialize.calibration.pose import Matrix, inverse, quaternion_from_rotation
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.sight import border
from specialize.calibration.view import View
from specialize.report.draw import top_view
from specialize.report.ground import Scene
from specialize.report.rig import lens_text
from specialize.report.svg import Bools, Floats, runs
from specialize.visibility.plan import VisibilityPlan

VEHICLE, LIDAR = "base_link", "lidar"
LENGTH_M = 3.0
"""Length of a drawn pyramid of view."""
_NOW = {"sec": 0, "nsec": 0}
_IDENTITY = {
    "position": {"x": 0.0, "y": 0.0, "z": 0.0},
    "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
}
_EMPTY = ("arrows", "cubes", "spheres", "cylinders", "lines", "triangles", "texts", "models", "metadata")
_SIDE = 16
_LINE_LIST = 2
_KINDS = {
    "brown_conrady": "rational_polynomial",
    "kannala_brandt": "kannala_brandt",
    "fisheye62": "fisheye62",
}
"""Names of lenses in Foxglove's CameraCalibration."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its topic, its type, and its plain values."""

    topic: str
    kind: str
    values: Mapping[str, Any]


def rig_messages(profile: CalibrationProfile, plans: Sequence[VisibilityPlan] = ()) -> Iterator[Message]:
    """Yield what viewers draw of a vehicle, and of what its cameras see of a model's cells."""
    scene = Scene.of(profile)
    yield Message("/transforms", "foxglove.FrameTransforms", {"transforms": list(_transforms(scene))})
    for camera in profile.cameras:
        if (values := calibration(camera)) is not None:
            yield Message(f"/calibration/{camera.name}", "foxglove.CameraCalibration", values)
    frusta = [_frustum(view, index) for index, view in enumerate(scene.views)]
    yield Message("/frusta", "foxglove.SceneUpdate", {"deletions": [], "entities": frusta})
    for number, plan in enumerate(plans):
        if {"x", "y"} <= set(plan.grid.axes_order):
            cells = list(_cells(scene, plan))
            yield Message(f"/cells/{number}", "foxglove.SceneUpdate", {"deletions": [], "entities": cells})


def calibration(camera: Camera) -> dict[str, Any] | None:
    """Return a camera as a CameraCalibration, or None if that cannot hold its lens."""
    intrinsic, model, coefficients = camera.as_pinhole().intrinsic, "plumb_bob", [0.0] * 5
    if camera.is_raw and camera.lens is not None and camera.lens.MODEL != "pinhole":
        lens, model = camera.lens, _KINDS.get(camera.lens.MODEL, "")
        names = COEFFICIENTS["equidistant" if model == "kannala_brandt" else model] if model else ()
        held = {*lens.REQUIRED, *names, "skew"}
        others = [name for name, value in lens.parameters.items() if name not in held and value]
        if not model or others or lens.windshield is not None:
            return None
        intrinsic = lens.matrix()
        intrinsic[:2, 2] -= lens.pixel_centre
        coefficients = [float(lens.parameters[name]) for name in names]
    flat = [float(value) for value in intrinsic.ravel()]
    return {
        "timestamp": _NOW,
        "frame_id": camera.name,
        "width": camera.width_px,
        "height": camera.height_px,
        "distortion_model": model,
        "D": coefficients,
        "K": flat,
        "R": [float(value) for value in np.eye(3).ravel()],
        "P": [*flat[:3], 0.0, *flat[3:6], 0.0, *flat[6:], 0.0],
    }


def _transforms(scene: Scene) -> Iterator[dict[str, Any]]:
    pose = scene.profile.ego_from_lidar
    if pose is not None:
        yield _transform(VEHICLE, LIDAR, pose)
    for camera in scene.profile.cameras:
        yield _transform(LIDAR, camera.name, inverse(camera.as_pinhole().camera_from_lidar))


def _transform(parent: str, child: str, parent_from_child: Matrix) -> dict[str, Any]:
    w, x, y, z = quaternion_from_rotation(parent_from_child[:3, :3])
    return {
        "timestamp": _NOW,
        "parent_frame_id": parent,
        "child_frame_id": child,
        "translation": _point(parent_from_child[:3, 3]),
        "rotation": {"x": x, "y": y, "z": z, "w": w},
    }


def _frustum(view: View, index: int) -> dict[str, Any]:
    """Return the outline of a camera's image at some distance, its corners joined to the camera."""
    _, rays = border(view, _SIDE)
    outline = LENGTH_M * rays @ view.rotation.T
    rim = np.stack([outline, np.roll(outline, -1, axis=0)], axis=1).reshape(-1, 3)
    corners = np.stack([np.zeros((len(outline[::_SIDE]), 3)), outline[::_SIDE]], axis=1).reshape(-1, 3)
    lines = {
        "type": _LINE_LIST,
        "pose": _IDENTITY,
        "thickness": 2.0,
        "scale_invariant": True,
        "points": [_point(point) for point in (*rim, *corners)],
        "color": color(index, 1.0),
        "colors": [],
        "indices": [],
    }
    told = [{"key": "lens", "value": lens_text(view.camera)}]
    return _entity(view.camera.name, f"frustum {view.camera.name}", lines=[lines], metadata=told)


def _cells(scene: Scene, plan: VisibilityPlan) -> Iterator[dict[str, Any]]:
    """Yield the cells that each camera sees, on the ground below the lidar."""
    grid = plan.grid
    seen = top_view(plan.seen, grid.shape, grid.order)  # (N, H, W)
    pose = scene.profile.ego_from_lidar
    height = scene.ground_m if pose is None else -float(pose[2, 3])
    for index, camera in enumerate(scene.profile.cameras):
        points = [_point(point) for point in _squares(seen[index], grid.range_m, height)]
        triangles = {
            "pose": _IDENTITY, "points": points, "color": color(index, 0.35), "colors": [], "indices": []
        }  # fmt: skip
        yield _entity(LIDAR, f"cells {camera.name}", triangles=[triangles] if points else [])


def _squares(mask: Bools, range_m: Sequence[float], height: float) -> Floats:
    """Return the corners (T * 3, 3) of two triangles for every run of cells of a row."""
    rows, columns = mask.shape
    x0, y0, x1, y1 = range_m[0], range_m[1], range_m[3], range_m[4]
    found = []
    for row in range(rows):
        low, high = (y0 + (y1 - y0) * (row + end) / rows for end in (0, 1))
        for run in runs(mask[row]):
            left, right = (x0 + (x1 - x0) * end / columns for end in (run.start, run.stop))
            found += [(left, low), (right, low), (right, high), (left, low), (right, high), (left, high)]
    flat = np.array(found).reshape(-1, 2)
    return np.column_stack([flat, np.full(len(flat), height)])


def color(index: int, alpha: float) -> dict[str, float]:
    """Return one color per camera, neighbours far apart."""
    hue = (index * 0.618034) % 1.0 * 6.0
    red, green, blue = (min(1.0, max(0.0, abs((hue + turn) % 6.0 - 3.0) - 1.0)) for turn in (0.0, 4.0, 2.0))
    return {"r": red, "g": green, "b": blue, "a": alpha}


def _entity(frame: str, name: str, **given: Any) -> dict[str, Any]:
    common = {"timestamp": _NOW, "frame_id": frame, "id": name, "lifetime": _NOW, "frame_locked": True}
    return common | {key: [] for key in _EMPTY} | given


def _point(values: Floats) -> dict[str, float]:
    x, y, z = (round(float(value), 12) + 0.0 for value in values)
    return {"x": x, "y": y, "z": z}
