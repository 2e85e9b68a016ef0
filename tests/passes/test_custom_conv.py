"""Deformable convolutions of vendors are written and read, and compute the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.errors import InputError
from specialize.graph import known
from specialize.passes.custom_conv import read_convs, write_convs
from specialize.passes.lower import has_custom, runnable
from specialize.targets import target
from specialize.targets.base import BuildFacts
from specialize.targets.finish import finish, runnable_copy
from tests.graphs import GraphMaker, assert_annotations_true, operators, random_feeds, run

MODULATED, PLAIN = "ModulatedDeformableConv2dTRT", "DL::DeformConv2d"


def convolution(mask: bool, bias: bool, stride: int = 1, **attributes: object) -> onnx.ModelProto:
    """Return a model of one standard deformable convolution."""
    g, random = GraphMaker(19), np.random.default_rng(0)
    out = tuple(-(-size // stride) for size in (6, 7))
    inputs = [
        g.input("x", (2, 4, 6, 7)),
        g.const(random.standard_normal((3, 4, 3, 3))),
        g.input("offset", (2, 18, *out)),
    ]
    inputs.append(g.const(random.standard_normal(3)) if bias else "")
    inputs += [g.input("mask", (2, 9, *out))] if mask else []
    attributes = {"pads": [1, 1, 1, 1], "strides": [stride] * 2, "kernel_shape": [3, 3], **attributes}
    return g.model(out=g.op("DeformConv", *inputs, **attributes))


def read(proto: onnx.ModelProto) -> ir.Model:
    """Return a graph with its shapes inferred."""
    model = ir.from_proto(proto)
    known.evaluate(model)
    return model


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("operator", "mask", "bias"),
    [
        (MODULATED, True, True),
        (MODULATED, True, False),
        (MODULATED, False, True),
        (PLAIN, False, False),
        (PLAIN, False, True),
    ],
)
def test_written_and_read_back(operator: str, mask: bool, bias: bool, stride: int) -> None:
    """The vendor's operator says the same: read back, it computes what DeformConv does."""
    proto = convolution(mask, bias, stride)
    model = read(proto)
    (note,) = write_convs(model, {operator})
    assert note.reason == f"written as {operator}"
    assert operators(model)[operator.split("::")[-1]] == 1 and operators(model)["DeformConv"] == 0
    assert has_custom(model)
    runnable(model)
    assert not has_custom(model)
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(model, feeds)["out"], run(proto, feeds)["out"], atol=2e-5)
    assert_annotations_true(model, feeds)


def test_inputs_and_attributes_are_the_makers() -> None:
    """Order of inputs, and lengths of attributes, are those of the plugins."""
    model = read(convolution(True, True))
    offset = model.graph.inputs[1]
    write_convs(model, {MODULATED})
    (node,) = [node for node in model.graph if node.op_type == MODULATED]
    assert [len(value.shape or ()) for value in node.inputs if value is not None] == [4, 4, 4, 4, 1]
    assert node.inputs[1] is offset and node.inputs[2] is model.graph.inputs[2]
    assert {name: len(node.attributes[name].as_ints()) for name in ("stride", "padding", "dilation")} == {
        "stride": 2, "padding": 2, "dilation": 2,
    }  # fmt: skip
    model = read(convolution(False, False))
    write_convs(model, {PLAIN})
    (node,) = [node for node in model.graph if node.op_type == "DeformConv2d"]
    assert node.domain == "DL" and len(node.attributes["padding"].as_ints()) == 4
    assert node.attributes["im2col_step"].as_int() == 32


@pytest.mark.parametrize(
    ("mask", "attributes", "operator", "reason"),
    [
        (True, {}, PLAIN, "it has a mask"),
        (False, {"pads": [1, 1, 0, 0]}, MODULATED, "differ at both ends"),
    ],
)
def test_what_an_operator_cannot_say_is_declined(
    mask: bool, attributes: dict[str, object], operator: str, reason: str
) -> None:
    """The convolution stays, and the note says why."""
    g = GraphMaker(19)
    out = (4, 5) if attributes else (6, 7)
    inputs = [
        g.input("x", (1, 4, 6, 7)),
        g.const(np.ones((3, 4, 3, 3))),
        g.input("offset", (1, 18, *out)),
        "",
    ]
    inputs += [g.input("mask", (1, 9, *out))] if mask else []
    size = {"pads": [1, 1, 1, 1] if not attributes else [0, 0, 0, 0], "kernel_shape": [3, 3]} | attributes
    out_ = g.annotate(g.op("DeformConv", *inputs, **size), (1, 3, *out))
    model = ir.from_proto(g.model(out=out_))
    (note,) = write_convs(model, {operator})
    assert note.verdict == "declined" and reason in note.reason
    assert operators(model)["DeformConv"] == 1


