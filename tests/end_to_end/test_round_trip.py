"""Every form that a target writes attention in is read back, and specialized again to the same rows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from specialize import targets
from specialize.artifact import Build
from specialize.attention.operator import DOMAIN, OPERATOR
from specialize.compiler.build import build
from specialize.errors import UsageError
from specialize.explain.inspect import inspect_model
from specialize.graph import folding
from specialize.graph.io import read_as_written, write_graph
from specialize.request import BuildRequest, Precision
from specialize.targets.conformance import operator_of
from specialize.targets.lower import lower
from tests.cli.running import CAR42
from tests.end_to_end.tiny_model import (
    CAMERAS,
    CHANNELS,
    COLUMNS,
    GRID,
    ROWS,
    SPEC,
    sample_points,
    write_tiny,
)
from tests.graphs import GraphMaker
from tests.lowering.test_rotate import by_places

POINTS = 2

FORMS = {
    "horizon": "horizon_j5", "decomposed": "openvino",
    "microsoft": "axera", "denglin": "denglin", "derryhub": "tensorrt_derryhub", "derryhub2": "tensorrt_derryhub",
    "tensorrt": "tensorrt", "vad": "tensorrt", "mmdeploy": "tensorrt", "ascend": "ascend",
}  # fmt: skip
"""Form, and a target that takes it."""

OPERATORS = {
    "horizon": "horizon::GridSample",
    "decomposed": "Floor", "microsoft": "com.microsoft::MultiScaleDeformableAttn",
    "denglin": "DL::MultiScaleDeformableAttnFunction", "derryhub": "MultiScaleDeformableAttnTRT",
    "derryhub2": "MultiScaleDeformableAttnTRT2", "tensorrt": "trt::MultiscaleDeformableAttnPlugin_TRT",
    "vad": "custom_op::MultiScaleDeformableAttentionPlugin", "mmdeploy": "mmdeploy::MMCVMultiScaleDeformableAttention",
    "ascend": "npu::MultiScaleDeformableAttn",
}  # fmt: skip
"""Form, and the operator that shows that it was written."""


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))


def generic(convolution: str = "", rotation: bool = False) -> ir.Model:
    """Return a model of one attention of two points per query and camera, weighted by a softmax, averaged.

    Its features may come out of a vendor's deformable convolution; a map of the frame before may be turned and added.
    """
    make, queries = GraphMaker(domains=(DOMAIN, "DL")), GRID.queries
    random = np.random.default_rng(7)
    query = make.input("query", (1, queries, CHANNELS))
    features = make.input("features", (CAMERAS, CHANNELS, ROWS, COLUMNS))
    if convolution:
        kernel = make.const(random.standard_normal((CHANNELS, CHANNELS, 3, 3)))
        inputs = [features, make.input("offset", (CAMERAS, 18, ROWS, COLUMNS)), kernel]
        if not convolution.startswith("DL"):
            inputs.insert(2, make.input("mask", (CAMERAS, 9, ROWS, COLUMNS)))
        *domain, operator = convolution.split("::")
        pads = [1, 1, 1, 1] if domain else [1, 1]
        features = make.op(operator, *inputs, domain="".join(domain), padding=pads)
        make.annotate(features, (CAMERAS, CHANNELS, ROWS, COLUMNS))
    seen, places = sample_points(make, make.input("lidar2img", (1, CAMERAS, 4, 4)))  # (N, Q, 1), (N, Q, 2)
    rows = make.op("Expand", query, make.const([CAMERAS, queries, CHANNELS]))
    offsets = make.op("MatMul", rows, make.const(0.1 * random.standard_normal((CHANNELS, 2 * POINTS))))
    shares = make.op("Mul", make.op("Add", places, make.const(1.0)), make.const(0.5))
    both = make.op("Add", make.op("Concat", *[shares] * POINTS, axis=2), offsets)
    locations = make.op("Reshape", both, make.const([CAMERAS, queries, 1, 1, POINTS, 2]))
    logits = make.op("MatMul", rows, make.const(random.standard_normal((CHANNELS, POINTS))))
    weights = make.op("Softmax", logits, axis=-1)
    weights = make.op("Reshape", weights, make.const([CAMERAS, queries, 1, 1, POINTS]))
    flat = make.op("Reshape", features, make.const([CAMERAS, CHANNELS, ROWS * COLUMNS]))
    value = make.op("Transpose", flat, perm=[0, 2, 1])
    value = make.op("Reshape", value, make.const([CAMERAS, ROWS * COLUMNS, 1, CHANNELS]))
    levels = make.const(np.array([[ROWS, COLUMNS]]))
    read = make.op(OPERATOR, value, levels, locations, weights, domain=DOMAIN)
    mixed = make.op("MatMul", make.annotate(read, (CAMERAS, queries, CHANNELS)), make.const(np.eye(CHANNELS)))
    total = make.op("ReduceSum", make.op("Mul", mixed, seen), make.const([0]), keepdims=0)
    count = make.op("ReduceSum", seen, make.const([0]), keepdims=0)
    bev = make.op("Div", total, make.op("Max", count, make.const(1.0)))
    model = ir.from_proto(make.model(bev=make.op("Add", bev, turned_before(make)) if rotation else bev))
    folding.evaluate(model)
    return model


def turned_before(make: GraphMaker) -> str:
    """Return features of the frame before (Q, C), turned as detectors do it."""
    height, width = GRID.shape
    before = make.input("before", (1, CHANNELS, height, width))
    turn = make.op("Mul", make.input("angle", (1,)), make.const(np.pi / 180))
    grid = by_places(make, make.op("Cos", turn), make.op("Sin", turn), (7.0, 3.0), (height, width))
    read = make.op("GridSample", before, grid, mode="nearest", padding_mode="zeros", align_corners=0)
    return make.op("Transpose", make.op("Reshape", read, make.const([CHANNELS, height * width])), perm=[1, 0])


def written(folder: Path, form: str) -> Path:
    """Write the model as a target writes it, with its sidecar; return the path."""
    model = generic()
    target = FORMS.get(form, "tensorrt")
    lower(model, targets.target(target).TOOLCHAIN, None if form == "horizon" else form)
    assert OPERATORS.get(form, "GridSample") in {operator_of(node) for node in model.graph}
    return saved(model, folder)


def saved(model: ir.Model, folder: Path) -> Path:
    """Write a model and its sidecar; return the path."""
    folder.mkdir()
    path = folder / "model.onnx"
    write_graph(model, path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


@lru_cache
def rows(
    path: Path, layout: str, target: str = "onnxruntime", attention: str = ""
) -> list[tuple[tuple[int, ...], int]]:
    """Build a model; return visible queries per camera, and rows computed, of every site."""
    output = path.parent / f"build-{layout}-{target}{attention}"
    build(BuildRequest(
        calib=CAR42, model=str(path), layout="padded" if layout == "padded" else "ragged", target=target,
        attention=attention, output=output, frames=1,
    ))  # fmt: skip
    manifest = Build.open(output).manifest
    assert manifest.verify.passed
    return [(tuple(each.visible for each in site.cameras), site.rows_computed) for site in manifest.sites]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model in GridSample, made once."""
    return written(tmp_path_factory.mktemp("plain") / "model", "gridsample")


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_is_written_is_read_back(form: str, plain: Path, tmp_path: Path) -> None:
    """In both layouts the same rows are computed as for the model in GridSample, and the build is proven."""
    own = written(tmp_path / "own", form)
    for layout in ("ragged", "padded"):
        wanted, found = rows(plain, layout), rows(own, layout)
        if form == "decomposed":  # its Gathers read all maps as one, and its rows are counted as one camera's
            assert [sum(seen) for seen, _ in found] == [sum(seen) for seen, _ in wanted] != []
        else:
            assert found == wanted != []


