"""Partial evaluation: what depends on constants alone is computed, bit for bit as the runtime would."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from specialize.errors import InputError
from specialize.graph import folding
from tests.graphs import GraphMaker, assert_same, operators, random_feeds, run


def folded(model: onnx.ModelProto) -> ir.Model:
    """Return a folded copy of a model."""
    found = ir.from_proto(model)
    folding.fold(found)
    return found


def constants(model: ir.Model) -> list[np.ndarray]:
    """Return the initializers of a graph."""
    return [
        value.const_value.numpy()
        for value in model.graph.initializers.values()
        if value.const_value is not None
    ]


def test_nonzero_of_a_constant_is_a_constant() -> None:
    """A data-dependent shape is a number once the data is known."""
    g = GraphMaker()
    x = g.input("x", (6, 4))
    mask = g.const(np.array([0, 1, 0, 1, 1, 0], dtype=np.float32))
    ids = g.op("Squeeze", g.op("NonZero", mask), g.const([0]))
    model = g.model(out=g.op("Gather", x, ids, axis=0))
    made = folded(model)
    assert operators(made) == {"Gather": 1, "Identity": 1}
    assert [c.tolist() for c in constants(made)] == [[1, 3, 4]]
    assert [tuple(value.shape) for value in made.graph.outputs] == [(3, 4)]
    assert_same(model, made, random_feeds(model))


def test_shape_of_an_unknown_tensor_is_known() -> None:
    """A static shape needs no values: chains of Shape, Gather, Mul, Concat become the argument of a Reshape."""
    g = GraphMaker()
    x = g.op("Relu", g.input("x", (2, 3, 4)))
    first = g.op("Gather", g.op("Shape", x), g.const(np.array(0)), axis=0)
    rest = g.op("Mul", g.op("Gather", g.op("Shape", x), g.const(np.array(1)), axis=0), g.const(np.array(4)))
    sizes = [g.op("Unsqueeze", value, g.const([0])) for value in (first, rest)]
    model = g.model(out=g.op("Reshape", x, g.op("Concat", *sizes, axis=0)))
    made = folded(model)
    assert operators(made) == {"Relu": 1, "Reshape": 1, "Identity": 1}
    assert [c.tolist() for c in constants(made)] == [[2, 12]]
    assert_same(model, made, random_feeds(model))


@pytest.mark.parametrize(("start", "end"), [(0, None), (1, None), (-1, None), (0, -1), (1, 2)])
def test_shape_from_start_to_end(start: int, end: int | None) -> None:
    """`Shape` with bounds gives that part of the shape, `Size` all of it as a product."""
    g = GraphMaker()
    x = g.input("x", (2, 3, 4))
    bounds = {"start": start} | ({} if end is None else {"end": end})
    model = g.model(shape=g.op("Shape", x, **bounds), size=g.op("Size", x))
    assert_same(model, folded(model), random_feeds(model))


@pytest.mark.parametrize("flag", [True, False])
def test_if_with_a_known_condition_is_its_branch(flag: bool) -> None:
    """The branch takes the place of the node; names of the graph's outputs stay."""
    model = _conditional(np.array(flag), captured="x")
    made = folded(model)
    assert "If" not in operators(made)
    assert [value.name for value in made.graph.outputs] == ["out"]
    assert_same(model, made, random_feeds(model))


def test_branches_that_use_the_same_names_do_not_clash() -> None:
    """Subgraphs side by side may name their values alike; inlined, they may not."""
    model = _conditional(np.array(True), captured="x", twice=True)
    assert_same(model, folded(model), random_feeds(model))


def test_a_branch_that_hands_through_an_outer_value() -> None:
    """A branch may consist of nothing but a value from outside."""
    model = _conditional(np.array(True), captured="x", bare=True)
    assert_same(model, folded(model), random_feeds(model))


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("nested", [False, True])
def test_what_only_the_branch_not_taken_needs_goes(flag: bool, nested: bool) -> None:
    """Outer values that the other branch captures are computed by nothing any more, at any depth of nesting."""
    model = _capturing_conditional(flag, nested=nested)
    made = folded(model)
    assert operators(made)["Exp" if flag else "Sin"] == 0, "it computes what the branch not taken captured"
    assert operators(made)["Sin" if flag else "Exp"] == 1
    assert_same(model, made, random_feeds(model))


