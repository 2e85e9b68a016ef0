"""Small ONNX files that lie about themselves, each with words that its error must have."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Maker = Callable[[Path], onnx.ModelProto]

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
Y = [helper.make_empty_tensor_value_info("y")]


RELU = helper.make_node("Relu", ["x"], ["y"])
TENSOR = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
TRUE = np.array(True)
ONE, SQUARE = np.ones((1, 1), np.float32), np.array([1 << 14, 1 << 14])


def value(name: str, shape: Sequence[int] = (2, 3), dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """Return the declaration of a tensor."""
    return helper.make_tensor_value_info(name, dtype, list(shape))


def node(operator: str, inputs: str, outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    """Return a node; names are separated by blanks, `-` is an input or output that is left out."""
    names = [[name.strip("-") for name in words.split()] for words in (inputs, outputs)]
    return helper.make_node(operator, *names, **attributes)


def graph(
    *nodes: onnx.NodeProto,
    inputs: Sequence[onnx.ValueInfoProto] = (),
    outputs: Sequence[onnx.ValueInfoProto] = Y,
    functions: Sequence[onnx.FunctionProto] = (),
    **constants: np.ndarray | TensorProto,
) -> onnx.ModelProto:
    """Return a model that by default reads `x`, two rows of three."""
    tensors = [
        held if isinstance(held, TensorProto) else numpy_helper.from_array(np.asarray(held), name)
        for name, held in constants.items()
    ]
    body = helper.make_graph(list(nodes), "made", list(inputs) or [value("x")], list(outputs), tensors)
    return helper.make_model(body, opset_imports=OPSETS, functions=list(functions), ir_version=9)


def spoilt(model: onnx.ModelProto, text: bytes) -> onnx.ModelProto:
    """Return a model that has a byte which is no text at the end of a text that it holds."""
    data = model.SerializeToString()
    assert data.count(text) == 1, text
    return onnx.ModelProto.FromString(data.replace(text, text[:-1] + b"\xa6"))


def function(name: str, *nodes: onnx.NodeProto) -> onnx.FunctionProto:
    """Return a local function of `a` that gives `b`."""
    return helper.make_function("own", name, ["a"], ["b"], list(nodes), OPSETS)


def call(name: str, inputs: str = "a", outputs: str = "b") -> onnx.NodeProto:
    """Return a call of a local function."""
    return node(name, inputs, outputs, domain="own")


def doubling(depth: int) -> onnx.ModelProto:
    """Return functions each of which calls the one before twice: 2 ** depth nodes."""
    made = [function("f0", node("Relu", "a", "b"))]
    for index in range(1, depth + 1):
        before = f"f{index - 1}"
        made.append(function(f"f{index}", call(before, "a", "c"), call(before, "c", "b")))
    return graph(call(f"f{depth}", "x", "y"), functions=made)


def branches(outputs: int = 1, reads: str = "x", inputs: int = 0) -> dict[str, onnx.GraphProto]:
    """Return the two branches of an `If`."""
    made = [node("Relu", reads, f"q{index}") for index in range(max(1, outputs))]
    ends = [helper.make_empty_tensor_value_info(f"q{index}") for index in range(outputs)]
    given = [value(f"i{index}") for index in range(inputs)]
    branch = helper.make_graph(made, "branch", given, ends)
    return {"then_branch": branch, "else_branch": branch}


def nested(depth: int) -> onnx.ModelProto:
    """Return an `If` in an `If` in an `If`, as deep as that."""
    inner = branches()["then_branch"]
    for index in range(depth):
        other = helper.make_graph(
            [node("Neg", "x", "e")], "else", [], [helper.make_empty_tensor_value_info("e")]
        )
        made = node("If", "c", f"y{index}", then_branch=inner, else_branch=other)
        inner = helper.make_graph([made], "then", [], [helper.make_empty_tensor_value_info(f"y{index}")])
    body = graph(inputs=[value("x"), value("c", (), TensorProto.BOOL)], outputs=inner.output)
    body.graph.node.extend(inner.node)
    return body


def outside(folder: Path, location: str, dims: Sequence[int] = (2, 3), **more: object) -> onnx.ModelProto:
    """Return a model whose weight lies in a file beside it, which has six numbers."""
    (folder / "w.bin").write_bytes(np.ones(6, np.float32).tobytes())
    tensor = TensorProto(name="w", data_type=1, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, said in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(said)
    return graph(node("Add", "x w"), w=tensor)


def linked(folder: Path) -> onnx.ModelProto:
    """Return a model whose weights have a second name."""
    made = outside(folder, "w.bin")
    os.link(folder / "w.bin", folder / "second.bin")
    return made


def changed(made: onnx.ModelProto, change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    """Return a model after a change."""
    change(made)
    return made


def typed(kind: onnx.TypeProto) -> onnx.ModelProto:
    """Return a model with an input of another kind."""
    return graph(node("Identity", "x"), inputs=[helper.make_value_info("x", kind)])


def untyped(name: str, **fields: object) -> onnx.NodeProto:
    """Return a Transpose with an attribute made of raw fields."""
    made = node("Transpose", "x")
    made.attribute.add(name=name, **fields)
    return made


def endless_loop(scan: bool = False) -> onnx.ModelProto:
    """Return a loop of 2 ** 60 rounds on constants, which may keep a megabyte of each round."""
    made = [node("Identity", "c", "co"), node("Add", "v v", "vo")]
    ends = [value("co", (), TensorProto.BOOL), value("vo", ())]
    if scan:
        made.append(node("Expand", "vo size", "kept"))
        ends.append(helper.make_empty_tensor_value_info("kept"))
    body = helper.make_graph(
        made,
        "body",
        [value("i", (), TensorProto.INT64), value("c", (), TensorProto.BOOL), value("v", ())],
        ends,
    )
    outputs = "l kept_all" if scan else "l"
    return graph(
        node("Loop", "m c0 k", outputs, body=body), node("Add", "x l"), m=np.array(1 << 60), c0=TRUE,
        k=np.array(1, np.float32), size=np.array([1 << 18]),
    )  # fmt: skip
