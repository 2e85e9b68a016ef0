"""Sinks that cut rows out of one sampling are rewritten together, each with the rows that it reads."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from specialize.graph.notes import node_name
from specialize.passes import together
from specialize.passes.pipeline import Specialized
from specialize.rows.arrange import Packing
from tests.graphs import PACKINGS, GraphMaker, check, operators

CAMERAS, CHANNELS, LONGEST, QUERIES = 2, 4, 90, 200
COUNTS = ((20, 45), (31, 12), (18, 24))
TABLES = [
    [
        np.sort(np.random.default_rng([plane, camera]).choice(QUERIES, count, replace=False))
        for camera, count in enumerate(counts)
    ]
    for plane, counts in enumerate(COUNTS)
]
"""By plane, the queries that each camera sees."""


def plane_rows(g: GraphMaker, plane: int) -> str:
    """Return the visible queries of a plane, padded to the longest: (cameras, longest, channels)."""
    queries = g.input(f"queries{plane}", (1, QUERIES, CHANNELS))
    table = np.zeros((CAMERAS, LONGEST), np.int64)
    for camera, seen in enumerate(TABLES[plane]):
        table[camera, : len(seen)] = seen
    picked = g.op("Gather", queries, g.const(table.ravel()), axis=1)
    return g.op("Reshape", picked, g.const([CAMERAS, LONGEST, CHANNELS]))


def sampled(g: GraphMaker, places: str, count: int) -> str:
    """Return what the cameras' images show at places (cameras, count, 2): (cameras, count, channels)."""
    image = g.input("image", (CAMERAS, CHANNELS, 4, 5))
    grid = g.op("Reshape", places, g.const([CAMERAS, count, 1, 2]))
    read = g.op("GridSample", image, grid, mode="bilinear", padding_mode="zeros")
    flat = g.op("Reshape", read, g.const([CAMERAS, CHANNELS, count]))
    return g.op("Transpose", flat, perm=[0, 2, 1])


def slots(g: GraphMaker, read: str, plane: int) -> str:
    """Return rows (cameras, longest, channels) added to the queries that they stand for: (1, queries, channels)."""
    total = g.const(np.zeros((QUERIES, CHANNELS), np.float32))
    for camera, seen in enumerate(TABLES[plane]):
        own = g.op("Gather", read, g.const(np.array(camera)), axis=0)
        rows = g.op("Slice", own, g.const([0]), g.const([len(seen)]), g.const([0]))
        total = g.op("ScatterND", total, g.const(seen[:, None]), rows, reduction="add")
    return total


def planes(
    *parts: int, also: bool = False, reduction: str = "ReduceSum", mixed: bool = False
) -> onnx.ModelProto:
    """Return a graph of planes that are sampled at once, then cut apart and summed per query.

    Args:
        parts: By plane, how many places each query samples.
        also: Whether something else reads all that is sampled.
        reduction: What is done with the places of a query.
        mixed: Whether rows are mixed before they are sampled.
    """
    random = np.random.default_rng(0)
    g = GraphMaker(18)
    places = []
    for plane, count in enumerate(parts):
        weight = g.const(random.normal(size=(CHANNELS, count * 2)))
        wide = g.op("Tanh", g.op("MatMul", plane_rows(g, plane), weight))
        places.append(g.op("Reshape", wide, g.const([CAMERAS, LONGEST * count, 2])))
    joined = g.op("Concat", *places, axis=1)
    joined = g.op("Softmax", joined, axis=1) if mixed else joined
    read = sampled(g, joined, LONGEST * sum(parts))
    start, made = 0, []
    for plane, count in enumerate(parts):
        end = start + LONGEST * count
        own = g.op("Slice", read, g.const([start]), g.const([end]), g.const([1]))
        own = g.op("Reshape", own, g.const([CAMERAS, LONGEST, count, CHANNELS]))
        summed = g.op(reduction, own, g.const([2]), keepdims=0)
        made.append(slots(g, summed, plane))
        start = end
    outputs = {f"plane{number}": value for number, value in enumerate(made)}
    every = {"all": g.op("ReduceMax", read)} if also else {}
    return g.model(**outputs, **every)


def sampled_rows(made: Specialized) -> int:
    """Return how many places are sampled."""
    shapes = [node.outputs[0].shape for node in made.model.graph if node.op_type == "GridSample"]
    return sum(int(np.prod(shape)) for shape in shapes if shape is not None) // CHANNELS


SEEN = [sum(counts) for counts in COUNTS]


@pytest.mark.parametrize("reduction", ["ReduceSum", "ReduceMax", "ReduceMean"])
@pytest.mark.parametrize("parts", [(1, 1, 1), (1, 2, 3), (2, 2, 1)])
def test_each_plane_samples_its_own_rows(parts: tuple[int, ...], reduction: str) -> None:
    """Padding to the longest camera of each plane is not sampled; parts of one query are reduced as before."""
    made = check(planes(*parts, reduction=reduction))
    assert [site.pairs for site in made.sites] == SEEN
    assert sampled_rows(made) == sum(seen * count for seen, count in zip(SEEN, parts, strict=True))
    assert "ScatterND" not in operators(made.model)
    left = {node_name(node) for node in made.model.graph}
    assert len({site.where for site in made.sites} - left) == len(
        parts
    )  # what is reported is what was rewritten


@pytest.mark.parametrize("packing", PACKINGS)
def test_in_every_layout(packing: Packing) -> None:
    """Padded, the cameras of each plane are one batch."""
    made = check(planes(2, 3, 1), packing=packing)
    assert [site.pairs for site in made.sites] == SEEN
    lengths = [int(packing.lengths(np.array(counts)).sum()) for counts in COUNTS]
    assert [site.rows_computed for site in made.sites] == lengths
    assert sampled_rows(made) == sum(n * count for n, count in zip(lengths, (2, 3, 1), strict=True))


def test_nodes_that_only_one_plane_needs_are_its_own() -> None:
    """What is shared belongs to all; the table of a plane to that plane."""
    made = check(planes(1, 2))
    first, second = (site.replaced for site in made.sites)
    sampler = {name for name in first if name.startswith("GridSample")}
    assert sampler and sampler <= second
    tables = [{name for name in own if name.startswith("ScatterND")} for own in (first, second)]
    assert tables[0] and tables[1] and not tables[0] & tables[1]


def test_what_others_read_is_computed_for_all() -> None:
    """An output needs every row: nothing is gained by sampling some of them twice."""
    made = check(planes(1, 2, also=True))
    assert sampled_rows(made) == LONGEST * 3 * CAMERAS


def test_rows_that_are_mixed_stay_together() -> None:
    """The places depend on all rows; what is sampled at them does not."""
    made = check(planes(1, 2, mixed=True))
    assert sampled_rows(made) == SEEN[0] + 2 * SEEN[1]
    assert operators(made.model)["Softmax"] == 1


def test_a_plane_that_is_to_stay_keeps_the_others() -> None:
    """Sites that are left by name share their work as before."""
    proto = planes(1, 1)
    where = check(proto).sites[0].where
    made = check(proto, packing=Packing(left=frozenset({where})))
    assert sampled_rows(made) == LONGEST * 2 * CAMERAS


def test_planes_are_left_if_each_alone_costs_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made for the trial is taken back."""
    monkeypatch.setattr(together, "superseded", lambda *nodes: [])
    made = check(planes(1, 1))
    assert sampled_rows(made) == LONGEST * 2 * CAMERAS
