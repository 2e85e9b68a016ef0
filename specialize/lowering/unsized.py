"""Make nodes whose shapes are not known: sizes that are wanted are read off values at run time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Attribute, Builder


class Unsized:
    """Makes nodes whose shapes are not known, in front of one node.

    Args:
        builder: Makes them.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder

    def op(
        self, op_type: str, *inputs: ir.Value, dtype: ir.DataType | None = None, **attributes: Attribute
    ) -> ir.Value:
        """Return the only output of a new node; its type is that of its first input unless given."""
        made = self._builder.node(op_type, list(inputs), (), domain="", dtype=dtype, **attributes)
        made.shape = None
        return made

    def cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        """Return a tensor in another type."""
        return self.op("Cast", value, dtype=dtype, to=dtype.value)

    def sorted(self, value: ir.Value) -> ir.Value:
        """Return the elements of a vector in ascending order."""
        shape = self._builder.node("Shape", [value], (1,), dtype=ir.DataType.INT64)
        values, places = self._builder.nodes("TopK", [value, shape], [(), ()], axis=0, largest=0, sorted=1)
        places.dtype = ir.DataType.INT64
        values.shape = places.shape = None
        return values

    def ints(self, numbers: Sequence[int]) -> ir.Value:
        """Return a constant vector."""
        return self._builder.constant(np.array(numbers, np.int64), "ints")

    def scalar(self, number: int) -> ir.Value:
        """Return a constant int64."""
        return self._builder.constant(np.array(number, np.int64), "scalar")

    def number(self, number: float) -> ir.Value:
        """Return a constant float32."""
        return self._builder.constant(np.array(number, np.float32), "number")

    def array(self, numbers: np.ndarray, name: str) -> ir.Value:
        """Return a constant tensor."""
        return self._builder.constant(numbers, name)

    def size(self, value: ir.Value, axis: int) -> ir.Value:
        """Return the size of an axis, a vector of one number."""
        shape = self._builder.node("Shape", [value], (), dtype=ir.DataType.INT64)
        shape.shape = None
        return self.op("Gather", shape, self.ints([axis]), axis=0)

    def level(self, value: ir.Value, level: int) -> ir.Value:
        """Return the part of one level of a tensor (N, Q, M, L, ...)."""
        return self.op("Gather", value, self._builder.constant(np.array(level, np.int64), "level"), axis=3)

    def shaped(self, value: ir.Value, sizes: Sequence[int | ir.Value]) -> ir.Value:
        """Return a tensor of another shape, of which some sizes are vectors of one number."""
        parts = [size if isinstance(size, ir.Value) else self.ints([size]) for size in sizes]
        return self.op("Reshape", value, self.op("Concat", *parts, axis=0))
