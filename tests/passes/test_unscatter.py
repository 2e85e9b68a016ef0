"""Scatters to constant places become slices and gathers that compute the same."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.graph import subgraphs
from specialize.graph.folding import evaluate
from specialize.graph.shapes import dims
from specialize.passes.unscatter import unscatter
from tests.graphs import GraphMaker
from tests.graphs import run as run_graph

FLOAT = ir.DataType.FLOAT


def scatter_model(shape: tuple[int, ...], indices: np.ndarray, reduction: str = "none") -> ir.Model:
    """A model that scatters its second input into its first one."""
    data = ir.Value(name="data", type=ir.TensorType(FLOAT), shape=ir.Shape(shape))
    update_shape = (*indices.shape[:-1], *shape[indices.shape[-1] :])
    updates = ir.Value(name="updates", type=ir.TensorType(FLOAT), shape=ir.Shape(update_shape))
    places = ir.Value(name="indices", const_value=ir.tensor(indices))
    places.type, places.shape = ir.TensorType(ir.DataType.INT64), ir.Shape(indices.shape)
    attributes = {"reduction": ir.AttrString("reduction", reduction)} if reduction != "none" else {}
    node = ir.Node("", "ScatterND", [data, places, updates], list(attributes.values()), name="scatter")
    node.outputs[0].name = "out"
    node.outputs[0].type, node.outputs[0].shape = ir.TensorType(FLOAT), ir.Shape(shape)
    graph = ir.Graph(
        [data, updates], node.outputs, nodes=[node], initializers=[places], opset_imports={"": 17}
    )
    model = ir.Model(graph, ir_version=9)
    evaluate(model)
    return model


def run(model: ir.Model) -> np.ndarray:
    """Run a model on seeded noise."""
    random = np.random.default_rng(0)
    feed = {
        str(value.name): random.standard_normal(dims(value), dtype=np.float32) for value in model.graph.inputs
    }
    raw = ir.serde.serialize_model(model).SerializeToString()
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feed)[0])


def box_indices(ranges: list[tuple[int, int]]) -> np.ndarray:
    """The places of a box, in order, as an in-place slice of PyTorch exports them."""
    grids = np.meshgrid(*(np.arange(start, end) for start, end in ranges), indexing="ij")
    return np.stack(grids, axis=-1).astype(np.int64)


def operators(model: ir.Model) -> set[str]:
    """The operators of a model."""
    return {node.op_type for node in model.graph}


@pytest.mark.parametrize("reduction", ["none", "add"])
@pytest.mark.parametrize(
    "ranges", [[(0, 1), (0, 5), (0, 2)], [(0, 2), (1, 4), (2, 4)], [(0, 2), (0, 5), (0, 4)]]
)
def test_an_in_place_slice_becomes_slices_and_a_concat(ranges: list[tuple[int, int]], reduction: str) -> None:
    """`tmp[..., 0:2] = ref`, at either end, in the middle, on several axes or everywhere, needs no scatter."""
    indices = box_indices(ranges)
    model = scatter_model((2, 5, 4), indices, reduction)
    expected = run(model)
    notes = unscatter(model)
    assert [note.verdict for note in notes] == ["applied"]
    assert operators(model) <= {"Slice", "Concat", "Add", "Reshape", "Identity"}
    np.testing.assert_array_equal(run(model), expected)


@given(
    rows=st.integers(2, 9),
    width=st.integers(1, 3),
    seed=st.integers(0, 99),
    reduction=st.sampled_from(["none", "add"]),
)
def test_any_places_that_differ_become_a_gather(rows: int, width: int, seed: int, reduction: str) -> None:
    """Rows written to scattered places come from one Gather."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(rows)[: random.integers(1, rows + 1)]
    model = scatter_model((rows, width), chosen[:, None].astype(np.int64), reduction)
    expected = run(model)
    unscatter(model)
    assert "ScatterND" not in operators(model)
    np.testing.assert_array_equal(run(model), expected)


def test_places_written_twice_are_left_alone() -> None:
    """Which of two updates wins is not for us to say."""
    model = scatter_model((4, 2), np.array([[1], [1]]))
    notes = unscatter(model)
    assert notes[0].reason == "a place is written more than once"
    assert operators(model) == {"ScatterND"}


def test_places_that_are_not_constant_are_left_alone() -> None:
    """Places that arrive at run time stay a scatter, and the note says why."""
    model = scatter_model((4, 2), np.array([[1], [2]]))
    value = model.graph.initializers.pop("indices")
    value.const_value = None
    model.graph.inputs.append(value)
    notes = unscatter(model)
    assert notes[0].reason == "the places it writes to are not constant"
    assert operators(model) == {"ScatterND"}


@given(
    channels=st.integers(1, 3),
    places=st.integers(2, 9),
    writes=st.integers(1, 4),
    seed=st.integers(0, 99),
    filled=st.booleans(),
)
def test_writes_one_after_the_other_are_one_gather(
    channels: int, places: int, writes: int, seed: int, filled: bool
) -> None:
    """`volume[:, seen] = feature`, camera by camera: the last write counts, and no table is as long as all channels."""
    random = np.random.default_rng(seed)
    make = GraphMaker()
    start = np.zeros((channels, places), np.float32)
    volume = make.const(start) if filled else make.input("volume", [channels, places])
    feeds = {} if filled else {"volume": random.standard_normal(start.shape, dtype=np.float32)}
    for number in range(writes):
        chosen = random.permutation(places)[: random.integers(1, places + 1)]
        rows = np.broadcast_to(np.arange(channels)[:, None], (channels, len(chosen)))
        index = np.stack([rows, np.broadcast_to(chosen, rows.shape)], axis=-1)
        feature = make.input(f"feature{number}", [channels, len(chosen)])
        feeds[feature] = random.standard_normal(rows.shape, dtype=np.float32)
        volume = make.op("ScatterND", volume, make.const(index), feature)
    proto = make.model(out=volume)
    model = ir.from_proto(proto)
    evaluate(model)
    unscatter(model)
    subgraphs.remove_dead(model.graph)
    assert not operators(model) & {"ScatterND", "ScatterElements"}
    np.testing.assert_array_equal(run_graph(model, feeds)["out"], run_graph(proto, feeds)["out"])
    tables = [value for value in model.graph.initializers.values() if value.dtype == ir.DataType.INT64]
    assert all(np.prod(dims(value)) <= max(places, 2) for value in tables)
