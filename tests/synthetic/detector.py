"""BEVFormer as others write and export it: re-batched, traced, and one attention site of it alone."""

from __future__ import annotations

from pathlib import Path
from types import MethodType
from typing import Literal

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from specialize.calibration.load import load_profile
from specialize.files.resources import resource_dir
from specialize.zoo import create, spec, zoo_module
from specialize.zoo.bevformer import CONFIGS
from specialize.zoo.bevformer_encoder import pillar_points_m
from specialize.zoo.deformable_attention import SpatialCrossAttention
from specialize.zoo.sight import look
from tests.synthetic.exporting import export

Form = Literal["zero_padded", "rebatched"]

FORMS: tuple[Form, ...] = ("zero_padded", "rebatched")
CAR42 = resource_dir("calib_profiles") / "car42.yaml"
CAR43 = resource_dir("calib_profiles") / "car43.yaml"
OUTPUTS = ("bev_embed", "all_cls_scores", "all_bbox_preds")
POINTS = 8


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


def written_as(model: nn.Module, form: Form) -> nn.Module:
    """Return a model whose cross-attentions are written in a form; changes the model."""
    for module in model.modules() if form == "rebatched" else ():
        if isinstance(module, SpatialCrossAttention):
            module.forward = MethodType(rebatched, module)  # type: ignore[method-assign]
    return model.eval()


def matrices(calib: Path, name: str = "bevformer_tiny") -> np.ndarray:
    """Return the `lidar2img` input of a model for a calibration, (1, N, 4, 4)."""
    found = spec(name).calibration_arrays(load_profile(calib))["lidar2img"]
    return found[None].astype(np.float32)


def export_detector(form: Form, path: Path, name: str = "bevformer_tiny", opset: int = 16) -> Path:
    """Write a whole detector, traced with the calibration of car42."""
    model = written_as(create(name, seed=0), form)
    inputs = zoo_module(name).example_inputs(name) | {"lidar2img": torch.tensor(matrices(CAR42, name))}
    onnx.save(export(model, inputs, opset, outputs=OUTPUTS), str(path))
    return path


class SiteAlone(nn.Module):
    """One spatial cross-attention with the projection of its grid: all that depends on the calibration.

    Args:
        name: A BEVFormer of the zoo.
        form: How it is written.
        projected: Whether image features and the result are projected, which does not depend on the rows.
    """

    points_m: Tensor
    image_px: Tensor

    def __init__(self, name: str, form: Form, *, projected: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.name, self.config = name, CONFIGS[name]
        config = self.config
        attention = SpatialCrossAttention(
            config.dims, config.level_shapes(), config.heads, POINTS, config.anchors
        )
        sampling = attention.deformable_attention
        nn.init.uniform_(sampling.sampling_offsets.bias, -4.0, 4.0)  # px, as after training
        if not projected:
            sampling.value_proj = attention.output_proj = nn.Identity()  # type: ignore[assignment]
        written_as(attention, form)
        self.attention = attention
        points = pillar_points_m(config.bev_shape, config.range_m, config.anchors)
        self.register_buffer("points_m", points, persistent=False)
        size = torch.tensor(config.image_px, dtype=torch.float32).reshape(2, 1)
        self.register_buffer("image_px", size, persistent=False)

    def forward(self, x: Tensor, value: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps queries (1, Q, C) to (1, Q, C); value (N, S, C), lidar2img (1, N, 4, 4) to network px."""
        sight = look(self.points_m, lidar2img, self.image_px, self.config.anchors)
        return self.attention(x, value, sight.reference, sight.seen)  # type: ignore[no-any-return]

    def example(self, calib: Path = CAR42) -> dict[str, Tensor]:
        """Returns inputs: noise, and the calibration."""
        config = self.config
        queries = config.bev_shape[0] * config.bev_shape[1]
        cells = sum(height * width for height, width in config.level_shapes())
        return {
            "x": torch.randn(1, queries, config.dims),
            "value": torch.randn(config.cameras, cells, config.dims),
            "lidar2img": torch.tensor(matrices(calib, self.name)),
        }
