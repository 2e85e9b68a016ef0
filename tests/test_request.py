"""Requests: what no build can mean is refused in the same words for one build and for a fleet's."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import UsageError
from specialize.fleet.request import FleetRequest
from specialize.request import BuildRequest

WRONG = {
    "layout": ("raged", "--layout: expected one of ragged, padded, got 'raged'"),
    "target": ("qmm", "--target: expected one of onnxruntime"),
    "precision": ("bf16", "--precision: expected one of float32, fp16, int8, got 'bf16'"),
    "frames_dir": (Path("frames"), "--frames-dir: expected --precision fp16 or int8"),
    "align": (0, "--align: expected a number of at least 1, got 0"),
    "frames": (0, "--frames: expected a number of at least 1, got 0"),
    "seed": (-1, "--seed: expected a number of at least 0, got -1"),
    "mode": ("exakt", "--mode: expected one of "),
    "allow": (("camera_order",), "did you mean 'camera-order'"),
}


@pytest.mark.parametrize("option", WRONG)
def test_one_build_and_a_fleet_refuse_the_same(option: str) -> None:
    """Every option that both have is checked for both."""
    value, told = WRONG[option]
    for refused in (
        lambda: BuildRequest(calib=Path("car.yaml"), **{option: value}),  # type: ignore[arg-type]
        lambda: FleetRequest.of(folder=Path("cars"), **{option: value}),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError) as raised:
            refused()
        assert told in str(raised.value)
