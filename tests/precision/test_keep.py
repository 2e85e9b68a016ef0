"""What stays in float32 follows from what nodes are connected to."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize import targets
from specialize.attention.operator import DOMAIN, OPERATOR
from specialize.precision.keep import kept_nodes
from specialize.targets.coordinates import coordinate_branches, sampling_places
from specialize.targets.lower import lower
from tests.graphs import GraphMaker
from tests.precision.models import as_graph, gathering_model, sampling_model


def kept(model: ir.Model, *bound: str) -> list[str]:
    """Return the operators of kept nodes, in graph order."""
    nodes = kept_nodes(model, bound)
    return [node.op_type for node in model.graph if node in nodes and node.op_type != "Identity"]


def test_the_coordinate_branch_is_kept_and_nothing_else() -> None:
    """From the projection of offsets to GridSample, but neither the values nor the projection of the result."""
    assert kept(as_graph(sampling_model())) == ["MatMul", "Add", "Reshape", "GridSample"]


def test_names_mean_nothing() -> None:
    """Renaming every node and value changes nothing."""
    proto = sampling_model()
    for number, node in enumerate(proto.graph.node):
        node.name = f"n{number}"
    assert kept(as_graph(proto)) == ["MatMul", "Add", "Reshape", "GridSample"]


def test_computed_indices_are_coordinates_too() -> None:
    """Where GridSample is written with Gathers, indices and weights of the corners stay; the gathered values do not."""
    model = gathering_model()
    nodes = kept_nodes(model, ())
    gathers = [node for node in model.graph if node.op_type in ("Gather", "GatherElements", "GatherND")]
    assert gathers
    for gather in gathers:
        index = gather.inputs[1]
        assert index is not None
        assert index.const_value is not None or index.producer() in nodes
    assert next(node.op_type for node in model.graph if node not in nodes) == "Conv"
    assert [node.op_type for node in model.graph if node not in nodes][-2:] == ["MatMul", "Identity"]


def test_offsets_of_deformable_convolutions_are_kept() -> None:
    """The convolution that gives offsets stays, the one before it does not."""
    make, random = GraphMaker(19), np.random.default_rng(0)
    first = make.op(
        "Conv", make.input("image", (1, 2, 6, 6)), make.const(random.standard_normal((2, 2, 1, 1)))
    )
    offsets = make.op("Conv", first, make.const(random.standard_normal((2, 2, 1, 1))))
    out = make.op("DeformConv", first, make.const(random.standard_normal((2, 2, 1, 1))), offsets)
    assert kept(as_graph(make.model(out=out))) == ["Conv", "DeformConv"]


def test_poses_and_times_are_kept_up_to_the_first_weights() -> None:
    """Points moved by a pose that is an input stay in float32, and the projection that gives them; weights end it."""
    make, random = GraphMaker(), np.random.default_rng(0)
    pose, points = make.input("pose", (1, 4, 4)), make.input("points", (1, 9, 4))
    time = make.op("Sub", make.input("time", (1, 9, 1)), make.input("now", (1, 1, 1)))
    found = make.op("MatMul", make.input("feature", (1, 9, 8)), make.const(random.standard_normal((8, 4))))
    recalled = make.op("MatMul", points, make.op("Transpose", pose, perm=[0, 2, 1]))
    moved = make.op("MatMul", found, make.op("Transpose", pose, perm=[0, 2, 1]))
    encoded = make.op("MatMul", time, make.const(random.standard_normal((1, 8))))
    model = as_graph(make.model(recalled=recalled, moved=moved, encoded=encoded))
    assert kept(model) == ["Sub", "MatMul", "Transpose", "MatMul", "Transpose", "MatMul"]


def test_what_depends_on_the_calibration_alone_is_kept() -> None:
    """Constant points projected by a calibration that is an input stay in float32."""
    make = GraphMaker()
    matrix = make.input("lidar2img", (1, 40, 40))  # too large to pass for a pose
    projected = make.op("MatMul", matrix, make.const(np.ones((40, 3))))
    model = as_graph(make.model(out=make.op("Div", projected, make.const(2.0))))
    assert kept(model) == []
    assert kept(model, "lidar2img") == ["MatMul", "Div"]


def test_custom_operators_are_kept() -> None:
    """Converters know no operators of other domains."""
    make = GraphMaker(domains=("trt",))
    value = make.op("Conv", make.input("image", (1, 2, 4, 4)), make.const(np.ones((2, 2, 1, 1))))
    own = make.annotate(make.op("Plugin", value, domain="trt"), (1, 2, 4, 4))
    proto = make.model(out=make.annotate(make.op("Relu", own), (1, 2, 4, 4)))
    assert isinstance(proto, onnx.ModelProto)
    assert kept(ir.from_proto(proto)) == ["Plugin"]


def refined_model() -> ir.Model:
    """Return a model of one attention whose reference points are refined from earlier ones, as a decoder's are."""
    make, random = GraphMaker(domains=(DOMAIN,)), np.random.default_rng(0)
    n, q, m, d, p, h, w = 1, 5, 2, 4, 2, 3, 4
    query = make.input("query", (n, q, m * d))
    first = make.op("MatMul", query, make.const(random.standard_normal((m * d, 2))))
    earlier = make.op("Sigmoid", first)
    ratio = make.op("Div", earlier, make.op("Sub", make.const(1.0), earlier))
    change = make.op("MatMul", make.op("Relu", query), make.const(random.standard_normal((m * d, 3))))
    moved = make.op(
        "Add",
        make.op("Slice", change, make.const([0]), make.const([2]), make.const([2])),
        make.op("Log", ratio),
    )
    index = np.stack(np.meshgrid([0], np.arange(q), np.arange(2), indexing="ij"), -1)
    reference = make.op("Sigmoid", make.op("ScatterND", change, make.const(index), moved))
    reference = make.op("Slice", reference, make.const([0]), make.const([2]), make.const([2]))
    offsets = make.op("MatMul", query, make.const(random.standard_normal((m * d, m * p * 2))))
    offsets = make.op("Reshape", offsets, make.const([n, q, m, 1, p, 2]))
    offsets = make.op("Div", offsets, make.const(np.array([w, h], np.float32)))
    places = make.op("Add", make.op("Reshape", reference, make.const([n, q, 1, 1, 1, 2])), offsets)
    logits = make.op("MatMul", query, make.const(random.standard_normal((m * d, m * p))))
    weights = make.op("Softmax", make.op("Reshape", logits, make.const([n, q, m, p])), axis=-1)
    weights = make.op("Reshape", weights, make.const([n, q, m, 1, p]))
    value = make.op("Reshape", make.input("value", (n, h * w, m * d)), make.const([n, h * w, m, d]))
    read = make.op(OPERATOR, value, make.const(np.array([[h, w]])), places, weights, domain=DOMAIN)
    return as_graph(make.model(out=make.annotate(read, (n, q, m * d))))


