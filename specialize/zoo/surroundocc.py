"""SurroundOcc, the whole detector: images of N cameras to the class of every voxel around the vehicle.

Three volumes of queries look at the cameras, each at one feature level of its own, and are joined coarse to
fine by 3-D convolutions. There is one reference point per voxel. Calibration is an input (`lidar2img`); the
cross-attention is in its zero-padded form, so that every shape is static. Images are BGR, 1600x900 padded to
1600x928. Parameter names are those of the public checkpoints.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from specialize.zoo.backbone import ResNet
from specialize.zoo.deformable_attention import LevelShapes, SpatialCrossAttention, level_shapes
from specialize.zoo.layers import FeedForward
from specialize.zoo.neck import FPN
from specialize.zoo.sight import Sight, look

IMAGE_PX = (1600, 928)
STRIDES = (8, 16, 32)
CAMERAS = 6
HEADS = 8
CLASSES = 17
FEATURE_DIMS = 512
EMBEDDED_LEVELS = 4  # checkpoints carry embeddings for four levels; each volume uses the first
NORM_GROUPS = 16
RANGE_M = (-50.0, -50.0, -5.0, 50.0, 50.0, 3.0)
CLASS_INDICES = "surroundocc_classes"  # the model that returns class indices, too


class Volume(NamedTuple):
    """One volume of queries, and the attention that fills it.

    Attributes:
        shape: Voxels along z, y, x; query z, y, x has index (z * H + y) * W + x.
        dims: Channels.
        layers: Encoder layers.
        points: Sampling points per head.
    """

    shape: tuple[int, int, int]
    dims: int
    layers: int
    points: int


VOLUMES = (
    Volume(shape=(8, 100, 100), dims=128, layers=1, points=2),
    Volume(shape=(4, 50, 50), dims=256, layers=3, points=4),
    Volume(shape=(2, 25, 25), dims=512, layers=6, points=8),
)
# Channels after each step of the way up, and how much it enlarges; a result leaves after every second step.
STEPS = ((256, 1), (256, 2), (128, 1), (128, 2), (64, 1), (64, 2), (32, 1))


class SurroundOcc(nn.Module):
    """The whole detector."""

    def __init__(self, class_indices: bool = False) -> None:
        super().__init__()
        self.class_indices = class_indices
        self.pts_bbox_head = OccupancyHead()
        self.img_neck = FPN([512, 1024, 2048], FEATURE_DIMS, num_outs=3)
        self.img_backbone = ResNet(101, out_indices=(1, 2, 3), dcn_stages=(2, 3), style="caffe")

    def forward(self, img: Tensor, lidar2img: Tensor) -> tuple[Tensor, ...]:
        """Finds what fills each voxel.

        Args:
            img: (1, N, 3, 928, 1600), BGR.
            lidar2img: Lidar points (m) to network pixels, (1, N, 4, 4).

        Returns:
            Class logits (1, 17, X, Y, Z) of 25x25x2, 50x50x4, 100x100x8 and 200x200x16 voxels; then, if asked
            for, the index of the largest of them, (1, X, Y, Z) each.
        """
        maps = self.img_neck(self.img_backbone(img.flatten(0, 1)))
        logits: tuple[Tensor, ...] = self.pts_bbox_head(maps, lidar2img)
        if not self.class_indices:
            return logits
        return (*logits, *(scores.argmax(dim=1) for scores in logits))


class OccupancyHead(nn.Module):
    """Volumes of queries from fine to coarse, and the way up from the coarsest to the voxels' classes."""

    def __init__(self) -> None:
        super().__init__()
        levels = level_shapes(IMAGE_PX, STRIDES)
        self.transformer = nn.ModuleList(
            VolumeTransformer(volume, level) for volume, level in zip(VOLUMES, levels, strict=True)
        )
        inputs = (VOLUMES[-1].dims, *(dims for dims, _ in STEPS[:-1]))
        self.deblocks = nn.ModuleList(
            _block(entering, dims, enlarge) for entering, (dims, enlarge) in zip(inputs, STEPS, strict=True)
        )
        self.occ = nn.ModuleList(nn.Conv3d(dims, CLASSES, 1, bias=False) for dims, _ in STEPS[::2])
        self.volume_embedding = nn.ModuleList(
            nn.Embedding(math.prod(volume.shape), volume.dims) for volume in VOLUMES
        )
        self.transfer_conv = nn.ModuleList(
            nn.Sequential(nn.Conv2d(FEATURE_DIMS, volume.dims, 1), nn.ReLU()) for volume in VOLUMES
        )

    def forward(self, maps: tuple[Tensor, ...], lidar2img: Tensor) -> tuple[Tensor, ...]:
        """Maps features (N, 512, h, w), finest first, to class logits, coarsest volume first."""
        volumes = []
        for index, features in enumerate(maps):
            queries = cast(nn.Embedding, self.volume_embedding[index]).weight[None]  # (1, Q, C)
            rows = self.transformer[index](queries, self.transfer_conv[index](features), lidar2img)
            volumes.append(_as_volume(rows, VOLUMES[index].shape))
        return self.way_up(volumes)

    def way_up(self, volumes: list[Tensor]) -> tuple[Tensor, ...]:
        """Joins volumes (1, C, X, Y, Z), finest first, to class logits, coarsest first."""
        waiting = list(volumes)
        x, logits = waiting.pop(), []
        for step, block in enumerate(self.deblocks):
            x = block(x)
            if step % 2 == 0:
                logits.append(self.occ[step // 2](x))
            elif waiting:
                x = x + waiting.pop()
        return tuple(logits)


class VolumeTransformer(nn.Module):
    """One volume of queries looks at one feature map of every camera."""

    points_m: Tensor
    image_px: Tensor

    def __init__(self, volume: Volume, level: tuple[int, int]) -> None:
        super().__init__()
        self.level_embeds = nn.Parameter(torch.zeros(EMBEDDED_LEVELS, volume.dims))
        self.cams_embeds = nn.Parameter(torch.zeros(CAMERAS, volume.dims))
        self.encoder = VolumeEncoder(volume, (level,))
        self.reference_points = nn.Linear(volume.dims, 3)  # in checkpoints, used by no model of the family
        self.register_buffer("points_m", voxel_points_m(volume.shape), persistent=False)
        size = torch.tensor(IMAGE_PX, dtype=torch.float32).reshape(2, 1)
        self.register_buffer("image_px", size, persistent=False)

    def forward(self, queries: Tensor, features: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps queries (1, Q, C) and features (N, C, h, w) to (1, Q, C)."""
        cells = features.flatten(2).transpose(1, 2)  # (N, h w, C)
        value = cells + self.cams_embeds[:, None] + self.level_embeds[0]
        sight = look(self.points_m, lidar2img, self.image_px, anchors=1)
        result: Tensor = self.encoder(queries, value, sight)
        return result


class VolumeEncoder(nn.Module):
    """A stack of layers."""

    def __init__(self, volume: Volume, levels: LevelShapes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(VolumeLayer(volume, levels) for _ in range(volume.layers))

    def forward(self, x: Tensor, value: Tensor, sight: Sight) -> Tensor:
        """Maps queries (1, Q, C) to (1, Q, C); `value` is (N, S, C)."""
        for layer in self.layers:
            x = layer(x, value, sight)
        return x


class VolumeLayer(nn.Module):
    """Cross-attention, norm, feed-forward, norm, and a residual around two 3-D convolutions."""

    def __init__(self, volume: Volume, levels: LevelShapes) -> None:
        super().__init__()
        dims = volume.dims
        self.shape = volume.shape
        self.attentions = nn.ModuleList(
            [SpatialCrossAttention(dims, levels, HEADS, points=volume.points, anchors=1)]
        )
        self.ffns = nn.ModuleList([FeedForward(dims, 2 * dims)])
        self.norms = nn.ModuleList(nn.LayerNorm(dims) for _ in range(2))
        self.deblock = nn.ModuleList(_block(dims, dims, enlarge=1) for _ in range(2))

    def forward(self, x: Tensor, value: Tensor, sight: Sight) -> Tensor:
        """Maps queries (1, Q, C) to (1, Q, C); `value` is (N, S, C)."""
        x = self.norms[0](self.attentions[0](x, value, sight.reference, sight.seen))
        x = self.norms[1](self.ffns[0](x))
        volume = _as_volume(x, self.shape)
        for block in self.deblock:
            volume = block(volume)
        return x + _as_rows(volume)


def build(name: str) -> nn.Module:
    """Returns the detector; `surroundocc_classes` returns class indices beside the logits."""
    return SurroundOcc(class_indices=name == CLASS_INDICES).eval()


def example_inputs(name: str) -> dict[str, Tensor]:
    """Returns inputs of the right shapes and types."""
    width, height = IMAGE_PX
    matrices = torch.eye(4).expand(1, CAMERAS, 4, 4).clone()
    return {"img": torch.zeros(1, CAMERAS, 3, height, width), "lidar2img": matrices}


def output_names(name: str) -> tuple[str, ...]:
    """Returns the names under which the outputs are recorded."""
    logits = tuple(f"occ_pred{index}" for index in range(4))
    return (*logits, *(f"occ_class{index}" for index in range(4))) if name == CLASS_INDICES else logits


def voxel_points_m(shape: tuple[int, int, int]) -> Tensor:
    """Returns (4, Q) homogeneous centres of the voxels (z, y, x) in the lidar frame (m).

    Rounded in float32 at the same steps as the model's training code, so that points on an image border fall
    on the same side.
    """
    z, y, x = (
        torch.linspace(0.5, count - 0.5, count) / count * (RANGE_M[axis + 3] - RANGE_M[axis]) + RANGE_M[axis]
        for count, axis in zip(shape, (2, 1, 0), strict=True)
    )
    grid_z, grid_y, grid_x = torch.meshgrid(z, y, x, indexing="ij")
    return torch.stack([grid_x, grid_y, grid_z, torch.ones_like(grid_x)]).reshape(4, -1)


def _block(inputs: int, outputs: int, enlarge: int) -> nn.Sequential:
    """Makes a 3-D convolution, or a deconvolution that enlarges, with group norm and ReLU."""
    conv: nn.Module
    if enlarge > 1:
        conv = nn.ConvTranspose3d(inputs, outputs, enlarge, stride=enlarge, bias=False)
    else:
        conv = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.GroupNorm(NORM_GROUPS, outputs), nn.ReLU())


def _as_volume(rows: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Turns rows (1, Z Y X, C) into a volume (1, C, X, Y, Z)."""
    return rows.reshape(1, *shape, -1).permute(0, 4, 3, 2, 1)


def _as_rows(volume: Tensor) -> Tensor:
    """Turns a volume (1, C, X, Y, Z) into rows (1, Z Y X, C)."""
    return volume.permute(0, 4, 3, 2, 1).flatten(1, 3)
