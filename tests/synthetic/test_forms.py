"""One attention in all the forms of the field: each comes to the same visible pairs and to its own numbers."""

from __future__ import annotations

import functools
from dataclasses import replace
from itertools import cycle

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from specialize.calibration.load import parse_profile
from specialize.compiler.forms import LOOPED, REBATCHED, ZERO_PADDED, site_forms
from specialize.graph.shapes import dims
from specialize.passes.pipeline import Specialized
from specialize.rows.arrange import Packing
from specialize.visibility.grid import QueryGrid
from tests.graphs import (
    ALIGNED,
    PADDED,
    RAGGED,
    assert_annotations_true,
    assert_same,
    assert_static,
    operators,
    run,
    specialize_proto,
)
from tests.shared_files import calibrations, profile_document
from tests.strategies import Rig, rigs
from tests.synthetic.attention import GRID, Model, Style, calibration
from tests.synthetic.exporting import export, simplified
from tests.synthetic.styles import BASE, ONE_CAMERA, REBATCHED_LEVELS, STYLES, TURN_RAD, WIDE_BOOL

pytestmark = pytest.mark.torch

NEVER_LEFT = frozenset(
    {"NonZero", "ScatterND", "ScatterElements", "If", "Loop", "Where", "Mod", "CumSum", "Einsum"}
)

WRITTEN = STYLES | ONE_CAMERA | WIDE_BOOL | {"rebatched, queries first": REBATCHED_LEVELS}


@functools.lru_cache(maxsize=64)
def exported(
    style: Style,
    opset: int = 16,
    tool: str = "raw",
    *,
    dynamo: bool = False,
    fold: bool = True,
    layers: int = 1,
) -> onnx.ModelProto:
    """Return the export of a model whose layers all have one style."""
    model = Model(*[style] * layers)
    return simplified(export(model, model.example(), opset, dynamo=dynamo, fold=fold), tool)


def visible(style: Style, matrices: np.ndarray) -> np.ndarray:
    """Return the model's own mask, (N, Q)."""
    _, hits = Model(style).projection(torch.tensor(matrices))
    return hits.any(-1).numpy()


def holds(
    model: onnx.ModelProto, style: Style, packing: Packing, matrices: np.ndarray, layers: int = 1
) -> Specialized:
    """Check that a specialized export computes the module's numbers, from the visible pairs only."""
    made = specialize_proto(model, {"lidar2img": matrices}, packing)
    module = Model(*[style] * layers)
    inputs = module.example() | {"lidar2img": torch.tensor(matrices)}
    with torch.no_grad():
        wanted = module(*inputs.values()).numpy()
    feeds = {name: value.numpy() for name, value in inputs.items()}
    np.testing.assert_allclose(run(made.model, feeds)["out"], wanted, atol=2e-5, rtol=2e-4)
    assert_same(model, made.model, feeds)
    assert_static(made.model)
    assert_annotations_true(made.model, feeds)
    left = operators(made.model)
    assert not NEVER_LEFT & set(left)
    assert [value.name for value in made.model.graph.inputs] == ["query", "maps"]
    seen = visible(style, matrices)
    assert [site.pairs for site in made.sites] == [int(seen.sum())] * layers
    for site in made.sites:
        assert site.visible == tuple(seen.sum(1))
        own = Packing("ragged", packing.align) if style.form == "looped" else packing  # camera by camera
        assert site.lengths == tuple(own.lengths(seen.sum(1)))
        np.testing.assert_array_equal(site.seen, seen)
    return made


@pytest.mark.parametrize("packing", [RAGGED, PADDED, ALIGNED], ids=["ragged", "padded", "aligned"])
@pytest.mark.parametrize("name", WRITTEN)
def test_every_style_comes_to_the_same_pairs(name: str, packing: Packing) -> None:
    """Masks of all types in all places, layouts, levels, cameras, re-batched or looped."""
    style = WRITTEN[name]
    holds(exported(style), style, packing, calibration(style, TURN_RAD))


@pytest.mark.parametrize("style", [BASE, WRITTEN["rebatched"]], ids=["padded", "rebatched"])
@pytest.mark.parametrize("tool", ["onnxsim", "onnxslim"])
def test_simplifiers_do_not_matter(style: Style, tool: str) -> None:
    """Other tools fold what they can; the remaining graph is still understood."""
    for packing in (RAGGED, PADDED):
        holds(exported(style, tool=tool), style, packing, calibration(style, TURN_RAD))


