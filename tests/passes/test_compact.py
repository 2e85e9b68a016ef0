"""Compaction of hand-made sites: what it gives for every packing, and why it declines."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto

from specialize.passes.pipeline import Specialized
from specialize.rows.arrange import Packing
from specialize.verify import compare_models
from tests.graphs import (  # fmt: skip
    PACKINGS,
    PADDED,
    RAGGED,
    GraphMaker,
    assert_annotations_true,
    assert_same,
    assert_static,
    check,
    codes,
    operators,
    random_feeds,
    reasons,
    specialize_proto,
)

CAMERAS, QUERIES, CHANNELS, HEADS = 3, 10, 8, 2
SEEN = np.array([[0, 0, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0, 0, 1, 0], [0] * 10], dtype=bool)
"""(3, 10): the first two cameras overlap, the third sees nothing, some queries are seen by nobody."""


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Return normally distributed float32 numbers."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def work(g: GraphMaker, rows: str) -> str:
    """Add row-wise work on (N, Q, C): a projection, a bias, a softmax over heads' channels."""
    hidden = g.op(
        "Add", g.op("MatMul", rows, g.const(numbers(CHANNELS, CHANNELS))), g.const(numbers(CHANNELS))
    )
    split = g.op("Reshape", hidden, g.const([CAMERAS, QUERIES, HEADS, CHANNELS // HEADS]))
    return g.op("Reshape", g.op("Softmax", split, axis=-1), g.const([CAMERAS, QUERIES, CHANNELS]))


def sampled(g: GraphMaker, rows: str) -> str:
    """Add deformable sampling on (N, Q, C): offsets make places in each camera's image, read by head."""
    shape = [CAMERAS, QUERIES, HEADS, 2, 2]
    places = g.op(
        "Reshape", g.op("MatMul", rows, g.const(0.2 * numbers(CHANNELS, HEADS * 4))), g.const(shape)
    )
    grid = g.op(
        "Reshape", g.op("Transpose", places, perm=[0, 2, 1, 3, 4]), g.const([CAMERAS * HEADS, QUERIES, 2, 2])
    )
    images = g.op("Reshape", "images", g.const([CAMERAS * HEADS, CHANNELS // HEADS, 3, 4]))
    read = g.op("ReduceSum", g.op("GridSample", images, grid, mode="bilinear"), g.const([-1]), keepdims=0)
    return g.op("Transpose", g.op("Reshape", read, g.const([CAMERAS, CHANNELS, QUERIES])), perm=[0, 2, 1])


def site(
    seen: np.ndarray = SEEN, *, sampling: bool = False, scale: np.ndarray | None = None
) -> onnx.ModelProto:
    """Return queries [1, Q, C], masked per camera, worked on, masked, summed, times `scale` [1, Q, 1]."""
    g = GraphMaker()
    query = g.input("query", (1, QUERIES, CHANNELS))
    if sampling:
        g.input("images", (CAMERAS, CHANNELS, 3, 4))
    mask = g.const(seen[..., None], np.float32)
    rows = g.op("Mul", query, mask)
    read = sampled(g, rows) if sampling else work(g, rows)
    total = g.op("ReduceSum", g.op("Mul", read, mask), g.const([0]), keepdims=1)
    return g.model(out=total if scale is None else g.op("Mul", total, g.const(scale, np.float32)))


@pytest.mark.parametrize("packing", PACKINGS, ids=str)
@pytest.mark.parametrize("sampling", [False, True])
def test_a_masked_sum_computes_the_visible_pairs_only(packing: Packing, sampling: bool) -> None:
    """Seven pairs of thirty; the third camera has no rows unless padded; queries that no camera sees are zero."""
    model = site(sampling=sampling)
    made = check(model, packing=packing)
    (found,) = made.sites
    assert found.pairs == 7
    assert found.queries == QUERIES
    assert_static(made.model)
    assert_annotations_true(made.model, random_feeds(model))
    assert not {"ScatterND", "NonZero", "Expand"} & set(operators(made.model))
    if sampling:
        np.testing.assert_array_equal(found.seen, SEEN)
        assert found.visible == (3, 4, 0)
        expected = {
            ("ragged", 1): (3, 4, 0),
            ("padded", 1): (4, 4, 4),
            ("ragged", 8): (8, 8, 0),
            ("padded", 4): (4, 4, 4),
        }
        assert found.lengths == expected[packing.layout, packing.align]


@pytest.mark.parametrize("seen", [SEEN, np.zeros_like(SEEN)], ids=["some", "none"])
def test_constants_are_named_after_what_they_are(seen: np.ndarray) -> None:
    """A row of zeros, for queries that no camera sees, is called zeros."""
    names = [str(name) for name in check(site(seen, sampling=True)).model.graph.initializers]
    assert any("/zeros" in name for name in names)
    assert not [name for name in names if "nobody" in name or "nothing" in name]


def test_cameras_that_see_the_same_three_times() -> None:
    """Overlaps of three are summed of three."""
    everywhere = np.repeat(np.arange(QUERIES)[None] % 2 == 0, CAMERAS, axis=0)
    for packing in PACKINGS:
        assert check(site(everywhere, sampling=True), packing=packing).sites[0].pairs == 15


def test_no_camera_sees_anything() -> None:
    """Then nothing is computed, and everything is zero."""
    for packing in PACKINGS:
        made = check(site(np.zeros_like(SEEN), sampling=True), packing=packing)
        assert "GridSample" not in operators(made.model)


def test_the_division_by_the_count_stays_behind_the_sum() -> None:
    """1 / count per query is applied to the sums, as in the input model."""
    inverse = (1.0 / np.maximum(SEEN.sum(0), 1)[None, :, None]).astype(np.float32)
    made = check(site(scale=inverse))
    (found,) = made.sites
    last = made.model.graph.outputs[0].producer()
    assert last is not None and last.op_type == "Mul"
    total, scale = last.inputs
    assert total is not None and scale is not None and scale.const_value is not None
    np.testing.assert_array_equal(scale.const_value.numpy(), inverse)
    summed = total.producer()
    assert summed is not None and summed.op_type == "ReduceSum" and found.where in str(summed.name)


def test_emitted_work_has_at_most_four_axes() -> None:
    """Some compilers refuse rank 6 and crash on rank 5."""
    for packing in PACKINGS:
        made = specialize_proto(site(sampling=True), packing=packing)
        emitted = [node for node in made.model.graph if node.name and node.name.startswith("specialize/")]
        assert emitted
        assert max(len(value.shape or ()) for node in emitted for value in node.outputs) <= 4


def test_the_sum_back_does_not_reduce_the_first_axis() -> None:
    """`ReduceSum(axis 0) -> Mul` is miscompiled by OpenVINO: rows are gathered to [1, Q, k, C] and summed over k."""
    made = specialize_proto(site(sampling=True, scale=np.ones((1, QUERIES, 1))))
    for node in made.model.graph:
        if node.op_type == "ReduceSum" and node.inputs[1] is not None:
            axes = node.inputs[1].const_value
            assert axes is not None
            assert 0 not in axes.numpy().tolist()


def declined(g: GraphMaker, output: str) -> list[tuple[str, ...]]:
    """Return the codes of the reasons why a graph is not changed; it must still compute the same."""
    made = check(g.model(out=output))
    assert made.sites == ()
    return codes(made)


def masked_sum(g: GraphMaker, rows: str, mask: str) -> str:
    """Add `ReduceSum(rows * mask, axis 0)`."""
    return g.op("ReduceSum", g.op("Mul", rows, mask), g.const([0]), keepdims=0)


def test_declines_a_mask_that_is_not_constant() -> None:
    """A mask from the image is not known when the calibration is."""
    g = GraphMaker()
    rows = work(g, g.input("rows", (CAMERAS, QUERIES, CHANNELS)))
    mask = g.op(
        "Cast", g.op("Greater", g.input("score", (CAMERAS, QUERIES, 1)), g.const(0.0)), to=TensorProto.FLOAT
    )
    assert declined(g, masked_sum(g, rows, mask)) == [("no-mask",)]


def test_declines_if_every_row_is_read() -> None:
    """Each query's work is read for one camera, so that none is left out."""
    g = GraphMaker()
    hidden = g.op("MatMul", g.input("query", (QUERIES, CHANNELS)), g.const(numbers(CHANNELS, CHANNELS)))
    ids = np.tile(np.arange(QUERIES), (CAMERAS, 1))
    rows = g.op("Gather", hidden, g.const(ids), axis=0)
    seen = np.arange(CAMERAS)[:, None] == np.arange(QUERIES) % CAMERAS
    mask = g.const(seen[..., None], np.float32)
    made = check(g.model(out=masked_sum(g, rows, mask)))
    assert codes(made) == [("every-row-read",)]
    assert reasons(made) == [f"every one of the {QUERIES} rows is read"]


def test_declines_a_mask_without_zeros() -> None:
    """A mask of twos tells no row from another."""
    g = GraphMaker()
    query = g.input("query", (CAMERAS, QUERIES, CHANNELS))
    cameras = np.ones((CAMERAS, 1, 1), np.float32)
    mask = g.const(np.broadcast_to(cameras, (CAMERAS, QUERIES, 1)) * 2)
    assert declined(g, masked_sum(g, work(g, query), mask)) == [("no-mask",)]


def test_declines_if_there_is_no_work() -> None:
    """Masking an input costs nothing that could be saved."""
    g = GraphMaker()
    rows = g.input("rows", (CAMERAS, QUERIES, CHANNELS))
    assert declined(g, masked_sum(g, rows, g.const(SEEN[..., None], np.float32))) == [("no-work",)]


def test_a_reduction_of_no_axes_is_none() -> None:
    """`noop_with_empty_axes` with no axes reduces nothing, wherever it stands, and is not taken for a sum of all."""
    for inside in (True, False):
        g = GraphMaker()
        rows, none = (
            g.op("Neg", g.input("rows", (CAMERAS, QUERIES, CHANNELS))),
            g.const(np.zeros(0, np.int64)),
        )
        work = g.op("MatMul", rows, g.const(numbers(CHANNELS, CHANNELS)))
        if inside:
            work = g.op("ReduceSum", work, none, noop_with_empty_axes=1)
        masked = g.op("Mul", work, g.const(SEEN[..., None], np.float32))
        if not inside:
            masked = g.op("ReduceSum", masked, none, noop_with_empty_axes=1)
        model = g.model(out=g.op("ReduceSum", masked, g.const([0]), keepdims=0))
        made = specialize_proto(model, {}, RAGGED)
        assert_same(model, made.model, random_feeds(model))


def test_declines_places_that_are_not_constant() -> None:
    """Indices from the image move rows who knows where."""
    g = GraphMaker()
    rows = g.op("MatMul", g.input("rows", (4, CHANNELS)), g.const(numbers(CHANNELS, CHANNELS)))
    ids = g.op("ArgMax", g.input("score", (4, 1, QUERIES)), axis=2, keepdims=0)
    slots = g.op("ScatterND", g.const(np.zeros((QUERIES, CHANNELS), np.float32)), ids, rows)
    assert ("indices-not-constant",) in declined(g, slots)


def test_rows_that_somebody_else_reads_are_computed_for_all() -> None:
    """A second reader of the dense result: it is computed anyway, so nothing may be taken from it twice."""
    g = GraphMaker()
    query = g.input("query", (1, QUERIES, CHANNELS))
    mask = g.const(SEEN[..., None], np.float32)
    read = work(g, g.op("Mul", query, mask))
    model = g.model(out=masked_sum(g, read, mask), dense=read)
    made = check(model)
    assert [node.op_type for node in made.model.graph].count("Softmax") == 1


def test_two_sinks_of_one_work_share_it() -> None:
    """Two sums of the same rows: the work is done once, for all rows, because neither may take it from the other."""
    g = GraphMaker()
    query = g.input("query", (CAMERAS, QUERIES, CHANNELS))
    first, second = g.const(SEEN[..., None], np.float32), g.const(SEEN[..., None] * 0.5, np.float32)
    read = work(g, query)
    model = g.model(one=masked_sum(g, read, first), two=masked_sum(g, read, second))
    for packing in (RAGGED, PADDED):
        made = check(model, packing=packing)
        assert operators(made.model)["MatMul"] == operators(made.model)["Softmax"] == 1
        assert codes(made) == [("no-work",), ("no-work",)]


def test_outputs_keep_names_order_and_shapes() -> None:
    """The sum itself may be an output of the graph, and the same value two."""
    g = GraphMaker()
    query = g.input("query", (CAMERAS, QUERIES, CHANNELS))
    total = masked_sum(g, work(g, query), g.const(SEEN[..., None], np.float32))
    model = g.model(a=total, b=total)
    del model.graph.node[-1]
    model.graph.node[-1].output[0] = "b"
    model.graph.node[-2].output[0] = "a"
    model.graph.node[-1].input[0] = "a"
    made = check(model)
    assert len(made.sites) == 1
    assert [value.name for value in made.model.graph.outputs] == ["a", "b"]


class TestMutations:
    """Whoever breaks the compiler's output is caught by the comparison that every build makes."""

    @pytest.fixture()
    def built(self, tmp_path: Path) -> tuple[Path, Specialized]:
        """Return a model on disk and its specialization."""
        model = site(sampling=True)
        path = tmp_path / "original.onnx"
        onnx.save(model, str(path))
        return path, specialize_proto(model)

    def passes(self, path: Path, mutant: onnx.ModelProto) -> bool:
        """Return whether the comparison lets a model pass."""
        candidate = path.with_name("candidate.onnx")
        onnx.save(mutant, str(candidate))
        frames = [random_feeds(onnx.load(str(path)), seed) for seed in range(2)]
        return compare_models(path, candidate, frames).passed

    def table(self, made: Specialized, label: str) -> tuple[onnx.ModelProto, str, np.ndarray]:
        """Return a copy of a specialized model, and one of its index tables."""
        proto = copy.deepcopy(ir.to_proto(made.model))
        names = [tensor.name for tensor in proto.graph.initializer if f"/{label}" in tensor.name]
        assert names
        array = next(onnx.numpy_helper.to_array(t) for t in proto.graph.initializer if t.name == names[0])
        return proto, names[0], array.copy()

    def with_table(self, proto: onnx.ModelProto, name: str, array: np.ndarray) -> onnx.ModelProto:
        """Put another table in place of one."""
        tensor = next(t for t in proto.graph.initializer if t.name == name)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, name))
        return proto

    def test_unchanged_it_passes(self, built: tuple[Path, Specialized]) -> None:
        """The comparison does not fail whatever it is given."""
        path, made = built
        assert self.passes(path, ir.to_proto(made.model))

    def test_two_swapped_queries_are_caught(self, built: tuple[Path, Specialized]) -> None:
        """Two rows gathered in each other's place."""
        path, made = built
        proto, name, rows = self.table(made, "rows")
        rows[[0, 1]] = rows[[1, 0]]
        assert not self.passes(path, self.with_table(proto, name, rows))

    def test_a_dropped_pair_is_caught(self, built: tuple[Path, Specialized]) -> None:
        """One visible pair that is no longer read back."""
        path, made = built
        proto, name, back = self.table(made, "back")
        back[np.flatnonzero(back < 7)[0]] = 7
        assert not self.passes(path, self.with_table(proto, name, back))

    def test_a_pair_counted_twice_is_caught(self, built: tuple[Path, Specialized]) -> None:
        """A query that reads one of its rows a second time instead of nothing."""
        path, made = built
        proto, name, back = self.table(made, "back")
        back[np.flatnonzero(back == 7)[-1]] = 0
        assert not self.passes(path, self.with_table(proto, name, back))

    def test_a_row_of_the_wrong_camera_is_caught(self, built: tuple[Path, Specialized]) -> None:
        """Lengths that cut the rows one too late: a query samples the neighbour's image."""
        path, made = built
        proto, name, sizes = self.table(made, "sizes")
        sizes[:2] += [1, -1]
        with_wrong = self.with_table(proto, name, sizes)
        del with_wrong.graph.value_info[:]
        assert not self._runs_and_passes(path, with_wrong)

    def _runs_and_passes(self, path: Path, mutant: onnx.ModelProto) -> bool:
        from specialize.errors import VerificationError

        try:
            return self.passes(path, mutant)
        except VerificationError:
            return False

    def test_a_wrong_count_is_caught(self, tmp_path: Path) -> None:
        """1 / count of one query as if one more camera saw it."""
        count = np.maximum(SEEN.sum(0), 1)[None, :, None].astype(np.float32)
        path = tmp_path / "original.onnx"
        onnx.save(site(sampling=True, scale=1 / count), str(path))
        wrong = count.copy()
        wrong[0, 3] += 1
        mutant = specialize_proto(site(sampling=True, scale=1 / wrong))
        assert not self.passes(path, ir.to_proto(mutant.model))
