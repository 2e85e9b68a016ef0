"""Rotations are written as the operator of their makers, and only they; what is written says the same."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.graph.nodes import array_of
from specialize.graph.rewrite import apply
from specialize.lowering.attention import runnable
from specialize.lowering.rotate import READ_ROTATIONS, TURNED_MAPS
from specialize.targets.base import BuildFacts
from specialize.targets.lower import finish, runnable_copy
from tests.graphs import GraphMaker, assert_annotations_true, operators, run

SIZE = (6, 9)  # height and width, px
CENTER = (3.0, 4.5)  # x and y, px, the middle of the first pixel is at 0.5
FACTS = BuildFacts(vehicle="van")
SAMPLING = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": 0}


def turned(image: np.ndarray, angle: float, center: tuple[float, float], nearest: bool) -> np.ndarray:
    """Return an image (C, H, W) turned by degrees as the plugin's maker describes it, by loops."""
    height, width = image.shape[1:]
    a, out = -angle * np.pi / 180, np.zeros(image.shape)
    cx, cy = center[0] - width / 2, center[1] - height / 2
    for row, column in np.ndindex(height, width):
        x, y = column + 0.5 - width / 2 - cx, row + 0.5 - height / 2 - cy
        u = np.cos(a) * x + np.sin(a) * y + cx + width / 2 - 0.5
        v = -np.sin(a) * x + np.cos(a) * y + cy + height / 2 - 0.5
        if nearest:
            places = [(round(v), round(u), 1.0)]
        else:
            top, left = int(np.floor(v)), int(np.floor(u))
            places = [
                (i, j, (1 - abs(v - i)) * (1 - abs(u - j))) for i in (top, top + 1) for j in (left, left + 1)
            ]
        for i, j, share in places:
            if 0 <= i < height and 0 <= j < width:
                out[:, row, column] += share * image[:, i, j]
    return out


def by_places(
    g: GraphMaker,
    cosine: str,
    sine: str,
    center: tuple[float, float] = CENTER,
    size: tuple[int, int] = SIZE,
    scale: float = 1.0,
    shear: float = 0.0,
    aligned: int = 0,
) -> str:
    """Return a grid (1, H, W, 2) as the zoo computes it: indices of pixels, turned about the center's.

    Args:
        g: Makes the graph.
        cosine: One number.
        sine: One number; negative for the other direction.
        center: Along x and y, px.
        size: Height and width, px.
        scale: How much farther from the center it reads.
        shear: How much of y is added to x on top.
        aligned: Whether 1 means the middle of the last pixel instead of its edge.
    """
    y, x = np.meshgrid(*(np.arange(length, dtype=np.float32) for length in size), indexing="ij")
    x0, y0 = center[0] - 0.5, center[1] - 0.5
    x, y = scale * (x - x0), scale * (y - y0)
    u = g.op("Add", g.op("Mul", cosine, g.const(x)), g.const(x0 + shear * y))
    u = g.op("Sub", u, g.op("Mul", sine, g.const(y)))
    v = g.op("Add", g.op("Add", g.op("Mul", sine, g.const(x)), g.const(y0)), g.op("Mul", cosine, g.const(y)))
    shares = []
    for place, length in ((u, size[1]), (v, size[0])):
        doubled = g.op("Mul", place, g.const(2.0))
        doubled = doubled if aligned else g.op("Add", doubled, g.const(1.0))
        share = g.op("Sub", g.op("Div", doubled, g.const(float(length - aligned))), g.const(1.0))
        shares.append(g.op("Unsqueeze", share, g.const([2])))
    return g.op("Unsqueeze", g.op("Concat", *shares, axis=-1), g.const([0]))


