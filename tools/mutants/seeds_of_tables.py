"""Seeds of tables whose sites differ, whose vehicles need more room than the first, and of two inputs of one shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from tests.synthetic.attention import Model
from tests.synthetic.exporting import export
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import spec_of, vehicle
from tools.mutants.seed_files import write_seed


class Composed(Model):
    """An attention whose projection is the product of two inputs of one shape."""

    def forward(  # type: ignore[override]
        self, query: Tensor, maps: Tensor, intrinsic: Tensor, lidar2cam: Tensor
    ) -> Tensor:
        """Maps queries to queries (1, Q, C); maps (N, S, C), both matrices (1, N, 4, 4)."""
        return super().forward(query, maps, torch.matmul(intrinsic, lidar2cam))


def write_composed(home: Path) -> None:
    """Write the seed of two inputs."""
    model, rig = Composed(BASE), vehicle(BASE, TURN_RAD, "vehicle")
    lenses, poses = zip(*(camera.as_pinhole() for camera in rig.cameras), strict=True)
    wide = np.tile(np.eye(4, dtype=np.float32), (1, len(lenses), 1, 1))
    wide[0, :, :3, :3] = np.stack(lenses)
    inputs = {name: value for name, value in model.example().items() if name != "lidar2img"}
    inputs |= {
        "intrinsic": torch.tensor(wide),
        "lidar2cam": torch.tensor(np.stack(poses)[None].astype(np.float32)),
    }
    data = yaml.safe_load(spec_of(BASE).to_text())
    data["calibration_inputs"] = {"intrinsic": "network_intrinsic", "lidar2cam": "lidar2cam"}
    write_seed(home, export(model, inputs), yaml.safe_dump(data), rig, ("modes", "passes"))


def write_tables_heights(home: Path) -> None:
    """Write a seed with a site per height, each of other rows, and vehicles that need more room than the first."""
    style = replace(BASE, form="height_masks")
    rig, model = vehicle(style, TURN_RAD, "vehicle"), Model(style)
    more = [_wider(rig, 0.6), _wider(rig, 0.8)]
    beyond = [_wider(rig, 0.3), together(rig)]
    sidecar, exported = spec_of(style).to_text(), export(model, model.example())
    write_seed(home, exported, sidecar, rig, ("tables",), more, beyond, mode="tables")


def write_tables_padded(home: Path) -> None:
    """Write a seed without a program for its tables, in which every camera has the room of the longest."""
    style = replace(BASE, form="height_masks")
    rig, model = vehicle(style, TURN_RAD, "vehicle"), Model(style)
    sidecar, exported = spec_of(style).to_text(), export(model, model.example())
    more = [_wider(rig, 0.9)]
    write_seed(home, exported, sidecar, rig, ("tables",), more, mode="tables", layout="padded")


def _wider(rig: CalibrationProfile, factor: float) -> CalibrationProfile:
    """Return a vehicle whose focal lengths are shorter by a factor."""
    shorter = np.diag([factor, factor, 1.0])
    return _edited(rig, lambda index, lens, pose: (lens @ shorter, pose))


def together(rig: CalibrationProfile) -> CalibrationProfile:
    """Return a vehicle whose cameras look nearly the same way, so that all see a query that one sees."""
    first = rig.cameras[0].as_pinhole()[1]
    return _edited(rig, lambda index, lens, pose: (lens, first @ _about_z(0.03 * index)))


def _about_z(turn_rad: float) -> np.ndarray:
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]]
    return turn


def _edited(
    rig: CalibrationProfile, edit: Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> CalibrationProfile:
    cameras = []
    for index, camera in enumerate(rig.cameras):
        lens, pose = edit(index, *camera.as_pinhole())
        cameras.append(Camera.pinhole(camera.name, (camera.width_px, camera.height_px), lens, pose))
    return replace(rig, cameras=tuple(cameras))
