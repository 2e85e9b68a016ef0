"""The three forms of whole detectors, counted on their real graphs, against closed formulas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from specialize.calibration.load import load_profile
from specialize.costs import count_file
from specialize.costs.closed import DeformableSite
from specialize.explain.plan import resolve_spec
from specialize.model.visible import visible_sets
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
        "original": (6 * site.queries, 6 * site.queries),
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


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(600)
def test_a_whole_detector_agrees_with_an_independent_counter(shared_store_dir: Path, tmp_path: Path) -> None:
    """onnx-tool counts the same multiply-adds in every convolution and matrix product of a specialized detector."""
    onnx_tool = pytest.importorskip("onnx_tool")
    options = ("--calib", CAR42, "--model", "bevformer_tiny", "--frames", "1", "-o", tmp_path / "build")
    ran = run_process("build", *options, timeout_s=500, SPECIALIZE_STORE=str(shared_store_dir))
    assert ran.code == 0, ran.err
    agrees_with_onnx_tool(onnx_tool, tmp_path / "build" / "model.onnx")


def agrees_with_onnx_tool(onnx_tool: Any, path: Path) -> None:
    """Assert that every product of a model has as many multiply-adds as onnx-tool says."""
    other = onnx_tool.Model(str(path), {"verbose": False}).graph
    other.shape_infer()
    other.profile()
    products = [node for node in count_file(path).nodes if node.op in ("Conv", "MatMul")]
    assert len(products) > 100
    for node in products:
        assert node.multiply_adds == other.nodemap[node.name].macs[0], node.name
