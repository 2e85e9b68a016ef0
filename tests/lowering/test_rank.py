"""Operators on many axes are computed on few, with the same result."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.rank import few_axes
from specialize.passes.clean_up import tidy
from tests.graphs import GraphMaker, assert_annotations_true, operators, random_feeds, run
from tests.row_graphs import any_graphs


def ranks(model: ir.Model) -> int:
    """Return the highest rank of what nodes compute."""
    return max(len(value.shape or ()) for node in model.graph for value in node.outputs)


def check(maker: GraphMaker, out: str, highest: int = 4) -> ir.Model:
    """Lower a graph, compare both, and return the result."""
    proto = maker.model(out=out)
    model = ir.from_proto(proto)
    folding.fold(model)
    assert apply(model, few_axes(highest)) == []
    tidy(model)
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(model, feeds)["out"], run(proto, feeds)["out"], rtol=1e-5, atol=1e-6)
    assert_annotations_true(model, feeds)
    return model


def test_sampling_locations_of_rank_six() -> None:
    """Offsets over sizes plus references, as exporters write them, need no tensor of more than four axes."""
    g = GraphMaker()
    offsets = g.op("Reshape", g.input("offsets", (2, 5, 96)), g.const([2, 5, 8, 1, 2, 3, 2]))
    scaled = g.op("Div", offsets, g.const(np.array([25.0, 15.0]).reshape(1, 1, 1, 1, 1, 1, 2)))
    reference = g.op("Reshape", g.input("reference", (2, 5, 3, 2)), g.const([2, 5, 1, 1, 1, 3, 2]))
    places = g.op("Reshape", g.op("Add", scaled, reference), g.const([2, 5, 8, 1, 6, 2]))
    turned = g.op("Transpose", places, perm=[0, 2, 1, 3, 4, 5])
    model = check(g, g.op("Reshape", turned, g.const([16, 5, 6, 2])))
    assert ranks(model) <= 4


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Softmax", {"axis": 2}),
        ("Softmax", {"axis": -1}),
        ("LogSoftmax", {"axis": 0}),
        ("Relu", {}),
        ("Tanh", {}),
    ],
)
def test_operators_of_one_input(operator: str, attributes: dict[str, int]) -> None:
    """One axis matters, or none."""
    g = GraphMaker()
    x = g.op("Reshape", g.input("x", (24, 5)), g.const([2, 3, 2, 2, 5]))
    model = check(g, g.op("Reshape", g.op(operator, x, **attributes), g.const([24, 5])))
    assert ranks(model) <= 4


def test_pieces() -> None:
    """Split, Slice, Concat, Gather and Expand on rank 6."""
    g = GraphMaker()
    x = g.op("Reshape", g.input("x", (24, 5)), g.const([2, 3, 2, 2, 1, 5]))
    first, second = g.ops("Split", x, g.const([1, 2]), count=2, axis=1)
    cut = g.op("Slice", second, *(g.const([n]) for n in (0, 1, 1)))
    joined = g.op("Concat", cut, first, axis=1)
    picked = g.op("Gather", joined, g.const([1, 0, 1]), axis=5)
    wide = g.op("Expand", picked, g.const([2, 2, 2, 2, 4, 3]))
    model = check(
        g,
        g.op(
            "Reshape",
            g.op("Squeeze", g.op("Gather", wide, g.const(np.array([1])), axis=2), g.const([2])),
            g.const([16, 6]),
        ),
    )
    assert ranks(model) <= 4


def test_sums() -> None:
    """Sums over several axes, kept or not."""
    g = GraphMaker()
    x = g.op("Reshape", g.input("x", (24, 5)), g.const([2, 3, 2, 2, 5]))
    kept = g.op("ReduceSum", x, g.const([1, 4]), keepdims=1)
    model = check(g, g.op("ReduceSum", g.op("Mul", x, kept), g.const([2, 3]), keepdims=0))
    assert ranks(model) <= 4


def test_what_cannot_be_merged_is_declined() -> None:
    """A product that is broadcast along every second axis stays, with the reason."""
    g = GraphMaker()
    out = g.op("Mul", g.input("x", (2, 1, 3, 1, 2)), g.input("y", (1, 3, 1, 2, 1)))
    model = ir.from_proto(g.model(out=out))
    note = apply(model, few_axes())[0]
    assert note.reason == "Mul: 5 axes are broadcast in turn"


@given(any_graphs())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_graphs_compute_the_same(proto: object) -> None:
    """Random graphs of many operators compute the same, their rank lowered to three."""
    model = ir.from_proto(proto)  # type: ignore[call-overload]
    folding.fold(model)
    before = operators(model)
    apply(model, few_axes(3))
    tidy(model)
    feeds = random_feeds(proto)  # type: ignore[arg-type]
    wanted, got = run(proto, feeds), run(model, feeds)  # type: ignore[arg-type]
    for name, array in wanted.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-5, err_msg=str(before))