@pytest.mark.parametrize("style", [BASE, WRITTEN["rebatched"]], ids=["padded", "rebatched"])
@pytest.mark.parametrize("opset", [16, 17, 18])
def test_opsets_do_not_matter(style: Style, opset: int) -> None:
    """Axes of reductions are attributes or inputs."""
    holds(exported(style, opset), style, RAGGED, calibration(style, TURN_RAD))


@pytest.mark.parametrize("opset", [13, 15])
@pytest.mark.parametrize("form", ["zero_padded", "rebatched"])
def test_before_grid_sample_there_were_gathers(form: str, opset: int) -> None:
    """Sampling written as four GatherElements per level, at places that are computed."""
    style = replace(BASE, sampler="decomposed", form=form, levels=((3, 4), (2, 2)))  # type: ignore[arg-type]
    for packing in (RAGGED, PADDED):
        holds(exported(style, opset), style, packing, calibration(style, TURN_RAD))


@pytest.mark.parametrize("known", [(), ("query",)], ids=["lively", "known"])
@pytest.mark.parametrize("opset", [13, 16])
@pytest.mark.parametrize(
    ("form", "told"),
    [("zero_padded", ZERO_PADDED), ("rebatched", REBATCHED), ("looped", LOOPED)],
)
def test_a_form_has_one_name_in_every_opset(form: str, told: str, opset: int, known: tuple[str, ...]) -> None:
    """Four gathers are one sampling, and no tables, even where the queries are constants as in a first layer."""
    sampler = "decomposed" if opset < 16 else BASE.sampler
    style = replace(BASE, sampler=sampler, form=form)  # type: ignore[arg-type]
    proto, matrices = exported(style, opset), calibration(style, TURN_RAD)
    sites = specialize_proto(proto, {"lidar2img": matrices}, RAGGED).sites
    (found,) = site_forms(ir.from_proto(proto), ("lidar2img", *known), sites, len(visible(style, matrices)))
    assert found.form == told


@pytest.mark.parametrize("form", ["zero_padded", "rebatched"])
def test_gathers_stay_along_the_last_axis(form: str) -> None:
    """The exporter gathers from flat images along their last axis, which runtimes do several times faster."""
    style = replace(BASE, sampler="decomposed", form=form)  # type: ignore[arg-type]
    for packing in (RAGGED, PADDED):
        made = specialize_proto(
            exported(style, 13), {"lidar2img": calibration(style, TURN_RAD)}, packing
        ).model
        gathers = [node for node in made.graph if node.op_type == "GatherElements"]
        assert gathers
        for node in gathers:
            assert node.attributes["axis"].as_int() == len(dims(node.outputs[0])) - 1


@pytest.mark.parametrize("style", [BASE, WRITTEN["rebatched"]], ids=["padded", "rebatched"])
def test_constants_that_the_exporter_did_not_fold(style: Style) -> None:
    """Hundreds of Shape, Gather and Constant nodes."""
    holds(exported(style, fold=False), style, RAGGED, calibration(style, TURN_RAD))


def test_the_other_exporter() -> None:
    """Exported by torch.export, opset 18, zero-padded."""
    for packing in (RAGGED, PADDED):
        holds(exported(BASE, 18, dynamo=True), BASE, packing, calibration(BASE, TURN_RAD))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, style in WRITTEN.items() if style.form == "zero_padded"])
@pytest.mark.parametrize("tool", ["raw", "onnxsim", "onnxslim"])
@pytest.mark.parametrize("opset", [18, 20])
def test_the_other_exporter_in_every_style(name: str, tool: str, opset: int) -> None:
    """Exported by torch.export, simplified or not."""
    style = WRITTEN[name]
    for packing in (RAGGED, PADDED):
        holds(exported(style, opset, tool, dynamo=True), style, packing, calibration(style, TURN_RAD))


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("tool", ["raw", "onnxsim", "onnxslim"])
@pytest.mark.parametrize("fold", [True, False])
def test_the_older_exporter_in_every_style(name: str, tool: str, fold: bool) -> None:
    """Exported by tracing, simplified or not, with and without folding."""
    style = WRITTEN[name]
    for packing in (RAGGED, PADDED):
        holds(exported(style, 16, tool, fold=fold), style, packing, calibration(style, TURN_RAD))


@pytest.mark.parametrize("form", ["zero_padded", "rebatched"])
def test_layers_share_their_tables(form: str) -> None:
    """Three layers are three sites; index tables are there once."""
    style = replace(BASE, form=form)  # type: ignore[arg-type]
    model = exported(style, layers=3)
    made = holds(model, style, RAGGED, calibration(style, TURN_RAD), layers=3)
    tables = [value.const_value for value in made.model.graph.initializers.values()]
    indices = [t.numpy().tobytes() for t in tables if t is not None and t.dtype.is_integer() and t.size > 5]
    assert len(indices) == len(set(indices))