def test_a_dead_if_frees_what_it_captured() -> None:
    """An unused node with subgraphs goes, and so does what only its branches read."""
    model = _capturing_conditional(None, nested=False)
    del model.graph.output[:]
    (kept,) = (node for node in model.graph.node if node.op_type == "Neg")
    model.graph.output.append(helper.make_tensor_value_info(kept.output[0], TensorProto.FLOAT, [2]))
    assert set(operators(folded(model))) == {"Neg"}


def test_an_if_on_data_stays() -> None:
    """A condition that depends on an input cannot be decided."""
    model = _conditional(None, captured="x")
    made = folded(model)
    assert operators(made)["If"] == 1
    assert_same(model, made, random_feeds(model))


def test_a_scalar_stays_a_scalar() -> None:
    """A folded index of rank 0 removes an axis; as a vector of one it would not."""
    g = GraphMaker()
    x = g.input("x", (3, 4))
    index = g.op("Add", g.const(np.array(1)), g.const(np.array(1)))
    model = g.model(out=g.op("Gather", x, index, axis=0))
    made = folded(model)
    assert [c.shape for c in constants(made)] == [()]
    assert_same(model, made, random_feeds(model))


def test_an_output_that_is_known_is_a_constant() -> None:
    """It keeps its name, type and shape."""
    g = GraphMaker()
    g.input("x", (2,))
    model = g.model(out=g.op("Sqrt", g.const([4.0, 9.0])))
    made = folded(model)
    np.testing.assert_array_equal(run(made, {"x": np.zeros(2, np.float32)})["out"], [2, 3])


def test_constants_are_what_the_runtime_computes() -> None:
    """Bit for bit: a float32 projection in another order of additions would move the mask's border."""
    g = GraphMaker()
    random = np.random.default_rng(3)
    matrix, points = random.normal(size=(6, 4, 4)), random.normal(size=(4, 500))
    product = g.op("MatMul", g.const(matrix), g.const(points))
    depth = g.op("Slice", product, g.const([2]), g.const([3]), g.const([1]))
    where = g.op("Div", product, g.op("Clip", depth, g.const(1e-5)))
    model = g.model(out=where)
    made = folded(model)
    assert operators(made) == {"Identity": 1}
    np.testing.assert_array_equal(run(made, {})["out"], run(model, {})["out"])


def test_a_constant_without_its_last_output() -> None:
    """An operator whose last output has no name is computed like the others."""
    text = """<ir_version: 8, opset_import: ["": 17]> g (float[1,1,2] x) => (float[1,1,2] out)
    <float[1,1,4] c = {1.0, 4.0, 2.0, 3.0}> { most, where = MaxPool <kernel_shape=[2], strides=[2]> (c)
    out = Add(x, most) }"""
    model = onnx.parser.parse_model(text)
    model.graph.node[0].output[1] = ""
    made = folded(model)
    assert operators(made) == {"Add": 1}
    np.testing.assert_array_equal(run(made, {"x": np.ones((1, 1, 2), np.float32)})["out"], [[[5, 4]]])


def test_randomness_is_not_folded() -> None:
    """An operator without inputs is not a constant if it gives something else each time."""
    g = GraphMaker()
    made = folded(g.model(out=g.op("RandomNormal", shape=[4])))
    assert operators(made)["RandomNormal"] == 1


def test_values_captured_by_a_subgraph_are_kept() -> None:
    """A known value that only the body of a subgraph reads is still there after folding."""
    g = GraphMaker()
    g.input("x", (2, 3))
    bias = g.op("Add", g.const([1.0, 2.0, 3.0]), g.const([1.0, 1.0, 1.0]))
    g.input("flag", (), TensorProto.BOOL)
    model = _with_if(g, "flag", captured="x", added=bias)
    feeds = {"x": np.ones((2, 3), np.float32), "flag": np.array(True)}
    assert_same(model, folded(model), feeds)


def test_custom_operators_are_left_alone() -> None:
    """What the runtime has no kernel for cannot be computed, even from constants."""
    g = GraphMaker(domains=["vendor"])
    x = g.input("x", (2, 3))
    table = g.annotate(g.op("Table", g.const([1.0, 2.0, 3.0]), domain="vendor"), (3,))
    made = folded(g.model(out=g.op("Add", x, table)))
    assert operators(made)["Table"] == 1


