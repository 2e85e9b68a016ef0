"""Write fleets of any size as tables: three designs, each vehicle off by millimetres and milliradians.

Rows are made as arrays, a group at a time, because a million profiles would take an hour to make one by one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from specialize.calibration.many import Floats, Numbers, product
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import GROUP
from specialize.calibration.table_row import schema_of
from specialize.files.tables import write_groups
from tests.calibration import authored
from tests.fleet.fleets import profile_of

SHIFT_M, TURN_RAD, ZOOM = 0.002, 0.002, 2e-4
"""Spread of the cameras of one design: normal, along and about each axis, and of the focal lengths."""


def designs() -> list[CalibrationProfile]:
    """Return three designs with the same names and sizes of cameras."""
    taller = [
        dataclasses.replace(
            eye, mount=dataclasses.replace(eye.mount, z=eye.mount.z + 0.15, pitch=eye.mount.pitch + 2)
        )
        for eye in authored.CAR42.eyes
    ]
    rigs = (authored.CAR42, authored.VAN, dataclasses.replace(authored.CAR42, eyes=tuple(taller)))
    return [profile_of(rig) for rig in rigs]


def write_fleet(path: Path, count: int, seed: int = 0, recalibrated: int = 0) -> None:
    """Write a table of `count` vehicles, the designs in turn; every so many of them recalibrated, none for 0."""
    write_groups(_groups(count, seed, recalibrated), schema_of(pa), path)


def _groups(count: int, seed: int, recalibrated: int) -> Iterator[pa.Table]:
    rng, later = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    models = designs()
    for start in range(0, count, GROUP):
        places = np.arange(start, min(start + GROUP, count))
        again = places % recalibrated == 0 if recalibrated else np.zeros(len(places), bool)
        yield _rows(places, models, rng, again, later)


def _rows(
    places: np.ndarray,
    models: list[CalibrationProfile],
    rng: np.random.Generator,
    again: np.ndarray,
    later: np.random.Generator,
) -> pa.Table:
    """Return vehicles as the rows of a table, some of them calibrated again."""
    kinds = places % len(models)
    cameras = len(models[0].cameras)
    nominal = [[(camera.intrinsic, camera.camera_from_lidar) for camera in one.cameras] for one in models]
    intrinsic = np.array([[k for k, _ in one] for one in nominal])[kinds]  # (V, N, 3, 3)
    poses = _moved(np.array([[pose for _, pose in one] for one in nominal])[kinds], rng)
    poses[again] = _moved(poses[again], later)
    intrinsic[..., :2, :2] *= 1 + ZOOM * rng.standard_normal((len(places), cameras, 1, 1))
    names = np.array([f"car_{place:07}" for place in places], object)
    digests = np.empty((len(places), 32), np.uint8)
    for kind, one in enumerate(models):
        which = np.flatnonzero(kinds == kind)
        matrices = {"intrinsic": intrinsic[which], "lidar2cam": poses[which]}
        bare = [np.zeros((len(which), 0))] * cameras
        digests[which] = Numbers(names[which], matrices, bare, None).digests(one)
    ego = [one.ego_from_lidar.ravel() for one in models if one.ego_from_lidar is not None]
    return pa.table(
        {
            "vehicle": pa.array(names, pa.string()),
            "digest": pa.array([bytes(digest) for digest in digests], pa.binary(32)),
            "notes": pa.nulls(len(places), pa.string()),
            "lidar2ego": _lists(np.array(ego)[kinds]),
            "cameras": _cameras(models[0], intrinsic, poses),
        },
        schema=schema_of(pa),
    )


def _moved(poses: Floats, rng: np.random.Generator) -> Floats:
    """Return poses (V, N, 4, 4) off by a shift and a turn each."""
    x, y, z = TURN_RAD * rng.standard_normal((3, *poses.shape[:2]))
    turn = np.zeros((*poses.shape[:2], 3, 3))
    # Cayley's form of a rotation about (x, y, z): orthonormal to the last digit, whatever the angle.
    square = 1 + (x * x + y * y + z * z) / 4
    for row, column, value in ((2, 1, x), (0, 2, y), (1, 0, z)):
        turn[..., row, column], turn[..., column, row] = value, -value
    turn = np.eye(3) + (turn + product(turn, turn) / 2) / square[..., None, None]
    moved = poses.copy()
    moved[..., :3, :3] = product(turn, poses[..., :3, :3])
    moved[..., :3, 3] += SHIFT_M * rng.standard_normal((*poses.shape[:2], 3))
    return moved


def _cameras(model: CalibrationProfile, intrinsic: Floats, poses: Floats) -> pa.ListArray:
    """Return the column of the cameras of V vehicles."""
    vehicles, count = intrinsic.shape[:2]
    every = vehicles * count
    doubles, text = pa.list_(pa.float64()), pa.string()
    columns: dict[str, Any] = {
        "name": pa.array(list(model.camera_names()) * vehicles, text),
        "width_px": pa.array([camera.width_px for camera in model.cameras] * vehicles, pa.int32()),
        "height_px": pa.array([camera.height_px for camera in model.cameras] * vehicles, pa.int32()),
        "lidar2img": pa.nulls(every, doubles),
        "intrinsic": _lists(intrinsic.reshape(every, 9)),
        "lidar2cam": _lists(poses.reshape(every, 16)),
        "distortion_model": pa.nulls(every, text),
        "distortion": pa.nulls(every, doubles),
        "more": pa.nulls(every, text),
    }
    struct = pa.StructArray.from_arrays(list(columns.values()), list(columns))
    return pa.ListArray.from_arrays(pa.array(np.arange(vehicles + 1) * count, pa.int32()), struct)


def _lists(rows: np.ndarray) -> pa.ListArray:
    """Return rows of numbers (R, K) as lists."""
    starts = pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32())
    return pa.ListArray.from_arrays(starts, pa.array(rows.ravel(), pa.float64()))
