"""Rotations as exporters of torch write them are recognised: by places, by a matrix, in place, by `affine_grid`."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specialize.graph import folding
from specialize.graph.nodes import array_of
from specialize.graph.rewrite import apply
from specialize.lowering.rotate import TURNED_MAPS
from specialize.targets.lower import runnable_copy
from specialize.zoo.ego_motion import BevRotation
from tests.graphs import run

pytestmark = pytest.mark.torch

HEIGHT, WIDTH, CHANNELS = 6, 8, 4
CENTER = (7.0, 3.0)


class ByMatrix(nn.Module):
    """Turns an image (C, H, W) by an affine map in coordinates about the middle, divided by half the size.

    Args:
        in_place: Whether columns of the map are divided in place.
    """

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place

    def forward(self, image: Tensor, angle: Tensor) -> Tensor:
        """Return the image turned by degrees (1,)."""
        turn = -angle[0] * math.pi / 180
        cosine, sine = torch.cos(turn), torch.sin(turn)
        x, y = CENTER[0] - WIDTH / 2, CENTER[1] - HEIGHT / 2
        rows = [cosine, sine, x - x * cosine - y * sine, -sine, cosine, y + x * sine - y * cosine]
        columns = 2 * torch.stack(rows).reshape(1, 2, 3).transpose(1, 2)
        if self.in_place:
            columns = columns.clone()
            columns[..., 0] /= WIDTH
            columns[..., 1] /= HEIGHT
        else:
            columns = columns / torch.tensor([float(WIDTH), float(HEIGHT)])
        places = torch.ones(1, HEIGHT, WIDTH, 3)
        places[..., 0] = torch.arange(WIDTH) + 0.5 - WIDTH / 2
        places[..., 1] = (torch.arange(HEIGHT) + 0.5 - HEIGHT / 2)[:, None]
        grid = places.reshape(1, HEIGHT * WIDTH, 3).bmm(columns).reshape(1, HEIGHT, WIDTH, 2)
        return F.grid_sample(image[None], grid, align_corners=False)[0]


class ByAffineGrid(nn.Module):
    """Turns an image (C, H, W) about its middle."""

    def forward(self, image: Tensor, angle: Tensor) -> Tensor:
        """Return the image turned by degrees (1,)."""
        turn = angle * (math.pi / 180)
        cosine, sine, nothing = torch.cos(turn), torch.sin(turn), torch.zeros(1)
        first = torch.cat([cosine, -sine * HEIGHT / WIDTH, nothing])
        second = torch.cat([sine * WIDTH / HEIGHT, cosine, nothing])
        grid = F.affine_grid(
            torch.stack([first, second])[None], [1, CHANNELS, HEIGHT, WIDTH], align_corners=False
        )
        return F.grid_sample(image[None], grid, align_corners=False)[0]


MODULES: dict[str, tuple[nn.Module, tuple[int, ...], tuple[float, float]]] = {
    "by places": (BevRotation(HEIGHT, WIDTH), (HEIGHT * WIDTH, 1, CHANNELS), (100.0, 100.0)),
    "by a matrix": (ByMatrix(in_place=False), (CHANNELS, HEIGHT, WIDTH), CENTER),
    "in place": (ByMatrix(in_place=True), (CHANNELS, HEIGHT, WIDTH), CENTER),
    "by affine_grid": (ByAffineGrid(), (CHANNELS, HEIGHT, WIDTH), (WIDTH / 2, HEIGHT / 2)),
}


@pytest.mark.parametrize(
    ("name", "dynamo"),
    [
        *((name, False) for name in MODULES),
        ("in place", True),
        *(pytest.param(name, True, marks=pytest.mark.slow) for name in MODULES if name != "in place"),
    ],
)
def test_an_exported_rotation_is_written(name: str, dynamo: bool, tmp_path: Path) -> None:
    """Whatever the exporter made of it, it is one RotateTRT by the same degrees, and gives what torch gives."""
    module, shape, center = MODULES[name]
    image = torch.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (image, torch.tensor([10.0])), str(path), dynamo=dynamo, opset_version=20, verbose=False,
            input_names=["image", "angle"], output_names=["out"],
        )  # fmt: skip
    model = ir.load(path)
    ir.external_data.load_to_model(model)
    folding.fold(model)
    (note,) = apply(model, TURNED_MAPS)
    assert note.verdict == "applied", note.reason
    (node,) = (node for node in model.graph if node.op_type == "RotateTRT")
    middle = array_of(node.inputs[2])
    assert middle is not None and tuple(middle) == center
    for angle in (0.0, 12.5, -100.0):
        feeds = {"image": image.numpy(), "angle": np.array([angle], np.float32)}
        want = module(image, torch.tensor([angle])).numpy()
        np.testing.assert_allclose(run(runnable_copy(model), feeds)["out"], want, atol=1e-4)
