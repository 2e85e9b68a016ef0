"""The main job on the real model: BEVFormer-tiny, image to boxes, for the calibration of car42."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.artifact import Build
from specialize.calibration.load import load_profile
from specialize.compiler.build import build
from specialize.compiler.generic import GRAPH, generic_model
from specialize.explain.drift import check
from specialize.files.resources import resource_dir
from specialize.model.spec import ModelSpec, parse_spec
from specialize.model.visible import visible_sets
from specialize.request import BuildRequest
from specialize.store import Store, open_store
from specialize.verify import VerifyReport, compare_models, make_frames, model_inputs

CAR42 = resource_dir("calib_profiles") / "car42.yaml"
CAR43 = resource_dir("calib_profiles") / "car43.yaml"
FORBIDDEN = {"NonZero", "ScatterND", "ScatterElements", "If", "Loop", "Einsum", "CumSum", "Mod"}

pytestmark = pytest.mark.torch


@dataclass(frozen=True)
class Made:
    """Both layouts of one specialization, and the original."""

    ragged: Build
    padded: Build
    original: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Build BEVFormer-tiny for car42 in both layouts, verified over a frame without and one with history."""
    room = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(room / "store"))
        outcomes = [
            build(BuildRequest(calib=CAR42, layout=layout, output=room / layout, frames=2))
            for layout in ("ragged", "padded")
        ]
        ragged, padded = (Build.open(outcome.build_dir) for outcome in outcomes)
        store: Store = open_store()
        generic = generic_model(BuildRequest(calib=CAR42), store, lambda line: None)
        with generic.unpacked(store) as parts:
            yield Made(ragged, padded, parts / GRAPH)


def test_only_what_the_cameras_see_is_computed(made: Made) -> None:
    """Three sites, each with the pairs of the plan, the longest camera under 30 % of the queries."""
    manifest = made.ragged.manifest
    (plan,) = visible_sets(generic_spec(made), load_profile(CAR42))
    assert len(manifest.sites) == 3
    for site in manifest.sites:
        assert [camera.visible for camera in site.cameras] == plan.lengths.tolist()
        assert site.rows_computed == site.pairs == plan.pairs
        assert site.longest <= 0.3 * site.queries


def test_both_layouts_equal_the_original(made: Made) -> None:
    """Every output, with and without history, and not by being the same constant everywhere."""
    for manifest in (made.ragged.manifest, made.padded.manifest):
        assert manifest.verify.passed
        assert manifest.verify.notes == ()
        assert set(manifest.verify.outputs) == {"bev_embed", "all_cls_scores", "all_bbox_preds"}
    longest = made.padded.manifest.sites[0].longest
    assert made.padded.manifest.sites[0].rows_computed == 6 * longest


def test_the_model_is_static_and_keeps_its_interface(made: Made) -> None:
    """No calibration input, no operator that depends on data, rank 4 at the sites, names and shapes as before."""
    original = onnx.load(str(made.original), load_external_data=False).graph
    for build_ in (made.ragged, made.padded):
        model = onnx.load(str(build_.model), load_external_data=False)
        assert {node.op_type for node in model.graph.node} & FORBIDDEN == set()
        assert interface(model.graph.input) == [
            one for one in interface(original.input) if one[0] != "lidar2img"
        ]
        assert interface(model.graph.output) == interface(original.output)
        for value in model.graph.value_info:
            assert all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
        onnx.checker.check_model(str(build_.model), full_check=True)


@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_openvino_computes_the_same(made: Made, layout: str) -> None:
    """A second runtime gives the outputs that the original has on ONNX Runtime."""
    compare(made, getattr(made, layout), CAR42, runtime="openvino", count=2).require_passed()


def test_another_car_is_noticed(made: Made) -> None:
    """The build is right for car42, stale for car43, and says how many queries change."""
    assert check(made.ragged.folder, CAR42).fresh
    drift = check(made.ragged.folder, CAR43)
    assert not drift.fresh
    assert sum(change.gained + change.lost for change in drift.queries) > 0


def test_the_other_cars_geometry_is_not_equal(made: Made) -> None:
    """The comparison is sharp enough to see another car of the same model."""
    assert not compare(made, made.ragged, CAR43, runtime="onnxruntime", count=1).passed


def compare(made: Made, candidate: Build, calib: Path, runtime: str, count: int) -> VerifyReport:
    """Compare a build with the original that gets a calibration as an input."""
    spec, wanted = generic_spec(made), model_inputs(made.original)
    arrays = spec.calibration_arrays(load_profile(calib))
    constants = {name: array.reshape(wanted[name].shape).astype(np.float32) for name, array in arrays.items()}
    free = {name: info for name, info in wanted.items() if name not in constants}
    frames = make_frames(free, spec.inputs, seed=7, count=count)
    return compare_models(made.original, candidate.model, frames, constants=constants, runtime=runtime)


def generic_spec(made: Made) -> ModelSpec:
    """Return the model's sidecar."""
    return parse_spec(made.ragged.manifest.spec, "manifest")


def interface(values: Iterable[onnx.ValueInfoProto]) -> list[tuple[str, tuple[int, ...]]]:
    """Return names and shapes of inputs or outputs."""
    return [
        (value.name, tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)) for value in values
    ]