def by_matrix(g: GraphMaker, cosine: str, sine: str, in_place: bool = False) -> str:
    """Return a grid (1, H, W, 2) as the plugin's maker computes it: a matrix of the affine map times all places."""
    height, width = SIZE
    cx, cy = CENTER[0] - width / 2, CENTER[1] - height / 2
    other = g.op("Neg", sine)

    def moved(x: str, y: str, by: float) -> str:
        both = g.op("Add", g.op("Mul", x, g.const(-cx)), g.op("Mul", y, g.const(-cy)))
        return g.op("Add", both, g.const(by))

    terms = [cosine, other, moved(cosine, other, cx), sine, cosine, moved(sine, cosine, cy)]
    matrix = g.op("Reshape", g.op("Concat", *terms, axis=0), g.const([1, 2, 3]))
    columns = g.op("Mul", g.op("Transpose", matrix, perm=[0, 2, 1]), g.const(2.0))  # (1, 3, 2)
    if in_place:
        for column, length in enumerate((width, height)):
            part = g.op("Slice", columns, g.const([column]), g.const([column + 1]), g.const([2]))
            part = g.op("Squeeze", g.op("Div", part, g.const(float(length))), g.const([2]))  # (1, 3)
            where = np.array([[[0, row, column] for row in range(3)]])
            columns = g.op("ScatterND", columns, g.const(where), part)
    else:
        columns = g.op("Div", columns, g.const(np.array([width, height], np.float32)))
    y, x = np.meshgrid(
        np.arange(height) + 0.5 - height / 2, np.arange(width) + 0.5 - width / 2, indexing="ij"
    )
    places = np.stack([x, y, np.ones_like(x)], -1).reshape(1, height * width, 3)
    return g.op("Reshape", g.op("MatMul", g.const(places), columns), g.const([1, height, width, 2]))


def waves(g: GraphMaker, factor: float = math.pi / 180, angle: str = "angle") -> tuple[str, str]:
    """Return cosine and sine of an angle (1,) that is an input, times a factor."""
    turn = g.op("Mul", g.input(angle, (1,)), g.const(factor)) if factor != 1.0 else g.input(angle, (1,))
    return g.op("Cos", turn), g.op("Sin", turn)


def sampling(g: GraphMaker, grid: str, batch: int = 1, **attributes: object) -> onnx.ModelProto:
    """Return a model that reads an image of two channels at a grid."""
    image = g.input("image", (batch, 2, *SIZE))
    return g.model(out=g.op("GridSample", image, grid, **{**SAMPLING, **attributes}))


def written(proto: onnx.ModelProto) -> tuple[ir.Model, ir.Node]:
    """Return a graph with its rotation written, and the operator."""
    model = ir.from_proto(proto)
    (note,) = apply(model, TURNED_MAPS)
    assert note.verdict == "applied", note.reason
    assert operators(model)["GridSample"] == 0
    (node,) = (node for node in model.graph if node.op_type == "RotateTRT")
    return model, node


def refused(proto: onnx.ModelProto) -> str:
    """Return why the rotation of a model is not written."""
    model = ir.from_proto(proto)
    before = operators(model)
    (note,) = apply(model, TURNED_MAPS)
    assert note.verdict == "declined" and operators(model) == before
    return note.reason


def image_of(seed: int = 0, batch: int = 1) -> np.ndarray:
    """Return a random image."""
    return np.random.default_rng(seed).standard_normal((batch, 2, *SIZE)).astype(np.float32)


