"""The cases of `test_hostile`: files that lie, each with words that its error must have, and odd files that do not."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.graph.hostile_models import (
    ONE,
    RELU,
    SQUARE,
    TENSOR,
    TRUE,
    Maker,
    Y,
    branches,
    call,
    changed,
    doubling,
    function,
    graph,
    linked,
    nested,
    node,
    outside,
    spoilt,
    typed,
    untyped,
    value,
)

WRONG: dict[str, tuple[Maker, str]] = {
    "a version beyond all": (
        lambda _: changed(graph(RELU), lambda m: setattr(m, "ir_version", 1 << 62)),
        "ir_version: expected version 3 to",
    ),
    "a version below all": (lambda _: changed(graph(RELU), lambda m: setattr(m, "ir_version", -1)), "ir_version"),
    "no outputs": (lambda _: graph(RELU, outputs=[]), "a graph with outputs"),
    "an output that nothing makes": (
        lambda _: graph(RELU, outputs=[helper.make_empty_tensor_value_info("z")]),
        "expected a value that something makes, got 'z'",
    ),
    "an output twice": (lambda _: graph(RELU, outputs=[*Y, *Y]), "output: expected names, each of them once"),
    "an input twice": (lambda _: graph(RELU, inputs=[value("x"), value("x")]), "2 times 'x'"),
    "an input without a name": (lambda _: graph(RELU, inputs=[value("x"), value("")]), "one without a name"),
    "a weight twice": (
        lambda _: changed(graph(RELU, k=ONE), lambda m: m.graph.initializer.append(m.graph.initializer[0])),
        "initializer: expected names",
    ),
    "a result twice": (lambda _: graph(RELU, RELU), "an ONNX model"),
    "an input that is a result": (
        lambda _: graph(node("Relu", "z", "x"), RELU, inputs=[value("x"), value("z")]),
        "an ONNX model",
    ),
    "a weight that is a result": (lambda _: graph(node("Relu", "x", "k"), node("Relu", "k"), k=ONE), "an ONNX model"),
    "a sparse weight": (
        lambda _: changed(graph(node("Add", "x k")), lambda m: m.graph.sparse_initializer.add(dims=[3])),
        "sparse_initializer",
    ),
    "an input of text": (
        lambda _: graph(node("Identity", "x"), inputs=[value("x", (2,), TensorProto.STRING)]),
        "input 'x': expected a tensor of numbers, got string",
    ),
    "a sequence": (lambda _: typed(helper.make_sequence_type_proto(TENSOR)), "got sequencetype"),
    "an optional input": (lambda _: typed(helper.make_optional_type_proto(TENSOR)), "got optionaltype"),
    "a sparse input": (
        lambda _: typed(helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [3])),
        "got sparsetensortype",
    ),
    "a map": (
        lambda _: typed(onnx.TypeProto(map_type=onnx.TypeProto.Map(key_type=7, value_type=TENSOR))),
        "an ONNX model",
    ),
    "an input without a type": (lambda _: typed(onnx.TypeProto()), "got no type"),
    "an input larger than memory": (lambda _: graph(RELU, inputs=[value("x", (1 << 62, 1 << 62))]), "at most 4 GiB"),
    "an attribute of another type": (lambda _: graph(node("Shape", "x", start=0.5)), "start: expected an attribute of"),
    "a permutation of text": (lambda _: graph(node("Transpose", "x", perm="ab")), "an attribute of type INTS"),
    "a permutation of fewer axes": (
        lambda _: graph(node("Transpose", "x", perm=[1, 2]), inputs=[value("x", (1, 2, 3))]),
        "a permutation of the 3 axes of [1, 2, 3], got one of 2 axes",
    ),
    "a mode that is no text": (
        lambda _: spoilt(graph(node("GridSample", "x x", mode="bilinear")), b"bilinear"),
        "mode: expected text, got b'bilinea\\xa6'",
    ),
    "a name of a graph that is no text": (lambda _: spoilt(graph(RELU), b"made"), "names that are text"),
    "a remark that is no text": (
        lambda _: spoilt(changed(graph(RELU), lambda m: setattr(m.graph.node[0], "doc_string", "remark")), b"remark"),
        "names that are text",
    ),
    "an attribute without a type": (lambda _: graph(untyped("perm")), "perm: expected a value"),
    "an attribute of a function": (lambda _: graph(untyped("perm", type=7, ref_attr_name="z")), "perm: expected"),
    "a branch that is not there": (
        lambda _: changed(
            graph(node("If", "k", **branches()), k=TRUE), lambda m: m.graph.node[0].attribute[0].ClearField("g")
        ),
        "no input and 1 outputs",
    ),
    "numbers in the field of another type": (
        lambda _: graph(
            node("Add", "x k"), k=TensorProto(name="k", data_type=TensorProto.INT32, dims=[1], int64_data=[1])
        ),
        "initializer 'k': expected numbers of type INT32",
    ),
    "a constant without a type": (
        lambda _: graph(node("Constant", "", "k", value=TensorProto(dims=[1], raw_data=b"1234")), node("Add", "x k")),
        "value: expected a tensor with a type and dimensions of 0 or more",
    ),
    "a constant that is cut short": (
        lambda _: graph(
            node("Constant", "", "k", value=TensorProto(data_type=1, dims=[9], raw_data=b"1234")), node("Add", "x k")
        ),
        "value: expected 36 bytes of data",
    ),
    "a constant elsewhere": (
        lambda at: graph(
            node("Constant", "", "k", value=outside(at, "/etc/passwd").graph.initializer[0]), node("Add", "x k")
        ),
        "numbers in the graph's own file, got /etc/passwd",
    ),
    "a cast to no type": (
        lambda _: graph(node("Cast", "k", "c", to=-5), node("Add", "x c"), k=np.array([1])),
        "inputs that fit Cast",
    ),
    "a step of zero": (
        lambda _: graph(
            node("Slice", "k a b a a", "c"), node("Add", "x c"), k=np.array([1]), a=np.array([0]), b=np.array([1])
        ),
        "inputs that fit Slice",
    ),
    "a missing attribute": (lambda _: graph(node("Cast", "x")), "the attribute 'to' of Cast"),
    "a branch that is a number": (lambda _: graph(node("If", "k", then_branch=1, else_branch=2), k=TRUE), "type GRAPH"),
    "no branch": (lambda _: graph(node("If", "k"), k=TRUE), "the attribute 'else_branch'"),
    "a branch without outputs": (lambda _: graph(node("If", "k", **branches(0)), k=TRUE), "no input and 1 outputs"),
    "a branch with inputs": (lambda _: graph(node("If", "k", **branches(inputs=1)), k=TRUE), "no input and 1 outputs"),
    "two conditions": (lambda _: graph(node("If", "k", **branches()), k=np.array([True, False])), "one condition"),
    "a branch that reads nothing": (lambda _: graph(node("If", "k", **branches(reads="gone")), k=TRUE), "'gone'"),
    "too few inputs": (lambda _: graph(node("Add", "x")), "2 to 2 inputs of Add, got 1"),
    "no inputs": (lambda _: graph(node("Shape", "")), "1 to 1 inputs of Shape, got 0"),
    "an input left out": (lambda _: graph(node("Shape", "-")), "expected input 0 of Shape, got none"),
    "too many outputs": (lambda _: graph(node("Relu", "x", "y z")), "1 to 1 outputs of Relu, got 2"),
    "a node without outputs": (lambda _: graph(node("Foo", "x", "", domain="own"), RELU), "at least one output"),
    "a custom operator without inputs": (lambda _: graph(node("RotateTRT", "x")), "at least 3 inputs of RotateTRT"),
    "a function that calls itself": (
        lambda _: graph(call("r", "x", "y"), functions=[function("r", call("r"))]),
        "functions that do not call themselves",
    ),
    "functions in a circle": (
        lambda _: graph(call("p", "x", "y"), functions=[function("p", call("q")), function("q", call("p"))]),
        "functions that do not call themselves",
    ),
    "functions that call each other twice": (lambda _: doubling(24), "at most 1,000,000 nodes"),
    "a call with more inputs": (
        lambda _: graph(call("r", "x x", "y"), functions=[function("r", node("Relu", "a", "b"))]),
        "2 inputs",
    ),
    "a call with more outputs": (
        lambda _: graph(call("r", "x", "y z"), functions=[function("r", node("Relu", "a", "b"))]),
        "an ONNX model",
    ),
    "a function without a result": (
        lambda _: graph(call("r", "x", "y"), functions=[function("r", node("Relu", "a", "c"))]),
        "an ONNX model",
    ),
    "an input that nothing makes": (lambda _: graph(node("Add", "x gone")), "'gone'"),
    "a cycle": (
        lambda _: graph(node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b")),
        "a graph without cycles",
    ),
    "weights with NUL in their path": (lambda at: outside(at, "w\0.bin"), "got 'w\\x00.bin'"),
    "weights with an escape in their path": (lambda at: outside(at, "w\x1b[2J"), "a printable name"),
    "weights with a long name": (lambda at: outside(at, "w" * 5000), "at most 255 bytes"),
    "weights elsewhere": (lambda at: outside(at, "/etc/passwd"), "external data in the model's folder"),
    "weights above": (lambda at: outside(at, "../w.bin"), "external data in the model's folder"),
    "weights in a folder": (lambda at: changed(outside(at, "v"), lambda _: (at / "v").mkdir()), "no such file"),
    "weights without a place": (lambda at: outside(at, ""), "bytes, got ''"),
    "weights with two names": (linked, "a file with one name, got 2 names"),
    "weights that are short": (lambda at: outside(at, "w.bin", dims=(9, 9)), "a file of at least 324 bytes"),
    "weights that say they are short": (lambda at: outside(at, "w.bin", length=8), "length: expected 24 bytes"),
    "weights that say they are long": (lambda at: outside(at, "w.bin", length=400), "at least 400 bytes"),
    "weights far away": (lambda at: outside(at, "w.bin", offset=1 << 70), "a file of at least"),
    "weights before the file": (lambda at: outside(at, "w.bin", offset=-4), "an ONNX model"),
    "weights at no number": (lambda at: outside(at, "w.bin", offset="here"), "an ONNX model"),
    "weights larger than memory": (lambda at: outside(at, "w.bin", dims=(1 << 32, 1 << 32)), "a file of at least"),
    "an opset below zero": (
        lambda _: changed(graph(RELU), lambda m: setattr(m.opset_import[0], "version", -5)),
        "opset 11 to",
    ),
    "a huge product": (
        lambda _: graph(
            node("Expand", "k s", "e"), node("MatMul", "e e", "m"), node("ReduceSum", "m", "r"), node("Add", "x r"),
            k=ONE, s=SQUARE,
        ),
        "multiplications, got more",
    ),
    "a gigabyte, over and over": (
        lambda _: graph(
            node("Expand", "k s", "e0"), *(node("Sin", f"e{i}", f"e{i + 1}") for i in range(100)),
            node("ReduceSum", "e100", "r"), node("Add", "x r"), k=ONE, s=SQUARE,
        ),
        "at most 128 GiB to read and write",
    ),
    "gigabytes of results": (
        lambda _: graph(
            node("Expand", "k s", "e"), *(node(name, "e", name) for name in ("Sin", "Cos", "Exp", "Neg", "Abs")),
            node("Sum", "x Sin Cos Exp Neg Abs"), k=ONE, s=SQUARE, inputs=[value("x", (1 << 14, 1 << 14))],
        ),
        "at most 4 GiB of results",
    ),
    "a constant that fits nowhere": (
        lambda _: graph(node("Expand", "k s", "e"), node("Add", "x e"), k=ONE, s=np.array([1 << 40])),
        "inputs that fit Add",
    ),
}  # fmt: skip

FINE: dict[str, Maker] = {
    "a constant output of NaN": lambda _: graph(
        node("Div", "k k", "nn"), RELU, outputs=[helper.make_empty_tensor_value_info("nn"), *Y],
        k=np.zeros(2000, np.float32),
    ),
    "a name that folding would give": lambda _: graph(
        node("Add", "k k", "nn"), node("Add", "x nn", "z"), node("Add", "z nn_known"),
        k=np.zeros(3, np.float32), nn_known=np.ones(3, np.float32),
    ),
    "a result with a name that folding would give": lambda _: graph(
        node("Add", "k k", "nn"), node("Neg", "x", "nn_known"), node("Add", "nn_known nn"), k=np.zeros(3, np.float32)
    ),
    "no node that stays": lambda _: graph(node("Relu", "k"), k=np.ones(3, np.float32)),
    "a weight as output": lambda _: graph(RELU, outputs=[helper.make_empty_tensor_value_info("k"), *Y], k=ONE),
    "text that is unused": lambda _: graph(node("Constant", "", "k", value_string="a"), RELU),
    "a constant sequence": lambda _: graph(
        node("SequenceConstruct", "k k", "s"), node("ConcatFromSequence", "s", "t", axis=0), node("Add", "x t"),
        k=np.ones((1, 3), np.float32),
    ),
    "2 ** 30 numbers that are summed": lambda _: graph(
        node("Expand", "k s", "e"), node("ReduceSum", "e", "r"), node("Add", "x r"), k=ONE,
        s=np.array([1 << 15, 1 << 15]),
    ),
    "a loop that captures what it starts from": lambda _: graph(
        node("Loop", "m c k", "l", body=helper.make_graph(
            [node("Identity", "on", "go"), node("Add", "v k", "w")], "body",
            [value("i", (), TensorProto.INT64), value("on", (), TensorProto.BOOL), value("v", ())],
            [value("go", (), TensorProto.BOOL), value("w", ())],
        )),
        node("Add", "x l"), m=np.array(3), c=TRUE, k=np.array(1, np.float32),
    ),
    "an operator of a stranger with a known name": lambda _: graph(
        node("If", "k", "i", domain="own"), node("Add", "k k", "s", domain="own"), RELU, k=TRUE
    ),
    "30 nested branches": lambda _: nested(30),
    "2,000 functions in a row": lambda _: graph(
        call("f1999", "x", "y"),
        functions=[
            function("f0", node("Relu", "a", "b")), *(function(f"f{i}", call(f"f{i - 1}")) for i in range(1, 2000)),
        ],
    ),
    "a linked name for weights": lambda at: changed(
        outside(at, "other.bin"), lambda _: (at / "other.bin").symlink_to("w.bin")
    ),
}  # fmt: skip
