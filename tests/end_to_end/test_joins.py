"""Cameras may also be joined by a mean or a maximum, and the remaining work is reported in the same way."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from specialize.artifact import Build
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import CAMERAS, GRID, SPEC, tiny_model


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax"])
def test_another_join_reaches_the_same_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, operator: str
) -> None:
    """A mean or a maximum over cameras in place of the sum drops the same rows, and the build is proven."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))
    pairs = []
    for joined in ("ReduceSum", operator):
        model = tiny_model()
        if joined != "ReduceSum":
            node = next(node for node in model.graph.node if node.op_type == "ReduceSum")
            node.op_type = joined
            del node.input[1]  # up to opset 17 these take their axes as an attribute
            node.attribute.append(helper.make_attribute("axes", [0]))
        path = tmp_path / f"{joined}.onnx"
        onnx.save(model, path)
        path.with_suffix(".model.yaml").write_text(SPEC.to_text())
        folder = tmp_path / joined
        ran = run_here(capsys, "build", "--calib", CAR42, "--model", path, "-o", folder)
        assert ran.code == 0, ran.err
        assert f"of {CAMERAS * GRID.queries:,} are computed" in ran.out
        (site,) = Build.open(folder).manifest.sites
        assert site.queries == GRID.queries
        pairs.append([camera.visible for camera in site.cameras])
    assert pairs[0] == pairs[1]
