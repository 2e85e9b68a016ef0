"""BEVFusion's camera branch against the recorded figures of the original; its other parts on their own."""

from __future__ import annotations

import hashlib
import math
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor

from specialize.zoo import create
from specialize.zoo.bevfusion import CameraBranch, build, example_inputs, output_names
from specialize.zoo.bevfusion_head import TransFusionHead, local_peaks
from specialize.zoo.export import export_generic
from specialize.zoo.lss import DEPTHS, IMAGE_HW, Calibration, DepthLSSTransform, LSSTransform, ViewTransform
from specialize.zoo.swin import shift_mask
from tests.zoo.parity import largest_difference, load_record, rig_lidar2img, rule_input, set_rule_weights

pytestmark = pytest.mark.torch


@cache
def branch() -> CameraBranch:
    """The camera branch with the rule's weights."""
    model = CameraBranch().eval()
    set_rule_weights(model)
    return model


def intrinsics() -> np.ndarray:
    """The rig's raw intrinsics, (6, 4, 4)."""
    matrices = np.stack([np.eye(4)] * 6)
    focal = [800.0 / math.tan(math.radians(89.5 if camera == 3 else 64.6) / 2) for camera in range(6)]
    matrices[:, 0, 0] = matrices[:, 1, 1] = focal
    matrices[:, :2, 2] = 800.0, 450.0
    return matrices


def calibration(record: dict[str, Any], case: str) -> Calibration:
    """The rig under the augmentation of a case, float32."""
    camera_from_lidar = np.linalg.inv(intrinsics()) @ rig_lidar2img()

    def batch(matrices: np.ndarray) -> Tensor:
        return torch.tensor(matrices, dtype=torch.float32)[None]

    return Calibration(
        camera2lidar=batch(np.linalg.inv(camera_from_lidar)),
        camera_intrinsics=batch(intrinsics()),
        img_aug_matrix=batch(np.stack([np.array(record["inputs"]["img_aug_matrix"])] * 6)),
        lidar_aug_matrix=batch(np.array(record["inputs"]["lidar_aug_matrix"][case])),
    )


def depth_image(record: dict[str, Any], case: str) -> np.ndarray:
    """The record's lidar points as a depth image per camera (6, 1, H, W); the later point wins a pixel."""
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(b"points"))).standard_normal((2000, 5))
    points = np.stack([15 * noise[:, 0], 15 * noise[:, 1], -1 + 0.8 * noise[:, 2], np.ones(2000)])
    lidar_aug = np.array(record["inputs"]["lidar_aug_matrix"][case])
    points = np.linalg.inv(lidar_aug) @ (lidar_aug @ points).astype(np.float32)
    image_aug = np.array(record["inputs"]["img_aug_matrix"])
    result = np.zeros((6, 1, *IMAGE_HW), dtype=np.float32)
    for camera, lidar2img in enumerate(rig_lidar2img()):
        u, v, depth, _ = lidar2img @ points
        in_front = np.clip(depth, 1e-5, 1e5)
        column = image_aug[0, 0] * u / in_front + image_aug[0, 3]
        row = image_aug[1, 1] * v / in_front + image_aug[1, 3]
        on = (row >= 0) & (row < IMAGE_HW[0]) & (column >= 0) & (column < IMAGE_HW[1])
        for index in np.flatnonzero(on):
            result[camera, 0, int(row[index]), int(column[index])] = depth[index]
    return result


def test_has_the_keys_of_public_checkpoints() -> None:
    """Every key and shape of the record's state dict exists, and no other; constants equal the recorded."""
    record = load_record("bevfusion")
    state = CameraBranch().state_dict()
    want = {key: tuple(shape) for key, shape in record["state_dict"]}
    assert {key: tuple(value.shape) for key, value in state.items()} == want
    for name in ("dx", "bx", "nx"):
        assert state[f"encoders.camera.vtransform.{name}"].tolist() == record["vtransform_constants"][name]
    frustum = state["encoders.camera.vtransform.frustum"]
    for name, where in {"first": (0, 0, 0), "last": (-1, -1, -1)}.items():
        assert frustum[where].tolist() == record["vtransform_constants"][f"frustum_{name}"]