@pytest.mark.parametrize("name", ["tensorrt_derryhub", "denglin", "openvino"])
def test_targets_get_their_own(name: str, tmp_path: object) -> None:
    """A target with an operator of its own gets it, at its opset; others get GridSample; all compute the same."""
    from pathlib import Path

    proto = convolution(name != "denglin", True)
    model = read(proto)
    finish(model, name, Path(str(tmp_path)), BuildFacts(vehicle="v"))
    own = {"tensorrt_derryhub": MODULATED, "denglin": "DeformConv2d", "openvino": "GridSample"}[name]
    assert operators(model)[own] == 1
    assert model.graph.opset_imports[""] <= target(name).PROFILE.opset
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(runnable_copy(model), feeds)["out"], run(proto, feeds)["out"], atol=2e-5)


def test_what_cannot_be_read_is_declined() -> None:
    """Groups of channels are named."""
    g = GraphMaker()
    inputs = [g.input("x", (1, 4, 6, 7)), g.input("offset", (1, 18, 6, 7)), g.input("mask", (1, 9, 6, 7))]
    made = g.op(MODULATED, *inputs, g.const(np.ones((4, 2, 3, 3))), padding=[1, 1], groups=2, deform_groups=1)
    (note,) = read_convs(read(g.model(out=g.annotate(made, (1, 4, 6, 7)))))
    assert note.verdict == "declined" and "groups" in note.reason


def test_a_pooling_is_read() -> None:
    """A model that pools by tables has no kernel for it here: it is written out before it is compared."""
    g, random = GraphMaker(), np.random.default_rng(0)
    depth, points = g.input("depth", (1, 2, 2, 3)), [0, 3, 5, 7, 11]  # (N, D, H, W)
    features = g.input("features", (1, 2, 3, 4))  # (N, H, W, C)
    places = [point % 6 for point in points]
    cells, starts, lengths = [4, 4, 1, 0, 0], [0, 2, 3], [2, 1, 2]
    tables = [
        g.const(np.array(table, np.int32), np.int32) for table in (points, places, cells, starts, lengths)
    ]
    pooled = g.op("BEVPoolV2TRT", depth, features, *tables, out_height=2, out_width=3)
    model = ir.from_proto(g.model(out=g.annotate(pooled, (1, 2, 3, 4))))
    assert has_custom(model)
    runnable(model)
    assert not has_custom(model)
    feeds = {name: random.standard_normal(shape).astype(np.float32)
             for name, shape in (("depth", (1, 2, 2, 3)), ("features", (1, 2, 3, 4)))}  # fmt: skip
    wanted = np.zeros((6, 4), np.float32)
    for point, place, cell in zip(points, places, cells, strict=True):
        wanted[cell] += feeds["depth"].ravel()[point] * feeds["features"].reshape(6, 4)[place]
    np.testing.assert_allclose(run(model, feeds)["out"], wanted.reshape(1, 2, 3, 4), atol=1e-5)


def test_a_pooling_by_computed_tables_is_named() -> None:
    """Tables that are inputs cannot be written out, and no runtime here takes the model: it is refused by name."""
    g = GraphMaker()
    inputs = [g.input("depth", (1, 2, 2, 3)), g.input("features", (1, 2, 3, 4))]
    inputs += [g.input(f"table{number}", (5,), onnx.TensorProto.INT32) for number in range(5)]
    out = g.annotate(g.op("BEVPoolV2TRT", *inputs, out_height=2, out_width=3), (1, 2, 3, 4))
    with pytest.raises(InputError, match="its tables are not constant"):
        runnable(ir.from_proto(g.model(out=out)))
