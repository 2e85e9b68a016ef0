"""The judge of the mutation campaign: what a build must compute, by a computation of its own.

It reads the profile and the sidecar as they are written, composes every matrix in float64 numpy, runs the user's ONNX
with them in ONNX Runtime and compares the built ONNX with that. It imports nothing of the compiler, which a test holds.

Frames: lidar or ego points in metres, network pixels `scale * raw - crop`. Poses are (4, 4), `b_from_a`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import yaml

Floats = npt.NDArray[np.float64]
Arrays = dict[str, npt.NDArray[Any]]

FRAMES = 2
BENDS = ("xi", "k1", "k2", "p1", "p2", "max_angle")
ALLOWED_SCALE, ALLOWED_RATIO = 1e-4, 1e-3
"""An output may differ by 1e-4 of the largest number of that output, and by 1e-3 of the number itself."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One profile.

    Attributes:
        intrinsic: (N, 3, 3), camera points to raw pixels times depth.
        camera_from_lidar: (N, 4, 4), metres.
        ego_from_lidar: (4, 4), metres; the identity where the profile has none.
        seconds: (N,) time between the lidar and the exposure.
        bends: (N, 6) of cameras with MEI lenses, by `BENDS`; None of a vehicle without lenses.
    """

    intrinsic: Floats
    camera_from_lidar: Floats
    ego_from_lidar: Floats
    seconds: Floats
    bends: Floats | None = None

    def backward(self) -> Vehicle:
        """Return the vehicle with its cameras in the reverse order."""
        bends = None if self.bends is None else self.bends[::-1]
        return Vehicle(
            self.intrinsic[::-1], self.camera_from_lidar[::-1], self.ego_from_lidar, self.seconds[::-1], bends
        )


def numbers(value: object) -> Floats:
    """Return an array of what YAML holds; `1e-5` is text to PyYAML."""
    return np.asarray(np.array(value, dtype=object).astype(np.float64))


def turned(wxyz: Floats) -> Floats:
    """Return the (3, 3) rotation of a quaternion: q p q* for each unit vector."""
    w, *v = wxyz / np.linalg.norm(wxyz)
    axis = np.array(v)
    columns = [
        unit + 2 * w * np.cross(axis, unit) + 2 * np.cross(axis, np.cross(axis, unit)) for unit in np.eye(3)
    ]
    return np.stack(columns, axis=1)


def pose(node: Mapping[str, Any]) -> Floats:
    """Return the (4, 4) of a rotation, a quaternion or (3, 3), and a translation."""
    made = np.eye(4)
    made[:3, :3] = numbers(node["rotation"]) if "rotation" in node else turned(numbers(node["rotation_wxyz"]))
    made[:3, 3] = numbers(node["translation_m"])
    return made


def read_vehicle(path: Path) -> Vehicle:
    """Return the cameras of a profile in its order, lenses and poses apart."""
    document = yaml.safe_load(path.read_text())
    ego = pose(document["lidar2ego"]) if "lidar2ego" in document else np.eye(4)
    lenses, poses, bends = [], [], []
    for camera in document["cameras"]:
        if "lens" in camera:
            matrix, bend = mei(camera["lens"])
            bends.append(bend)
        lenses.append(matrix if "lens" in camera else numbers(camera["intrinsic"]))
        known = "lidar2cam" in camera
        poses.append(
            numbers(camera["lidar2cam"]) if known else np.linalg.inv(pose(camera["sensor2ego"])) @ ego
        )
    seconds = [abs(float(camera.get("time_offset_s", 0.0))) for camera in document["cameras"]]
    return Vehicle(
        np.stack(lenses), np.stack(poses), ego, np.array(seconds), np.stack(bends) if bends else None
    )


def mei(lens: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Return the (3, 3) of focal lengths and centre of a MEI lens, and its other numbers by `BENDS`.

    Its limit is the given angle, which is one before the lens's own.
    """
    own = lens["parameters"]
    matrix = numbers(
        [[own["fx"], own.get("skew", 0.0), own["cx"]], [0.0, own["fy"], own["cy"]], [0.0, 0.0, 1.0]]
    )
    bend = [own.get(name, 0.0) for name in BENDS[:-1]]
    return matrix, numbers([*bend, lens["max_angle_rad"]])


def wide(lenses: Floats) -> Floats:
    """Return (N, 3, 3) as (N, 4, 4)."""
    made = np.tile(np.eye(4), (len(lenses), 1, 1))
    made[:, :3, :3] = lenses
    return made


