"""A model that lifts and pools features, as a file with a sidecar that declares its frustum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
import yaml
from torch import nn

from specialize.calibration.dump import dump_profile
from specialize.visibility.grid import QueryGrid
from specialize.visibility.pyramid import Deviation
from tests.synthetic.exporting import export
from tests.synthetic.others import Lift
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import others, vehicle

STYLE = replace(BASE, grid=QueryGrid((6, 8), BASE.grid.range_m, 1), levels=((5, 6),), dims=4)
FRUSTUM = {
    "shape": [3, 5, 6],
    "depth_m": [4.0, 24.0],
    "u_px": [64 / 12, 64 - 64 / 12],
    "v_px": [4.8, 43.2],
    "cells": [8, 6, 1],
    "range_m": [-20.0, -20.0, -1000.0, 20.0, 20.0, 1000.0],
    "cut": "down",
}
NEAR = Deviation(rotation_rad=0.02, translation_m=0.1)


@dataclass(frozen=True)
class Lifting:
    """Files of one model and two vehicles."""

    model: Path
    vehicle: Path
    other: Path

    @property
    def sidecar(self) -> Path:
        """The model's sidecar."""
        return self.model.with_suffix(".model.yaml")


def write_lifting(folder: Path, how: str = "scatter_add", *, mixed: bool = False) -> Lifting:
    """Write a model that pools in one of the ways of `Lift`; `mixed` works on the rows before they are added."""
    torch.manual_seed(0)
    rig = vehicle(STYLE, TURN_RAD, "vehicle")
    (other,) = others(STYLE, 1, NEAR, TURN_RAD)
    matrix = np.linalg.inv(rig.image_from_lidar())[None].astype(np.float32)
    ((height, width),) = STYLE.levels
    model = Lift(STYLE, how)
    if not mixed:
        model.mix = nn.Identity()  # type: ignore[assignment]
    inputs = {"maps": torch.randn(STYLE.cameras, 4, height, width), "img2lidar": torch.tensor(matrix)}
    found = Lifting(folder / "lift.onnx", folder / "vehicle.yaml", folder / "other.yaml")
    onnx.save(export(model, inputs), found.model)
    found.vehicle.write_text(dump_profile(rig))
    found.other.write_text(dump_profile(replace(other, vehicle="other")))
    write_sidecar(found)
    return found


def write_sidecar(files: Lifting, **changed: object) -> None:
    """Write the sidecar with some entries of its frustum changed."""
    data = {
        "schema": "specialize/model@1",
        "image": {"size_px": list(STYLE.size_px)},
        "calibration_inputs": {"img2lidar": "img2lidar"},
        "frustum": {**FRUSTUM, **changed},
    }
    files.sidecar.write_text(yaml.safe_dump(data, sort_keys=False))
