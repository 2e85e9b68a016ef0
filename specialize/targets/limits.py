"""Limits that a toolchain puts on the nodes of one operator: each says what is wrong with a node, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx_ir as ir

from specialize.graph.nodes import array_of, node_axis
from specialize.graph.shapes import dims, is_static


class Limit(Protocol):
    """Something that a node must keep."""

    def fault(self, node: ir.Node) -> str:
        """Return what is wrong with a node; empty if nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class MostAxes:
    """Tensors of at most so many axes, or of exactly so many."""

    most: int
    least: int = 0

    def fault(self, node: ir.Node) -> str:
        """Return which tensor has too many or too few."""
        for value in (*node.inputs, *node.outputs):
            if value is not None and value.shape is not None and value.const_value is None:
                if len(value.shape) > self.most:
                    return f"{value.name} has rank {len(value.shape)}, at most {self.most} is supported"
                if len(value.shape) < self.least:
                    return f"{value.name} has rank {len(value.shape)}, at least {self.least} is required"
        return ""


@dataclass(frozen=True, slots=True)
class MostAxesIfBroadcast:
    """Tensors of at most so many axes where one input is broadcast."""

    most: int

    def fault(self, node: ir.Node) -> str:
        """Return the rank if it is too high."""
        shapes = [dims(value) for value in node.inputs if value is not None and is_static(value)]
        rank = max((len(shape) for shape in shapes), default=0)
        return (
            f"it broadcasts at rank {rank}, at most {self.most} is supported"
            if rank > self.most and len(set(shapes)) > 1
            else ""
        )


@dataclass(frozen=True, slots=True)
class IndexRank:
    """Indices of at most so many axes."""

    most: int

    def fault(self, node: ir.Node) -> str:
        """Return the rank of the indices if it is too high."""
        index = node.inputs[1]
        rank = len(index.shape) if index is not None and index.shape is not None else 0
        return f"its indices have rank {rank}, at most {self.most} is supported" if rank > self.most else ""


@dataclass(frozen=True, slots=True)
class ConstantInputs:
    """Inputs at these places are constants of the graph."""

    places: tuple[int, ...]

    def fault(self, node: ir.Node) -> str:
        """Return the first one that is computed."""
        for place in self.places:
            value = node.inputs[place] if place < len(node.inputs) else None
            if value is not None and value.const_value is None:
                return f"input {place} ({value.name}) is computed, it must be a constant"
        return ""


@dataclass(frozen=True, slots=True)
class LastAxis:
    """Works along the last axis only."""

    default: int = -1

    def fault(self, node: ir.Node) -> str:
        """Return the axis if it is another one."""
        source = node.inputs[0]
        if source is None or source.shape is None:
            return "the rank of its input is not known"
        rank = len(source.shape)
        axis = node_axis(node, self.default, rank)
        return "" if axis == rank - 1 else f"it works along axis {axis} of {rank}, only the last is supported"


@dataclass(frozen=True, slots=True)
class OneOf:
    """An attribute has one of these values; its default is the first."""

    name: str
    values: tuple[str | int, ...]

    def fault(self, node: ir.Node) -> str:
        """Return the value if it is another one."""
        attribute = node.attributes.get(self.name)
        if attribute is None:
            return ""
        value = attribute.as_string() if attribute.type == ir.AttributeType.STRING else attribute.as_int()
        known = ", ".join(str(each) for each in self.values)
        return "" if value in self.values else f"its {self.name} is {value}, only {known} is supported"


@dataclass(frozen=True, slots=True)
class CastTo:
    """Casts to these types only, and from bool only if allowed."""

    types: tuple[str, ...]
    from_bool: bool = True

    def fault(self, node: ir.Node) -> str:
        """Return the type if it is another one."""
        to = ir.DataType(node.attributes["to"].as_int()).name.lower() if "to" in node.attributes else ""
        to = {"float": "float32", "double": "float64"}.get(to, to)
        source = node.inputs[0]
        if not self.from_bool and source is not None and source.dtype == ir.DataType.BOOL:
            return "it casts from bool"
        return "" if to in self.types else f"it casts to {to}, only {', '.join(self.types)} are supported"