@pytest.mark.parametrize("name", ["qnn", "axera", "horizon_j5", "denglin", "tensorrt_derryhub"])
def test_refined_reference_points_are_places(name: str) -> None:
    """In every target's form all of it is kept: both projections, what is written in place, logarithm and sigmoid."""
    model = refined_model()
    lower(model, targets.target(name).TOOLCHAIN)
    found = {node.op_type for node in kept_nodes(model, ())}
    assert {"Sigmoid", "Log", "MatMul"} <= found
    projections = [node for node in model.graph if node.op_type == "MatMul"]
    assert len(projections) == 4 and len([node for node in kept_nodes(model, ()) if node in projections]) == 3
    branches = coordinate_branches(model)
    assert max(len(branch.starts) for branch in branches) == 3
    if name != "denglin":  # its locations are one input
        assert {name for branch in branches for name in branch.nodes} >= {
            node.name for node in model.graph if node.op_type in ("Log", "Sigmoid")
        }


def test_reference_points_of_a_vendors_operator_are_places() -> None:
    """Where the operator adds offsets to reference points itself, both are kept, up to their projections."""
    make = GraphMaker()
    query = make.input("query", (1, 5, 8))
    reference = make.op(
        "Reshape", make.op("MatMul", query, make.const(np.ones((8, 2)))), make.const([1, 5, 1, 2])
    )
    offsets = make.op(
        "Reshape", make.op("MatMul", query, make.const(np.ones((8, 8)))), make.const([1, 5, 2, 4])
    )
    logits = make.op(
        "Reshape", make.op("MatMul", query, make.const(np.ones((8, 4)))), make.const([1, 5, 2, 2])
    )
    value, shapes = make.input("value", (1, 12, 2, 4)), make.const(np.array([[3, 4]], np.int32))
    read = make.op("MultiScaleDeformableAttnTRT", value, shapes, reference, offsets, logits)
    model = ir.from_proto(make.model(out=make.annotate(read, (1, 5, 2, 4))))
    places = {value.name for value in sampling_places(model)}
    assert places == {reference, offsets}
