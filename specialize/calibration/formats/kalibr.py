"""Kalibr's camchain YAML: cam0, cam1, ... with chained extrinsics.

`T_cn_cnm1` maps points of the *previous* camera to this one; `T_cam_imu` maps points of the IMU to this
camera; both to optical axes, in metres. `intrinsics` are [fu, fv, pu, pv], `resolution` [width, height].

Pitfalls:
- The chain is relative: cam2's pose is T_c2_c1 T_c1_c0.
- Some tools write `T_imu_cam`, the inverse; it is taken as that. Where both a chain and an IMU pose are
  given, they must agree.
- `timeshift_cam_imu`: IMU time = camera time + shift.
- Kalibr knows no lidar: `points` names the frame that the result maps from, and `transform` a file with
  the 4x4 from the model's points to that frame.
- omni, eucm and ds are no matrices: such cameras have a lens, and the model is given their raw images. Their intrinsics
  begin with xi, with alpha and beta, with xi and alpha; then fu, fv, pu, pv.
- A pinhole camera counts as undistorted to its own matrix, unless `lens` says that the model is given raw images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.document import read_document
from specialize.calibration.formats.lens_words import lens_at, lens_of_matrix
from specialize.calibration.formats.source import in_order, matrix_of
from specialize.calibration.lens import Lens
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, inverse, product, rotation_between_rad
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError

_LENGTHS = {"radtan": 4, "equidistant": 4, "fov": 1, "none": 0}
_LENSES = {"omni": ("xi",), "eucm": ("alpha", "beta"), "ds": ("xi", "alpha")}
_FOCAL = ("fu", "fv", "pu", "pv")
AGREEMENT = 1e-3


def read(
    path: Path,
    points: str = "cam0",
    transform: str = "",
    cameras: str = "",
    lens: bool = False,
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one camera chain.

    Args:
        path: The camchain file, or a camchain-imucam file.
        points: `cam0` or `imu`: the frame of the points, or where `transform` leads.
        transform: YAML or JSON file with the 4x4 from the model's points (a lidar's) to that frame.
        cameras: Names (cam0, ...) in order, separated by commas; all if empty.
        lens: Whether the model is given the raw images of pinhole cameras and projects through their distortion.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    if points not in ("cam0", "imu"):
        raise UsageError("kalibr: option points", "cam0 or imu", repr(points))
    root = Node(read_document(path), str(path))
    if not isinstance(root.value, dict) or "cam0" not in root.value:
        raise root.error("a camchain with cam0")
    nodes: dict[str, Node] = {}
    while (name := f"cam{len(nodes)}") in root.value:
        nodes[name] = root.child(name)
    poses = _poses(nodes, points)
    frame_from_points = np.eye(4)
    if transform:
        node = Node(read_document(Path(transform)), transform)
        frame_from_points = checks.rigid_pose(matrix_of(node, 4, 4), transform)
    result = [
        _camera(name, node, product(poses[name], frame_from_points), lens)
        for name, node in in_order(nodes, cameras, tuple(nodes), str(path)).items()
    ]
    return CalibrationProfile(vehicle or path.stem, tuple(result))


def _poses(nodes: dict[str, Node], points: str) -> dict[str, Matrix]:
    """Return camera_from_points (4, 4) of every camera."""
    poses: dict[str, Matrix] = {}
    previous = np.eye(4)
    for index, (name, node) in enumerate(nodes.items()):
        by_imu = _from_imu(node) if points == "imu" else None
        by_chain = None
        if index == 0:
            by_chain = np.eye(4) if points == "cam0" else None
        elif node.has("T_cn_cnm1"):
            by_chain = product(_pose(node.child("T_cn_cnm1")), previous)
        if by_chain is None and by_imu is None:
            key = "T_cam_imu" if points == "imu" else "T_cn_cnm1"
            raise node.error(
                f"the key {key!r}", "nothing", "choose points=cam0 or points=imu, whichever the file supports"
            )
        if by_chain is not None and by_imu is not None:
            _check_agreement(node, by_chain, by_imu)
        previous = by_imu if by_imu is not None else by_chain if by_chain is not None else previous
        poses[name] = previous
    return poses


def _from_imu(node: Node) -> Matrix | None:
    """Return camera_from_imu (4, 4), given directly or as its inverse."""
    if node.has("T_cam_imu"):
        return _pose(node.child("T_cam_imu"))
    return inverse(_pose(node.child("T_imu_cam"))) if node.has("T_imu_cam") else None


def _check_agreement(node: Node, by_chain: Matrix, by_imu: Matrix) -> None:
    """Raise if the chain and the IMU pose of a camera contradict each other."""
    turned = rotation_between_rad(by_chain[:3, :3], by_imu[:3, :3])
    moved_m = float(np.linalg.norm(by_chain[:3, 3] - by_imu[:3, 3]))
    if turned > AGREEMENT or moved_m > AGREEMENT:
        found = f"a difference of {1e3 * turned:.1f} mrad and {1e3 * moved_m:.1f} mm"
        hint = "one of them belongs to another calibration, or is inverted"
        raise InputError(node.where, "T_cn_cnm1 and T_cam_imu that agree", found, hint)


def _pose(node: Node) -> Matrix:
    """Return a checked (4, 4) pose."""
    return checks.rigid_pose(matrix_of(node, 4, 4), node.where)


def _camera(name: str, node: Node, camera_from_points: Matrix, raw: bool) -> Camera:
    """Return one camera of the chain."""
    for key in ("camera_model", "intrinsics", "resolution"):
        if not node.has(key):
            raise node.error(f"the key {key!r}", "nothing")
    model = node.child("camera_model")
    if model.value != "pinhole" and model.value not in _LENSES:
        raise model.error(f"pinhole, {', '.join(_LENSES)}")
    width, height = (item.count() for item in node.child("resolution").items())
    offset_s = node.child("timeshift_cam_imu").number() if node.has("timeshift_cam_imu") else 0.0
    if model.value != "pinhole":
        lens = _lens(node, str(model.value))
        return Camera.through(name, (width, height), lens, camera_from_points, time_offset_s=offset_s)
    fu, fv, pu, pv = node.child("intrinsics").vector(4, "[fu, fv, pu, pv]")
    intrinsic = np.array([[fu, 0.0, pu], [0.0, fv, pv], [0.0, 0.0, 1.0]])
    distortion = _distortion(node)
    if raw:
        words = (distortion.model, distortion.coefficients) if distortion else ("none", ())
        lens = lens_of_matrix(node.where, intrinsic, *words)
        return Camera.through(name, (width, height), lens, camera_from_points, time_offset_s=offset_s)
    return Camera.pinhole(
        name, (width, height), intrinsic, camera_from_points, distortion=distortion, time_offset_s=offset_s
    )


def _lens(node: Node, model: str) -> Lens:
    """Return the lens of a camera that is no pinhole; of these, only omni may have a distortion."""
    names = (*_LENSES[model], *_FOCAL)
    numbers = node.child("intrinsics").vector(len(names), f"[{', '.join(names)}]")
    parameters = dict(zip(names, numbers, strict=True))
    distortion = _distortion(node)
    if distortion is not None:
        if model != "omni" or distortion.model != "radtan":
            expected = "radtan or none" if model == "omni" else "none"
            raise node.child("distortion_model").error(expected)
        parameters |= dict(zip(("k1", "k2", "p1", "p2"), distortion.coefficients, strict=True))
    return lens_at(node.where, model, parameters)


def _distortion(node: Node) -> Distortion | None:
    """Return the lens model; Kalibr's radtan and equidistant have four coefficients."""
    if not node.has("distortion_model"):
        return None
    model = node.child("distortion_model")
    if model.value not in _LENGTHS:
        raise model.error("radtan, equidistant, fov or none")
    if model.value == "none":
        return None
    coefficients = node.child("distortion_coeffs").vector(_LENGTHS[model.value], f"of {model.value}")
    return Distortion(model.value, tuple(coefficients))
