"""Islands of float64 become float32; what asks for float64 keeps it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx import TensorProto

from specialize.graph import folding
from specialize.graph.notes import Note
from specialize.passes.demote_float64 import narrow
from tests.graphs import GraphMaker, assert_annotations_true, random_feeds, run


def narrowed(g: GraphMaker, output: str) -> tuple[ir.Model, list[Note]]:
    """Return a folded and narrowed model, and what was said."""
    model = ir.from_proto(g.model(out=output))
    folding.fold(model)
    return model, narrow(model)


def widths(model: ir.Model) -> set[str]:
    """Return the types of what nodes compute."""
    return {value.dtype.name for node in model.graph for value in node.outputs if value.dtype is not None}


def test_a_float64_grid_is_sampled_in_float32() -> None:
    """ONNX Runtime has no GridSample for float64 places; the values are those of float64 up to rounding."""
    g = GraphMaker()
    image, offsets = g.input("image", (2, 3, 4, 5)), g.input("offsets", (2, 6, 1, 2))
    places = np.random.default_rng(0).uniform(-1, 1, size=(2, 6, 1, 2))
    wide = g.op("Add", g.op("Cast", offsets, to=TensorProto.DOUBLE), g.const(places, np.float64))
    wide = g.op("Sub", g.op("Mul", wide, g.const(2.0, np.float64)), g.const(1.0, np.float64))
    model, (note,) = narrowed(g, g.op("GridSample", image, wide, mode="bilinear"))
    assert note.verdict == "applied"
    assert note.reason == "5 nodes computed in float64 without need"
    assert widths(model) == {"FLOAT"}
    feeds = random_feeds(ir.to_proto(model))
    assert_annotations_true(model, feeds)
    h = GraphMaker()
    h.input("image", (2, 3, 4, 5)), h.input("offsets", (2, 6, 1, 2))
    grid = h.const(2 * (feeds["offsets"] + places) - 1)
    np.testing.assert_allclose(
        run(model, feeds)["out"], run(h.model(out=h.op("GridSample", "image", grid)), feeds)["out"], atol=1e-5
    )


def test_casts_back_are_gone() -> None:
    """A round trip through float64 is nothing."""
    g = GraphMaker()
    x = g.op(
        "Cast", g.op("Exp", g.op("Cast", g.input("x", (3,)), to=TensorProto.DOUBLE)), to=TensorProto.FLOAT
    )
    model, notes = narrowed(g, x)
    assert [node.op_type for node in model.graph] == ["Exp", "Identity"]
    assert len(notes) == 1


def test_times_keep_their_width() -> None:
    """A float64 input means it: seconds since 1970 lose minutes in float32."""
    g = GraphMaker()
    time = g.input("time", (1,), TensorProto.DOUBLE)
    age = g.op("Sub", time, g.op("Cast", g.input("before", (1,)), to=TensorProto.DOUBLE))
    model, (note,) = narrowed(g, g.op("Cast", age, to=TensorProto.FLOAT))
    assert note.verdict == "declined"
    assert note.reason == "float64 is asked for: an input or output of the graph has it"
    assert "DOUBLE" in widths(model)


def test_a_constant_that_does_not_fit_keeps_its_island() -> None:
    """A start time as a constant is a whole number that float32 has not."""
    g = GraphMaker()
    wide = g.op("Cast", g.input("x", (1,)), to=TensorProto.DOUBLE)
    late = g.op("Sub", wide, g.const(1_700_000_001.0, np.float64))
    _, (note,) = narrowed(g, g.op("Cast", late, to=TensorProto.FLOAT))
    assert note.verdict == "declined"
    assert "does not fit float32" in note.reason


def test_what_decides_keeps_its_width() -> None:
    """A mask computed in float64 at run time would flip where a point lies on an image's border."""
    g = GraphMaker()
    wide = g.op("Cast", g.input("x", (4,)), to=TensorProto.DOUBLE)
    mask = g.op("Cast", g.op("Greater", wide, g.const(0.5, np.float64)), to=TensorProto.FLOAT)
    _, (note,) = narrowed(g, mask)
    assert note.reason == "Greater depends on it for a decision, which rounding could change"


def test_islands_are_judged_one_by_one() -> None:
    """A float64 time does not keep a float64 grid wide."""
    g = GraphMaker()
    time = g.op("Cast", g.op("Neg", g.input("time", (2,), TensorProto.DOUBLE)), to=TensorProto.FLOAT)
    wide = g.op(
        "Cast", g.op("Sin", g.op("Cast", g.input("x", (2,)), to=TensorProto.DOUBLE)), to=TensorProto.FLOAT
    )
    _, notes = narrowed(g, g.op("Add", time, wide))
    assert sorted(note.verdict for note in notes) == ["applied", "declined"]


def test_float32_models_say_nothing() -> None:
    """Most models have no float64 at all."""
    g = GraphMaker()
    _, notes = narrowed(g, g.op("Relu", g.input("x", (2,))))
    assert notes == []
