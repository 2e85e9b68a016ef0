"""Random graphs never give a wrong answer: what the compiler cannot follow it leaves alone."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from specialize.passes.gather_sums import gather_sums
from specialize.rows.arrange import Packing
from specialize.rows.ops import work
from specialize.rows.rowmap import RowMap
from tests.graphs import PACKINGS, assert_annotations_true, assert_same, random_feeds, run, specialize_proto
from tests.plane_graphs import plane_graphs
from tests.pool_graphs import pool_graphs
from tests.row_graphs import any_graphs, loop_graphs, site_graphs

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
EVERY_SITE = (Packing(every_site=True), Packing("padded", 3, every_site=True), Packing(many=True))


def holds(model: onnx.ModelProto, packing: Packing) -> None:
    """Check that a specialized graph computes what the original does, with true annotations."""
    note(onnx.printer.to_text(model))
    feeds = random_feeds(model)
    wanted = run(model, feeds)
    if not all(np.isfinite(array).all() and np.abs(array).max(initial=0) < 1e4 for array in wanted.values()):
        return
    made = specialize_proto(model, {}, packing)
    event(f"sites: {min(len(made.sites), 2)}")
    assert_same(model, made.model, feeds, atol=1e-4, rtol=1e-3)
    assert_annotations_true(made.model, feeds)


@settings(max_examples=150, suppress_health_check=SLOW)
@given(any_graphs(), st.sampled_from(PACKINGS))
def test_any_graph_keeps_its_meaning(model: onnx.ModelProto, packing: Packing) -> None:
    """Operators of all kinds, rows mixed and not."""
    holds(model, packing)


@settings(max_examples=150, suppress_health_check=SLOW)
@given(site_graphs(), st.sampled_from(PACKINGS))
def test_any_site_keeps_its_meaning(model: onnx.ModelProto, packing: Packing) -> None:
    """Masked queries of two cameras, random work, a masked sum."""
    holds(model, packing)


@settings(max_examples=150, suppress_health_check=SLOW)
@given(loop_graphs(), st.sampled_from(PACKINGS))
def test_any_loop_over_cameras_keeps_its_meaning(model: onnx.ModelProto, packing: Packing) -> None:
    """Cameras one after the other, each written to the places of its queries."""
    holds(model, packing)


@settings(max_examples=150, suppress_health_check=SLOW)
@given(pool_graphs(), st.sampled_from(PACKINGS))
def test_any_pooling_keeps_its_meaning(model: onnx.ModelProto, packing: Packing) -> None:
    """Sorted and subtracted, added in repeated places, multiplied by a one-hot matrix, overwritten."""
    holds(model, packing)
    made = specialize_proto(model, {}, packing)
    gather_sums(made.model)
    feeds = random_feeds(model)
    if all(
        np.isfinite(array).all() and np.abs(array).max(initial=0) < 1e4
        for array in run(model, feeds).values()
    ):
        assert_same(model, made.model, feeds, atol=1e-4, rtol=1e-3)


@settings(max_examples=150, suppress_health_check=SLOW)
@given(plane_graphs(), st.sampled_from((*PACKINGS, *EVERY_SITE)))
def test_any_planes_keep_their_meaning(model: onnx.ModelProto, packing: Packing) -> None:
    """Rows that are sampled at once and cut apart, whether that saves anything or not."""
    holds(model, packing)


@pytest.mark.parametrize("mutant", ["cosine of zero", "sum of masks", "rows in another order"])
def test_the_hunt_finds_a_broken_compiler(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is wrong for some rows gives a wrong answer, and random graphs find it."""
    if mutant == "cosine of zero":
        monkeypatch.setattr(work, "KEEPS_ZERO", work.KEEPS_ZERO | {"Cos", "Sigmoid", "Softplus"})
    elif mutant == "sum of masks":
        monkeypatch.setattr(work, "ALL_ZERO", work.ALL_ZERO - {"Add"})
        monkeypatch.setattr(work, "ANY_ZERO", work.ANY_ZERO | {"Add"})
    else:
        right = RowMap.table
        monkeypatch.setattr(RowMap, "table", lambda *args: tuple(part[::-1].copy() for part in right(*args)))

    @settings(
        max_examples=6000,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=SLOW,
        report_multiple_bugs=False,
    )
    @given(site_graphs(), st.sampled_from(PACKINGS))
    def hunt(model: onnx.ModelProto, packing: Packing) -> None:
        holds(model, packing)

    with pytest.raises(AssertionError):
        hunt()


@pytest.mark.slow
@settings(max_examples=6000, suppress_health_check=SLOW)
@given(st.one_of(any_graphs(), site_graphs(), loop_graphs(), plane_graphs()), st.sampled_from(PACKINGS))
def test_many_graphs_keep_their_meaning(model: onnx.ModelProto, packing: Packing) -> None:
    """The same for minutes."""
    holds(model, packing)
