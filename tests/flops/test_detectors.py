"""The three forms of whole detectors, counted on their real graphs, against closed formulas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialize.calibration.load import load_profile
from specialize.flops.closed import DeformableSite
from specialize.planning import resolve_spec, visible_sets
from tests.cli.running import CAR42, run_process

# Layers, and one site of each: queries, channels, heads, levels, points, pixels of all levels, cameras.
DETECTORS = {
    "bevformer_tiny": (3, DeformableSite(2500, 256, 8, 1, 8, 15 * 25, 6)),
    "bevformer_base": (
        6,
        DeformableSite(40000, 256, 8, 4, 8, 116 * 200 + 58 * 100 + 29 * 50 + 15 * 25, 6),
    ),
}


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", DETECTORS)
def test_three_forms_agree_with_the_closed_formulas(model: str, shared_store_dir: Path) -> None:
    """Pairs are the visible sets' own, and the operations of all sites are within 1 % of the formula."""
    ran = run_process(
        "flops",
        "--calib",
        CAR42,
        "--model",
        model,
        "--json",
        timeout_s=900,
        SPECIALIZE_STORE=str(shared_store_dir),
    )
    assert ran.code == 0, ran.err
    data = json.loads(ran.out)
    assert data["uncounted"] == []
    layers, site = DETECTORS[model]
    (plan,) = visible_sets(resolve_spec(model, None), load_profile(CAR42))
    rows = {
        "zero_padded": (6 * site.queries, 6 * site.queries),
        "rebatched": (6 * plan.longest, site.queries),
        "specialized": (plan.pairs, site.queries),
    }
    for form, (pairs, projected) in rows.items():
        counted = data["forms"][form]
        assert counted["pairs"] == layers * pairs
        assert counted["attention_samples"] == layers * site.samples(pairs)
        assert counted["attention_flops"] == pytest.approx(layers * site.flops(pairs, projected), rel=0.01), (
            form
        )
