"""Bind: make the calibration a constant of the graph.

What: input lidar2img  ->  initializer with this vehicle's matrices.
Why it is sound: the outputs for that input are asked for, and for no other.
Needs: nothing.
Declines when: never; an input that is missing or of another shape is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.model import ModelSpec
from specialize.passes.base import Note

NAME = "bind"


def bind(model: ir.Model, arrays: Mapping[str, np.ndarray]) -> list[Note]:
    """Replace inputs by constants, in place.

    Args:
        model: The graph.
        arrays: What each input gets, as many elements as it wants, in any shape that says the same.

    Raises:
        InputError: There is no such input, it wants another number of elements, or another input has no fixed shape.
    """
    inputs = {str(value.name): value for value in model.graph.inputs}
    for name, value in inputs.items():
        if not is_static(value):
            hint = "export it with a fixed batch, or fix it with onnxruntime.tools.make_dynamic_shape_fixed"
            raise InputError(f"input {name!r}", "a shape of numbers", str(value.shape), hint)
    notes = []
    for name, array in arrays.items():
        if name not in inputs:
            raise InputError(
                f"calibration input {name!r}", "an input of the model", "none", closest(name, inputs)
            )
        value = inputs[name]
        constant = ir.Value(
            name=f"{name}_bound",
            type=value.type,
            shape=value.shape,
            const_value=ir.tensor(fitted(value, array)),
        )
        model.graph.register_initializer(constant)
        ir.convenience.replace_all_uses_with(value, constant)
        model.graph.inputs.remove(value)
        notes.append(Note(NAME, "applied", name, f"constant of shape {list(dims(constant))}"))
    return notes


def feeds_of(model: ir.Model, spec: ModelSpec, profile: CalibrationProfile) -> dict[str, np.ndarray]:
    """Return what the calibration and the sidecar's constants are as inputs of a model, by name."""
    inputs = {str(value.name): value for value in model.graph.inputs}
    arrays = spec.calibration_arrays(profile) | spec.constants()
    return {name: fitted(inputs[name], array) if name in inputs else array for name, array in arrays.items()}


def fitted(value: ir.Value, array: np.ndarray) -> np.ndarray:
    """Return an array in the shape and type of an input.

    Matrices (N, 4, 4) may be wanted as (1, N, 4, 4), as (N, 3, 4) or as (N, 3, 3): the last rows and columns go.

    Raises:
        InputError: The input wants something else.
    """
    name = str(value.name)
    if not is_static(value):
        raise InputError(f"calibration input {name!r}", "a static shape", str(value.shape))
    return fit(array, dims(value), numpy_type(value), name)


def fit(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[np.generic], name: str) -> np.ndarray:
    """Return an array in a shape and type, as `fitted` does; `name` names the input in errors."""
    if len(shape) >= 2 and array.ndim == 3 and shape[-1] in (3, 4) and shape[-2] in (3, 4):
        array = array[:, : shape[-2], : shape[-1]]
    if int(np.prod(shape)) != array.size:
        hint = "the profile must have the cameras that the model was exported for"
        found = f"{list(array.shape)} from the profile"
        raise InputError(f"calibration input {name!r}", f"{list(shape)}", found, hint)
    return np.asarray(array.reshape(shape), dtype, order="C")