@dataclass(frozen=True, slots=True)
class ReducedAxes:
    """Reduces at most so many axes, and keeps them if asked for."""

    most: int
    kept: bool = False

    def fault(self, node: ir.Node) -> str:
        """Return how many axes are reduced if they are too many."""
        if "axes" in node.attributes:
            count = len(node.attributes["axes"].as_ints())
        else:
            known = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
            count = (
                known.size if known is not None else len(node.inputs[0].shape or ()) if node.inputs[0] else 0
            )
        if count > self.most:
            return f"it reduces {count} axes, at most {self.most} is supported"
        keep = node.attributes["keepdims"].as_int() if "keepdims" in node.attributes else 1
        return "it does not keep the reduced axis" if self.kept and not keep else ""


@dataclass(frozen=True, slots=True)
class ScalarInput:
    """The input at this place is a constant of one element."""

    place: int

    def fault(self, node: ir.Node) -> str:
        """Return what it is instead."""
        known = array_of(node.inputs[self.place])
        return "" if known is not None and known.size == 1 else f"input {self.place} is not a constant number"


@dataclass(frozen=True, slots=True)
class OneChangedAxis:
    """Input and output differ along one axis at most."""

    def fault(self, node: ir.Node) -> str:
        """Return both shapes if they differ in more."""
        source, result = node.inputs[0], node.outputs[0]
        if source is None or not is_static(source) or not is_static(result):
            return "a shape is not known"
        small = (1,) * (len(dims(result)) - len(dims(source))) + dims(source)
        changed = sum(a != b for a, b in zip(small, dims(result), strict=True))
        return (
            ""
            if changed <= 1
            else f"it grows {list(dims(source))} to {list(dims(result))}, along more than one axis"
        )


@dataclass(frozen=True, slots=True)
class NoConstantOperand:
    """No input is a constant."""

    def fault(self, node: ir.Node) -> str:
        """Return the first one that is."""
        found = next((v.name for v in node.inputs if v is not None and v.const_value is not None), None)
        return f"its input {found} is a constant, both must be computed" if found else ""


@dataclass(frozen=True, slots=True)
class SameRank:
    """Both inputs have the same number of axes."""

    def fault(self, node: ir.Node) -> str:
        """Return both ranks if they differ."""
        ranks = [
            len(value.shape) for value in node.inputs[:2] if value is not None and value.shape is not None
        ]
        return f"its inputs have ranks {ranks[0]} and {ranks[1]}" if len(set(ranks)) > 1 else ""


@dataclass(frozen=True, slots=True)
class MapSize:
    """Height, width and area of the map that is sampled."""

    side: int
    area: int

    def fault(self, node: ir.Node) -> str:
        """Return the size if it is too large."""
        source = node.inputs[0]
        if source is None or not is_static(source) or len(dims(source)) != 4:
            return "its map is not four-dimensional"
        height, width = dims(source)[2:]
        large = max(height, width) > self.side or height * width > self.area
        return (
            f"its map is {height} x {width}, at most {self.side} and {self.area} places are supported"
            if large
            else ""
        )


@dataclass(frozen=True, slots=True)
class NoCameraSumThenScale:
    """Not the sum over axis 0 that is then multiplied or divided by one known number per row."""

    def fault(self, node: ir.Node) -> str:
        """Return that it is this pattern."""
        source, known = node.inputs[0], array_of(node.inputs[1]) if len(node.inputs) > 1 else None
        axes = list(node.attributes["axes"].as_ints()) if "axes" in node.attributes else None
        axes = [int(axis) for axis in known.ravel()] if axes is None and known is not None else axes
        if (
            source is None
            or axes is None
            or not is_static(source)
            or [axis % len(dims(source)) for axis in axes] != [0]
        ):
            return ""
        for use in node.outputs[0].uses():
            scales = use.node.op_type == "Mul" or (use.node.op_type == "Div" and use.idx == 0)
            other = use.node.inputs[1 - use.idx] if scales and use.idx < 2 else None
            if array_of(other) is None or other is None or np.prod(dims(other)) <= 1:
                continue
            if len(dims(other)) >= 2 and dims(other)[-1] == 1 and dims(use.node.outputs[0])[-1] != 1:
                return f"its sum over axis 0 is scaled by one number per row ({use.node.name})"
        return ""


@dataclass(frozen=True, slots=True)
class InputType:
    """The input at this place has one of these types."""

    place: int
    types: tuple[str, ...]

    def fault(self, node: ir.Node) -> str:
        """Return the type if it is another one."""
        value = node.inputs[self.place] if self.place < len(node.inputs) else None
        if value is None or value.dtype is None:
            return ""
        name = value.dtype.numpy().name
        return (
            ""
            if name in self.types
            else f"input {self.place} is {name}, only {', '.join(self.types)} is supported"
        )
