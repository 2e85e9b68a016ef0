"""Graphs written in an older opset compute the same and are legal there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.grid_sample import GATHERED_SAMPLES
from specialize.lowering.opset import lower_opset
from tests.graphs import GraphMaker, assert_annotations_true, operators, random_feeds, run

Write = Callable[[GraphMaker, str], str]


def lowered(
    opset: int, write: Write, shape: tuple[int, ...] = (2, 3, 4)
) -> tuple[onnx.ModelProto, ir.Model, list[str]]:
    """Return a graph, the same in opset 11, and why that could not be done."""
    maker = GraphMaker(opset)
    proto = maker.model(out=write(maker, maker.input("x", shape)))
    model = ir.from_proto(proto)
    folding.fold(model)
    notes = lower_opset(model, 11)
    return proto, model, [note.reason for note in notes if note.verdict == "declined"]


WRITES: dict[str, tuple[int, Write]] = {
    "ReduceSum": (17, lambda g, x: g.op("ReduceSum", x, g.const([-1]), keepdims=1)),
    "ReduceSum of all": (17, lambda g, x: g.op("ReduceSum", x, keepdims=0)),
    "ReduceMean": (18, lambda g, x: g.op("ReduceMean", x, g.const([0, 2]), keepdims=0)),
    "ReduceMax": (20, lambda g, x: g.op("ReduceMax", x, g.const([1]))),
    "Unsqueeze": (17, lambda g, x: g.op("Unsqueeze", x, g.const([-2, 0]))),
    "Squeeze": (17, lambda g, x: g.op("Squeeze", g.op("Unsqueeze", x, g.const([1])), g.const([1]))),
    "Split": (18, lambda g, x: g.ops("Split", x, count=2, axis=2, num_outputs=2)[1]),
    "Softmax": (17, lambda g, x: g.op("Softmax", x, axis=-1)),
    "Softmax inside": (17, lambda g, x: g.op("Softmax", x, axis=1)),
    "LogSoftmax first": (13, lambda g, x: g.op("LogSoftmax", x, axis=0)),
    "LayerNormalization": (
        17,
        lambda g, x: g.op("LayerNormalization", x, g.const(np.arange(4.0)), g.const(np.ones(4))),
    ),
    "LayerNormalization of two": (
        17,
        lambda g, x: g.op("LayerNormalization", x, g.const(np.full((3, 4), 2.0)), axis=1, epsilon=0.1),
    ),
    "HardSwish": (14, lambda g, x: g.op("HardSwish", x)),
    "Gelu": (20, lambda g, x: g.op("Gelu", x)),
    "LessOrEqual": (16, lambda g, x: g.op("Cast", g.op("LessOrEqual", x, g.const(0.1)), to=1)),
    "GreaterOrEqual": (16, lambda g, x: g.op("Cast", g.op("GreaterOrEqual", x, g.const(0.1)), to=1)),
    "Reshape": (17, lambda g, x: g.op("Reshape", x, g.const([6, 4]), allowzero=1)),
    "Clip": (17, lambda g, x: g.op("Clip", x, g.const(-0.5), g.const(0.5))),
    "ScatterND": (
        18,
        lambda g, x: g.op("ScatterND", x, g.const([[1]]), g.const(np.ones((1, 3, 4))), reduction="none"),
    ),
    "Resize": (
        18,
        lambda g, x: g.op(
            "Resize",
            g.op("Unsqueeze", x, g.const([0])),
            "",
            g.const(np.array([1.0, 1, 2, 2], np.float32)),
            mode="nearest",
        ),
    ),
    "Resize of some axes": (
        18,
        lambda g, x: g.op(
            "Resize",
            g.op("Unsqueeze", x, g.const([0])),
            "",
            g.const(np.array([2.0, 0.5], np.float32)),
            mode="nearest",
            axes=[3, -2],
            keep_aspect_ratio_policy="stretch",
        ),
    ),
    "Resize of one axis to a size": (
        18,
        lambda g, x: g.op(
            "Resize", g.op("Unsqueeze", x, g.const([0])), "", "", g.const([7]), axes=[3], mode="linear"
        ),
    ),
    "Concat": (20, lambda g, x: g.op("Concat", x, x, axis=-1)),
    "Pad": (19, lambda g, x: g.op("Pad", x, g.const([0, 1, 0, 0, 0, 2]))),
}


@pytest.mark.parametrize("name", WRITES)
def test_rules(name: str) -> None:
    """Each operator computes in opset 11 what it computed, and ONNX finds the graph legal."""
    opset, write = WRITES[name]
    proto, model, reasons = lowered(opset, write)
    assert reasons == [] and model.graph.opset_imports[""] == 11
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(model, feeds)["out"], run(proto, feeds)["out"], atol=2e-6)
    assert_annotations_true(model, feeds)


@pytest.mark.parametrize(
    ("opset", "write", "reason"),
    [
        (
            17,
            lambda g, x: g.op("Einsum", x, x, equation="abc,abd->acd"),
            "Einsum in opset 11: there is no such operator",
        ),
        (
            17,
            lambda g, x: g.op(
                "GridSample", g.op("Unsqueeze", x, g.const([0])), g.input("grid", (1, 2, 2, 2))
            ),
            "GridSample",
        ),
        (
            18,
            lambda g, x: g.op("ScatterND", x, g.const([[1]]), g.const(np.ones((1, 3, 4))), reduction="add"),
            "no reduction add",
        ),
        (
            18,
            lambda g, x: g.op(
                "Resize",
                g.op("Unsqueeze", x, g.const([0])),
                "",
                "",
                g.const([6, 6]),
                axes=[2, 3],
                keep_aspect_ratio_policy="not_larger",
            ),
            "no aspect ratio",
        ),
        (20, lambda g, x: g.op("Gelu", x, approximate="tanh"), "approximation"),
        (17, lambda g, x: g.op("Clip", g.op("Cast", x, to=7), g.const(0), g.const(1)), "it takes no INT64"),
        (17, lambda g, x: g.op("Reshape", x, g.const([0, 12, 1]), allowzero=0), None),
    ],
)
def test_declined(opset: int, write: Write, reason: str | None) -> None:
    """What has no other form keeps its opset, and says so."""
    _, model, reasons = lowered(opset, write)
    if reason is None:
        assert reasons == []
    else:
        assert any(reason in each for each in reasons)
        assert model.graph.opset_imports[""] == opset


def test_a_graph_is_rewritten_as_a_whole_or_not_at_all() -> None:
    """If one node cannot be written in the older opset, the others stay as they were: half a graph is none."""
    proto, model, reasons = lowered(
        18, lambda g, x: g.op("Einsum", g.op("ReduceMean", x, g.const([1])), equation="abc->cba")
    )
    assert len(reasons) == 1
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert operators(model) == operators(ir.from_proto(proto))


@pytest.mark.parametrize(
    ("opset", "how", "taken"), [(16, "add", True), (17, "mul", True), (17, "max", False)]
)
def test_scatters_add_from_opset_16_on(opset: int, how: str, taken: bool) -> None:
    """A sum stays a sum where that opset has it; the largest came in opset 18."""
    g = GraphMaker(18)
    rows = g.const(np.ones((1, 3, 4)))
    out = g.op("ScatterND", g.input("x", (2, 3, 4)), g.const([[1]]), rows, reduction=how)
    model = ir.from_proto(g.model(out=out))
    folding.evaluate(model)
    lower_opset(model, opset)
    assert (model.graph.opset_imports[""] == opset) == taken
    (node,) = [node for node in model.graph if node.op_type == "ScatterND"]
    assert node.attributes["reduction"].as_string() == how


@pytest.mark.parametrize("mode", ["linear", "cubic", "nearest", ""])
def test_grid_sample_has_the_names_of_the_opset(mode: str) -> None:
    """From opset 20 on modes have other names; what another domain gets is spelled out, by the names before."""
    g = GraphMaker(20)
    named = {"mode": mode} if mode else {}
    proto = g.model(
        out=g.op("GridSample", g.input("x", (1, 2, 4, 5)), g.input("grid", (1, 3, 3, 2)), **named)
    )
    model = ir.from_proto(proto)
    folding.fold(model)
    (note,) = lower_opset(model, 17)
    assert note.verdict == "applied"
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(model, feeds)["out"], run(proto, feeds)["out"], atol=1e-6)
    (node,) = (node for node in model.graph if node.op_type == "GridSample")
    wanted = {"linear": "bilinear", "cubic": "bicubic", "": "bilinear"}.get(mode, mode)
    assert {name: attr.value for name, attr in node.attributes.items()} == {
        "mode": wanted, "padding_mode": "zeros", "align_corners": 0,
    }  # fmt: skip


def test_volumes_are_sampled_from_opset_20_on() -> None:
    """Before, GridSample read images alone."""
    g = GraphMaker(20)
    read = g.op("GridSample", g.input("x", (1, 2, 3, 4, 5)), g.input("grid", (1, 2, 2, 2, 3)))
    model = ir.from_proto(g.model(out=read))
    folding.fold(model)
    (note,) = lower_opset(model, 17)
    assert note.verdict == "declined" and "it reads no volumes" in note.reason


def test_an_older_graph_stays() -> None:
    """A graph that is old enough is not touched."""
    _, model, reasons = lowered(11, lambda g, x: g.op("Relu", x))
    assert reasons == [] and model.graph.opset_imports[""] == 11


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("size", [(3, 5), (1, 4), (1, 1)])
def test_grid_sample_with_gather(mode: str, aligned: int, size: tuple[int, int]) -> None:
    """GridSample is written with Gather: both modes, both conventions of corners, also far outside and on pixels."""
    g = GraphMaker(17)
    attributes = {"mode": mode, "align_corners": aligned}
    out = g.op("GridSample", g.input("x", (2, 3, *size)), g.input("grid", (2, 4, 6, 2)), **attributes)
    proto = g.model(out=out)
    model = ir.from_proto(proto)
    folding.fold(model)
    (note,) = apply(model, GATHERED_SAMPLES)
    assert note.verdict == "applied" and not operators(model)["GridSample"]
    assert lower_opset(model, 11)[0].verdict == "applied"
    feeds = random_feeds(proto)
    random = np.random.default_rng(1)
    feeds["grid"] = random.uniform(-1.6, 1.6, size=(2, 4, 6, 2)).astype(np.float32)
    feeds["grid"][0] = random.choice([-1.0, 1.0, 0.0, 50.0], size=(4, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(run(model, feeds)["out"], run(proto, feeds)["out"], atol=3e-6)


@pytest.mark.parametrize("attributes", [{"mode": "bicubic"}, {"padding_mode": "reflection"}])
def test_other_grid_samples_are_declined(attributes: dict[str, str]) -> None:
    """Cubic sampling and reflected borders have no other form."""
    g = GraphMaker(17)
    model = ir.from_proto(
        g.model(
            out=g.op("GridSample", g.input("x", (1, 2, 4, 4)), g.input("grid", (1, 3, 3, 2)), **attributes)
        )
    )
    folding.fold(model)
    (note,) = apply(model, GATHERED_SAMPLES)
    assert note.verdict == "declined" and "no other form" in note.reason
