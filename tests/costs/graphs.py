"""Small graphs to count, written in a few lines each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from specialize.costs import NodeCost, count


class Builder:
    """Writes a graph node by node; constants are given as arrays where they are used."""

    def __init__(self, opset: int = 17) -> None:
        self.opset = opset
        self.inputs: list[ir.Value] = []
        self.constants: list[ir.Value] = []
        self.nodes: list[ir.Node] = []

    def input(self, *shape: int, dtype: ir.DataType = ir.DataType.FLOAT) -> ir.Value:
        """Add an input of the graph."""
        value = ir.Value(name=f"x{len(self.inputs)}", shape=ir.Shape(shape), type=ir.TensorType(dtype))
        self.inputs.append(value)
        return value

    def constant(self, array: np.ndarray) -> ir.Value:
        """Add a constant."""
        tensor = ir.tensor(np.ascontiguousarray(array))
        value = ir.Value(
            name=f"c{len(self.constants)}",
            shape=ir.Shape(array.shape),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        self.constants.append(value)
        return value

    def weight(self, *shape: int) -> ir.Value:
        """Add a float32 constant of a shape."""
        return self.constant(np.zeros(shape, np.float32))

    def __call__(
        self,
        op: str,
        *inputs: ir.Value | np.ndarray | None,
        shapes: Sequence[tuple[int, ...]] = (),
        outputs: int = 1,
        domain: str = "",
        **attributes: object,
    ) -> ir.Value:
        """Add a node and return its first output; `shapes` annotates the outputs of custom operators."""
        values = [self.constant(item) if isinstance(item, np.ndarray) else item for item in inputs]
        node = ir.node(
            op, values, attributes or None, domain=domain, num_outputs=outputs, name=f"{op}_{len(self.nodes)}"
        )
        for index, value in enumerate(node.outputs):
            value.name = f"{op}_{len(self.nodes)}_{index}"
        for value, shape in zip(node.outputs, shapes, strict=False):
            value.shape, value.type = ir.Shape(shape), ir.TensorType(ir.DataType.FLOAT)
        self.nodes.append(node)
        return node.outputs[0]

    def model(self, *outputs: ir.Value) -> ir.Model:
        """Return the model with these outputs (the last node's by default)."""
        graph = ir.Graph(
            self.inputs,
            list(outputs) or [self.nodes[-1].outputs[0]],
            nodes=self.nodes,
            initializers=self.constants,
            opset_imports={"": self.opset, "custom": 1},
            name="graph",
        )
        return ir.Model(graph, ir_version=10)

    def last(self) -> NodeCost:
        """Count the graph and return the cost of its last node; nothing may be uncounted."""
        report = count(self.model())
        assert report.uncounted == ()
        return report.nodes[-1]


def ints(*values: int) -> np.ndarray:
    """Return a 1-D int64 array."""
    return np.array(values, dtype=np.int64)


def cross_attention(rows: int, queries: int, cameras: int, image: tuple[int, int]) -> ir.Model:
    """Return deformable cross-attention as a compiler writes it: gather, row-wise work, gather back and sum.

    8 heads, 8 points, 256 channels, one level. All rows sample the first camera's value, for brevity: the
    arithmetic is that of `cameras` operators with their share of the rows.
    """
    height, width = image
    b = Builder()
    query = b.input(queries, 256)
    features = b.input(cameras * height * width, 256)
    value = b("Add", b("MatMul", features, b.weight(256, 256)), b.weight(256))
    heads = b("Transpose", b("Reshape", value, ints(cameras, height * width, 8, 32)), perm=[0, 2, 3, 1])
    first = b("Slice", heads, ints(0), ints(1), ints(0))
    picture = b("Reshape", first, ints(8, 32, height, width))
    picked = b("Gather", query, np.arange(rows) % queries, axis=0)
    offsets = b("Add", b("MatMul", picked, b.weight(256, 128)), b.weight(128))
    scaled = b("Div", b("Reshape", offsets, ints(rows, 8, 8, 2)), b.weight(2))
    located = b("Add", scaled, b.weight(rows, 1, 8, 2))
    centred = b("Sub", b("Mul", located, b.weight(1)), b.weight(1))
    grid = b("Transpose", centred, perm=[1, 0, 2, 3])
    logits = b("Add", b("MatMul", picked, b.weight(256, 64)), b.weight(64))
    weights = b("Softmax", b("Reshape", logits, ints(rows, 8, 8)), axis=-1)
    spread = b("Unsqueeze", b("Transpose", weights, perm=[1, 0, 2]), ints(1))
    sampled = b("GridSample", picture, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
    summed = b("ReduceSum", b("Mul", sampled, spread), ints(3), keepdims=0)
    result = b("Reshape", b("Transpose", summed, perm=[2, 0, 1]), ints(1, rows, 256))
    back = b("Gather", result, np.zeros((queries, 2), np.int64), axis=1)
    mean = b("Mul", b("ReduceSum", back, ints(2), keepdims=0), b.weight(1, queries, 1))
    b("Add", b("MatMul", mean, b.weight(256, 256)), b.weight(256))
    model = b.model()
    for node in model.graph:
        node.metadata_props["specialize.site"] = "0"
    return model
