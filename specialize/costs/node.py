"""Define the view of a node that formulas use, shapes, attributes and known inputs, and the work that they return."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from specialize.graph.shapes import dims, is_static

Shape = tuple[int, ...]


class UnknownShapeError(Exception):
    """A tensor that a formula needs has a dimension without a number."""


@dataclass(frozen=True, slots=True)
class Work:
    """Arithmetic of one node.

    Attributes:
        multiply_adds: Multiplications followed by an addition; each counts as two operations.
        other: Every other operation on a number: one per addition, comparison, exponential, ...
        samples: Points read at computed places of an image or volume, whatever their channels.
    """

    multiply_adds: int = 0
    other: int = 0
    samples: int = 0

    def __add__(self, more: Work) -> Work:
        """Return the sum of two pieces of work."""
        return Work(
            self.multiply_adds + more.multiply_adds, self.other + more.other, self.samples + more.samples
        )


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node with the questions that formulas ask."""

    node: ir.Node

    def has(self, index: int) -> bool:
        """Return whether an (optional) input is there."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def inputs(self) -> int:
        """Return the number of inputs that are there."""
        return sum(value is not None for value in self.node.inputs)

    def shape(self, index: int) -> Shape:
        """Return the shape of an input."""
        value = self.node.inputs[index]
        if value is None:
            raise UnknownShapeError(f"input {index} is absent")
        return static_shape(value)

    def out_shape(self, index: int = 0) -> Shape:
        """Return the shape of an output."""
        return static_shape(self.node.outputs[index])

    def size(self, index: int) -> int:
        """Return the number of elements of an input; 0 if it is absent."""
        return math.prod(self.shape(index)) if self.has(index) else 0

    def out_size(self, index: int = 0) -> int:
        """Return the number of elements of an output."""
        return math.prod(self.out_shape(index))

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else int(attribute.as_int())

    def text(self, name: str, default: str) -> str:
        """Return a string attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else str(attribute.as_string())

    def integers(self, name: str, default: Shape) -> Shape:
        """Return an attribute that is a list of integers."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else tuple(int(item) for item in attribute.as_ints())


def static_shape(value: ir.Value) -> Shape:
    """Return the dimensions of a value.

    Raises:
        UnknownShapeError: A dimension has no number.
    """
    if not is_static(value):
        raise UnknownShapeError(f"the shape of {value.name!r} is unknown, or a dimension of it")
    return dims(value)


def byte_size(value: ir.Value) -> int:
    """Return the bytes of a value, elements of less than a byte packed.

    Raises:
        UnknownShapeError: Its shape or dtype is unknown.
    """
    if value.dtype is None or value.dtype == ir.DataType.STRING:
        raise UnknownShapeError(f"the dtype of {value.name!r} is unknown, or text")
    return -(-math.prod(static_shape(value)) * int(value.dtype.bitwidth) // 8)
