"""Generate seeded weights for a model without a checkpoint: well behaved, and never presented as trained."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn

OFFSET_SPREAD_CELLS = 2.0  # sampling offsets reach a few cells, so that attention has something to read
OFFSET_FOLLOWS = 0.1  # how far they follow the query: training starts with offsets that do not
REFINEMENT = (
    0.02  # each layer of a decoder moves its boxes a little, as trained ones do; else rounding grows 20-fold
)
POINT_CENTRE, POINT_SPREAD, POINT_MARGIN = 0.5, 0.2, 0.01  # points learned in [0, 1], whose logit is taken


def seed_weights(model: nn.Module, seed: int) -> None:
    """Gives every weight of `model` a value that depends on its key, its shape and `seed` alone.

    Matrices and kernels keep the variance of what passes through them, but those that say where to look next keep
    little of it; points of queries lie inside the space they are fractions of; norms start as identities; running
    statistics are those of unit noise. Parameters that are no weights (fixed by the model) keep their value.
    """
    fixed = {key for key, parameter in model.named_parameters() if not parameter.requires_grad}
    state = {key: value for key, value in model.state_dict().items() if key not in fixed}
    model.load_state_dict({key: _seeded(key, value, seed) for key, value in state.items()}, strict=False)


def seeded_warning(name: str, seed: int) -> str:
    """Returns the warning about a model with seeded weights."""
    return (
        f"{name} runs with random weights made from seed {seed}, NOT with trained ones: shapes, costs and"
        " equality are real, its detections mean nothing. Give a checkpoint for a model that detects."
    )


def _seeded(key: str, value: Tensor, seed: int) -> Tensor:
    """Returns the value of one weight, of the shape and type of `value`."""
    *_, previous, last = ["", *key.split(".")]
    if not value.is_floating_point() or last == "running_mean":
        return torch.zeros_like(value)
    shape = tuple(value.shape)
    noise = np.random.Generator(np.random.PCG64([seed, zlib.crc32(key.encode())])).standard_normal(shape)
    if last.endswith("bias"):
        array = noise * (OFFSET_SPREAD_CELLS if previous == "sampling_offsets" else 0.0)
    elif "embed" in last or "embed" in previous:
        array = 0.5 * noise
    elif len(shape) == 2 and shape[1] == 3 and previous.endswith("reference_points"):
        array = np.clip(POINT_CENTRE + POINT_SPREAD * noise, POINT_MARGIN, 1.0 - POINT_MARGIN)
    elif len(shape) >= 2:
        array = _reach(key, shape) * noise / math.sqrt(math.prod(shape[1:]))
    else:
        array = np.ones(shape)
    return torch.as_tensor(array, dtype=value.dtype)


def _reach(key: str, shape: tuple[int, ...]) -> float:
    """Returns how far a matrix reaches: less where its result says where to look next."""
    if key.endswith("sampling_offsets.weight"):
        return OFFSET_FOLLOWS
    last_of_branch = "reg_branches." in key and shape[0] < shape[1]
    return REFINEMENT if last_of_branch else 1.0
