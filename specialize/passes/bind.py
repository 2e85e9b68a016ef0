"""Bind: make the calibration a constant of the graph.

What: input lidar2img  ->  initializer with this vehicle's matrices.
Why it is sound: the outputs are needed for that input alone.
Needs: nothing.
Declines when: never; an input that is missing or of another shape is an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest
from specialize.graph.notes import Note
from specialize.graph.provenance import mark
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.graph.subgraphs import fresh_name
from specialize.model.kinds import KINDS, cut, cut_as, kinds_of, trailing
from specialize.model.spec import ModelSpec

NAME = "bind"


def bind(model: ir.Model, arrays: Mapping[str, np.ndarray]) -> list[Note]:
    """Replace inputs by constants, in place.

    Args:
        model: The graph.
        arrays: What each input gets, with its number of elements, in any shape with the same order.

    Raises:
        InputError: There is no such input, it has another number of elements, or another input has no fixed shape.
    """
    inputs = {str(value.name): value for value in model.graph.inputs}
    for name, value in inputs.items():
        if not is_static(value) and not _takes(value, arrays.get(name)):
            raise InputError(f"input {name!r}", "a shape of numbers", _told(value), _numbered(value))
    notes = []
    for name, array in arrays.items():
        if name not in inputs:
            raise InputError(
                f"calibration input {name!r}", "an input of the model", "none", closest(name, inputs)
            )
        value = inputs[name]
        held = fitted(value, array)
        constant = ir.Value(
            name=fresh_name(model.graph, f"{name}_bound"),
            type=value.type,
            shape=ir.Shape(held.shape),
            const_value=ir.tensor(held),
        )
        model.graph.register_initializer(mark(constant))
        ir.convenience.replace_all_uses_with(value, constant)
        model.graph.inputs.remove(value)
        notes.append(Note(NAME, "applied", name, f"constant of shape {list(dims(constant))}"))
    return notes


def feeds_of(model: ir.Model, spec: ModelSpec, profile: CalibrationProfile) -> dict[str, np.ndarray]:
    """Return what the calibration and the sidecar's constants are as inputs of a model, by name.

    Raises:
        InputError: An input has a shape that its kind does not have.
    """
    inputs = {str(value.name): value for value in model.graph.inputs}
    found = dict(spec.calibration_arrays(profile))
    for name, array in found.items():
        if name in inputs:
            kind, value = spec.kind_of(name), inputs[name]
            part = (
                np.repeat(array, kind.repeat, axis=0)
                if kind.kind not in KINDS
                else cut(kind.kind, array, _static(value), kind.repeat)
            )
            if part is None:
                raise _unfit(name, f"{kind} for {len(array)} cameras", _static(value), len(array))
            found[name] = fitted(value, part)
    for name, array in spec.constants().items():
        found[name] = fitted(inputs[name], array) if name in inputs else array
    return found


def fitted(value: ir.Value, array: np.ndarray) -> np.ndarray:
    """Return an array in the shape and type of an input.

    Matrices (N, 4, 4) may be wanted as (1, N, 4, 4), as (N, 3, 4) or as (N, 3, 3): the last rows and columns go.

    Raises:
        InputError: The array does not fit the input.
    """
    shape = array.shape if not is_static(value) and _takes(value, array) else _static(value)
    return fit(array, shape, numpy_type(value), str(value.name))


def _takes(value: ir.Value, array: np.ndarray | None) -> bool:
    """Return whether an input of any length is a vector, and so is the array."""
    return array is not None and array.ndim == 1 and value.shape is not None and len(value.shape) == 1


def fit(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[np.generic], name: str) -> np.ndarray:
    """Return an array in a shape and type, as `fitted` does; `name` names the input in errors."""
    matrices = array.ndim == 3 and array.shape[1:] == (4, 4)
    part = cut_as(array, shape) if matrices else array
    if int(np.prod(shape)) != part.size:
        raise _unfit(name, f"{list(array.shape)}", shape, len(array) if matrices else 0)
    with np.errstate(invalid="ignore"):
        fitting = np.asarray(part.reshape(shape), dtype, order="C")
    if dtype.kind in "biu" and not np.array_equal(fitting, part.reshape(shape)):
        raise InputError(f"input {name!r}", f"numbers of {dtype.name}", "others, which would be changed")
    return fitting


def _told(value: ir.Value) -> str:
    return "no shape" if value.shape is None else str(value.shape)


def _numbered(value: ir.Value) -> str:
    """Return what gives an input a shape of numbers."""
    sizes = () if value.shape is None else value.shape
    names = [str(getattr(size, "value", None) or "") for size in sizes if not isinstance(size, int)]
    named = [name for name in names if name]
    if not named:
        return "export it with fixed sizes (a batch of 1), or set them with onnxruntime.tools.make_dynamic_shape_fixed"
    tool = "python -m onnxruntime.tools.make_dynamic_shape_fixed"
    return f"export it with fixed sizes, or set them: {tool} --dim_param {named[0]} --dim_value N MODEL FIXED"


def _static(value: ir.Value) -> tuple[int, ...]:
    if not is_static(value):
        raise InputError(f"calibration input {str(value.name)!r}", "a static shape", str(value.shape))
    return dims(value)


def _unfit(name: str, given: str, shape: tuple[int, ...], cameras: int) -> InputError:
    """Return the error of an array that an input cannot hold, with the kinds that it could hold."""
    return InputError(
        f"calibration input {name!r}",
        f"{list(shape)}",
        f"{given} from the profile",
        _fitting_hint(shape, cameras),
    )


def _fitting_hint(shape: tuple[int, ...], cameras: int) -> str:
    """Return what an input of a shape can hold, or why nothing of the profile's cameras fits it."""
    kinds = kinds_of(shape, cameras)
    if kinds:
        return f"kinds of this shape for {cameras} cameras: {', '.join(kinds)}"
    form = trailing(shape)
    if not form:
        return (
            "no kind has this shape: matrices end in 4x4, 3x4 or 3x3, translations in 3, focal lengths in 2; what is "
            "no calibration goes into `other_inputs`, or stays an input"
        )
    held = math.prod(shape[: len(shape) - len(form)])
    what = f"the input holds {held:,} of {'x'.join(map(str, form))}, and the profile has {cameras} cameras"
    if cameras and held > cameras and held % cameras == 0:
        return (
            f"{what}: write `repeat: {held // cameras}` if each camera's is repeated so many times in a row"
        )
    return f"{what}: it must have the cameras that the model was exported for"