@pytest.mark.parametrize("form", [form for form in FORMS if form != "decomposed"])
def test_a_vendors_form_goes_to_its_own_target(form: str, tmp_path: Path) -> None:
    """Read back and specialized, it is written for its toolchain again, in that very form, with the same rows."""
    own = written(tmp_path / "own", form)
    attention = "" if form == "horizon" else form
    assert rows(own, "ragged", FORMS[form], attention) == rows(own, "ragged")
    made = Build.open(own.parent / f"build-ragged-{FORMS[form]}{attention}")
    assert OPERATORS[form] in {operator_of(node) for node in read_as_written(made.model).graph}
    assert made.manifest.options == ({"attention": form} if attention else {})
    assert not any("--attention" in warning for warning in made.manifest.warnings)


def test_rows_by_nearest_sampling(plain: Path) -> None:
    """If attention is already in GridSample, only its rows are rewritten, which is no reason to warn."""
    assert rows(plain, "ragged", "horizon_j6", "nearest-gather") == rows(plain, "ragged")
    made = Build.open(plain.parent / "build-ragged-horizon_j6nearest-gather")
    assert not any("--attention" in warning for warning in made.manifest.warnings)
    assert "Gather" not in {operator_of(node) for node in read_as_written(made.model).graph}


def test_a_form_that_a_target_does_not_take(tmp_path: Path) -> None:
    """It is refused before the model is read, and a form that nothing is written in is warned of."""
    request = BuildRequest(calib=CAR42, model=str(tmp_path / "none.onnx"), target="qnn", attention="denglin")
    with pytest.raises(UsageError, match=r"one of gridsample, .*, nearest-gather for qnn, got 'denglin'"):
        build(request)
    model = str(write_tiny(tmp_path))  # its sampling has no weights
    output = tmp_path / "build"
    made = build(BuildRequest(calib=CAR42, model=model, target="axera", attention="microsoft", output=output))
    assert any("--attention microsoft: graph: " in warning for warning in made.manifest.warnings)