def test_what_reads_an_unknown_operator_is_left_alone() -> None:
    """A result of unknown type leaves the annotations of its readers unchanged, and other nodes are still folded."""
    nodes = [
        helper.make_node("Mystery", ["x"], ["r"], domain="vendor"),
        helper.make_node("Relu", ["r"], ["y"]),
        helper.make_node("Add", ["a", "a"], ["z"]),
    ]
    x, y, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xyz")
    one = helper.make_tensor("a", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = helper.make_graph(nodes, "g", [x], [y, z], [one])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("vendor", 1)]
    made = folded(helper.make_model(graph, opset_imports=opsets, ir_version=9))
    assert operators(made) == {"Mystery": 1, "Relu": 1, "Identity": 1}
    assert tuple(made.graph.outputs[0].shape) == (2,)


def test_an_unknown_standard_operator_is_an_error_that_names_it() -> None:
    """A custom operator without a domain is the most frequent reason."""
    g = GraphMaker()
    x = g.input("x", (2, 3))
    g.nodes.append(helper.make_node("NoSuchOperator", [x], ["y"], "it"))
    with pytest.raises(InputError, match=r"'it'.*NoSuchOperator") as caught:
        folded(_plain_model(g, "y"))
    assert "domain of its own" in str(caught.value)


def test_a_node_that_contradicts_its_inputs_is_an_error_that_names_it() -> None:
    """Shapes that do not fit are found before anything runs."""
    g = GraphMaker()
    x = g.input("x", (2, 3))
    g.nodes.append(helper.make_node("Add", [x, g.const([5, 6], np.float32)], ["y"], "wrong"))
    with pytest.raises(InputError, match="'wrong'"):
        folded(_plain_model(g, "y"))


def test_integers_that_are_not_known_contradict_by_their_shapes_alone() -> None:
    """What a frame brings has no numbers yet that a message could say."""
    g = GraphMaker()
    x = g.input("x", (3,), TensorProto.INT64)
    g.nodes.append(helper.make_node("Add", [x, g.const([5, 6])], ["y"], "wrong"))
    with pytest.raises(InputError, match=r"\[3\] and \[2\] holding \[5, 6\]"):
        folded(_plain_model(g, "y"))


def test_a_reshape_that_loses_elements_is_an_error() -> None:
    """Exporters write down lengths that hold for the calibration they traced with; shape inference is silent."""
    g = GraphMaker()
    x = g.input("x", (2, 3))
    g.nodes.append(helper.make_node("Reshape", [x, g.const([5])], ["y"], "traced"))
    with pytest.raises(InputError, match=r"'traced'.*6 elements"):
        folded(_plain_model(g, "y"))


def test_wrong_annotations_are_corrected() -> None:
    """Shapes come from the operators, not from what an exporter wrote beside them."""
    g = GraphMaker()
    x = g.input("x", (2, 3))
    model = g.model(out=g.op("Relu", g.op("Transpose", x, perm=[1, 0])))
    for value in model.graph.value_info:
        value.type.tensor_type.shape.dim[0].dim_value = 77
    made = folded(model)
    assert [tuple(o.shape) for node in made.graph for o in node.outputs] == [(3, 2)] * 3


def test_integer_chains_are_exact() -> None:
    """int64 arithmetic of indices, with Mod, Where, Range and Cast, gives the same integers."""
    g = GraphMaker()
    x = g.input("x", (10, 2))
    ids = g.op("Range", g.const(np.array(0)), g.const(np.array(10)), g.const(np.array(3)))
    odd = g.op("Equal", g.op("Mod", ids, g.const([2])), g.const([1]))
    picked = g.op("Where", odd, ids, g.op("Sub", g.const([0]), ids))
    model = g.model(out=g.op("Gather", x, picked, axis=0), ids=picked)
    made = folded(model)
    assert operators(made)["Gather"] == 1
    assert_same(model, made, random_feeds(model))


