"""Read public checkpoints safely: tensors only, no code, and every key accounted for."""

from __future__ import annotations

import pickle
import re
import zipfile
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
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
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
    _require_stored(path)
    try:
        with torch.serialization.safe_globals(list(PLAIN_NUMPY)):
            data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        hint = 'load it in a trusted environment and save only the weights: torch.save({"state_dict": ...}, path)'
        raise InputError(
            str(path), "a checkpoint of tensors and plain data", _first_line(error), hint
        ) from error
    except Exception as error:  # a damaged file may raise anything
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
    odd = [key for key, value in state.items() if value.layout != torch.strided or value.device.type != "cpu"]
    odd += [key for key, value in state.items() if value.is_quantized]
    if odd:
        hint = "save plain tensors: `.to_dense()` or `.dequantize()` makes them"
        raise InputError(str(path), "dense tensors with their numbers", f"others: {_some(odd)}", hint)
    return state


def _require_stored(path: Path) -> None:
    """Refuse a checkpoint that holds more than it has bytes; torch.save compresses nothing and shares nothing.

    Raises:
        InputError: A part is compressed, or the parts together are larger than the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # of an older form, or nothing that torch can read: it says so
    packed = [part.filename for part in parts if part.compress_type != zipfile.ZIP_STORED]
    if packed:
        hint = "write it again with torch.save, which compresses nothing"
        expected = "a checkpoint written by torch.save, without compressed parts"
        raise InputError(str(path), expected, _some(packed), hint)
    total, size = sum(part.file_size for part in parts), path.stat().st_size
    if total > size:
        raise InputError(str(path), f"parts of at most {size} bytes, the size of the file", f"{total} bytes")


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
    text = _ESCAPES.sub("", str(error))  # torch prints some words in bold
    return text.strip().split("\n")[0][:200] or type(error).__name__
