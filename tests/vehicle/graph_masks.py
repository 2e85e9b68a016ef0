"""What the model's own graph says that today's cameras see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.artifact import Build
from specialize.binding.modes import _trials
from specialize.graph.closure import Closure
from specialize.graph.io import read_graph
from specialize.model.visible import visible_sets
from specialize.passes.masks import find_masks
from specialize.vehicle.twin import Batch
from tests.end_to_end.tiny_model import SPEC


def graph_masks(builds: Mapping[str, Path], batch: Batch, chosen: np.ndarray) -> list[np.ndarray]:
    """Return the masks (N, Q) that the model's own graph computes for some calibrations of a batch."""
    model = read_graph(builds["envelope"].parent / "model" / "tiny.onnx")
    assert isinstance(model, ir.Model)
    closure = Closure(model, SPEC.calibration_inputs)
    profile = Build.open(builds["exact"]).calibration()
    masks = find_masks(closure, _trials(model, SPEC, profile, visible_sets(SPEC, profile)))
    (value, mask), *_ = masks.items()
    scale = SPEC.image.network_from_raw()
    found = []
    for index in chosen:
        records = batch.cameras[index]
        matrices = np.stack([scale @ projection_of(record) for record in records]).astype(np.float32)[None]
        (array,) = closure.compute([value], {"lidar2img": matrices}).values()
        found.append(mask.pairs(array))
    return found


def projection_of(record: np.void) -> np.ndarray:
    """Return lidar2img (4, 4) of a camera's record."""
    if record["has"] & 2:
        return np.asarray(record["image_from_lidar"]).reshape(4, 4)
    wide = np.eye(4)
    wide[:3, :3] = record["intrinsic"].reshape(3, 3)
    return np.asarray(wide @ record["camera_from_lidar"].reshape(4, 4))
