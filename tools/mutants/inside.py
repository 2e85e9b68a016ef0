"""Calibrations inside a tolerance, for the judge: at the corners that show the most further points, and anywhere.

Nothing of the compiler is imported here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.mutants import oracle

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUNDING_PX = 1e-3
"""How far from a border a graph in float32 may decide either way."""

KEPT_MOVES = 16
"""Calibrations inside a tolerance that an envelope is judged with, those first that show the most further points."""


def axis_turn(axis_angle: Floats) -> Floats:
    """Return the (3, 3) rotation about an axis by its length in radians, by Rodrigues' formula."""
    angle = float(np.linalg.norm(axis_angle))
    if angle == 0:
        return np.eye(3)
    x, y, z = axis_angle / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross))


def moved(vehicle: oracle.Vehicle, bounds: Mapping[str, float], move: Mapping[str, Floats]) -> oracle.Vehicle:
    """Return a vehicle whose cameras use a share of each bound: `move` holds directions of length at most 1.

    The vehicle itself drives and turns between the lidar's time and the exposure: p becomes R (p - d).
    """
    lens = vehicle.intrinsic.copy()
    lens[:, 0, :2] *= 1 + bounds.get("focal", 0.0) * move["focal"][0]
    lens[:, 1, 1] *= 1 + bounds.get("focal", 0.0) * move["focal"][1]
    lens[:, :2, 2] += bounds.get("principal_point", 0.0) * move["principal_point"]
    turn = axis_turn(move["rotation"] * bounds.get("rotation", 0.0))
    made = vehicle.camera_from_lidar.copy()
    for index, own in enumerate(vehicle.camera_from_lidar):
        seconds = vehicle.seconds[index] + bounds.get("skew", 0.0)
        drive = np.eye(4)
        drive[:3, :3] = axis_turn(move["yaw"] * bounds.get("yaw_rate", 0.0) * seconds)
        drive[:3, 3] = -drive[:3, :3] @ (move["speed"] * bounds.get("speed", 0.0) * seconds)
        own = own @ np.linalg.inv(vehicle.ego_from_lidar) @ drive @ vehicle.ego_from_lidar
        centre = -own[:3, :3].T @ own[:3, 3] + own[:3, :3].T @ move["translation"] * bounds.get(
            "translation", 0.0
        )
        made[index, :3, :3] = turn @ own[:3, :3]
        made[index, :3, 3] = -turn @ own[:3, :3] @ centre
    return oracle.Vehicle(lens, made, vehicle.ego_from_lidar, vehicle.seconds, vehicle.bends)


def moves() -> list[dict[str, Floats]]:
    """Return directions to move in: corners of the tolerance, and random ones inside it."""
    found, random = [], np.random.default_rng(7)
    around = [np.array(v, float) for v in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0))]
    around += [np.array(v, float) / math.sqrt(2) for v in ((1, 1, 0), (1, -1, 0), (-1, 1, 0), (-1, -1, 0))]
    along = [sign * unit for unit in np.eye(3) for sign in (1.0, -1.0)]
    for rotation, shift, focal, corner, yaw in itertools.product(
        around, along, (1.0, -1.0), ((1, 1), (1, -1), (-1, 1), (-1, -1)), (1.0, -1.0)
    ):
        found.append(
            {
                "rotation": rotation, "translation": shift, "focal": np.array([focal, focal]),
                "principal_point": np.array(corner, float), "yaw": np.array([0.0, 0.0, yaw]), "speed": shift,
            }
        )  # fmt: skip
    for _ in range(100):
        unit = {name: random.normal(size=3) for name in ("rotation", "translation", "yaw", "speed")}
        made = {name: random.uniform() * one / np.linalg.norm(one) for name, one in unit.items()}
        made["focal"], made["principal_point"] = random.uniform(-1, 1, 2), random.uniform(-1, 1, 2)
        found.append(made)
    return found