@pytest.mark.parametrize("operator", ["ModulatedDeformableConv2dTRT", "DL::DeformConv2d"])
def test_a_backbone_with_a_vendors_convolution(operator: str, plain: Path, tmp_path: Path) -> None:
    """The same rows are computed, for any target and for the vendor's own."""
    target = "denglin" if operator.startswith("DL") else "tensorrt_derryhub"
    model = generic(operator)
    lower(model, targets.target(target).TOOLCHAIN)
    assert operator in {operator_of(node) for node in model.graph}
    own = saved(model, tmp_path / "own")
    assert rows(own, "ragged") == rows(plain, "ragged") == rows(own, "ragged", target)
    again = ir.load(own.parent / f"build-ragged-{target}" / "model.onnx")
    assert operator in {operator_of(node) for node in again.graph}


def test_a_turned_map_of_the_frame_before(plain: Path, tmp_path: Path) -> None:
    """Written as the operator of its makers it is read back, and written again for its own target, with equal rows."""
    model = generic(rotation=True)
    lower(model, targets.target("tensorrt_derryhub").TOOLCHAIN)
    assert "RotateTRT" in {operator_of(node) for node in model.graph}
    own = saved(model, tmp_path / "own")
    assert rows(own, "ragged") == rows(plain, "ragged") == rows(own, "ragged", "tensorrt_derryhub")
    again = ir.load(own.parent / "build-ragged-tensorrt_derryhub" / "model.onnx")
    assert [node.op_type for node in again.graph].count("RotateTRT") == 1


def test_a_site_is_sampled_by_its_attention_alone(tmp_path: Path) -> None:
    """Convolutions of the backbone and a turned map are operators of vendors too, and no part of how a site samples."""
    model = generic("ModulatedDeformableConv2dTRT", rotation=True)
    lower(model, targets.target("tensorrt_derryhub").TOOLCHAIN)
    found = inspect_model(saved(model, tmp_path / "own"))
    assert [form.sampling for form in found.forms] == ["MultiScaleDeformableAttnTRT x1"]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_operators_without_a_domain_stay_in_float32(precision: Precision, tmp_path: Path) -> None:
    """Plugins are no standard operators, though they stand in that domain: a conversion leaves them as they are."""
    path = saved(generic(rotation=True), tmp_path / "own")
    output = path.parent / "build"
    build(BuildRequest(
        calib=CAR42, model=str(path), target="tensorrt_derryhub", output=output, frames=1, precision=precision,
    ))  # fmt: skip
    found = Build.open(output).manifest.precision
    assert found is not None and found.outputs["bev"].cosine > 0.99
    plugins = [node for node in ir.load(output / "model.onnx").graph if node.op_type.endswith("TRT")]
    assert {node.op_type for node in plugins} == {"MultiScaleDeformableAttnTRT", "RotateTRT"}
    assert {str(value.dtype) for node in plugins for value in (*node.inputs, *node.outputs) if value} == {
        "FLOAT", "INT32",
    }  # fmt: skip