def test_one_mask_per_height() -> None:
    """Each anchor has its own mask and its own attention: two sites, each with the pairs of its height."""
    style = replace(BASE, form="height_masks")
    matrices = calibration(style, TURN_RAD)
    made = specialize_proto(exported(style), {"lidar2img": matrices})
    _, hits = Model(style).projection(torch.tensor(matrices))
    assert [site.pairs for site in made.sites] == hits.sum((0, 1)).tolist()
    feeds = {name: value.numpy() for name, value in Model(style).example().items()} | {"lidar2img": matrices}
    assert_same(exported(style), made.model, feeds)


def on_small_images(image_from_lidar: np.ndarray, size_px: np.ndarray, style: Style) -> np.ndarray:
    """Return (1, N, 4, 4) of cameras whose images are scaled to the style's size."""
    matrices = image_from_lidar.copy()
    matrices[:, :2] *= (np.array(style.size_px) / size_px)[:, :, None]
    return matrices[None].astype(np.float32)


def holds_for_planes(style: Style, matrices: np.ndarray, packing: Packing) -> int:
    """Check that re-batched heights that are sampled at once compute their own pairs; return how many are sites."""
    _, hits = Model(style).projection(torch.tensor(matrices))
    made = specialize_proto(exported(style), {"lidar2img": matrices}, packing)
    if made.sites:  # none where no row is padding, or few are and lengths are rounded up
        assert sum(site.pairs for site in made.sites) == hits.sum()
    feeds = {name: value.numpy() for name, value in Model(style).example().items()} | {"lidar2img": matrices}
    assert_same(exported(style), made.model, feeds)
    assert_static(made.model)
    assert not NEVER_LEFT & set(operators(made.model))
    return len(made.sites)


@settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(rigs(), st.sampled_from([RAGGED, PADDED, ALIGNED]))
def test_planes_of_any_rig(rig: Rig, packing: Packing) -> None:
    """Planes of equal and of different lengths, with one camera and with eight."""
    style = replace(BASE, cameras=len(rig), form="heights_rebatched")
    matrices = on_small_images(rig.image_from_lidar, rig.size_px, style)
    _, hits = Model(style).projection(torch.tensor(matrices))
    assume(hits.sum(1).min() > 1)
    holds_for_planes(style, matrices, packing)


def test_planes_of_real_rigs() -> None:
    """A rig of each maker, of five to seven cameras, with four heights on a wider grid, in both layouts by turns."""
    tried = 0
    makers = {path.name.partition("_")[0]: path for path in calibrations()}
    for path, packing in zip(makers.values(), cycle((RAGGED, PADDED)), strict=False):
        profile = parse_profile(profile_document(path), str(path))
        sizes = np.array([(camera.width_px, camera.height_px) for camera in profile.cameras])
        grid = QueryGrid((9, 12), (-40.0, -40.0, -3.0, 40.0, 40.0, 1.0), 4)
        style = replace(BASE, cameras=len(sizes), form="heights_rebatched", grid=grid)
        matrices = on_small_images(profile.image_from_lidar(), sizes, style)
        _, hits = Model(style).projection(torch.tensor(matrices))
        if hits.sum(1).min() > 1:
            assert holds_for_planes(style, matrices, packing) == grid.anchors
            tried += 1
    assert tried >= 3, "others see too little"


@settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(rigs(), st.sampled_from(["zero_padded", "rebatched"]), st.sampled_from([RAGGED, PADDED, ALIGNED]))
def test_any_rig(rig: Rig, form: str, packing: Packing) -> None:
    """One to eight cameras in any pose, overlaps of three and more, cameras that see nothing, a grid 4 by 6.

    Re-batched, every camera must see something: the exporters' own graph does not run otherwise. One that sees a
    single query has no axis of rows to follow; it is computed with the others'.
    """
    style = replace(BASE, cameras=len(rig), grid=GRID, form=form)  # type: ignore[arg-type]
    matrices = on_small_images(rig.image_from_lidar, rig.size_px, style)
    seen = visible(style, matrices)
    assume(form == "zero_padded" or seen.sum(1).min() > 1)
    made = specialize_proto(exported(style), {"lidar2img": matrices}, packing)
    assert sum(site.pairs for site in made.sites) == seen.sum()
    feeds = {name: value.numpy() for name, value in Model(style).example().items()} | {"lidar2img": matrices}
    assert_same(exported(style), made.model, feeds)
    assert_static(made.model)
    assert not NEVER_LEFT & set(operators(made.model))
