"""A batch axis without a number is bound to 1, the only batch for which a specialization is exact."""

from __future__ import annotations

import re

import onnx_ir as ir

_CAMERAS = re.compile(r"cam|view|sensor|img|image", re.IGNORECASE)
_BATCH = re.compile(r"batch|^b$|^bs$|^n$", re.IGNORECASE)


def bind_batch(model: ir.Model) -> dict[str, str]:
    """Set the symbolic batch axes of a graph's inputs to 1, in place.

    A batch is a dimension without a number that leads an input, or that bears the name of one which does. A leading
    dimension called after cameras is none, and neither is that of unnamed matrices `[?, 4, 4]`, which may be theirs, or
    that of whole numbers in a row, which are a table.

    Returns:
        What was bound: the names of the inputs, by the name of the dimension.
    """
    shapes = [value.shape for value in model.graph.inputs if value.shape is not None and _is_led(value)]
    symbols = {_name(shape[0]) for shape in shapes}
    found: dict[str, list[str]] = {}
    for value in model.graph.inputs:
        shape = list(value.shape) if value.shape is not None else []
        fixed = [1 if _is_batch(value, axis, symbols) else size for axis, size in enumerate(shape)]
        if fixed != shape:
            first = next(_name(size) for size, new in zip(shape, fixed, strict=True) if size != new)
            found.setdefault(first, []).append(str(value.name))
            value.shape = ir.Shape(fixed)
    if found:
        _forget_symbols(model)
    return {symbol: ", ".join(names) for symbol, names in found.items()}


def batch_notes(bound: dict[str, str]) -> list[tuple[str, str]]:
    """Return where a batch was bound and what to say about it."""
    return [
        (inputs, f"symbolic batch axis {symbol!r} is 1" if symbol else "batch axis without a name is 1")
        for symbol, inputs in bound.items()
    ]


def _is_led(value: ir.Value) -> bool:
    """Return whether the first dimension of an input can be a batch."""
    if value.shape is None or not len(value.shape) or isinstance(value.shape[0], int):
        return False
    name = _name(value.shape[0])
    if _CAMERAS.search(name):
        return False
    matrices = len(value.shape) == 3 and tuple(value.shape[1:]) in ((4, 4), (3, 4), (3, 3))
    whole = value.dtype is not None and value.dtype.is_integer()
    tables = len(value.shape) == 1 and whole
    return not (matrices or tables) or bool(_BATCH.search(name))


def _is_batch(value: ir.Value, axis: int, symbols: set[str]) -> bool:
    assert value.shape is not None
    size = value.shape[axis]
    if isinstance(size, int):
        return False
    return (axis == 0 and _is_led(value)) or (_name(size) != "" and _name(size) in symbols)


def _forget_symbols(model: ir.Model) -> None:
    """Drop dimensions that are no numbers from what the file says about values inside: they follow from the inputs."""
    for value in model.graph.outputs:
        if value.shape is not None and not all(isinstance(size, int) for size in value.shape):
            value.shape = ir.Shape([size if isinstance(size, int) else None for size in value.shape])


def _name(size: object) -> str:
    return "" if isinstance(size, int) else str(getattr(size, "value", None) or "")
