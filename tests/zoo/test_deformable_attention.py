"""Deformable attention and its zero-padded form over cameras, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specialize.zoo.deformable_attention import DeformableAttention, SpatialCrossAttention, level_shapes
from specialize.zoo.weights import seed_weights
from tests.zoo.loops import read_query, rebatched_cross_attention

pytestmark = pytest.mark.torch

LEVELS = ((5, 8), (3, 4))
DIMS, HEADS, POINTS, ANCHORS = 8, 2, 4, 2
CAMERAS, QUERIES = 3, 7


def _noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


def _cross_attention() -> SpatialCrossAttention:
    module = SpatialCrossAttention(DIMS, LEVELS, HEADS, POINTS, ANCHORS)
    seed_weights(module, seed=3)
    return module


def _value() -> torch.Tensor:
    return _noise(1, CAMERAS, sum(height * width for height, width in LEVELS), DIMS)


def test_zero_padded_cross_attention_equals_the_rebatched_loops() -> None:
    """Masking all pairs and dividing by the count gives what computing the seen pairs alone gives."""
    module, x, value = _cross_attention(), _noise(0, 1, QUERIES, DIMS), _value()
    reference = _noise(2, CAMERAS, QUERIES, ANCHORS, 2) * 0.4 + 0.5
    seen = torch.zeros(CAMERAS, QUERIES, 1)
    seen[0, :4], seen[1, 2:5], seen[2, 3] = 1.0, 1.0, 1.0  # queries 5, 6 unseen; query 3 seen by all
    padded = module(x, value, reference, seen)[0].detach().numpy()
    a, b, c = (t.double().numpy() for t in (x[0], value, reference))
    expected = rebatched_cross_attention(module, POINTS, a, b, c, seen[..., 0].numpy() > 0)
    np.testing.assert_allclose(padded, expected, atol=2e-6)


def test_the_loops_notice_one_pair_more() -> None:
    """The comparison above fails when one camera computes one query more than it sees."""
    module, x, value = _cross_attention(), _noise(0, 1, QUERIES, DIMS), _value()
    reference = _noise(2, CAMERAS, QUERIES, ANCHORS, 2) * 0.4 + 0.5
    seen = torch.zeros(CAMERAS, QUERIES, 1)
    seen[0, :4] = 1.0
    more = seen[..., 0].numpy() > 0
    more[1, 0] = True
    padded = module(x, value, reference, seen)[0].detach().numpy()
    a, b, c = (t.double().numpy() for t in (x[0], value, reference))
    expected = rebatched_cross_attention(module, POINTS, a, b, c, more)
    assert np.abs(padded - expected).max() > 1e-2


def test_an_unseen_query_gets_the_projection_of_nothing() -> None:
    """A query that no camera sees is moved by the bias of the output projection alone."""
    module, x = _cross_attention(), _noise(0, 1, QUERIES, DIMS)
    with torch.no_grad():
        module.output_proj.bias.copy_(_noise(9, DIMS))
    reference = torch.full((CAMERAS, QUERIES, ANCHORS, 2), 1e8)  # what a point behind a camera projects to
    result = module(x, _value(), reference, torch.zeros(CAMERAS, QUERIES, 1))
    assert torch.equal(result, x + module.output_proj.bias)


def test_decoder_attention_equals_the_loops() -> None:
    """With one reference point, all sampling points move around it; the position joins the query only."""
    module = DeformableAttention(DIMS, LEVELS, HEADS, POINTS)
    seed_weights(module, seed=4)
    x, position, value = _noise(0, 1, QUERIES, DIMS), _noise(5, 1, QUERIES, DIMS), _value()[:1]
    reference = _noise(2, 1, QUERIES, 1, 2) * 0.4 + 0.5
    result = module(x, position, value, reference)[0].detach().numpy()
    for query in range(QUERIES):
        placed = (x + position)[0, query].double().numpy()
        read = read_query(
            module, POINTS, placed, value[0].double().numpy(), reference[0, query].double().numpy()
        )
        weight, bias = module.output_proj.weight.detach().numpy(), module.output_proj.bias.detach().numpy()
        np.testing.assert_allclose(result[query], x[0, query].numpy() + weight @ read + bias, atol=2e-6)


def test_map_sizes_round_up() -> None:
    """Maps of 928 px at stride 64 have 15 rows, as stride-2 convolutions of 29 rows give."""
    assert level_shapes((1600, 928), (8, 16, 32, 64)) == ((116, 200), (58, 100), (29, 50), (15, 25))
