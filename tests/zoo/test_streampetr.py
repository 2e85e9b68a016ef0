"""StreamPETR against the recorded figures of the original."""

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
from specialize.zoo.streampetr import StreamPETR, example_inputs, output_names
from specialize.zoo.streampetr_head import Queries
from specialize.zoo.streampetr_memory import ROWS, Frame, Memory, recall, remember
from tests.zoo.parity import largest_difference, load_record, rig_lidar2img, rule_input, set_rule_weights

pytestmark = pytest.mark.torch
RANDOM = "randfeat/frame0"


@cache
def detector() -> StreamPETR:
    """The detector with the rule's weights; the record multiplies attention projections by three."""
    model = StreamPETR().eval()
    set_rule_weights(model, factors={"in_proj_weight": 3.0})
    return model


def calibration() -> tuple[Tensor, Tensor]:
    """The rig's lidar2img and intrinsics at the network's image, float32 (1, 6, 4, 4)."""
    prepare = np.diag([0.44, 0.44, 1.0, 1.0])
    prepare[1, 2] = -140.0
    raw = np.stack([np.eye(4)] * 6)
    focal = np.where(np.arange(6) == 3, 807.0119569411966, 1265.4748638228025)
    raw[:, 0, 0] = raw[:, 1, 1] = focal
    raw[:, :2, 2] = 800.0, 450.0
    as_tensor = lambda matrices: torch.tensor(matrices, dtype=torch.float32)[None]  # noqa: E731
    return as_tensor(prepare @ rig_lidar2img()), as_tensor(prepare @ raw)


def frame(record: dict[str, Any], index: int) -> Frame:
    """Frame `index` of the record's drive."""
    pose = np.array(record["inputs"]["ego_pose"][index])
    return Frame(
        timestamp=torch.tensor([record["inputs"]["timestamps"][index]], dtype=torch.float64),
        ego_pose=torch.tensor(pose, dtype=torch.float32)[None],
        ego_pose_inv=torch.tensor(np.linalg.inv(pose), dtype=torch.float32)[None],
        prev_exists=torch.tensor([record["inputs"]["prev_exists"][index]]),
    )


def empty_memory() -> Memory:
    """A memory of zeros."""
    return Memory(
        torch.zeros(1, ROWS, 256),
        torch.zeros(1, ROWS, 3),
        torch.zeros(1, ROWS, 1, dtype=torch.float64),
        torch.zeros(1, ROWS, 4, 4),
        torch.zeros(1, ROWS, 2),
    )


def test_has_the_keys_of_public_checkpoints() -> None:
    """Every key and shape of the record's state dict exists, and no other."""
    want = {key: tuple(shape) for key, shape in load_record("streampetr")["state_dict"]}
    assert {key: tuple(value.shape) for key, value in StreamPETR().state_dict().items()} == want


def test_branches_are_shared_as_recorded() -> None:
    """Every parameter of the branches is one tensor under as many keys as the record lists."""
    state, shared = StreamPETR().state_dict(keep_vars=True), load_record("streampetr")["shared_parameters"]
    keys: dict[int, list[str]] = {}
    for key, value in state.items():
        keys.setdefault(id(value), []).append(key)
    groups = [group for group in keys.values() if len(group) > 1]
    assert len(groups) == shared["groups"]
    assert shared["example"] in groups


def test_constants_equal_the_recorded_ones() -> None:
    """Depth bins and ranges are bit-equal to those of the original constructor."""
    state = StreamPETR().state_dict()
    for key, value in load_record("streampetr")["constants"].items():
        assert state[key].tolist() == value, key