def test_a_resnet_takes_the_place_of_the_swin_transformer() -> None:
    """With ResNet-50 the same maps leave the neck; only backbone and neck have other weights."""
    swin, resnet = build("bevfusion_camera"), build("bevfusion_camera_r50")
    maps = resnet.get_submodule("encoders.camera.backbone")(torch.zeros(1, 3, *IMAGE_HW))
    assert [tuple(value.shape[1:]) for value in maps] == [(512, 32, 88), (1024, 16, 44), (2048, 8, 22)]
    assert resnet.get_submodule("encoders.camera.neck")(maps).shape == (1, 256, 32, 88)
    ours, theirs = (
        {key: value.shape for key, value in model.state_dict().items() if ".vtransform." in key}
        for model in (resnet, swin)
    )
    assert ours == theirs
    state = resnet.state_dict()
    assert state["encoders.camera.backbone.layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)
    assert state["encoders.camera.neck.lateral_convs.1.conv.weight"].shape == (256, 3072, 1, 1)


def test_the_model_without_lidar_has_the_keys_of_public_checkpoints() -> None:
    """The view transform that needs no depth image has the recorded keys and shapes, and no other."""
    want = {key: tuple(shape) for key, shape in load_record("bevfusion")["state_dict_lss_vtransform"]}
    state = build("bevfusion_camera_only").state_dict()
    found = {key: tuple(value.shape) for key, value in state.items() if ".vtransform." in key}
    assert found == want


@pytest.mark.parametrize(
    ("case", "lifting"), [("aug", DepthLSSTransform()), ("lss_camera_only_aug", LSSTransform())]
)
def test_points_fall_into_the_recorded_cells(case: str, lifting: ViewTransform) -> None:
    """Kept points, ranks and their digest equal the record of the augmented case."""
    record = load_record("bevfusion")
    points = lifting.points_m(calibration(record, "aug"))
    cells, kept = (value.numpy() for value in lifting.cell_of_points(points))
    want = record["geometry"][case]
    assert kept.sum() == want["kept"]
    if "kept_per_camera" in want:
        assert kept.reshape(6, -1).sum(1).tolist() == want["kept_per_camera"]
    ranks = np.sort(cells[kept]).astype("<i8")
    if "first_ranks" in want:
        assert (ranks[:8].tolist(), ranks[-8:].tolist()) == (want["first_ranks"], want["last_ranks"])
        assert np.bincount(ranks).max() == want["max_points_in_cell"]
        squares = sum(
            rank * rank for rank in ranks.tolist()
        )  # recorded as a float64, whose last digit is even
        assert float(squares) == float(want["sum_ranks_squared"])
        counts = np.bincount(ranks, minlength=360 * 360).reshape(12, 30, 12, 30).sum(axis=(1, 3))
        assert counts.tolist() == want["coarse_histogram_12x12_30cells"]
    assert (len(np.unique(ranks)), int(ranks.sum())) == (want["unique_cells"], want["sum_ranks"])
    assert hashlib.sha256(ranks.tobytes()).hexdigest().startswith(want["sha256_sorted_ranks_int64_le"])


@torch.no_grad()
def test_lifting_equals_the_record() -> None:
    """Depth image, depth network, pooled and final BEV features equal the record."""
    record, transform = load_record("bevfusion"), branch().vtransform
    depth = torch.from_numpy(depth_image(record, "aug"))
    assert largest_difference(record, "aug/depth_image", depth) < 1e-4
    wanted = record["geometry"]["aug"]["depth_nonzero_per_camera"]
    assert (depth != 0).sum((1, 2, 3)).tolist() == wanted
    seen: dict[str, Tensor] = {}
    hooks = [
        getattr(transform, name).register_forward_hook(
            lambda _m, _i, out, name=name: seen.update({name: out})
        )
        for name in ("dtransform", "depthnet")
    ]
    features = torch.from_numpy(rule_input("bevfusion_feat", (1, 6, 256, 32, 88)))[0]
    rows, weights = transform.weigh(features, depth)
    for hook in hooks:
        hook.remove()
    points = transform.points_m(calibration(record, "aug"))
    pooled = transform.pool(rows, weights, calibration(record, "aug"))
    assert largest_difference(record, "aug/geom", points.reshape(1, 6, DEPTHS, 32, 88, 3)) < 1e-4
    assert largest_difference(record, "aug/dtransform_out", seen["dtransform"]) < 1e-5
    assert largest_difference(record, "aug/depthnet_out", seen["depthnet"]) < 1e-5
    assert largest_difference(record, "aug/bev_pool_out", pooled) < 2e-5
    assert largest_difference(record, "aug/vtransform_out", transform.downsample(pooled)) < 1e-5


@torch.no_grad()
def test_image_features_equal_the_record() -> None:
    """The Swin stages and the neck equal the record."""
    record = load_record("bevfusion")
    image = torch.from_numpy(rule_input("img", (1, 6, 3, 256, 704)))[0]
    maps = branch().get_submodule("encoders.camera.backbone")(image)
    for index, value in enumerate(maps):
        assert largest_difference(record, f"full/swin_out{index}", value) < 5e-5
    neck = branch().get_submodule("encoders.camera.neck")(maps)
    assert largest_difference(record, "full/neck_out0", neck) < 5e-5


def test_moved_windows_keep_strangers_apart() -> None:
    """After a move only the last row and column of windows hold tokens that were not neighbours."""
    mask = shift_mask(2, 3).reshape(2, 3, 49, 49)
    assert (mask[0, :2] == 0).all()
    assert (mask[1, 0, :28, 28:] < 0).all()  # rows 0 to 3 of the window against rows 4 to 6
    assert (mask[1, 0, :28, :28] == 0).all()
    assert (mask[0, 2].reshape(7, 7, 7, 7)[:, :4, :, 4:] < 0).all()


def test_only_peaks_propose_but_for_small_classes() -> None:
    """A peak inside counts, its neighbours and the border do not; the last two classes count everywhere."""
    heat = torch.full((1, 10, 5, 5), 0.1)
    heat[:, :, 2, 2], heat[:, :, 0, 0] = 0.9, 0.95
    kept = local_peaks(heat)
    assert kept[0, 0].nonzero().tolist() == [[2, 2]]
    assert torch.equal(kept[0, 8:], heat[0, 8:])


@torch.no_grad()
def test_head_proposes_the_strongest_peaks() -> None:
    """The head's proposals are the strongest peaks, with the score of their class alone."""
    head = TransFusionHead().eval()
    torch.manual_seed(5)
    middle = torch.randn(1, 512, 180, 180)
    score = head(middle)[-1]
    peaks = local_peaks(head.heatmap_head(head.shared_conv(middle)).sigmoid()).flatten()
    order = peaks.argsort(descending=True)[:200]
    labels = order // (180 * 180)
    positive = score[0] > 0  # (classes, proposals)
    assert (positive.sum(0) == 1).all()
    assert positive.sum(1).tolist() == labels.bincount(minlength=10).tolist()


LIGHT = ("bevfusion_camera.vtransform", "bevfusion_head.bbox")
HEAVY = ("bevfusion_camera", "bevfusion_camera_only", "bevfusion_camera.backbone", "bevfusion_fuser")


@pytest.mark.parametrize("name", [*LIGHT, *(pytest.param(name, marks=pytest.mark.slow) for name in HEAVY)])
@torch.no_grad()
def test_onnx_runtime_computes_what_torch_computes(name: str, tmp_path: Path) -> None:
    """Every part's generic ONNX is static, has the names of its deployments, and gives torch's outputs."""
    path = tmp_path / "part.onnx"
    export_generic(name, None, path)
    with pytest.warns(UserWarning, match="random weights"):
        model = create(name)
    inputs = {key: rule_input(key, tuple(value.shape)) for key, value in example_inputs(name).items()}
    rig = calibration(load_record("bevfusion"), "aug")._asdict()
    inputs |= {key: value.numpy() for key, value in rig.items() if key in inputs}
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # a scatter that adds loses additions on two
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == list(output_names(name))
    got = session.run(None, inputs)
    want = model(*(torch.from_numpy(value) for value in inputs.values()))
    for one, other in zip(got, want if isinstance(want, tuple) else (want,), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=2e-4)


def test_each_part_loads_from_the_whole_checkpoint(tmp_path: Path) -> None:
    """A part takes its own weights from the checkpoint of the whole model and still refuses strangers."""
    names = ("bevfusion_camera", "bevfusion_fuser", "bevfusion_head.bbox")
    state = {key: value for name in names for key, value in build(name).state_dict().items()}
    state["encoders.lidar.backbone.conv_input.0.weight"] = torch.zeros(1)
    path = tmp_path / "whole.pth"
    torch.save({"state_dict": state}, path)
    for name in names:
        create(name, path)
    torch.save({"state_dict": state | {"stranger.weight": torch.zeros(1)}}, path)
    with pytest.raises(Exception, match=r"stranger\.weight"):
        create("bevfusion_fuser", path)
