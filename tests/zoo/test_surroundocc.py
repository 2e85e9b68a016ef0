"""SurroundOcc against the recorded figures of the original."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor

from specialize.zoo import create
from specialize.zoo.export import export_generic
from specialize.zoo.sight import look
from specialize.zoo.surroundocc import VOLUMES, SurroundOcc, output_names
from tests.zoo.parity import largest_difference, load_record, rig_lidar2img, rule_input, set_rule_weights

pytestmark = pytest.mark.torch


@cache
def detector() -> SurroundOcc:
    """The detector with the rule's weights."""
    model = SurroundOcc().eval()
    set_rule_weights(model)
    return model


def rig() -> Tensor:
    """The rig's lidar2img, float32 (1, 6, 4, 4)."""
    return torch.tensor(rig_lidar2img(), dtype=torch.float32)[None]


def features(*names: str) -> tuple[Tensor, ...]:
    """The record's random feature maps, (6, 512, h, w)."""
    shapes = ((116, 200), (58, 100), (29, 50))
    return tuple(
        torch.from_numpy(rule_input(f"occ_feat{i}", (1, 6, 512, *shape)))[0] for i, shape in enumerate(shapes)
    )


def test_has_the_keys_of_public_checkpoints() -> None:
    """Every key and shape of the record's state dict exists, and no other."""
    want = {key: tuple(shape) for key, shape in load_record("surroundocc")["state_dict"]}
    with torch.device("meta"):
        found = {key: tuple(value.shape) for key, value in SurroundOcc().state_dict().items()}
    assert found == want


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_camera_sees_the_recorded_voxels(level: int) -> None:
    """Hits per camera and height, and the projected points, equal the record at all three volumes."""
    record, transformer = load_record("surroundocc"), detector().pts_bbox_head.transformer[level]
    sight = look(transformer.points_m, rig(), transformer.image_px, anchors=1)
    want = record["geometry"][f"level{level}"]
    depth = VOLUMES[level].shape[0]
    assert sight.seen.reshape(6, depth, -1).sum(-1).int().tolist() == want["hits_per_camera_per_height"]
    points = sight.reference.clamp(-1, 2)[:, None]  # (6, 1, Q, 1, 2)
    assert largest_difference(record, f"level{level}/reference_points_cam_clamped", points) < 1e-4


def watch(model: SurroundOcc) -> tuple[dict[str, Tensor], list[Any]]:
    """Keeps what the parts of the head return while it runs."""
    head, seen, hooks = model.pts_bbox_head, {}, []

    def keep(name: str, part: torch.nn.Module) -> None:
        hooks.append(part.register_forward_hook(lambda _m, _i, out: seen.update({name: out})))

    for level in range(3):
        encoder = head.transformer[level].encoder
        keep(f"level{level}/layer0_sca", encoder.layers[0].attentions[0])
        keep(f"level{level}/layer0_before_conv", encoder.layers[0].norms[1])
        keep(f"level{level}/layer0_out", encoder.layers[0])
        keep(f"level{level}/encoder_out", encoder)
    for step, block in enumerate(head.deblocks):
        keep(f"deblock{step}", block)
    return seen, hooks


@pytest.mark.slow
@torch.no_grad()
def test_head_equals_the_record_on_random_features() -> None:
    """Attention, encoders, the way up and all logits equal the record, within a few float32 roundings."""
    record, model = load_record("surroundocc"), detector()
    seen, hooks = watch(model)
    logits = model.pts_bbox_head(features(), rig())
    for hook in hooks:
        hook.remove()
    seen.update({f"occ_pred{index}": value for index, value in enumerate(logits)})
    differences = {
        name: largest_difference(record, f"randfeat/{name}", value) for name, value in seen.items()
    }
    assert {name: d for name, d in differences.items() if d > 1e-4} == {}
    for index, value in enumerate(logits):
        counts = value.argmax(1).flatten().bincount(minlength=17).tolist()
        want = record["argmax_histogram"][f"randfeat/occ_pred{index}"]
        assert (
            sum(abs(a - b) for a, b in zip(counts, want, strict=True)) <= 8
        )  # voxels within rounding of a tie


@pytest.mark.slow
@torch.no_grad()
def test_image_features_equal_the_record() -> None:
    """Backbone with deformable convolutions and neck equal the record."""
    record, model = load_record("surroundocc"), detector()
    image = torch.from_numpy(rule_input("img", (1, 6, 3, 928, 1600)))[0]
    maps = [model.img_neck(model.img_backbone(one[None])) for one in image]  # camera by camera, for memory
    for level in range(3):
        value = torch.stack([level_maps[level][0] for level_maps in maps])[None]
        assert largest_difference(record, f"full/img_neck_out{level}", value) < 1e-3


@pytest.mark.slow
@torch.no_grad()
def test_onnx_runtime_computes_what_torch_computes(tmp_path: Path) -> None:
    """The generic ONNX is static, has the recorded names, and gives the same logits."""
    path = tmp_path / "surroundocc.onnx"
    export_generic("surroundocc", None, path)
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = False
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == list(output_names("surroundocc"))
    image = torch.from_numpy(rule_input("img", (1, 6, 3, 928, 1600)))
    got = session.run(None, {"img": image.numpy(), "lidar2img": rig().numpy()})
    del session
    with pytest.warns(UserWarning, match="random weights"):
        model = create("surroundocc")
    for one, other in zip(got, model(image, rig()), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=1e-3)
