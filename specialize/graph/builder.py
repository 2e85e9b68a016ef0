"""Builder: makes nodes, named in order, typed and shaped at once, marked with the pass that made them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.shapes import dims, set_like
from specialize.graph.subgraphs import fresh_name

PASS_KEY = "specialize.pass"
SITE_KEY = "specialize.site"

Attribute = int | float | str | Sequence[int]


def kept_marks(node: ir.Node, keys: Collection[str]) -> dict[str, str]:
    """Return the metadata of a node that what takes its place gets too."""
    return {key: node.metadata_props[key] for key in keys if key in node.metadata_props}


class Builder:
    """Makes nodes that stand before one node of a graph.

    Args:
        graph: The graph.
        anchor: The node that what is made stands before.
        prefix: First part of the names of all that is made.
        marks: Metadata of every node made.
        apart: Labels of constants that are never merged, because elsewhere their contents may differ.
    """

    def __init__(
        self,
        graph: ir.Graph,
        anchor: ir.Node,
        prefix: str,
        marks: Mapping[str, str],
        apart: frozenset[str] = frozenset(),
    ) -> None:
        self.graph = graph
        self.made: list[ir.Node] = []
        self._anchor = anchor
        self._prefix = prefix
        self._marks = dict(marks)
        self._apart = apart
        self._counts: dict[str, int] = {}
        self._constants: dict[tuple[object, ...], ir.Value] = {}

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        shape: Sequence[int],
        *,
        domain: str = "",
        dtype: ir.DataType | None = None,
        **attributes: Attribute,
    ) -> ir.Value:
        """Return the only output of a new node with the given shape; its type is the first input's unless given."""
        return self.nodes(op_type, inputs, [shape], domain=domain, dtype=dtype, **attributes)[0]

    def nodes(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        shapes: Sequence[Sequence[int]],
        *,
        domain: str = "",
        dtype: ir.DataType | None = None,
        **attributes: Attribute,
    ) -> list[ir.Value]:
        """Return the outputs of a new node, one per shape."""
        made = ir.Node(
            domain,
            op_type,
            list(inputs),
            ir.convenience.convert_attributes(dict(attributes)),
            num_outputs=len(shapes),
            name=f"{self._prefix}/{len(self.made)}_{op_type}",
            metadata_props=dict(self._marks),
        )
        first = inputs[0]
        for index, (value, shape) in enumerate(zip(made.outputs, shapes, strict=True)):
            value.name = f"{made.name}:{index}"
            value.type = ir.TensorType(
                dtype or (first.dtype if first is not None and first.dtype else ir.DataType.FLOAT)
            )
            value.shape = ir.Shape(list(shape))
        self._add(made)
        return list(made.outputs)

    def copy(
        self, node: ir.Node, inputs: Sequence[ir.Value | None], shape: Sequence[int], output: int = 0
    ) -> ir.Value:
        """Return an output of a node like another one, with other inputs and another shape."""
        made = ir.Node(
            node.domain,
            node.op_type,
            list(inputs),
            list(node.attributes.values()),
            num_outputs=len(node.outputs),
            name=f"{self._prefix}/{len(self.made)}_{node.op_type}",
            metadata_props=dict(self._marks),
        )
        for index, (value, old) in enumerate(zip(made.outputs, node.outputs, strict=True)):
            value.name = f"{made.name}:{index}"
            value.type = old.type
        made.outputs[output].shape = ir.Shape(list(shape))
        self._add(made)
        return made.outputs[output]

    def constant(self, array: npt.ArrayLike, label: str = "constant") -> ir.Value:
        """Return an initializer with that content; equal content is stored once per builder."""
        data = np.asarray(array, order="C")
        number = len(self._constants)
        key: tuple[object, ...] = (label, data.dtype.str, data.shape, data.tobytes())
        if label in self._apart:
            number = self._counts[label] = self._counts.get(label, -1) + 1
            key = (label, number)
        if key not in self._constants:
            name = fresh_name(self.graph, f"{self._prefix}/{label}{number}")
            value = ir.Value(name=name, const_value=ir.Tensor(data))
            set_like(value, data)
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def reshape(self, value: ir.Value, shape: Sequence[int]) -> ir.Value:
        """Return a value with another shape, or the value itself if it has that shape.

        A Reshape to a shape without elements would copy sizes where that has zeros: if they differ, it is a constant.
        """
        if dims(value) == tuple(shape):
            return value
        copied = [*dims(value), *[-1] * len(shape)]
        if any(size == 0 != copied[axis] for axis, size in enumerate(shape)):
            dtype = (value.dtype or ir.DataType.FLOAT).numpy()
            return self.constant(np.zeros(tuple(shape), dtype), "empty")
        return self.node("Reshape", [value, self.constant(np.array(shape, dtype=np.int64), "shape")], shape)

    def undo(self) -> None:
        """Take back everything that was made."""
        for node in reversed(self.made):
            self.graph.remove(node, safe=True)
        for value in self._constants.values():
            assert value.name is not None
            del self.graph.initializers[value.name]
        self.made.clear()
        self._constants.clear()

    def drop_unread(self) -> None:
        """Remove the nodes that were made and are unused."""
        for node in reversed(self.made):
            if not any(value.uses() or value.is_graph_output() for value in node.outputs):
                self.graph.remove(node, safe=True)

    def _add(self, node: ir.Node) -> None:
        self.graph.insert_before(self._anchor, node)
        self.made.append(node)