def check_against_loops(proto: onnx.ModelProto, degrees: float, nearest: bool = False) -> None:
    """Check that the operator, by loops over its inputs, gives what a model gives for angles of the model's unit.

    Args:
        proto: With inputs image and angle.
        degrees: How many degrees one of the model's angle is, by the operator's direction.
        nearest: Whether it must read the nearest pixel.
    """
    model, node = written(proto)
    assert node.domain == "" and node.attributes["interpolation"].as_int() == int(nearest)
    image, angle, center = node.inputs
    assert image is not None and list(image.shape or ()) == [2, *SIZE]
    assert angle is not None and list(angle.shape or ()) == [1] and angle.dtype == ir.DataType.FLOAT
    middle = array_of(center)
    assert middle is not None and middle.dtype == np.float32 and middle.tolist() == list(CENTER)
    picture = image_of()
    for turn in (0.3, -41.0, 163.0):
        number = np.array([turn / degrees], np.float32)
        (want,) = run(proto, {"image": picture, "angle": number}).values()
        got = turned(picture[0], turn, CENTER, nearest)
        np.testing.assert_allclose(got[None], want, atol=2e-4)
        (got,) = run(runnable_copy(model), {"image": picture, "angle": number}).values()
        np.testing.assert_allclose(got, want, atol=2e-4)


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("aligned", [0, 1])
def test_the_rotation_of_the_zoo_is_written(aligned: int, nearest: bool) -> None:
    """Degrees go in as they are, the center in px; a grid of either convention reads the same pixels."""
    g = GraphMaker()
    grid = by_places(g, *waves(g), aligned=aligned)
    mode = "nearest" if nearest else "bilinear"
    proto = sampling(g, grid, align_corners=aligned, mode=mode)
    if nearest and aligned:  # rounded in another order
        assert "it reads nearest pixels" in refused(proto)
        return
    model, node = written(proto)
    assert node.inputs[1] is model.graph.inputs[0]
    check_against_loops(proto, 1.0, nearest)


@pytest.mark.parametrize("in_place", [False, True])
def test_the_rotation_of_its_maker_is_written(in_place: bool) -> None:
    """A matrix of the affine map times all places, divided by half the size, in place or not."""
    g = GraphMaker()
    check_against_loops(sampling(g, by_matrix(g, *waves(g), in_place=in_place)), 1.0)


def test_units_and_directions() -> None:
    """Radians become degrees, and what turns the other way gets the opposite angle."""
    g = GraphMaker()
    proto = sampling(g, by_places(g, *waves(g, 1.0)))
    check_against_loops(proto, 180 / math.pi)
    assert operators(written(proto)[0])["Mul"] == 1
    g = GraphMaker()
    proto = sampling(g, by_places(g, *waves(g, -math.pi / 180)))
    check_against_loops(proto, -1.0)
    assert operators(written(proto)[0])["Neg"] == 1
    g = GraphMaker()
    cosine, sine = waves(g)
    proto = sampling(g, by_places(g, cosine, g.op("Neg", sine)))
    check_against_loops(proto, -1.0)
    g = GraphMaker()
    angle = g.input("angle", (1,))
    back, forth = g.op("Div", g.op("Neg", angle), g.const(60.0)), g.op("Div", angle, g.const(60.0))
    check_against_loops(sampling(g, by_places(g, g.op("Cos", back), g.op("Sin", forth))), 3.0 / math.pi)


def test_a_wrong_direction_is_seen() -> None:
    """With the opposite angle the operator computes something else: the comparisons here and of a build can fail."""
    g = GraphMaker()
    proto = sampling(g, by_places(g, *waves(g)))
    model, node = written(proto)
    angle = node.inputs[1]
    opposite = ir.node("Neg", [angle])
    opposite.outputs[0].type, opposite.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([1])
    model.graph.insert_before(node, opposite)
    node.replace_input_with(1, opposite.outputs[0])
    feeds = {"image": image_of(), "angle": np.array([20.0], np.float32)}
    got, want = (next(iter(run(each, feeds).values())) for each in (runnable_copy(model), proto))
    assert np.abs(got - want).max() > 0.1


def test_images_of_a_batch_are_channels() -> None:
    """Several images turned alike are one image of all their channels."""
    g = GraphMaker()
    grid = g.op("Expand", by_places(g, *waves(g)), g.const([3, *SIZE, 2]))
    proto = sampling(g, grid, batch=3)
    model, node = written(proto)
    assert list(node.outputs[0].shape or ()) == [6, *SIZE]
    feeds = {"image": image_of(batch=3), "angle": np.array([-33.0], np.float32)}
    np.testing.assert_allclose(run(runnable_copy(model), feeds)["out"], run(proto, feeds)["out"], atol=1e-4)


