"""BEVFormer small and base: recorded figures of the original, and static exports. Minutes and gigabytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from specialize.zoo.bevformer import BEVFormer, build
from specialize.zoo.export import export_generic
from tests.zoo.parity import (
    Record,
    centres_of,
    largest_difference,
    load_record,
    per_camera_rows,
    rig_lidar2img,
    rule_input,
    set_rule_weights,
)

pytestmark = [pytest.mark.torch, pytest.mark.slow]

NAME = "bevformer_base"
NO_HISTORY = torch.zeros(1)


@pytest.fixture(scope="module")
def record() -> Record:
    """Return the recorded figures."""
    return load_record(NAME)


@pytest.fixture(scope="module")
def model() -> BEVFormer:
    """Return the detector with the weights of the recorded runs."""
    model = build(NAME).eval()
    set_rule_weights(model)
    return model


@pytest.fixture(scope="module")
def first_can_bus() -> torch.Tensor:
    """Return the vehicle's state in a first frame."""
    values = np.array(load_record("bevformer_tiny")["inputs"]["can_bus"]["values"], dtype=np.float32)
    values[[0, 1, 2, 17]] = 0.0
    return torch.from_numpy(values)


@pytest.fixture(scope="module")
def lidar2img() -> torch.Tensor:
    """Return the rig's matrices at full size, (1, 6, 4, 4)."""
    return torch.from_numpy(rig_lidar2img()).float()[None]


@torch.no_grad()
def test_one_layer_on_four_levels_matches_the_figures(
    record: Record, model: BEVFormer, first_can_bus: torch.Tensor, lidar2img: torch.Tensor
) -> None:
    """On random features of four levels, the first encoder layer is the original's at every step."""
    head, transformer = model.pts_bbox_head, model.pts_bbox_head.transformer
    features = record["inputs"]["feats"]
    maps = tuple(torch.from_numpy(rule_input(item["name"], tuple(item["shape"])))[0] for item in features)
    query = head.bev_embedding.weight[None] + transformer.can_bus_mlp(first_can_bus[None, None])
    history = transformer.history(query, torch.zeros(40000, 1, 256), first_can_bus, NO_HISTORY)
    sight = transformer.encoder.look(lidar2img)
    layer, position = transformer.encoder.layers[0], head.positional_encoding()
    after_time = layer.attentions[0](query, position, history)
    assert largest_difference(record, "randfeat_1layer/layer0_tsa", after_time) < 5e-5
    value = transformer.flatten(maps)
    after_space = layer.attentions[1](layer.norms[0](after_time), value, sight.reference, sight.seen)
    assert largest_difference(record, "randfeat_1layer/layer0_sca", after_space) < 5e-5
    queries = per_camera_rows(sight.seen, layer.norms[0](after_time))
    places = per_camera_rows(sight.seen, sight.reference)
    read = layer.attentions[1].deformable_attention.sample(queries, value, places)
    assert largest_difference(record, "randfeat_1layer/layer0_sca_deform_attn", read) < 5e-5
    after = layer(query, position, history, value, sight)
    assert largest_difference(record, "randfeat_1layer/encoder_out", after) < 5e-5


@torch.no_grad()
def test_the_whole_detector_matches_the_figures(
    record: Record, model: BEVFormer, first_can_bus: torch.Tensor, lidar2img: torch.Tensor
) -> None:
    """From images to boxes, a first frame of the base model is the original's, to float32 rounding."""
    img = torch.from_numpy(rule_input("img", (1, 6, 3, 928, 1600)))[0]
    per_camera = [model.img_neck(model.img_backbone(img[index : index + 1])) for index in range(6)]
    maps = tuple(torch.cat(level) for level in zip(*per_camera, strict=True))
    for level, features in enumerate(maps):
        assert largest_difference(record, f"full/img_neck_out{level}", features[None]) < 5e-5
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        model.pts_bbox_head.transformer.encoder.layers[index].register_forward_hook(
            lambda _module, _inputs, output, index=index: seen.update({f"full/layer{index}_out": output})
        )
        for index in (0, 2)
    ]
    result = model.pts_bbox_head(maps, torch.zeros(40000, 1, 256), first_can_bus, NO_HISTORY, lidar2img)
    for hook in hooks:
        hook.remove()
    for name, value in seen.items():
        assert largest_difference(record, name, value) < 5e-5
    references = centres_of(result.all_bbox_preds, model.config.range_m)
    assert largest_difference(record, "full/decoder_references", references) < 1e-4
    assert largest_difference(record, "full/bev_embed", result.bev_embed) < 5e-5
    assert largest_difference(record, "full/all_cls_scores", result.all_cls_scores) < 1e-4
    assert largest_difference(record, "full/all_bbox_preds", result.all_bbox_preds) < 1e-3


@torch.no_grad()
def test_the_large_grid_turns_as_recorded(record: Record, model: BEVFormer) -> None:
    """The previous BEV of 200 x 200 cells turns about its centre, cell by cell as recorded."""
    angle = torch.tensor([load_record("bevformer_tiny")["rotation"]["angle_deg"]])
    previous = torch.from_numpy(rule_input("prev_bev", (40000, 1, 256)))
    turned = model.pts_bbox_head.transformer.rotation(previous, angle).transpose(0, 1)
    assert largest_difference(record, "randfeat_1layer_prev/prev_bev_rotated", turned) == 0.0


@pytest.mark.parametrize("name", ["bevformer_small", "bevformer_base"])
def test_deformable_convolutions_are_exported_as_one_operator(name: str, tmp_path: Path) -> None:
    """The 26 deformable convolutions of stages 3 and 4 are `DeformConv` of opset 19, in a static graph."""
    graph = ir.load(export_generic(name, None, tmp_path / "generic.onnx").path).graph
    operators = [node.op_type for node in graph]
    assert graph.opset_imports == {"": 19}
    assert operators.count("DeformConv") == 26
    assert {node.attributes.get_string("mode") for node in graph if node.op_type == "GridSample"} <= {
        "bilinear",
        "nearest",
    }
