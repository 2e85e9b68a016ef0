"""The previous BEV's rotation and shift, against recorded figures and against plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from specialize.zoo.ego_motion import BevRotation, bev_shift
from tests.zoo.parity import load_record, rule_input

pytestmark = pytest.mark.torch


def _can_bus(dx: float, dy: float, heading_rad: float) -> torch.Tensor:
    can_bus = torch.zeros(18)
    can_bus[0], can_bus[1], can_bus[16] = dx, dy, heading_rad
    return can_bus


def test_rotation_reads_the_recorded_cells() -> None:
    """Every recorded cell of the turned grid comes from the recorded cell, or is zero."""
    rotation = load_record("bevformer_tiny")["rotation"]
    sources = torch.arange(1.0, 2501.0)[:, None, None].expand(2500, 1, 2)
    turned = BevRotation(50, 50)(sources, torch.tensor([rotation["angle_deg"]]))[0, :, 0].long() - 1
    assert [[cell, int(turned[cell])] for cell, _ in rotation["source_flat_index_of_cell"]] == rotation[
        "source_flat_index_of_cell"
    ]
    assert int((turned < 0).sum()) == rotation["zero_cells"]
    assert int((turned + 1).sum()) == rotation["source_index_sum"]  # recorded counting from one


@pytest.mark.parametrize("angle_deg", [10.39, -7.3, 0.21, 123.4])
def test_rotation_rounds_to_the_nearest_cell(angle_deg: float) -> None:
    """On a grid that is not square each cell reads the nearest one of the turned grid, about index 99.5."""
    height, width = 5, 110
    cells = torch.arange(1.0, height * width + 1)[:, None, None]
    turned = BevRotation(height, width)(cells, torch.tensor([angle_deg]))[0, :, 0].numpy()
    sine, cosine = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    for y in range(height):
        for x in range(width):
            column = round(99.5 + cosine * (x - 99.5) - sine * (y - 99.5))
            row = round(99.5 + sine * (x - 99.5) + cosine * (y - 99.5))
            inside = 0 <= column < width and 0 <= row < height
            assert turned[y * width + x] == (row * width + column + 1 if inside else 0)


def test_no_turn_changes_nothing() -> None:
    """An angle of zero returns every cell, and leaves the caller's tensor alone."""
    bev = torch.from_numpy(rule_input("prev_bev", (2500, 1, 256)))
    before = bev.clone()
    assert torch.equal(BevRotation(50, 50)(bev, torch.zeros(1))[0], bev[:, 0])
    assert torch.equal(bev, before)


def test_shift_is_the_recorded_one() -> None:
    """The shift of the recorded run is recomputed to float32 rounding."""
    record = load_record("bevformer_tiny")
    can_bus = torch.tensor(record["inputs"]["can_bus"]["values"], dtype=torch.float32)
    np.testing.assert_allclose(bev_shift(can_bus, (102.4, 102.4))[0], record["shift_xy"], rtol=1e-6)


@pytest.mark.parametrize("heading_rad", [-2.0, 0.0, 0.6, 3.0])
@pytest.mark.parametrize(("dx", "dy"), [(1.6, -0.9), (-3.0, 0.4), (0.0, -2.0), (0.0, 0.0)])
def test_shift_turns_the_movement_into_the_grid(heading_rad: float, dx: float, dy: float) -> None:
    """The shift equals length and direction of the movement, taken through angles, in all quadrants."""
    length, direction = math.hypot(dx, dy), math.atan2(dy, dx)
    expected = [
        length * math.sin(heading_rad - direction) / 80,
        length * math.cos(heading_rad - direction) / 50,
    ]
    shift = bev_shift(_can_bus(dx, dy, heading_rad), (80.0, 50.0))
    np.testing.assert_allclose(shift[0], expected, atol=1e-7)
