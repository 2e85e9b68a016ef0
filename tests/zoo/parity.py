"""The rules by which the recorded parity figures were made: weights, inputs, rig, samples.

A figure is recorded as shape, mean, std, l2, min, max and 64 samples; see `largest_difference`. The figures
were made by running the public implementations; the files in `figures/` hold numbers only.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FIGURES = Path(__file__).parent / "figures"
KEPT = {
    "code_weights",
    "match_costs",
    "coords_d",
    "position_range",
    "dx",
    "bx",
    "nx",
    "frustum",
    "pc_range",
    "relative_position_index",
}

Record = dict[str, Any]


def load_record(name: str) -> Record:
    """Returns the recorded figures of one model."""
    record: Record = json.loads((FIGURES / f"{name}.json").read_text())
    return record


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode("utf-8"))))


def rule_input(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the float32 input of a name."""
    return _generator(name).standard_normal(shape).astype(np.float32)


def rule_weight(key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns the value of a weight by its key and shape (weights rule v1), or None if it keeps its own."""
    *_, previous, last = ["", *key.split(".")]
    if last in KEPT:
        return None
    noise = _generator(key).standard_normal(shape)
    if last == "num_batches_tracked":
        value = np.zeros(shape)
    elif last == "running_mean":
        value = 0.1 * noise
    elif last == "running_var":
        value = 1.0 + 0.1 * np.abs(noise)
    elif last.endswith("bias"):
        value = (2.0 if previous == "sampling_offsets" else 0.02) * noise
    elif "embeds" in last or (len(shape) == 2 and last == "weight" and "embed" in previous):
        value = 0.5 * noise
    elif len(shape) == 2 and shape[1] == 3 and "reference_points" in previous:
        value = np.clip(0.5 + 0.2 * noise, 0.01, 0.99)
    elif len(shape) >= 2:
        value = noise / math.sqrt(math.prod(shape[1:]))
    else:
        value = 1.0 + 0.1 * noise
    return np.asarray(value).astype(np.float32)


def set_rule_weights(model: nn.Module, prefix: str = "", factors: dict[str, float] | None = None) -> None:
    """Gives every weight of `model` its value by the rule.

    Args:
        model: The whole detector, or a part of it.
        prefix: What stands before the part's keys in the whole detector, with its dot.
        factors: End of a key -> factor applied to its value afterwards.
    """
    state = {}
    for key, value in model.state_dict().items():
        array = rule_weight(prefix + key, tuple(value.shape))
        if array is None:
            continue
        scale = next((factor for end, factor in (factors or {}).items() if key.endswith(end)), 1.0)
        state[key] = torch.as_tensor(array * np.float32(scale)).to(value.dtype)
    model.load_state_dict(state, strict=False)


def rig_lidar2img(scale: float = 1.0) -> np.ndarray:
    """Returns the rig's (6, 4, 4) float64 matrices, lidar (m) to image px at `scale`, as the rule says."""
    rig = []
    for yaw_deg in (0.0, -55.0, 55.0, 180.0, 110.0, -110.0):
        yaw = math.radians(yaw_deg)
        back = yaw_deg == 180.0
        focal = 800.0 / math.tan(math.radians(89.5 if back else 64.6) / 2.0)
        forward = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
        right = np.array([math.cos(yaw), math.sin(yaw), 0.0])
        position = (0.05 if back else 0.8) * forward + np.array([0.0, 0.0, -0.3])
        camera_from_lidar = np.eye(4)
        camera_from_lidar[:3, :3] = np.stack([right, [0.0, 0.0, -1.0], forward])
        camera_from_lidar[:3, 3] = -camera_from_lidar[:3, :3] @ position
        intrinsic = np.eye(4)
        intrinsic[0, 0] = intrinsic[1, 1] = focal
        intrinsic[:2, 2] = 800.0, 450.0
        rig.append(np.diag([scale, scale, 1.0, 1.0]) @ intrinsic @ camera_from_lidar)
    return np.stack(rig)


def sample_indices(name: str, size: int) -> list[int]:
    """Returns the flat indices that are recorded of an output."""
    return sorted(set(_generator("idx:" + name).integers(0, size, size=64).tolist()))


def per_camera_rows(seen: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Returns what each camera sees of rows, its own ones first and zeros behind, as the original batches them.

    Args:
        seen: (N, Q, 1) one where a camera sees a query.
        rows: (N or 1, Q, ...).

    Returns:
        (N, most queries of a camera, ...).
    """
    masks = seen[..., 0] > 0
    each = rows.expand(len(masks), *rows.shape[1:])
    found = [one[mask] for one, mask in zip(each, masks, strict=True)]
    return torch.nn.utils.rnn.pad_sequence(found, batch_first=True)


def centres_of(boxes: torch.Tensor, range_m: tuple[float, ...]) -> torch.Tensor:
    """Returns the centres of boxes (..., 10: cx, cy, w, l, cz, ...) in m as fractions of the range, (..., 3)."""
    low, high = torch.tensor(range_m[:3]), torch.tensor(range_m[3:])
    return (boxes[..., [0, 1, 4]] - low) / (high - low)


def largest_difference(record: Record, name: str, value: torch.Tensor | np.ndarray) -> float:
    """Returns the largest absolute difference of `value` from the recorded samples of output `name`.

    Shape and sample positions must agree; mean, std and l2 must agree to 1e-3 of the output's spread.
    """
    entry = record["outputs"][name]
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
    assert list(array.shape) == entry["shape"], f"{name}: {list(array.shape)}, recorded {entry['shape']}"
    flat = array.reshape(-1).astype(np.float64)
    indices = [index for index, _ in entry["samples"]]
    assert indices == sample_indices(name, flat.size), f"{name}: the record samples other positions"
    spread = 1e-3 * entry["std"] + 1e-6
    assert abs(flat.mean() - entry["mean"]) < spread, f"{name}: mean {flat.mean()}, recorded {entry['mean']}"
    assert abs(flat.std() - entry["std"]) < spread, f"{name}: std {flat.std()}, recorded {entry['std']}"
    return float(np.abs(flat[indices] - [recorded for _, recorded in entry["samples"]]).max())