def _plain_model(g: GraphMaker, output: str) -> onnx.ModelProto:
    graph = helper.make_graph(
        g.nodes, "made", g.inputs, [helper.make_empty_tensor_value_info(output)], g.constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _branch(captured: str, added: str | None, operator: str, bare: bool) -> onnx.GraphProto:
    if bare:
        nodes = [helper.make_node("Identity", [captured], ["r"])]
    elif added:
        nodes = [helper.make_node("Add", [captured, added], ["r"])]
    else:
        nodes = [
            helper.make_node(operator, [captured], ["inner"]),
            helper.make_node("Neg", ["inner"], ["r"]),
        ]
    return helper.make_graph(nodes, "branch", [], [helper.make_empty_tensor_value_info("r")])


def _with_if(
    g: GraphMaker,
    condition: str,
    captured: str,
    added: str | None = None,
    *,
    twice: bool = False,
    bare: bool = False,
) -> onnx.ModelProto:
    value = captured
    for number in range(2 if twice else 1):
        output = f"r_out{number}"
        node = helper.make_node(
            "If",
            [condition],
            [output],
            f"if{number}",
            then_branch=_branch(value, added, "Relu", bare),
            else_branch=_branch(value, added, "Abs", bare),
        )
        g.nodes.append(node)
        value = output
    g.nodes[-1].output[0] = "out"
    return _plain_model(g, "out")


def _capturing_conditional(flag: bool | None, *, nested: bool) -> onnx.ModelProto:
    """Return a model whose branches capture Sin(x) and Exp(x), computed outside; on data without a flag."""
    shape = [2]

    def branch(label: str, captured: str) -> onnx.GraphProto:
        inner = helper.make_node("Relu", [captured], [f"{label}_out"], name=f"{label}_node")
        out = helper.make_tensor_value_info(f"{label}_out", TensorProto.FLOAT, shape)
        graph = helper.make_graph([inner], label, [], [out])
        if not nested:
            return graph
        outer = helper.make_tensor_value_info(f"{label}_outer", TensorProto.FLOAT, shape)
        node = helper.make_node(
            "If", ["asked"], [f"{label}_outer"], f"{label}_if", then_branch=graph, else_branch=graph
        )
        return helper.make_graph([node], f"{label}_around", [], [outer])

    nodes = [
        helper.make_node("Sin", ["x"], ["sin"], name="sin"),
        helper.make_node("Exp", ["x"], ["exp"], name="exp"),
        helper.make_node("Neg", ["x"], ["neg"], name="neg"),
        helper.make_node(
            "If", ["condition"], ["chosen"], "if", then_branch=branch("then", "sin"), else_branch=branch("else", "exp")
        ),
    ]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("asked", TensorProto.BOOL, [1]),
    ]
    constants = []
    if flag is None:
        inputs.append(helper.make_tensor_value_info("condition", TensorProto.BOOL, []))
    else:
        constants.append(numpy_helper.from_array(np.array(flag), "condition"))
    out = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "capturing", inputs, [out], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _conditional(
    flag: np.ndarray | None, captured: str, *, twice: bool = False, bare: bool = False
) -> onnx.ModelProto:
    g = GraphMaker()
    x = g.input(captured, (2, 3))
    if flag is None:
        total = g.op("ReduceSum", x, keepdims=0)
        condition = g.op("Greater", total, g.const(0.0))
    else:
        condition = g.op("Not", g.const(~flag, bool))
    return _with_if(g, condition, captured, twice=twice, bare=bare)


def test_folded_products_have_the_bits_of_the_input_model() -> None:
    """A chain of MatMuls with weights folds to the bits that the runtime computes when it is fed the input."""
    rng = np.random.default_rng(5)
    weights = [rng.standard_normal(shape).astype(np.float32) for shape in ((192, 1024), (1024, 256))]
    coordinates = rng.standard_normal((1, 400, 192)).astype(np.float32)

    def product(maker: GraphMaker, x: str) -> onnx.ModelProto:
        hidden = maker.op("Relu", maker.op("MatMul", x, maker.const(weights[0])))
        return maker.model(out=maker.op("MatMul", hidden, maker.const(weights[1])))

    fed, bound = GraphMaker(), GraphMaker()
    (expected,) = run(product(fed, fed.input("x", coordinates.shape)), {"x": coordinates}).values()
    (found,) = constants(folded(product(bound, bound.const(coordinates))))
    assert found.tobytes() == expected.tobytes()


def test_a_constant_without_a_declared_type_is_read() -> None:
    """What the graph does not declare, its value tells: here of weights that are an output without a type."""
    g = GraphMaker()
    weights = g.const(np.array([1.0, 2.0], np.float32))
    x = g.input("x", (2,))
    model = g.model(out=g.op("Mul", x, g.op("Exp", g.op("Neg", weights))))
    model.graph.output.append(helper.make_empty_tensor_value_info(weights))
    made = folded(model)
    assert operators(made) == {"Mul": 1, "Identity": 1}
    assert_same(model, made, random_feeds(model))
