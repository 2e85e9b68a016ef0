"""Binding: the calibration becomes a constant, in whatever shape the model wants it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.errors import InputError
from specialize.passes.bind import bind, fit
from specialize.passes.pipeline import specialize_graph
from specialize.rows.arrange import Packing
from tests.graphs import GraphMaker, run

MATRICES = np.arange(2 * 16, dtype=np.float64).reshape(2, 4, 4)


def bound(shape: tuple[int | str, ...], array: np.ndarray = MATRICES, name: str = "lidar2img") -> ir.Model:
    """Return a model that gives its calibration back, bound."""
    g = GraphMaker()
    model = ir.from_proto(g.model(out=g.op("Neg", g.input("lidar2img", shape))))
    bind(model, {name: array})
    return model


@pytest.mark.parametrize("shape", [(2, 4, 4), (1, 2, 4, 4), (1, 1, 2, 4, 4)])
def test_a_calibration_fits_any_batch(shape: tuple[int, ...]) -> None:
    """(N, 4, 4) is what (1, N, 4, 4) is; the input is gone."""
    model = bound(shape)
    assert list(model.graph.inputs) == []
    np.testing.assert_array_equal(run(model, {})["out"], -MATRICES.reshape(shape))


@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (2, 3, 3)])
def test_smaller_matrices_lose_last_rows_and_columns(shape: tuple[int, ...]) -> None:
    """A model may want 3x4 projections or 3x3 intrinsics."""
    wanted = MATRICES[:, : shape[-2], : shape[-1]].reshape(shape)
    np.testing.assert_array_equal(run(bound(shape), {})["out"], -wanted)


def test_another_number_of_cameras_is_an_error() -> None:
    """The profile of another rig is refused, with both numbers."""
    with pytest.raises(InputError, match="the cameras that the model was exported for") as caught:
        bound((3, 4, 4))
    assert "[3, 4, 4]" in str(caught.value)


def test_an_unknown_input_is_an_error_with_the_closest_name() -> None:
    """A typing mistake in a sidecar is pointed at."""
    with pytest.raises(InputError, match="lidar2img"):
        bound((2, 4, 4), name="lidar2imgs")


def test_a_shape_that_is_not_fixed_is_an_error() -> None:
    """A batch without a number is an error before anything is computed."""
    g = GraphMaker()
    g.input("query", ("batch", 10, 8))
    model = ir.from_proto(g.model(out=g.op("Neg", g.input("lidar2img", (2, 4, 4)))))
    with pytest.raises(InputError, match="input 'query'") as caught:
        bind(model, {"lidar2img": MATRICES})
    assert "export it with fixed sizes" in str(caught.value)


def test_lengths_of_another_vehicle_are_explained() -> None:
    """A number of visible points traced with another calibration is an error that explains how to export."""
    g = GraphMaker()
    depths = g.op("MatMul", g.input("lidar2img", (2, 4, 4)), g.const(np.linspace(-1, 1, 20).reshape(4, 5)))
    seen = g.op(
        "Squeeze", g.op("NonZero", g.op("Greater", g.op("Reshape", depths, g.const([40])), g.const(0.0)))
    )
    rows = g.op("Gather", g.input("query", (40, 8)), seen)
    traced = int((MATRICES @ np.linspace(-1, 1, 20).reshape(4, 5) > 0).sum())
    out = g.op("Add", rows, g.const(np.zeros((traced, 8), np.float32)))
    proto = g.model(out=out)
    specialize_graph(ir.from_proto(proto), {"lidar2img": MATRICES}, Packing("ragged"))
    with pytest.raises(InputError, match="belong to another vehicle") as caught:
        specialize_graph(ir.from_proto(proto), {"lidar2img": -MATRICES}, Packing("ragged"))
    assert f"[{traced},8]" in str(caught.value)
    assert "index.shape[0]" in str(caught.value)
    assert "expected shapes in the file that fit this calibration" in str(caught.value)


def test_a_shape_of_another_vehicle_is_told_with_its_numbers() -> None:
    """Which number was written down is what a person looks for in the exporter's code."""
    g = GraphMaker()
    depths = g.op("MatMul", g.input("lidar2img", (1, 4, 4)), g.const(np.linspace(-1, 1, 20).reshape(4, 5)))
    seen = g.op("NonZero", g.op("Greater", g.op("Reshape", depths, g.const([20])), g.const(0.0)))
    rows = g.op("Gather", g.input("query", (20, 8)), g.op("Squeeze", seen, g.const([0])))
    traced = int((MATRICES[:1] @ np.linspace(-1, 1, 20).reshape(4, 5) > 0).sum())
    proto = g.model(out=g.op("Expand", rows, g.const([traced, 8])))
    specialize_graph(ir.from_proto(proto), {"lidar2img": MATRICES[:1]}, Packing("ragged"))
    with pytest.raises(InputError, match=rf"holding \[{traced}, 8\]"):
        specialize_graph(ir.from_proto(proto), {"lidar2img": -MATRICES[:1]}, Packing("ragged"))


@pytest.mark.parametrize("value", [0.5, 5e9, float("inf"), -1.0])
def test_a_number_that_the_type_cannot_hold_is_an_error(value: float) -> None:
    """No constant is rounded or wrapped without a word."""
    with pytest.raises(InputError, match="expected numbers of uint32"):
        fit(np.array([value]), (1,), np.dtype("uint32"), "count")
