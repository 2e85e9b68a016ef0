"""Envelope and tables on the real model: BEVFormer-tiny, image to boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.binding.envelope_file import read_supersets
from specialize.binding.make_tables import make_table
from specialize.binding.modes import Fed
from specialize.calibration.load import load_profile
from specialize.compiler.build import build
from specialize.compiler.generic import GRAPH, PREPARED, generic_model
from specialize.compiler.prove import compare_with_original
from specialize.graph.io import read_graph
from specialize.model.spec import parse_spec
from specialize.model.visible import visible_sets
from specialize.passes.bind import feeds_of
from specialize.request import BuildRequest
from specialize.store import open_store
from tests.cli.running import CAR42, CAR43

pytestmark = [pytest.mark.torch, pytest.mark.slow]

FORBIDDEN = {"NonZero", "ScatterND", "ScatterElements"}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the whole module, so that the model is exported once."""
    return tmp_path_factory.mktemp("modes")


@pytest.fixture(autouse=True)
def store(room: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the tests of the module one store of their own; return the folder beside it."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(room / "store"))
    return room


def test_an_envelope_of_bevformer(store: Path) -> None:
    """The pairs of the envelope at three sites, lidar2img an input, equal over calibrations inside."""
    request = BuildRequest(
        calib=CAR42,
        mode="envelope",
        tolerance="rotation=0.5deg,translation=3cm,focal=0.5%",
        count_outside=True,
        output=store / "envelope",
        frames=4,
    )
    manifest = build(request).manifest
    (pairs,) = read_supersets(store / "envelope")
    (plan,) = visible_sets(parse_spec(manifest.spec, "spec"), load_profile(CAR42))
    assert [site.pairs for site in manifest.sites] == [pairs.sum()] * 3
    assert plan.pairs < pairs.sum() < 1.05 * plan.pairs
    assert "lidar2img" in [put.name for put in manifest.inputs]
    assert not FORBIDDEN & {node.op_type for node in read_graph(store / "envelope" / "model.onnx").graph}
    assert manifest.verify.passed


def test_one_engine_of_bevformer_for_two_cars(store: Path) -> None:
    """The engine of one car with the table of another equals the original with the other's calibration."""
    request = BuildRequest(calib=CAR42, mode="tables", output=store / "tables", frames=2)
    manifest = build(request).manifest
    assert len(manifest.options["tables"]["tables"]) == 4  # count, reference points, and two of indices
    table = store / "car43.safetensors"
    outcome = make_table(store / "tables", CAR43, table)
    assert outcome.size < 250_000
    spec = parse_spec(manifest.spec, "spec")
    generic = generic_model(BuildRequest(calib=CAR42), open_store(), lambda line: None)
    with generic.unpacked(open_store()) as parts:
        own = feeds_of(read_graph(parts / PREPARED), spec, load_profile(CAR43))
        fed = Fed(({**own, **read_tensors(table)[0]},))
        engine = Build.open(store / "tables").model
        report = compare_with_original(parts / GRAPH, engine, spec, fed, 2, 3, lambda line: None)
    report.require_passed()
    assert np.isfinite(table.stat().st_size)
