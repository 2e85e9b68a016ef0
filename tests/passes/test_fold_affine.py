"""Constants on the way are folded into tables, and what is computed stays what it was."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specialize.graph.builder import SITE_KEY
from specialize.passes.fold_affine import LARGEST_SUMMAND, fold_affine
from tests.graphs import GraphMaker, assert_annotations_true, assert_same, operators, random_feeds

ROWS, SAMPLES = 5, 8


def site(model: onnx.ModelProto) -> ir.Model:
    """Return a graph all of whose nodes belong to a site."""
    graph = ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString()))
    for node in graph.graph:
        node.metadata_props[SITE_KEY] = "0"
    return graph


def folded(model: onnx.ModelProto) -> ir.Model:
    """Fold a graph and check that it still computes the same, with true annotations and no larger constants."""
    graph = site(model)
    before = sum(value.const_value.size for value in graph.graph.initializers.values() if value.const_value)
    fold_affine(graph)
    after = sum(value.const_value.size for value in graph.graph.initializers.values() if value.const_value)
    feeds = random_feeds(model)
    assert_same(model, graph, feeds, atol=1e-5, rtol=1e-5)
    assert_annotations_true(graph, feeds)
    assert after <= before
    return graph


def sampling_grid(
    make: GraphMaker, gathered: bool = False, reference: str | None = None, source: str = "x"
) -> tuple[str, np.ndarray]:
    """Return 2 ((x W + b) / size + reference) - 1 as exporters write it, (ROWS, SAMPLES, 2), and the weight."""
    random = np.random.default_rng(0)
    weight = random.standard_normal((4, SAMPLES * 2)).astype(np.float32)
    x = make.op("MatMul", make.input(source, (ROWS, 4)), make.const(weight))
    if gathered:
        x = make.op("Gather", x, make.const([4, 0, 0, 2, 1]), axis=0)
    x = make.op("Add", x, make.const(random.standard_normal(SAMPLES * 2)))
    x = make.op("Reshape", x, make.const([ROWS, SAMPLES, 2]))
    x = make.op("Div", x, make.const(random.uniform(5, 50, (SAMPLES, 2))))
    reference = reference or make.const(random.uniform(0, 1, (ROWS, 1, 2)))
    x = make.op("Add", reference, x)
    x = make.op("Transpose", make.op("Reshape", x, make.const([ROWS, SAMPLES // 2, 4])), perm=[1, 0, 2])
    return make.op("Sub", make.op("Mul", x, make.const(2.0)), make.const(1.0)), weight


@pytest.mark.parametrize("gathered", [False, True])
def test_the_sampling_grid_is_one_division_and_one_sum(gathered: bool) -> None:
    """Twice, minus one: the size and the reference points take it; the weight is the one that it was."""
    make = GraphMaker()
    grid, weight = sampling_grid(make, gathered)
    graph = folded(make.model(grid=grid))
    left = operators(graph)
    assert (left["Mul"], left["Sub"], left["Div"], left["Add"]) == (0, 0, 1, 2)
    (product,) = (node for node in graph.graph if node.op_type == "MatMul")
    kept = product.inputs[1]
    assert kept is not None and kept.const_value is not None
    np.testing.assert_array_equal(kept.const_value.numpy(), weight)


def test_sites_that_shared_a_table_share_the_folded_one() -> None:
    """A table that two grids read is one table afterwards too: what a vehicle keeps does not grow with its sites."""
    make = GraphMaker()
    reference = make.const(np.random.default_rng(1).uniform(0, 1, (ROWS, 1, 2)))
    grids = [sampling_grid(make, reference=reference, source=source)[0] for source in "xy"]
    graph = folded(make.model(first=grids[0], second=grids[1]))
    tables = [value for value in graph.graph.initializers.values() if list(value.shape or ()) == [ROWS, 1, 2]]
    assert len(tables) == 1 and len(tables[0].uses()) == 2


def test_folding_twice_is_folding_once() -> None:
    """What is folded stays folded, and its constants keep their names."""
    make = GraphMaker()
    graph = folded(make.model(grid=sampling_grid(make)[0]))
    before = (operators(graph), sorted(graph.graph.initializers))
    (note,) = fold_affine(graph)
    assert note.verdict == "declined"
    assert (operators(graph), sorted(graph.graph.initializers)) == before


def test_a_graph_may_be_folded_again() -> None:
    """Constants of the second time have names of their own."""
    make = GraphMaker()
    x = make.op("Div", make.input("x", (ROWS, 4)), make.const(np.full(4, 7.0)))
    y = make.op("Div", make.input("y", (ROWS, 4)), make.const(np.full(4, 5.0)))
    model = make.model(left=make.op("Mul", x, make.const(2.0)), right=make.op("Mul", y, make.const(3.0)))
    graph = ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString()))
    for sink in ("x", "y"):
        for node in graph.graph:
            if node.op_type in ("Mul", "Div") and sink in _inputs_above(node):
                node.metadata_props[SITE_KEY] = "0"
        assert fold_affine(graph)[0].verdict == "applied"
    assert operators(graph)["Mul"] == 0
    assert_same(model, graph, random_feeds(model), atol=1e-6, rtol=1e-6)


def _inputs_above(node: ir.Node) -> set[str]:
    """Return the names of the graph's inputs that a node depends on."""
    found = {str(value.name) for value in node.inputs if value is not None and value.is_graph_input()}
    makers = [value.producer() for value in node.inputs if value is not None]
    return found.union(*(_inputs_above(made) for made in makers if made is not None))