def test_ties_of_the_zoo_stay_ties() -> None:
    """Read back, the zoo's rotation reads the same pixels to the last one, whatever the angle."""
    g = GraphMaker()
    proto = sampling(g, by_places(g, *waves(g), center=(100.0, 100.0)), mode="nearest")
    back = runnable_copy(written(proto)[0])
    for angle in (0.0, 90.0, -180.0, 45.0, *np.random.default_rng(2).normal(0.0, 20.0, 60)):
        feeds = {"image": image_of(), "angle": np.array([angle], np.float32)}
        np.testing.assert_array_equal(run(back, feeds)["out"], run(proto, feeds)["out"])


def other_center(g: GraphMaker) -> onnx.ModelProto:
    cosine, sine = waves(g)
    moved = g.op("Add", by_places(g, cosine, sine), g.input("center", (2,)))
    return sampling(g, moved)


def moving_center(g: GraphMaker) -> onnx.ModelProto:
    cosine, sine = waves(g)
    slope = g.const(np.linspace(0, 0.01, SIZE[1] * 2).reshape(SIZE[1], 2))
    return sampling(g, g.op("Add", by_places(g, cosine, sine), slope))


def mirror(g: GraphMaker) -> onnx.ModelProto:
    grid = by_places(g, *waves(g), center=(SIZE[1] / 2, SIZE[0] / 2))
    return sampling(g, g.op("Mul", grid, g.const(np.array([1.0, -1.0], np.float32))))


def another_size(g: GraphMaker) -> onnx.ModelProto:
    return sampling(g, by_places(g, *waves(g), size=(6, 8)))


def two_angles(g: GraphMaker) -> onnx.ModelProto:
    return sampling(g, by_places(g, waves(g)[0], waves(g, angle="other")[1]))


def two_factors(g: GraphMaker) -> onnx.ModelProto:
    angle = g.input("angle", (1,))
    return sampling(g, by_places(g, g.op("Cos", angle), g.op("Sin", g.op("Mul", angle, g.const(2.0)))))


def an_angle_per_row(g: GraphMaker) -> onnx.ModelProto:
    angle = g.input("angle", (SIZE[0], 1))
    return sampling(g, by_places(g, g.op("Cos", angle), g.op("Sin", angle)))


def squared(g: GraphMaker) -> onnx.ModelProto:
    cosine, sine = waves(g)
    return sampling(g, by_places(g, g.op("Mul", cosine, cosine), sine))


def clipped(g: GraphMaker) -> onnx.ModelProto:
    cosine, sine = waves(g)
    return sampling(g, by_places(g, cosine, g.op("Clip", sine, g.const(-0.5), g.const(0.5))))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (other_center, "depends on center, not on one angle alone"),
        (moving_center, "it has no fixed center"),
        (mirror, "it is not a rotation"),
        (
            lambda g: sampling(g, by_places(g, *waves(g), scale=1.01)),
            "it is not a rotation about (3, 4.5) px",
        ),
        (lambda g: sampling(g, by_places(g, *waves(g), scale=1.0001)), "it is not a rotation"),
        (lambda g: sampling(g, by_places(g, *waves(g), shear=0.1)), "it has no fixed center"),
        (another_size, "its result is 6 x 8 px and its image 6 x 9"),
        (two_angles, "not of one angle"),
        (two_factors, "not of one angle"),
        (an_angle_per_row, "angle is not one angle"),
        (squared, "not on one angle alone"),
        (clipped, "not on one angle alone"),
        (
            lambda g: sampling(g, by_matrix(g, *waves(g)), mode="nearest"),
            "it reads nearest pixels, but rounds",
        ),
        (
            lambda g: sampling(g, by_places(g, *waves(g, 1.0)), mode="nearest"),
            "it reads nearest pixels, but rounds",
        ),
        (lambda g: sampling(g, by_places(g, *waves(g)), padding_mode="border"), "its border is border"),
        (lambda g: sampling(g, by_places(g, *waves(g)), mode="bicubic"), "its mode is bicubic"),
        (lambda g: sampling(g, by_places(g, *waves(g)), align_corners=1), "it is not a rotation"),
    ],
)
def test_what_is_no_rotation_is_declined(make: object, reason: str) -> None:
    """Another map, another border, a center that is computed: the sampling stays, and the note says why."""
    assert reason in refused(make(GraphMaker()))  # type: ignore[operator]


