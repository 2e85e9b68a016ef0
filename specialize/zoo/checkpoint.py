"""Reading public checkpoints safely: tensors only, no code, and every key accounted for."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from specialize.errors import InputError

WRAPPERS = ("state_dict", "model")  # keys under which training frameworks nest the weights
PREFIX = "module."  # put before every key by data-parallel training
COUNTER = "num_batches_tracked"  # of training only; old checkpoints lack it
SHOWN = 12  # keys of a kind that an error lists

_SCALAR = cast(Callable[..., object], np.float64(0).__reduce__()[0])
# What training frameworks leave in `meta` besides plain data: numbers of numpy, under its old and new names.
PLAIN_NUMPY: tuple[type | tuple[Callable[..., object], str], ...] = (
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("bool", "int32", "int64", "float32", "float64")),
)


def load_checkpoint(model: nn.Module, path: Path) -> None:
    """Gives `model` the weights of a checkpoint file.

    A model that is a part of what the file holds names the beginnings of the other parts' keys in
    `checkpoint_parts_elsewhere`; those keys are passed over.

    Raises:
        InputError: The file is no checkpoint, holds anything but plain data, or its keys or shapes are not
            the model's; all differing keys are named.
    """
    elsewhere: tuple[str, ...] = getattr(model, "checkpoint_parts_elsewhere", ())
    found = {key: value for key, value in read_state(path).items() if not key.startswith(elsewhere)}
    wanted = model.state_dict()
    problems = _differences(wanted, found)
    if problems:
        what = f"the {len(wanted)} weights of {type(model).__name__}"
        hint = "is this the checkpoint of another model, or of another size of it?"
        raise InputError(str(path), what, "; ".join(problems), hint)
    state = {key: found[key].to(value.dtype) if key in found else value for key, value in wanted.items()}
    model.load_state_dict(state)


def read_state(path: Path) -> dict[str, Tensor]:
    """Returns key -> tensor of a checkpoint file, without nesting and prefixes.

    Raises:
        InputError: The file cannot be read, holds anything but plain data, or has no weights in it.
    """
    try:
        with torch.serialization.safe_globals(list(PLAIN_NUMPY)):
            data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        hint = 'load it where you trust it and save the weights alone: torch.save({"state_dict": ...}, path)'
        raise InputError(
            str(path), "a checkpoint of tensors and plain data", _first_line(error), hint
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(str(path), "a checkpoint written by torch.save", _first_line(error)) from error
    for wrapper in WRAPPERS:
        if isinstance(data, Mapping) and isinstance(data.get(wrapper), Mapping):
            data = data[wrapper]
    if not isinstance(data, Mapping):
        raise InputError(str(path), "a mapping from keys to tensors", type(data).__name__)
    state = {str(key).removeprefix(PREFIX): value for key, value in data.items() if isinstance(value, Tensor)}
    if not state:
        raise InputError(
            str(path), "tensors, alone or under 'state_dict'", f"keys {_some(list(map(str, data)))}"
        )
    return state


def _differences(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Returns one text for each kind of difference between what a model wants and what a file has."""
    missing = [key for key in wanted if key not in found and not key.endswith(COUNTER)]
    unexpected = [key for key in found if key not in wanted]
    shared = [key for key in wanted if key in found]
    shapes = [
        f"{key} {list(found[key].shape)} for {list(wanted[key].shape)}"
        for key in shared
        if found[key].shape != wanted[key].shape
    ]
    broken = [key for key in shared if not bool(torch.isfinite(found[key]).all())]
    kinds = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": shapes,
        "with NaN or infinity": broken,
    }
    return [f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in kinds.items() if keys]


def _some(keys: list[str]) -> str:
    """Returns the keys as one text, the first ones only where there are many."""
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
