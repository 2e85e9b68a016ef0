"""Equal constants are merged as `onnx_ir` merges them, without a copy of every weight in memory."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common
from onnx import TensorProto, helper, numpy_helper

from specialize.graph.equal_constants import END_BYTES, merge_constants

LONG = 4 * END_BYTES


def _model() -> ir.Model:
    """Return a graph whose constants differ in type, shape, sign of zero, or in the middle; c, g, i are doubles."""
    inner = np.zeros(LONG, np.float32)
    middle = inner.copy()
    middle[LONG // 2] = 1
    arrays = {
        "a": np.array([0.0, 1], np.float32),
        "b": np.array([-0.0, 1], np.float32),
        "c": np.array([0.0, 1], np.float32),
        "d": np.array([[0.0, 1]], np.float32),
        "e": inner,
        "f": middle,
        "g": middle,
        "z": np.array([0, 1], np.int32),
    }
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    tensors += [helper.make_tensor("h", TensorProto.STRING, [2], [b"x", b"yy"])]
    tensors += [helper.make_tensor("i", TensorProto.STRING, [2], [b"x", b"yy"])]
    tensors += [helper.make_tensor("j", TensorProto.STRING, [2], [b"xy", b"y"])]
    tensors += [helper.make_tensor("k", TensorProto.INT4, [2], [1, 2])]
    names = [tensor.name for tensor in tensors]
    nodes = [helper.make_node("Identity", [name], [f"out_{name}"]) for name in names]
    outputs = [onnx.ValueInfoProto(name=f"out_{name}") for name in names]
    graph = helper.make_graph(nodes, "constants", [], outputs, tensors)
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))


def test_the_first_of_equal_constants_stays() -> None:
    """What stays, and who reads it, is what the pass of `onnx_ir` leaves."""
    own, theirs = _model(), _model()
    merge_constants(own, largest=1 << 20)
    common.DeduplicateInitializersPass(size_limit=1 << 20)(theirs)
    assert list(own.graph.initializers) == list(theirs.graph.initializers) == list("abdefzhjk")
    read = [[str(node.inputs[0] and node.inputs[0].name) for node in model.graph] for model in (own, theirs)]
    assert read[0] == read[1]


def test_large_constants_are_left_alone() -> None:
    """Above a number of elements nothing is compared."""
    model = _model()
    merge_constants(model, largest=LONG - 1)
    assert {"f", "g"} <= model.graph.initializers.keys() and "c" not in model.graph.initializers