def test_a_sampling_without_an_angle_is_not_spoken_of() -> None:
    """Where no cosine decides, there is nothing to say."""
    g = GraphMaker()
    assert apply(ir.from_proto(sampling(g, g.input("grid", (1, *SIZE, 2)))), TURNED_MAPS) == []


def test_a_toolchain_with_the_operator_gets_it(tmp_path: Path) -> None:
    """The plugins of DerryHub turn the map; TensorRT alone samples it."""
    g = GraphMaker()
    proto = sampling(g, by_places(g, *waves(g)), mode="nearest")
    model = ir.from_proto(proto)
    done = finish(model, "tensorrt_derryhub", tmp_path, FACTS)
    assert operators(model)["RotateTRT"] == 1 and not done.runnable
    assert done.conformance.counts["unknown"] == 0
    assert any("written as RotateTRT, about (3, 4.5) px" in note.reason for note in done.notes)
    feeds = {"image": image_of(), "angle": np.array([77.0], np.float32)}
    np.testing.assert_array_equal(run(runnable_copy(model), feeds)["out"], run(proto, feeds)["out"])
    plain = ir.from_proto(proto)
    finish(plain, "tensorrt", tmp_path, FACTS)
    assert operators(plain)["GridSample"] == 1


def rotation(
    center: np.ndarray | None,
    nearest: bool = False,
    opset: int = 17,
    operator: str = "RotateTRT",
    domain: str = "",
) -> onnx.ModelProto:
    """Return a model of the operator; its center is an input if it is not given."""
    g = GraphMaker(opset, [domain] if domain else [])
    inputs = [g.input("image", (2, *SIZE)), g.input("angle", (1,))]
    inputs.append(g.input("center", (2,)) if center is None else g.const(center))
    out = g.op(operator, *inputs, domain=domain, interpolation=int(nearest))
    return g.model(out=g.annotate(out, (2, *SIZE)))


@pytest.mark.parametrize(("nearest", "opset"), [(False, 17), (True, 17), (True, 13)])
@pytest.mark.parametrize(("angle", "center"), [(17.0, (3.0, 2.0)), (-100.0, (5.5, 4.0)), (0.0, (1.0, 1.0))])
def test_a_rotation_is_read(angle: float, center: tuple[float, float], nearest: bool, opset: int) -> None:
    """RotateTRT is the sampling that its maker runs outside of TensorRT; what is read can be written again.

    A model in an opset without GridSample, as its maker exports it, is raised to one.
    """
    model = ir.from_proto(rotation(np.array(center), nearest, opset))
    runnable(model)
    assert operators(model)["GridSample"] == 1
    feeds = {"image": image_of()[0], "angle": np.array([angle], np.float32)}
    want = turned(feeds["image"], angle, center, nearest)
    np.testing.assert_allclose(run(model, feeds)["out"], want, atol=1e-4)
    assert_annotations_true(model, feeds)
    (note,) = apply(model, TURNED_MAPS)
    assert note.reason == f"written as RotateTRT, about ({center[0]:g}, {center[1]:g}) px"


@pytest.mark.parametrize("domain", ["", "trt.plugins"])
@pytest.mark.parametrize("operator", ["RotateTRT", "RotateTRT2"])
def test_other_names_are_read(operator: str, domain: str) -> None:
    """The variant for packed 16-bit floats says the same, and a tool that quantizes gives plugins a domain."""
    model = ir.from_proto(rotation(np.array(CENTER), operator=operator, domain=domain))
    (note, *_) = runnable(model)
    assert note.reason == f"{operator} read as GridSample"
    assert domain == "" or domain not in model.graph.opset_imports


def test_a_computed_center_is_not_read() -> None:
    """The operator is left alone, and the note says why."""
    model = ir.from_proto(rotation(None))
    (note,) = apply(model, READ_ROTATIONS)
    assert (note.where, note.codes) == (model.graph[0].name, ("center-not-constant",))
