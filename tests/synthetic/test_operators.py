"""Deformable attention as one operator, read from every spelling, compacted, and written so that it runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from specialize.attention.operator import is_attention
from specialize.attention.recognise import recognise
from specialize.graph import folding
from specialize.lowering.attention import lower_deformable_attention
from specialize.passes.bind import bind
from specialize.passes.clean_up import tidy
from specialize.passes.compact import compact
from specialize.passes.pipeline import Specialized
from specialize.passes.unscatter import unscatter
from specialize.rows.arrange import Packing
from tests.graphs import PADDED, RAGGED, assert_static, run
from tests.synthetic.attention import Model, Style, calibration
from tests.synthetic.exporting import export
from tests.synthetic.sampling import CUSTOM, IN_PIXELS
from tests.synthetic.test_forms import WRITTEN, exported, visible

pytestmark = pytest.mark.torch

TURN_RAD = 0.3
LEVELS = ((3, 4), (2, 2))
TWO_HEADS_SPLIT = {"trt::MultiscaleDeformableAttnPlugin_TRT"}


def recognised(model: onnx.ModelProto, matrices: np.ndarray, packing: Packing) -> Specialized:
    """Return a model whose attention is one operator per site, compacted, not yet lowered."""
    made = ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString()))
    notes = bind(made, {"lidar2img": matrices})
    folding.fold(made)
    notes += recognise(made)
    sites, compacted = compact(made, packing)
    notes += [*compacted, *unscatter(made)]
    return Specialized(made, tuple(sites), tuple(notes))


def holds(model: onnx.ModelProto, style: Style, packing: Packing, spelling: str) -> None:
    """Check pairs and numbers of a model that is recognised, compacted and lowered to a spelling."""
    matrices = calibration(style, TURN_RAD)
    made = recognised(model, matrices, packing)
    assert any(is_attention(node) for node in made.model.graph)
    assert [site.visible for site in made.sites] == [tuple(visible(style, matrices).sum(1))]
    lower_deformable_attention(made.model, spelling)
    tidy(made.model)
    assert not any(is_attention(node) for node in made.model.graph)
    assert_static(made.model)
    module = Model(style)
    inputs = module.example() | {"lidar2img": torch.tensor(matrices)}
    with torch.no_grad():
        wanted = module(*inputs.values()).numpy()
    feeds = {name: value.numpy() for name, value in inputs.items()}
    np.testing.assert_allclose(run(made.model, feeds)["out"], wanted, atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize("packing", [RAGGED, PADDED], ids=["ragged", "padded"])
@pytest.mark.parametrize("form", ["zero_padded", "rebatched"])
@pytest.mark.parametrize("name", [name for name in (*CUSTOM, *IN_PIXELS) if name not in TWO_HEADS_SPLIT])
def test_custom_operators_are_compacted(name: str, form: str, packing: Packing) -> None:
    """An operator that ONNX Runtime does not have, in a zero-padded or re-batched model, comes to the visible pairs."""
    style = Style(sampler=name, form=form, levels=LEVELS)  # type: ignore[arg-type]
    model = Model(style)
    proto = export(model, model.example(), 16, domains=(name.split("::")[0],))
    assert any(node.op_type == name.split("::")[1] for node in proto.graph.node)
    holds(proto, style, packing, "gridsample")


@pytest.mark.parametrize("packing", [RAGGED, PADDED], ids=["ragged", "padded"])
@pytest.mark.parametrize("name", [name for name, style in WRITTEN.items() if style.form != "looped"])
def test_grid_samples_are_recognised_and_compacted(name: str, packing: Packing) -> None:
    """Every style whose sampling is written with GridSample becomes one operator per site, with the same pairs."""
    style = WRITTEN[name]
    holds(exported(style), style, packing, "gridsample")


@pytest.mark.parametrize("spelling", ["decomposed", "gridsample"])
def test_what_was_recognised_can_be_written_otherwise(spelling: str) -> None:
    """Without GridSample for toolchains that have none."""
    style = replace(Style(), levels=LEVELS)
    holds(exported(style), style, RAGGED, spelling)
