"""BEVFormer's encoder: temporal self-attention against plain loops, projection against recorded hits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specialize.zoo.bevformer_encoder import (
    Encoder,
    History,
    TemporalSelfAttention,
    cell_centres,
    pillar_points_m,
)
from specialize.zoo.weights import seed_weights
from tests.zoo.loops import temporal_attention
from tests.zoo.parity import load_record, rig_lidar2img

pytestmark = pytest.mark.torch

SHAPE, DIMS = (3, 4), 8
QUERIES = SHAPE[0] * SHAPE[1]
RANGE_M = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)


def _noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


def _temporal() -> TemporalSelfAttention:
    module = TemporalSelfAttention(DIMS, SHAPE, heads=2, points=4)
    seed_weights(module, seed=5)
    return module


def _attend(use: float, previous: torch.Tensor, first: torch.Tensor, reference: torch.Tensor) -> np.ndarray:
    """Returns temporal self-attention of x = noise 0 with position = noise 1, (Q, C)."""
    history = History(torch.cat([previous, first]), torch.tensor([use]), reference)
    result = _temporal()(_noise(0, 1, QUERIES, DIMS), _noise(1, 1, QUERIES, DIMS), history)
    return result[0].detach().numpy()


def _arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [tensor.double().numpy() for tensor in tensors]


def test_with_a_history_the_values_are_the_previous_bev_and_the_first_query() -> None:
    """The current half of the value is the encoder's first query, not the layer's own."""
    previous, first = _noise(2, 1, QUERIES, DIMS), _noise(3, 1, QUERIES, DIMS)
    reference = torch.cat([cell_centres(SHAPE) + torch.tensor([0.03, -0.02]), cell_centres(SHAPE)])
    x, position, before, now, there, here = _arrays(
        _noise(0, 1, QUERIES, DIMS)[0],
        _noise(1, 1, QUERIES, DIMS)[0],
        previous[0],
        first[0],
        reference[0, :, 0],
        reference[1, :, 0],
    )
    expected = temporal_attention(_temporal(), x, position, (before, now), (there, here))
    np.testing.assert_allclose(_attend(1.0, previous, first, reference), expected, atol=2e-6)


def test_without_a_history_both_values_are_the_layers_own_query() -> None:
    """What stands in the unused previous BEV and in the first query has no influence."""
    previous, first = _noise(2, 1, QUERIES, DIMS), _noise(3, 1, QUERIES, DIMS)
    reference = cell_centres(SHAPE).expand(2, QUERIES, 1, 2)
    x, position, centres = _arrays(
        _noise(0, 1, QUERIES, DIMS)[0], _noise(1, 1, QUERIES, DIMS)[0], reference[0, :, 0]
    )
    expected = temporal_attention(_temporal(), x, position, (x, x), (centres, centres))
    result = _attend(0.0, previous, first, reference)
    np.testing.assert_allclose(result, expected, atol=2e-6)
    np.testing.assert_array_equal(result, _attend(0.0, first, 7.0 * previous, reference))


@pytest.mark.parametrize("case", list(load_record("bevformer_hits")["cases"]))
def test_the_projection_sees_what_the_original_sees(case: str) -> None:
    """Per camera the queries seen, in float32, are as many as recorded, for every size of grid and image."""
    recorded = load_record("bevformer_hits")["cases"][case]
    height, width = recorded["img_shape"]
    encoder = Encoder([], tuple(recorded["bev"]), RANGE_M, 4, (width, height))
    lidar2img = torch.from_numpy(rig_lidar2img(recorded["image_scale"])).float()[None]
    seen = encoder.look(lidar2img).seen[..., 0]
    assert seen.sum(1).int().tolist() == recorded["hits_per_camera"]
    by_count = torch.bincount(seen.sum(0).int(), minlength=7).tolist()
    assert by_count == recorded["queries_seen_by_k_cameras"]


def test_pillars_stand_on_cells_in_grid_order() -> None:
    """Query h * W + w has x along w and y along h, its anchors from low to high."""
    points = pillar_points_m((2, 4), (-8.0, -2.0, -1.0, 8.0, 2.0, 3.0), anchors=2).reshape(4, 2, 4, 2)
    assert points[0, 0, :, 0].tolist() == [-6.0, -2.0, 2.0, 6.0]
    assert points[1, :, 0, 0].tolist() == [-1.0, 1.0]
    assert points[2, 0, 0].tolist() == [-0.5, 2.5]
    assert bool((points[3] == 1.0).all())
