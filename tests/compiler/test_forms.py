"""A model without a sidecar is described from the graph alone: its grid, its masks, and the form of its sites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from specialize.artifact.describe import describe_tensor
from specialize.compiler.forms import LOOPED, POOLED, REBATCHED, TABLES, ZERO_PADDED, site_forms
from specialize.drafting.draft import draft_sidecar
from specialize.drafting.grids import Place
from specialize.explain.inspect import inspect_model
from specialize.graph.folding import fold
from specialize.model.spec import parse_spec
from specialize.passes.pipeline import specialize_graph
from specialize.visibility.grid import QueryGrid
from tests.drafting.deciding import decided
from tests.end_to_end.tiny_model import GRID, write_tiny
from tests.graphs import RAGGED
from tests.synthetic.attention import Style, calibration
from tests.synthetic.matrix import Case, exported
from tests.synthetic.styles import BASE, LEVELS

pytestmark = pytest.mark.torch

SIX = replace(BASE, cameras=6, size_px=(800, 450))


def inspected(proto: onnx.ModelProto, folder: Path) -> dict[str, Any]:
    """Write a model beside images, as a whole detector has them, and return what is found in it."""
    path = folder / "model.onnx"
    whole = onnx.ModelProto.FromString(proto.SerializeToString())
    whole.graph.input.append(helper.make_tensor_value_info("img", 1, [1, 6, 3, 450, 800]))
    onnx.save(whole, path)
    found = inspect_model(path)
    assert found.obstacle == ""
    return {
        "forms": {form.form for form in found.forms},
        "sampling": {form.sampling for form in found.forms},
        "grids": parse_spec(decided(found.sidecar), "draft").grids,
        "masks": found.masks,
        "rows": [form.rows for form in found.forms],
        "pairs": [site.pairs for site in found.sites],
    }


@pytest.mark.parametrize(
    ("style", "form"),
    [
        (SIX, ZERO_PADDED),
        (replace(SIX, form="height_masks"), ZERO_PADDED),
        (replace(SIX, form="rebatched"), REBATCHED),
        (replace(SIX, form="looped"), LOOPED),
    ],
    ids=["zero-padded", "per height", "re-batched", "looped"],
)
@pytest.mark.parametrize("tool", ["raw", "onnxsim"])
def test_forms_are_told_apart(style: Style, form: str, tool: str, tmp_path: Path) -> None:
    """Without a sidecar and a calibration: the form, the grid in metres, masks, and what a packaged rig would keep."""
    found = inspected(exported(Case(style, tool=tool)), tmp_path)
    assert found["forms"] == {form}
    (grid,) = found["grids"]
    assert (grid.shape, grid.range_m, grid.anchors) == (
        style.grid.shape, style.grid.range_m, style.grid.anchors,
    )  # fmt: skip
    assert found["masks"]
    everything = style.cameras * style.grid.queries
    assert all(0 < pairs < everything for pairs in found["pairs"])


def test_a_custom_operator_is_named(tmp_path: Path) -> None:
    """The sampling operator is reported as it is in the file, and the site is found through it."""
    name = "mmdeploy::MMCVMultiScaleDeformableAttention"
    found = inspected(exported(Case(replace(SIX, sampler=name, levels=LEVELS))), tmp_path)
    assert (found["forms"], found["sampling"]) == ({ZERO_PADDED}, {f"{name} x1"})


def places(model: ir.Model, queries: int) -> tuple[Place, ...]:
    """Return the points that a folded graph projects."""
    draft = draft_sidecar("own", model, [describe_tensor(value) for value in model.graph.inputs], None, False)
    return draft.places({queries})


def test_pillars_are_told_from_voxels() -> None:
    """The number of queries decides what the heights are."""
    for shape, anchors in (((4, 6), 2), ((2, 4, 6), 1)):
        grid = QueryGrid(shape, (-20.0, -12.0, -3.0, 20.0, 12.0, 1.0), anchors)
        model = ir.from_proto(exported(Case(replace(SIX, grid=grid))))
        fold(model)
        (place,) = places(model, grid.queries)
        assert place.grid is not None
        assert (place.grid.shape, place.grid.anchors) == (grid.shape, anchors)
        np.testing.assert_allclose(place.grid.range_m, grid.range_m, atol=2e-3)


def test_points_that_fill_no_grid_are_none(tmp_path: Path) -> None:
    """Moved by hand, the points of a model are no grid, and the draft has none."""
    path = write_tiny(tmp_path)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor).copy()
        if array.shape == (4, GRID.queries * GRID.anchors):
            array[0, 0] += 0.3
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    (place,) = places(ir.from_proto(model), GRID.queries)
    assert (place.grid, place.reason) == (None, "the points do not form a regular grid")


def test_tables_and_pooling_are_forms_too() -> None:
    """Gathers by tables, nearest sampling by tables, and a pooling of frustum points are called what they are."""
    from tests.synthetic.exporting import export
    from tests.synthetic.others import Lift
    from tests.synthetic.test_others import with_tables

    for kind in ("gather", "nearest"):
        proto, feeds, names = with_tables(kind, "raw")
        made = specialize_graph(ir.from_proto(proto), {name: feeds[name] for name in names}, RAGGED)
        (form,) = site_forms(ir.from_proto(proto), names, made.sites, 3)
        assert form.form == TABLES
    matrices = np.linalg.inv(calibration(BASE)[0].astype(np.float64))[None].astype(np.float32)
    lift = Lift(BASE, "scatter_add")
    import torch

    inputs = {"maps": torch.randn(BASE.cameras, 4, 3, 4), "img2lidar": torch.tensor(matrices)}
    proto = export(lift, inputs)
    made = specialize_graph(ir.from_proto(proto), {"img2lidar": matrices}, RAGGED)
    (form,) = site_forms(ir.from_proto(proto), ["img2lidar"], made.sites, 3)
    assert form.form == POOLED
