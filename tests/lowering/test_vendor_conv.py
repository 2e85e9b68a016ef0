"""Deformable convolutions of vendors are written and read, and compute the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.errors import InputError
from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.attention import has_custom, runnable
from specialize.lowering.vendor_conv import READ_CONVS, vendor_convs
from specialize.targets import target
from specialize.targets.base import BuildFacts
from specialize.targets.lower import finish, runnable_copy
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
    folding.evaluate(model)
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
    (note,) = apply(model, *vendor_convs({operator}))
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
    apply(model, *vendor_convs({MODULATED}))
    (node,) = [node for node in model.graph if node.op_type == MODULATED]
    assert [len(value.shape or ()) for value in node.inputs if value is not None] == [4, 4, 4, 4, 1]
    assert node.inputs[1] is offset and node.inputs[2] is model.graph.inputs[2]
    assert {name: len(node.attributes[name].as_ints()) for name in ("stride", "padding", "dilation")} == {
        "stride": 2, "padding": 2, "dilation": 2,
    }  # fmt: skip
    model = read(convolution(False, False))
    apply(model, *vendor_convs({PLAIN}))
    (node,) = [node for node in model.graph if node.op_type == "DeformConv2d"]
    assert node.domain == "DL" and len(node.attributes["padding"].as_ints()) == 4
    assert node.attributes["im2col_step"].as_int() == 32


@pytest.mark.parametrize(
    ("mask", "attributes", "operator", "reason"),
    [
        (True, {}, PLAIN, "it has a mask"),
        (False, {"pads": [1, 1, 0, 0]}, MODULATED, "its numbers of padding, [1, 1, 0, 0], differ"),
        (False, {"pads": [1, 0, 1, 0]}, MODULATED, "its numbers of padding, [1, 0, 1, 0], differ"),
        (False, {"pads": [1, 0, 1, 0]}, PLAIN, "their order is not certain"),
        (False, {"strides": [1, 2]}, MODULATED, "its numbers of stride, [1, 2], differ"),
        (False, {"dilations": [2, 1]}, PLAIN, "its numbers of dilation, [2, 1], differ"),
        (False, {"group": 4}, MODULATED, "even numbers of channels per group, and there are [1, 4]"),
        (False, {"offset_group": 4}, MODULATED, "even numbers of channels per group, and there are [4, 1]"),
        (False, {"batch": 48}, MODULATED, "a batch of 48 is not a multiple of 32"),
    ],
)
def test_what_an_operator_cannot_say_is_declined(
    mask: bool, attributes: dict[str, object], operator: str, reason: str
) -> None:
    """The convolution stays, and the note says why."""
    g, settings = GraphMaker(19), {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3], **attributes}
    batch = int(str(settings.pop("batch", 1)))
    inputs = [
        g.input("x", (batch, 4, 6, 7)),
        g.const(np.ones((4, 4, 3, 3))),
        g.input("offset", (batch, 18, 6, 7)),
        "",
    ]
    inputs += [g.input("mask", (batch, 9, 6, 7))] if mask else []
    made = g.op("DeformConv", *inputs, **settings)
    model = ir.from_proto(g.model(out=made))
    (node,) = (node for node in model.graph if node.op_type == "DeformConv")
    node.outputs[0].shape = ir.Shape([batch, 4, 6, 7])
    (note,) = apply(model, *vendor_convs({operator}))
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
    assert model.graph.opset_imports[""] <= target(name).TOOLCHAIN.opset
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(runnable_copy(model), feeds)["out"], run(proto, feeds)["out"], atol=2e-5)


def vendors(operator: str, **attributes: object) -> onnx.ModelProto:
    """Return a model of one convolution of a vendor, in opset 17."""
    g, random = GraphMaker(domains=["DL"]), np.random.default_rng(1)
    groups = int(str(attributes.get("groups", 1)))
    shared = int(str(attributes.get("deform_groups", 1)))
    inputs = [g.input("x", (1, 4, 6, 7)), g.input("offset", (1, 18 * shared, 6, 7))]
    inputs += [g.input("mask", (1, 9 * shared, 6, 7))] if operator == MODULATED else []
    inputs.append(g.const(random.standard_normal((6, 4 // groups, 3, 3))))
    *domain, name = operator.split("::")
    settings = {"padding": [1] * (4 if domain else 2), **attributes}
    return g.model(out=g.annotate(g.op(name, *inputs, domain="".join(domain), **settings), (1, 6, 6, 7)))


@pytest.mark.parametrize(
    "attributes", [{"groups": 2}, {"deform_groups": 2}, {"groups": 2, "deform_groups": 2}]
)
@pytest.mark.parametrize("operator", [MODULATED, PLAIN])
def test_groups_are_read_and_written(operator: str, attributes: dict[str, object]) -> None:
    """They are those of DeformConv; what is written again has them too, and is proven."""
    proto = vendors(operator, **attributes)
    model = read(proto)
    (note, *_) = runnable(model)
    assert note.reason.endswith("read as DeformConv") and not has_custom(model)
    standard = model.clone()
    apply(model, *vendor_convs({operator}))
    (node,) = (node for node in model.graph if node.op_type == operator.split("::")[-1])
    found = {name: node.attributes[name].as_int() for name in ("groups", "deform_groups")}
    assert found == {"groups": 1, "deform_groups": 1, **attributes}
    feeds = random_feeds(proto)
    got, want = (run(each, feeds)["out"] for each in (runnable_copy(model), standard))
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize(
    ("operator", "attributes", "reason"),
    [
        (MODULATED, {"groups": 2}, "it has groups"),
        (PLAIN, {"bias": 1}, "it declares a bias"),
        (PLAIN, {"padding": [1, 1, 0, 0]}, "its numbers of padding, [1, 1, 0, 0], differ"),
    ],
)
def test_what_cannot_be_read_is_declined(operator: str, attributes: dict[str, object], reason: str) -> None:
    """What GridSample has no groups for, and what no document explains, is named."""
    (note,) = apply(read(vendors(operator, **attributes)), READ_CONVS)
    assert note.verdict == "declined" and reason in note.reason


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


def test_a_pooling_of_unknown_sizes_is_named() -> None:
    """Without the sizes of depth and features it cannot be written out, so it is refused by name."""
    g = GraphMaker()
    sizes = g.input("sizes", (4,), onnx.TensorProto.INT64)
    inputs = [g.op("Reshape", g.input("depth", (1, 2, 2, 3)), sizes), g.input("features", (1, 2, 3, 4))]
    inputs += [g.input(f"table{number}", (5,), onnx.TensorProto.INT32) for number in range(5)]
    out = g.annotate(g.op("BEVPoolV2TRT", *inputs, out_height=2, out_width=3), (1, 2, 3, 4))
    with pytest.raises(InputError, match="a size of its depth or features is unknown"):
        runnable(ir.from_proto(g.model(out=out)))
