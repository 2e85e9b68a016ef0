"""Rows that constants move several times are moved once, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from specialize.passes.pipeline import Specialized
from tests.graphs import GraphMaker, assert_same, operators, random_feeds, specialize_proto

CAMERAS, CHANNELS, PIXELS, VOXELS = 2, 64, 40, 30


def overwritten(g: GraphMaker, maps: str, *, channels: np.ndarray | None = None, between: str = "") -> str:
    """Return a volume (channels, voxels) that each camera overwrites at voxels of its own."""
    random = np.random.default_rng(0)
    volume = g.const(np.zeros((CHANNELS, VOXELS), np.float32))
    for camera in range(CAMERAS):
        places = np.sort(random.choice(VOXELS, VOXELS // 2, replace=False))
        order = np.arange(CHANNELS) if channels is None else channels
        index = np.stack(np.meshgrid(order, places, indexing="ij"), -1)
        own = g.op("Gather", maps, g.const(np.array(camera)), axis=0)
        read = g.op("Gather", own, g.const(random.integers(0, PIXELS, len(places))), axis=1)
        volume = g.op("ScatterND", volume, g.const(index), g.op(between, read) if between else read)
    return volume


def compared(proto: onnx.ModelProto) -> Specialized:
    """Return what is made of a graph, after it was found to compute the same."""
    made = specialize_proto(proto)
    assert_same(proto, made.model, random_feeds(proto))
    return made


def looked_up(made: Specialized) -> bool:
    """Return whether a chain was rewritten."""
    return any(note.pass_name == "look_up" for note in made.notes)


def test_a_chain_of_writes_is_one_look_up() -> None:
    """Both cameras' features are gathered once for all voxels."""
    g = GraphMaker()
    made = compared(g.model(out=overwritten(g, g.input("maps", (CAMERAS, CHANNELS, PIXELS)))))
    assert looked_up(made)
    assert operators(made.model)["Gather"] == 2 and "ScatterND" not in operators(made.model)


def test_features_in_another_order_are_not_taken_for_features_in_order() -> None:
    """Indices that go through all channels backwards write them backwards."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, CHANNELS, PIXELS))
    compared(g.model(out=overwritten(g, maps, channels=np.arange(CHANNELS)[::-1].copy())))


def test_work_on_the_rows_stays() -> None:
    """What is computed between a gather and a write is no move."""
    g = GraphMaker()
    made = compared(g.model(out=overwritten(g, g.input("maps", (CAMERAS, CHANNELS, PIXELS)), between="Relu")))
    assert not looked_up(made)


def test_what_is_read_elsewhere_is_still_there() -> None:
    """The volume of the first camera alone is an output, too."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, CHANNELS, PIXELS))
    volume = overwritten(g, maps)
    first = next(node.output[0] for node in g.nodes if node.op_type == "ScatterND")
    compared(g.model(out=volume, first=first))


@pytest.mark.parametrize("places", [np.arange(PIXELS), np.array([3, 1, 2])])
def test_one_gather_is_left_alone(places: np.ndarray) -> None:
    """There is nothing to put together."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, CHANNELS, PIXELS))
    mask = np.ones((1, 1, len(places)), np.float32)
    mask[..., 0] = 0
    made = compared(g.model(out=g.op("Mul", g.op("Gather", maps, g.const(places), axis=2), g.const(mask))))
    assert not looked_up(made)


def test_gathers_of_gathers_are_one() -> None:
    """Between them rows change places with features."""
    g = GraphMaker()
    rows = g.input("rows", (PIXELS, CHANNELS))
    first = g.op("Gather", rows, g.const(np.arange(PIXELS)[::-1].copy()), axis=0)
    turned = g.op("Transpose", first, perm=[1, 0])
    made = compared(g.model(out=g.op("Gather", turned, g.const(np.array([5, 1, 5])), axis=1)))
    assert looked_up(made)
    assert operators(made.model)["Gather"] == 1