@torch.no_grad()
def test_geometry_and_first_frame_equal_the_record() -> None:
    """On random features the geometry, the queries and the first frame's outputs equal the record."""
    record, head = load_record("streampetr"), detector().pts_bbox_head
    now, memory = frame(record, 0), empty_memory()
    features = torch.from_numpy(rule_input("petr_feat0", (1, 6, 256, 16, 44)))
    seen: dict[str, Tensor] = {}
    hooks = [
        getattr(head, name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name in ("position_encoder", "memory_embed", "spatial_alignment", "featurized_pe")
    ]
    hooks.append(
        head.transformer["decoder"].register_forward_hook(lambda _m, _i, out: seen.update(states=out))
    )
    scores, boxes, after = head(features, *calibration(), now, memory)
    for hook in hooks:
        hook.remove()
    coordinates, cone = head.token_geometry(*calibration())
    low, span = head.pc_range[:3], head.pc_range[3:] - head.pc_range[:3]
    queries: Queries = head.queries(recall(memory, now, head.pseudo_reference_points.weight * span + low))
    limits = {
        "inverse_sigmoid_coords3d": (coordinates, 2e-5),
        "cone": (cone, 1e-6),
        "position_encoder_out": (seen["position_encoder"], 5e-5),
        "memory_embed_out": (seen["memory_embed"], 1e-5),
        "spatial_alignment_out": (seen["spatial_alignment"], 1e-5),
        "featurized_pe_out": (seen["featurized_pe"], 2e-5),
        "tgt": (queries.state, 1e-6),
        "query_pos": (queries.position, 1e-5),
        "reference_points_all": (queries.reference, 1e-6),
        "temp_memory": (queries.past, 1e-5),
        "temp_pos": (queries.past_position, 1e-5),
        "decoder_states": (seen["states"], 5e-4),
        "all_cls_scores": (scores, 5e-4),
        "all_bbox_preds": (boxes, 4e-3),
        "after/memory_embedding": (after.embedding, 5e-4),
        "after/memory_reference_point": (after.reference_point, 4e-3),
        "after/memory_egopose": (after.egopose, 1e-5),
        "after/memory_velo": (after.velo, 1e-3),
    }
    differences = {
        name: largest_difference(record, f"{RANDOM}/{name}", value) for name, (value, _) in limits.items()
    }
    assert {name: d for name, d in differences.items() if d > limits[name][1]} == {}
    kept = scores[-1, 0].sigmoid().amax(-1).topk(128).indices.tolist()
    assert set(kept) == set(record["randfeat_frame0_top128"])


@torch.no_grad()
def test_first_frame_forgets_the_memory() -> None:
    """With `prev_exists` 0 nothing of the memory is left, whatever it held."""
    record = load_record("streampetr")
    now, first_points = frame(record, 0), torch.rand(128, 3)
    noise = Memory(*(torch.randn(part.shape).to(part.dtype) for part in empty_memory()))
    for left, right in zip(
        recall(noise, now, first_points), recall(empty_memory(), now, first_points), strict=True
    ):
        assert torch.equal(left, right)


@torch.no_grad()
def test_memory_keeps_its_place_in_the_world() -> None:
    """What a frame remembers is found again, half a second older, by a frame at the same pose."""
    record = load_record("streampetr")
    before, after = frame(record, 0), frame(record, 1)._replace(prev_exists=torch.ones(1))
    still = after._replace(ego_pose=before.ego_pose, ego_pose_inv=before.ego_pose_inv)
    boxes, scores = 10 * torch.randn(1, 428, 10), torch.randn(1, 428, 10)
    old = recall(empty_memory(), before, torch.rand(128, 3))
    stored = remember(old, before, scores, boxes, torch.randn(1, 428, 256))
    found = recall(stored, still, torch.rand(128, 3))
    best = scores.amax(-1).topk(128).indices[0]
    torch.testing.assert_close(found.reference_point[0, :128], boxes[0, best, :3], rtol=0, atol=1e-4)
    torch.testing.assert_close(found.timestamp[0, :128], torch.full((128, 1), 0.5, dtype=torch.float64))
    torch.testing.assert_close(found.egopose[0, :128], torch.eye(4).expand(128, 4, 4), rtol=0, atol=1e-5)


@torch.no_grad()
def test_onnx_runtime_computes_what_torch_computes(tmp_path: Path) -> None:
    """The generic ONNX is static, has the recorded names, and gives the same scores, boxes and memory."""
    record, path = load_record("streampetr"), tmp_path / "streampetr.onnx"
    generic = export_generic("streampetr", None, path)
    with pytest.warns(UserWarning, match="random weights"):
        model = create("streampetr")
    now = frame(record, 1)
    memory = [torch.randn(part.shape).to(part.dtype) for part in empty_memory()]
    memory[2] = memory[2] * 0.3 - now.timestamp
    image = torch.from_numpy(rule_input("img", (1, 6, 3, 256, 704)))
    inputs = (image, *calibration(), *now, *memory)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    assert names == list(example_inputs("streampetr"))
    got = session.run(None, {name: value.numpy() for name, value in zip(names, inputs, strict=True)})
    want = [value.numpy() for value in model(*inputs)]
    assert [value.name for value in session.get_outputs()] == list(output_names("streampetr"))
    np.testing.assert_allclose(got[0], want[0], rtol=0, atol=2e-4)
    np.testing.assert_allclose(got[1], want[1], rtol=0, atol=2e-3)
    for one, other in zip(
        got[2:], want[2:], strict=True
    ):  # new rows may swap where scores are within rounding
        np.testing.assert_allclose(one[:, 128:], other[:, 128:], rtol=0, atol=1e-4)
    assert generic.warnings