def grid_points(grid: Mapping[str, Any]) -> Floats:
    """Return (D, Q, 4): the points of a grid of the sidecar, anchors apart, homogeneous."""
    low, high = oracle.numbers(grid["range_m"][:3]), oracle.numbers(grid["range_m"][3:])
    *deep, rows, columns = grid["shape"]
    x = low[0] + (np.arange(columns) + 0.5) / columns * (high[0] - low[0])
    y = low[1] + (np.arange(rows) + 0.5) / rows * (high[1] - low[1])
    count = int(grid.get("anchors", 1))
    if deep:
        z = low[2] + (np.arange(deep[0]) + 0.5) / deep[0] * (high[2] - low[2])
        cube = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1).reshape(1, -1, 3)
    else:
        pillar = high[2] - low[2]
        z = low[2] + np.linspace(0.5, pillar - 0.5, count) if count > 1 else np.array([low[2] + 0.5])
        cube = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1).reshape(count, -1, 3)
    return np.concatenate([cube, np.ones((*cube.shape[:2], 1))], axis=-1)


def visible(sidecar: Mapping[str, Any], vehicle: oracle.Vehicle, margin_px: float = 0.0) -> Bools:
    """Return (N, Q): which queries of the first grid each camera sees, by plain projection.

    Images are larger by `margin_px` on every side.
    """
    if vehicle.bends is not None:
        return through_lenses(sidecar, vehicle, margin_px)
    matrices = oracle.kinds(vehicle, sidecar)["lidar2img"]
    size = oracle.numbers(sidecar["image"]["size_px"])
    spots = np.einsum("nij,dqj->ndqi", matrices[:, :3], grid_points(sidecar["grids"][0]))
    depth = spots[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        place = spots[..., :2] / depth[..., None]
    inside = (depth > 1e-5) & (place > -margin_px).all(-1) & (place < size + margin_px).all(-1)
    return np.asarray(inside.any(axis=1))


def through_lenses(sidecar: Mapping[str, Any], vehicle: oracle.Vehicle, margin_px: float) -> Bools:
    """Return (N, Q) likewise through MEI lenses, each up to its angle."""
    network = oracle.kinds(vehicle, sidecar)["network_intrinsic"]
    own = {name: each[:, None, None] for name, each in oracle.lens_numbers(vehicle, network).items()}
    spots = np.einsum("nij,dqj->indq", vehicle.camera_from_lidar[:, :3], grid_points(sidecar["grids"][0]))
    ray = spots / np.linalg.norm(spots, axis=0)  # (3, N, D, Q)
    x, y = ray[:2] / (ray[2] + own["xi"])
    r2 = x**2 + y**2
    gain = 1 + own["k1"] * r2 + own["k2"] * r2**2
    u = x * gain + 2 * own["p1"] * x * y + own["p2"] * (r2 + 2 * x**2)
    v = y * gain + 2 * own["p2"] * x * y + own["p1"] * (r2 + 2 * y**2)
    place = np.stack([own["fx"] * u + own["cx"], own["fy"] * v + own["cy"]], axis=-1)
    size = oracle.numbers(sidecar["image"]["size_px"])
    inside = (place > -margin_px).all(-1) & (place < size + margin_px).all(-1)
    return np.asarray((inside & (np.arccos(np.clip(ray[2], -1, 1)) < own["max_angle"])).any(axis=1))


def counted(sidecar: Mapping[str, Any], vehicle: oracle.Vehicle) -> Bools:
    """Return (2, N, Q): the least and the most that is visible, however a graph in float32 rounds."""
    return np.stack([visible(sidecar, vehicle, margin) for margin in (-ROUNDING_PX, ROUNDING_PX)])


def read_pairs(path: Path) -> Bools:
    """Return the pairs (N, Q) of the first grid in the file of an envelope."""
    with np.load(path) as archive:
        count = int(archive["grid0/shape"][1])
        return np.unpackbits(archive["grid0/pairs"], axis=1, count=count).astype(np.bool_)


def inside_tolerance(
    sidecar: Mapping[str, Any], vehicle: oracle.Vehicle, bounds: Mapping[str, float]
) -> list[oracle.Vehicle]:
    """Return calibrations within a tolerance: those that show the most further pairs, by camera, and random ones."""
    nominal, tried = visible(sidecar, vehicle), [moved(vehicle, bounds, move) for move in moves()]
    gained = np.stack([(visible(sidecar, one) & ~nominal).sum(axis=1) for one in tried])  # (moves, N)
    order = [int(column.argmax()) for column in gained.T] + list(np.argsort(-gained.sum(axis=1))[:8])
    chosen = list(dict.fromkeys([*order, *range(len(tried) - 6, len(tried))]))[:KEPT_MOVES]
    return [tried[index] for index in chosen]
