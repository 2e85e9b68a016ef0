"""Queries that are constants stay in the engine: tables name their rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from msgspec import structs

from specialize.artifact import Build
from specialize.binding.query_contents import hide_contents
from specialize.binding.table_inputs import program_of
from specialize.calibration.load import load_profile
from specialize.compiler.build import build
from specialize.request import BuildRequest
from tests.cli.running import CAR42, CAR43
from tests.end_to_end.tiny_model import CHANNELS, GRID, SPEC, sample_points, tiny_model
from tests.graphs import GraphMaker

EMBEDDED = structs.replace(SPEC, inputs={})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model whose queries are constants, and builds of it with tables by layout."""
    folder = tmp_path_factory.mktemp("embedded")
    model = folder / "tiny.onnx"
    onnx.save(tiny_model(embedded=True), model)
    model.with_suffix(".model.yaml").write_text(EMBEDDED.to_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        for layout in ("ragged", "padded"):
            request = {"calib": CAR42, "model": str(model), "mode": "tables", "capacity_over": (CAR43,)}
            build(BuildRequest(**request, layout=layout, output=folder / layout, frames=1))  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_tables_hold_no_contents(folder: Path, layout: str) -> None:
    """Per place one row number and the place in the image, and a program that makes both."""
    program = program_of(Build.open(folder / layout))
    assert program.link is not None and program.declined == ""
    shapes = {name: program.link.slots[slot].shape for name, slot in program.link.outputs.items()}
    places = shapes["table.rows0"][0]
    assert max(int(np.prod(shape)) for shape in shapes.values()) == 2 * places


@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_the_engine_serves_another_car(folder: Path, layout: str) -> None:
    """With the tables of another car it gives what the model gives with its calibration."""
    opened = Build.open(folder / layout)
    features = np.random.default_rng(5).standard_normal((6, CHANNELS, 5, 9)).astype(np.float32)
    for calib in (CAR42, CAR43):
        profile = load_profile(calib)
        matrices = EMBEDDED.calibration_arrays(profile)["lidar2img"][None].astype(np.float32)
        expected = outputs(folder / "tiny.onnx", {"features": features, "lidar2img": matrices})
        tables = program_of(opened).contents(profile)
        got = outputs(opened.file("model.onnx"), {"features": features, **tables})
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def outputs(path: Path, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the one output of a model."""
    session = onnxruntime.InferenceSession(str(path))
    return np.asarray(session.run(None, dict(feeds))[0])


def test_what_decides_stays_known() -> None:
    """Contents are hidden and put back; those that a mask follows from, or of one number per query, are not."""
    for width, decided in ((2, False), (2, True), (1, False)):
        make = GraphMaker()
        seen, places = sample_points(make, make.input("lidar2img", (1, 6, 4, 4)))
        product = make.op("Mul", places, make.const(np.ones((GRID.queries, width))))
        outputs = {"product": product}
        if decided:
            outputs["above"] = make.op("Greater", product, make.const(0.5))
        model = ir.from_proto(make.model(**outputs, seen=seen))
        for node in model.graph:  # shapes, as a prepared graph has them
            for value in node.outputs:
                if value.name == places:
                    value.shape = ir.Shape((6, GRID.queries, 2))
        before = set(model.graph.initializers)
        contents = hide_contents(model, EMBEDDED)
        assert len(contents.hidden) == int(width == 2 and not decided), (width, decided)
        contents.restore()
        assert set(model.graph.initializers) == before
        assert [value.name for value in model.graph.inputs] == ["lidar2img"]