def prepared(sidecar: Mapping[str, Any], cameras: int) -> Floats:
    """Return (N, 4, 4), raw to network pixels, both times depth."""
    found = []
    for index in range(cameras):
        image = sidecar["images"][index] if sidecar.get("images") else sidecar["image"]
        scale, (left, top) = float(image.get("scale", 1.0)), numbers(image.get("crop_px", [0, 0]))
        found.append([[scale, 0, -left, 0], [0, scale, -top, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return np.array(found, dtype=np.float64)


def kinds(vehicle: Vehicle, sidecar: Mapping[str, Any]) -> dict[str, Floats]:
    """Return every kind of matrix that a seed's sidecar may name, (N, 4, 4) each."""
    count, lens = len(vehicle.intrinsic), wide(vehicle.intrinsic)
    prep, cam, ego = prepared(sidecar, count), vehicle.camera_from_lidar, vehicle.ego_from_lidar
    ego2cam = np.stack([np.linalg.solve(ego.T, one.T).T for one in cam])
    shifted = np.tile(np.eye(4), (count, 1, 1))
    shifted[:, 0, 0], shifted[:, 1, 1] = prep[:, 0, 0], prep[:, 1, 1]
    shifted[:, :2, 3] = prep[:, :2, 2]
    forward = {
        "lidar2img": prep @ lens @ cam,
        "ego2img": prep @ lens @ ego2cam,
        "lidar2raw": lens @ cam,
        "lidar2cam": cam,
        "ego2cam": ego2cam,
        "intrinsic": lens,
        "network_intrinsic": prep @ lens,
        "image_aug": shifted,
        "raw2network": prep,
        "lidar2ego": np.tile(ego, (count, 1, 1)),
    }
    backward = {
        "img2lidar": "lidar2img", "img2ego": "ego2img", "raw2lidar": "lidar2raw", "cam2lidar": "lidar2cam",
        "cam2ego": "ego2cam", "inverse_intrinsic": "intrinsic", "inverse_network_intrinsic": "network_intrinsic",
        "inverse_image_aug": "image_aug", "network2raw": "raw2network", "ego2lidar": "lidar2ego",
    }  # fmt: skip
    return forward | {name: np.linalg.inv(forward[other]) for name, other in backward.items()}


def session(path: Path) -> onnxruntime.InferenceSession:
    """Return a model as it is written, on one thread."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(model: onnxruntime.InferenceSession, feeds: Arrays) -> Arrays:
    """Return the outputs of a model by name; inputs that it does not have are not fed."""
    wanted = {value.name for value in model.get_inputs()}
    fed = {name: array for name, array in feeds.items() if name in wanted}
    names = [value.name for value in model.get_outputs()]
    return dict(zip(names, model.run(names, fed), strict=True))


def calibration(model: Path, sidecar: Mapping[str, Any], vehicle: Vehicle) -> Arrays:
    """Return the calibration inputs and constants of a model for a vehicle, in its shapes and types."""
    known, found = kinds(vehicle, sidecar), {}
    declared = {value.name: value for value in onnx.load(model).graph.input}
    for name, wish in (sidecar.get("calibration_inputs") or {}).items():
        kind, stride = (
            (wish, 1.0) if isinstance(wish, str) else (wish["kind"], float(wish.get("stride", 1.0)))
        )
        shape = [dim.dim_value for dim in declared[name].type.tensor_type.shape.dim]
        if kind == "network_lens":
            numbers_of = lens_numbers(vehicle, known["network_intrinsic"])
            columns = np.stack([numbers_of[parameter] for parameter in wish["parameters"]], axis=-1)
            found[name] = columns.reshape(shape).astype(np.float32)
            continue
        matrix = known[kind]
        if stride != 1.0:
            smaller = np.diag([1 / stride, 1 / stride, 1.0, 1.0])
            takes = kind in ("img2lidar", "img2ego", "inverse_network_intrinsic")
            matrix = matrix @ np.diag([stride, stride, 1.0, 1.0]) if takes else smaller @ matrix
        found[name] = as_input(matrix, shape).astype(np.float32)
    for name, value in (sidecar.get("other_inputs") or {}).items():
        kind = onnx.helper.tensor_dtype_to_np_dtype(declared[name].type.tensor_type.elem_type)
        shape = [dim.dim_value for dim in declared[name].type.tensor_type.shape.dim]
        found[name] = numbers(value).astype(kind).reshape(shape)
    return found


def lens_numbers(vehicle: Vehicle, network: Floats) -> dict[str, Floats]:
    """Return the parameters of lenses by name, (N,) each; `network` (N, 4, 4) has those in network pixels."""
    assert vehicle.bends is not None
    found = {name: vehicle.bends[:, index] for index, name in enumerate(BENDS)}
    places = {"fx": (0, 0), "fy": (1, 1), "cx": (0, 2), "cy": (1, 2)}
    return found | {name: network[:, row, column] for name, (row, column) in places.items()}


def as_input(matrix: Floats, shape: Sequence[int]) -> Floats:
    """Return of (N, 4, 4) what an input holds: (..., rows, columns), or the translations (..., 3)."""
    if tuple(shape[-2:]) in ((4, 4), (3, 4), (3, 3)):
        rows, columns = shape[-2:]
        return matrix[: math.prod(shape[:-2]), :rows, :columns].reshape(shape)
    return matrix[:, :3, 3].reshape(shape)


def frames(model: Path, known: Sequence[str]) -> list[Arrays]:
    """Return noise for the inputs that are not known, frame by frame."""
    random, made = np.random.default_rng(2024), []
    for _ in range(FRAMES):
        frame = {}
        for value in onnx.load(model).graph.input:
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            if value.name not in known:
                frame[value.name] = random.normal(size=shape).astype(np.float32)
        made.append(frame)
    return made


def ratio(got: Arrays, wanted: Arrays) -> float:
    """Return the largest difference in units of what is allowed: above 1 is a wrong answer."""
    worst = 0.0
    for name, expected in wanted.items():
        if name not in got or got[name].shape != expected.shape:
            return math.inf
        exact, found = expected.astype(np.float64), got[name].astype(np.float64)
        allowed = ALLOWED_SCALE * np.abs(exact).max(initial=0) + ALLOWED_RATIO * np.abs(exact)
        apart = np.abs(found - exact) / np.maximum(allowed, 1e-30)
        worst = max(worst, float(np.nan_to_num(apart, nan=math.inf).max(initial=0)))
    return worst


def read_table(path: Path) -> Arrays:
    """Return the tensors of a safetensors file."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    kinds_of = {"I64": "<i8", "I32": "<i4", "F32": "<f4", "BOOL": "?", "F64": "<f8", "U8": "u1", "I8": "i1"}
    found = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            raw = np.frombuffer(data[8 + size + start : 8 + size + end], kinds_of[entry["dtype"]])
            found[name] = raw.reshape(entry["shape"])
    return found
