"""BEVFormer-tiny as others export it: traced at opset 16, zero-padded and re-batched, simplified or not."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.binding.envelope_file import read_supersets
from specialize.binding.make_tables import make_table
from specialize.binding.modes import Fed
from specialize.calibration.load import load_profile
from specialize.compiler.build import build
from specialize.compiler.generic import sidecar_of
from specialize.compiler.prove import compare_with_original
from specialize.graph.io import read_graph
from specialize.model.visible import visible_sets
from specialize.passes.pipeline import Specialized, specialize_graph
from specialize.request import BuildRequest
from specialize.rows.arrange import Packing
from specialize.verify import compare_models, make_frames, model_inputs
from specialize.zoo import spec
from tests.graphs import assert_static, operators
from tests.synthetic.detector import CAR42, CAR43, FORMS, export_detector, matrices
from tests.synthetic.exporting import simplified

pytestmark = [pytest.mark.slow, pytest.mark.torch]

NAME = "bevformer_tiny"
DATA_DEPENDENT = {"NonZero", "ScatterND", "ScatterElements", "If", "Loop", "Where"}


@pytest.fixture(scope="module", params=FORMS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a traced export with its sidecar; the exporter saw car42."""
    path = export_detector(request.param, tmp_path_factory.mktemp(request.param) / "model.onnx")
    sidecar_of(path).write_text(spec(NAME).to_text())
    return path


def proven(path: Path, calib: Path, packing: Packing) -> Specialized:
    """Specialize an export and compare both on frames with and without history."""
    made = specialize_graph(read_graph(path), {"lidar2img": matrices(calib)}, packing)
    (plan,) = visible_sets(spec(NAME), load_profile(calib))
    assert [site.visible for site in made.sites] == [tuple(plan.lengths)] * 3
    assert_static(made.model)
    assert not DATA_DEPENDENT & set(operators(made.model))
    candidate = path.with_name(f"{calib.stem}-{packing.layout}.onnx")
    ir.save(made.model, candidate)
    free = {name: info for name, info in model_inputs(path).items() if name != "lidar2img"}
    frames = make_frames(free, spec(NAME).inputs, 0, 2)  # without and with history
    compare_models(path, candidate, frames, constants={"lidar2img": matrices(calib)}).require_passed()
    return made


@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_an_export_comes_to_the_visible_pairs(exported: Path, layout: str) -> None:
    """Three sites with the pairs of the plan, static, the same numbers."""
    proven(exported, CAR42, Packing(layout))  # type: ignore[arg-type]


def test_an_export_serves_another_car(exported: Path) -> None:
    """What the exporter wrote down about car42 does not stick: car43 gets its own pairs and numbers."""
    proven(exported, CAR43, Packing("ragged"))


def test_a_simplified_export_is_the_same_work(exported: Path) -> None:
    """Simplifiers leave scatters and shapes behind; ours do not depend on it."""
    path = exported.with_name("simplified.onnx")
    onnx.save(simplified(onnx.load(str(exported)), "onnxsim"), str(path))
    proven(path, CAR42, Packing("ragged"))


@pytest.fixture
def store(exported: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the builds of one export a store; return the folder that builds go to."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(exported.parent / "store"))
    return exported.parent


def left_of(folder: Path) -> set[str]:
    """Return the operators of a build that depend on data."""
    return DATA_DEPENDENT & {node.op_type for node in read_graph(folder / "model.onnx").graph}


def test_an_export_serves_an_envelope(exported: Path, store: Path) -> None:
    """The calibration stays an input, the envelope's pairs are computed, and calibrations inside are proven."""
    tolerance = "rotation=0.5deg,translation=3cm,focal=0.5%"
    request = BuildRequest(
        calib=CAR42,
        model=str(exported),
        mode="envelope",
        tolerance=tolerance,
        output=store / "envelope",
        frames=3,
    )
    manifest = build(request).manifest
    (pairs,) = read_supersets(store / "envelope")
    (plan,) = visible_sets(spec(NAME), load_profile(CAR42))
    assert [site.pairs for site in manifest.sites] == [pairs.sum()] * 3
    assert plan.pairs < pairs.sum() < 1.05 * plan.pairs
    assert "lidar2img" in [put.name for put in manifest.inputs]
    assert not left_of(store / "envelope") - {"Where"}


def test_an_export_becomes_one_engine_with_tables(exported: Path, store: Path) -> None:
    """The engine made for car42 gives, with the table of car43, what the export gives with its calibration."""
    request = BuildRequest(calib=CAR42, model=str(exported), mode="tables", output=store / "tables", frames=2)
    manifest = build(request).manifest
    (plan,) = visible_sets(spec(NAME), load_profile(CAR42))
    assert [site.pairs for site in manifest.sites] == [plan.pairs] * 3
    assert not left_of(store / "tables")
    table = store / "car43.safetensors"
    make_table(store / "tables", CAR43, table)
    fed = Fed(({"lidar2img": matrices(CAR43), **read_tensors(table)[0]},))
    engine = Build.open(store / "tables").model
    compare_with_original(exported, engine, spec(NAME), fed, 2, 3, lambda line: None).require_passed()
