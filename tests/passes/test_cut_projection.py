"""The projection is found and cut out whatever form a model has, and what is left computes the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from specialize.compiler.bake import by_matrices
from specialize.errors import DeclinedError
from specialize.graph.folding import fold
from specialize.graph.io import read_graph, write_graph
from specialize.model.projected import in_order
from specialize.passes.bind import feeds_of
from specialize.passes.cut_projection import Projected, cut_projection, notes_of
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.pyramid import Deviation
from tests.synthetic.attention import Model, Style
from tests.synthetic.exporting import export
from tests.synthetic.styles import BASE, LEVELS, TURN_RAD
from tests.synthetic.vehicles import spec_of, vehicle

FAR = Deviation(rotation_rad=0.1, translation_m=0.3, focal_ratio=0.05, principal_point_px=10.0)
STYLES = {
    "zero-padded": BASE,
    "rebatched": replace(BASE, form="rebatched"),
    "looped": replace(BASE, form="looped", levels=LEVELS),
    "height masks": replace(BASE, form="height_masks"),
    "two layers": BASE,
}


def _cut(style: Style, layers: int, folder: Path) -> tuple[ir.Model, list, list[Projected]]:
    """Return a model with its projection cut out, where, and the calibrations that it was found with."""
    import onnx

    model = Model(*[style] * layers)
    onnx.save(export(model, model.example(), 16), folder / "model.onnx")
    graph = read_graph(folder / "model.onnx")
    fold(graph)
    spec, rig = spec_of(style), vehicle(style, TURN_RAD, "vehicle")
    rigs = (rig, *at_the_edge(rig, [FAR] * style.cameras, 2))
    trials = [Projected(feeds_of(graph, spec, each), by_matrices(spec, each)) for each in rigs]
    return graph, cut_projection(graph, list(spec.calibration_inputs), trials), trials


@pytest.mark.parametrize("name", STYLES)
def test_every_form_is_cut(name: str, tmp_path: Path) -> None:
    """One input takes the place of the matrices, and given their products the outputs are the same."""
    graph, cuts, trials = _cut(STYLES[name], 2 if name == "two layers" else 1, tmp_path)
    assert len(cuts) == 1 and notes_of(cuts)[0].verdict == "applied"
    inputs = {str(value.name) for value in graph.graph.inputs}
    assert cuts[0].name in inputs and "lidar2img" not in inputs
    write_graph(graph, tmp_path / "cut.onnx", "cut.bin")
    before, after = (
        onnxruntime.InferenceSession(str(tmp_path / file), providers=["CPUExecutionProvider"])
        for file in ("model.onnx", "cut.onnx")
    )
    random = np.random.default_rng(0)
    fed = {
        each.name: random.standard_normal(each.shape).astype(np.float32)
        for each in before.get_inputs()
        if each.name != "lidar2img"
    }
    shape = next(each.shape for each in after.get_inputs() if each.name == cuts[0].name)
    for trial in trials:
        points = in_order(trial.points[cuts[0].grid], cuts[0].axes).reshape(shape).astype(np.float32)
        wanted = before.run(None, {**fed, "lidar2img": trial.arrays["lidar2img"]})
        found = after.run(None, {**fed, cuts[0].name: points})
        for one, other in zip(wanted, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-4)


def test_other_points_than_the_grids_are_declined(tmp_path: Path) -> None:
    """A sidecar whose grid is not that of the model names no product that the graph computes."""
    style = replace(BASE, grid=replace(BASE.grid, range_m=(-21.0, -20.0, -3.0, 20.0, 20.0, 1.0)))
    import onnx

    model = Model(BASE)
    onnx.save(export(model, model.example(), 16), tmp_path / "model.onnx")
    graph = read_graph(tmp_path / "model.onnx")
    fold(graph)
    spec, rig = spec_of(style), vehicle(style, TURN_RAD, "vehicle")
    trials = [Projected(feeds_of(graph, spec, rig), by_matrices(spec, rig))]
    with pytest.raises(DeclinedError, match="its matrices times the points of a grid"):
        cut_projection(graph, ["lidar2img"], trials)
