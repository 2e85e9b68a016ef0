"""BEVFormer-tiny as others export it: traced at opset 16, zero-padded and re-batched, simplified or not."""

from __future__ import annotations

from pathlib import Path
from types import MethodType

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from specialize.calibration.load import load_profile
from specialize.graph.io import read_graph
from specialize.passes.pipeline import Specialized, specialize_graph
from specialize.planning import visible_sets
from specialize.resources import resource_dir
from specialize.rows.arrange import Packing
from specialize.verify import compare_models, make_frames, model_inputs
from specialize.zoo import create, spec, zoo_module
from specialize.zoo.deformable_attention import SpatialCrossAttention
from tests.graphs import assert_static, operators
from tests.synthetic.exporting import export, simplified

pytestmark = [pytest.mark.slow, pytest.mark.torch]

NAME = "bevformer_tiny"
CAR42 = resource_dir("calib_profiles") / "car42.yaml"
CAR43 = resource_dir("calib_profiles") / "car43.yaml"
OUTPUTS = ("bev_embed", "all_cls_scores", "all_bbox_preds")
DATA_DEPENDENT = {"NonZero", "ScatterND", "ScatterElements", "If", "Loop", "Where"}


def rebatched(
    self: SpatialCrossAttention, x: Tensor, value: Tensor, reference: Tensor, seen: Tensor
) -> Tensor:
    """Compute each camera's visible queries only, in front of a batch as long as the longest: lengths are data."""
    cameras, anchors = value.shape[0], reference.shape[2]
    indexes = [seen[camera, :, 0].nonzero().squeeze(-1) for camera in range(cameras)]
    longest = torch.stack([torch.as_tensor(index.shape[0]) for index in indexes]).max()
    rows = x.new_zeros(cameras, longest, x.shape[-1])
    places = reference.new_zeros(cameras, longest, anchors, 2)
    for camera, index in enumerate(indexes):
        rows[camera, : index.shape[0]] = x[0, index]
        places[camera, : index.shape[0]] = reference[camera, index]
    read = self.deformable_attention.sample(rows, value, places)
    slots = torch.zeros_like(x)
    for camera, index in enumerate(indexes):
        slots[0, index] += read[camera, : index.shape[0]]
    count = seen.sum(0).clamp(min=1.0)
    return x + self.output_proj(slots / count)  # type: ignore[no-any-return]


def matrices(calib: Path) -> np.ndarray:
    """Return the `lidar2img` input for a calibration."""
    return (
        spec(NAME).calibration_arrays(load_profile(calib))["lidar2img"].reshape(1, 6, 4, 4).astype(np.float32)
    )


@pytest.fixture(scope="module", params=["zero_padded", "rebatched"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a traced export; the exporter saw car42."""
    model: nn.Module = create(NAME, seed=0).eval()
    if request.param == "rebatched":
        for module in model.modules():
            if isinstance(module, SpatialCrossAttention):
                module.forward = MethodType(rebatched, module)  # type: ignore[method-assign]
    inputs = zoo_module(NAME).example_inputs(NAME) | {"lidar2img": torch.tensor(matrices(CAR42))}
    path = tmp_path_factory.mktemp(request.param) / "model.onnx"
    onnx.save(export(model, inputs, 16, outputs=OUTPUTS), str(path))
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