def test_reference_points_that_are_no_constant_are_left_alone() -> None:
    """With the calibration an input, nothing can take the factor; the summand goes to the bias."""
    make = GraphMaker()
    grid, _ = sampling_grid(make, reference=make.input("reference", (ROWS, 1, 2)))
    left = operators(folded(make.model(grid=grid)))
    assert (left["Mul"], left["Div"]) == (1, 1)


def test_what_somebody_else_reads_is_left_alone() -> None:
    """A second reader of the places before the factor still gets them."""
    make = GraphMaker()
    x = make.op("Add", make.input("x", (ROWS, 4)), make.const(np.ones((ROWS, 4))))
    y = make.op("Div", x, make.const(3.0))
    model = make.model(twice=make.op("Mul", y, make.const(2.0)), once=y)
    assert operators(folded(model)) == operators(site(model))


def test_a_summand_that_rounds_is_left_alone() -> None:
    """Adding a large number and taking it away again rounds; folded, it would not."""
    make = GraphMaker()
    large = make.const(1.5 * 2**23)
    x = make.op("Sub", make.op("Add", make.input("x", (ROWS, 4)), large), large)
    assert LARGEST_SUMMAND < 1.5 * 2**23
    graph = site(make.model(out=x))
    (note,) = fold_affine(graph)
    assert (note.verdict, operators(graph)["Sub"]) == ("declined", 1)


def test_constants_do_not_grow() -> None:
    """A reference per row is not spread over the bias per sample, though that would save an addition."""
    make = GraphMaker()
    x = make.op("Add", make.input("x", (ROWS, SAMPLES)), make.const(np.ones(SAMPLES)))
    x = make.op("Add", x, make.const(np.arange(1.0 * ROWS).reshape(ROWS, 1)))
    assert operators(folded(make.model(out=x)))["Add"] == 2


def test_nodes_outside_of_sites_are_left_alone() -> None:
    """What compaction did not make stays as the exporter wrote it."""
    make = GraphMaker()
    grid, _ = sampling_grid(make)
    graph = ir.from_proto(make.model(grid=grid))
    (note,) = fold_affine(graph)
    assert note.verdict == "declined"


@st.composite
def chains(draw: st.DrawFn) -> onnx.ModelProto:
    """Draw a chain of element-wise operators with constants, views and gathers, and a second one that it meets."""
    make = GraphMaker()
    shape = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(1, 3)))]
    x = make.input("x", shape)
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(
            st.sampled_from(["Mul", "Div", "Add", "Sub", "Rsub", "Reshape", "Transpose", "Gather", "join"])
        )
        if kind == "Reshape":
            shape = draw(st.permutations([*shape, 1])) if draw(st.booleans()) else [int(np.prod(shape))]
            x = make.op("Reshape", x, make.const(shape))
        elif kind == "Transpose":
            perm = draw(st.permutations(range(len(shape))))
            shape = [shape[axis] for axis in perm]
            x = make.op("Transpose", x, perm=list(perm))
        elif kind == "Gather":
            axis = draw(st.integers(0, len(shape) - 1))
            picked = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=4))
            shape = [*shape[:axis], len(picked), *shape[axis + 1 :]]
            x = make.op("Gather", x, make.const(picked), axis=axis)
        elif kind == "join":
            other = make.op("Div", make.input(make.name("y"), shape), make.const(2.0))
            x = make.op(draw(st.sampled_from(["Add", "Sub"])), x, other)
        else:
            own = [size if draw(st.booleans()) else 1 for size in shape][draw(st.integers(0, len(shape))) :]
            numbers = draw(st.integers(0, 1000))
            constant = make.const(np.random.default_rng(numbers).uniform(0.5, 2.0, own))
            x = make.op("Sub", constant, x) if kind == "Rsub" else make.op(kind, x, constant)
    return make.model(out=x)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(chains())
def test_any_chain_keeps_its_meaning(model: onnx.ModelProto) -> None:
    """Factors and summands of any broadcast shape, through any views, to any constants."""
    folded(model)
