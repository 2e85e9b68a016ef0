"""Equal ways to write deformable attention: all compute what the operator is defined by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.attention.operator import DOMAIN
from specialize.errors import UsageError
from specialize.graph.builder import SITE_KEY
from specialize.lowering.attention import lower_deformable_attention
from specialize.lowering.deform_attention import Steps, places_for
from specialize.lowering.formulations import DEFORM_CONV, FORMULATIONS, least_opset
from specialize.passes.clean_up import tidy
from specialize.targets import target
from tests.attention.graphs import CASES, Case, arrays, expected
from tests.graphs import assert_annotations_true, operators, run
from tests.lowering.test_attention import highest_rank, internal
from tests.strategies import attentions

MADE_OF = {
    "gridsample": {"GridSample", "ReduceSum"},
    "points-first": {"GridSample", "ReduceSum"},
    "deform-conv": {"DeformConv"},
    "corner-product": {"Gather", "MatMul"},
    "decomposed": {"Gather", "ReduceSum"},
}


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", FORMULATIONS)
def test_formulations_compute_the_attention(name: str, case: Case) -> None:
    """Each formulation computes the attention, of what it is meant to be made, on at most four axes."""
    graph, feeds = internal(case), arrays(case)
    lower_deformable_attention(graph, name)
    tidy(graph)
    assert MADE_OF[name] <= set(operators(graph)) and DOMAIN not in graph.graph.opset_imports
    assert highest_rank(graph) <= 4
    np.testing.assert_allclose(run(graph, feeds)["out"], expected(case, feeds), atol=2e-6)
    assert_annotations_true(graph, feeds)


@settings(max_examples=60, deadline=None)
@given(case=attentions(), spread=st.sampled_from((0.3, 1.0, 4.0)), seed=st.integers(0, 999))
def test_formulations_are_equal_at_any_size(case: Case, spread: float, seed: int) -> None:
    """At random sizes, with places in, on the border of and beyond the maps, all equal the definition in float64."""
    feeds = arrays(case, seed)
    feeds["locations"] = ((feeds["locations"] - 0.5) * np.float32(spread) + np.float32(0.5)).astype(
        np.float32
    )
    wanted = expected(case, feeds)
    for name in FORMULATIONS:
        graph = internal(case)
        lower_deformable_attention(graph, name)
        np.testing.assert_allclose(run(graph, feeds)["out"], wanted, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", FORMULATIONS)
def test_a_changed_formulation_is_noticed(name: str) -> None:
    """The comparison can fail: with one weight changed, no formulation gives the same."""
    case = Case()
    graph, feeds = internal(case), arrays(case)
    lower_deformable_attention(graph, name)
    wanted = expected(case, feeds)
    feeds["logits"][0, 0, 0, 0] += 1.0
    assert np.abs(run(graph, feeds)["out"] - wanted).max() > 1e-3


@pytest.mark.parametrize("name", FORMULATIONS)
@pytest.mark.parametrize("far", [1e9, -1e9])
def test_places_far_outside_read_nothing(name: str, far: float) -> None:
    """Locations at the end of the world read zero."""
    graph, feeds = internal(Case()), arrays(Case())
    lower_deformable_attention(graph, name)
    feeds["locations"][:] = far
    assert not run(graph, feeds)["out"].any()


def test_a_convolution_raises_the_opset_and_keeps_marks() -> None:
    """A graph in an older opset is raised to that of DeformConv, and its nodes keep what they are marked with."""
    graph = internal(Case(), 17)
    node = next(node for node in graph.graph if node.domain == DOMAIN)
    node.metadata_props[SITE_KEY] = "0"
    other = next(node for node in graph.graph if node.op_type == "Softmax")
    other.metadata_props[SITE_KEY] = "1"
    lower_deformable_attention(graph, DEFORM_CONV, (SITE_KEY,))
    assert graph.graph.opset_imports[""] == least_opset(DEFORM_CONV) == 19
    marks = {node.op_type: node.metadata_props.get(SITE_KEY) for node in graph.graph}
    assert marks["DeformConv"] == "0" and marks["Softmax"] == "1"


def test_sites_and_other_attention_are_written_apart() -> None:
    """Of two formulations the first is for attention with the number of a site, the second for all other."""
    for mark, operator in (("0", "DeformConv"), ("", "MatMul")):
        graph, feeds = internal(Case(), 17), arrays(Case())
        node = next(node for node in graph.graph if node.domain == DOMAIN)
        node.metadata_props.update({SITE_KEY: mark} if mark else {})
        lower_deformable_attention(graph, "deform-conv/corner-product", (SITE_KEY,))
        assert operators(graph)[operator] and {"DeformConv", "MatMul"} - {operator} - set(operators(graph))
        np.testing.assert_allclose(run(graph, feeds)["out"], expected(Case(), feeds), atol=2e-6)


def test_two_forms_are_formulations() -> None:
    """A vendor's operator is no part of two, and a toolchain takes both parts."""
    with pytest.raises(UsageError, match="spelling"):
        lower_deformable_attention(internal(Case()), "deform-conv/denglin")
    target("onnxruntime").TOOLCHAIN.require_form("deform-conv/decomposed")
    with pytest.raises(UsageError, match="--attention"):
        target("openvino").TOOLCHAIN.require_form("points-first/deform-conv")


def test_what_is_not_asked_to_is_not_marked() -> None:
    """Without metadata to keep, lowered nodes have none of the operator's."""
    graph = internal(Case(), 17)
    next(node for node in graph.graph if node.domain == DOMAIN).metadata_props[SITE_KEY] = "0"
    lower_deformable_attention(graph, "points-first")
    assert not any(SITE_KEY in node.metadata_props for node in graph.graph)


@given(size=st.integers(1, 300), kernel=st.integers(1, 12), count=st.integers(1, 400))
def test_steps_give_as_many_results_as_asked(size: int, kernel: int, count: int) -> None:
    """Stride and pads of an axis give the wanted number of results, from places about as large as the image."""
    steps = Steps.over(size, kernel, count)
    padded = size + steps.before + steps.after
    assert (padded - kernel) // steps.stride + 1 == count
    assert padded >= kernel and min(steps.before, steps.after) >= 0
    assert np.abs(steps.starts()).max() <= max(size, kernel) + count


@given(queries=st.integers(1, 60_000))
def test_queries_have_places(queries: int) -> None:
    """Every query has a place, columns are one to two times the root, and fewer than a row of them stay empty."""
    rows, columns = places_for(queries)
    assert 0 <= rows * columns - queries < columns
    assert math.isqrt(queries - 1) < columns <= 2 * math.isqrt(queries - 1) + 2
