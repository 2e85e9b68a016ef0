"""BEVFormer, the whole detector: images of N cameras to BEV features and boxes.

The three public sizes are three values of `BEVFormerConfig`. Parameter names are those of the public
checkpoints. Calibration is an input (`lidar2img`); the cross-attention is in its zero-padded form, so that
every shape is static.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from specialize.zoo.backbone import ResNet, Style
from specialize.zoo.bevformer_decoder import Decoder, box_branch, boxes_m, class_branch, refine
from specialize.zoo.bevformer_encoder import Encoder, History, RangeM, cell_centres, encoder_layers
from specialize.zoo.deformable_attention import LevelShapes, level_shapes
from specialize.zoo.ego_motion import BevRotation, bev_shift
from specialize.zoo.layers import LearnedPositions
from specialize.zoo.neck import FPN

ShiftRule = Literal["previous", "aliased"]

CAN_BUS_NUMBERS = 18
EMBEDDED_LEVELS = 4  # checkpoints carry embeddings for four levels even where one is used
BOX_WEIGHTS = (1.0,) * 8 + (0.2, 0.2)  # of the training loss; part of the checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class BEVFormerConfig:
    """What makes one BEVFormer differ from another.

    Attributes:
        bev_shape: Height and width of the BEV grid in cells.
        image_px: Width and height of the network's image, padding included.
        depth: Of the ResNet.
        style: Of the ResNet.
        stages: ResNet stages used, 1 (stride 8) to 3 (stride 32).
        dcn_stages: ResNet stages with deformable convolutions.
        levels: Number of feature maps that the encoder reads.
        layers: Encoder layers.
        shift: Which reference points of temporal self-attention follow the vehicle: those of the previous BEV
            (the published code), or of both (`aliased`: the releases v1.0 and v2.0).
        range_m: The grid's x, y, z minima, then maxima, in the lidar frame.
    """

    bev_shape: tuple[int, int]
    image_px: tuple[int, int]
    depth: int
    style: Style
    stages: tuple[int, ...]
    dcn_stages: tuple[int, ...] = ()
    levels: int = 1
    layers: int = 3
    shift: ShiftRule = "previous"
    range_m: RangeM = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
    cameras: int = 6
    anchors: int = 4
    dims: int = 256
    heads: int = 8
    decoder_layers: int = 6
    objects: int = 900
    classes: int = 10

    def level_shapes(self) -> LevelShapes:
        """Returns (height, width) of every feature map that the encoder reads."""
        first = 4 * 2 ** self.stages[0]
        return level_shapes(self.image_px, [first * 2**level for level in range(self.levels)])


CONFIGS = {
    "bevformer_tiny": BEVFormerConfig(
        bev_shape=(50, 50), image_px=(800, 480), depth=50, style="pytorch", stages=(3,)
    ),
    "bevformer_small": BEVFormerConfig(
        bev_shape=(150, 150), image_px=(1280, 736), depth=101, style="caffe", stages=(3,), dcn_stages=(2, 3)
    ),
    "bevformer_base": BEVFormerConfig(
        bev_shape=(200, 200),
        image_px=(1600, 928),
        depth=101,
        style="caffe",
        stages=(1, 2, 3),
        dcn_stages=(2, 3),
        levels=4,
        layers=6,
    ),
}
CONFIGS |= {f"{name}_aliased": replace(config, shift="aliased") for name, config in CONFIGS.items()}


class Prediction(NamedTuple):
    """What the detector returns; the decoder's layers are the first axis of scores and boxes.

    Attributes:
        bev_embed: (Q, 1, C), the `prev_bev` of the next frame.
        all_cls_scores: (layers, 1, objects, classes) logits.
        all_bbox_preds: (layers, 1, objects, 10): cx, cy, w, l, cz, h, sin, cos, vx, vy in m and m/s; the
            sizes w, l, h are logarithms.
    """

    bev_embed: Tensor
    all_cls_scores: Tensor
    all_bbox_preds: Tensor


class PerceptionTransformer(nn.Module):
    """Image features to BEV features: embeddings, the vehicle's motion, the encoder; holds the decoder."""

    centres: Tensor

    def __init__(self, config: BEVFormerConfig) -> None:
        super().__init__()
        self.config = config
        dims, levels = config.dims, config.level_shapes()
        self.level_embeds = nn.Parameter(torch.zeros(EMBEDDED_LEVELS, dims))
        self.cams_embeds = nn.Parameter(torch.zeros(config.cameras, dims))
        layers = encoder_layers(config.layers, dims, config.heads, config.bev_shape, levels, config.anchors)
        self.encoder = Encoder(layers, config.bev_shape, config.range_m, config.anchors, config.image_px)
        self.decoder = Decoder(config.decoder_layers, dims, config.heads, config.bev_shape)
        self.reference_points = nn.Linear(dims, 3)
        self.can_bus_mlp = nn.Sequential(
            nn.Linear(CAN_BUS_NUMBERS, dims // 2), nn.ReLU(), nn.Linear(dims // 2, dims), nn.ReLU()
        )
        self.can_bus_mlp.add_module("norm", nn.LayerNorm(dims))
        self.rotation = BevRotation(*config.bev_shape)
        self.register_buffer("centres", cell_centres(config.bev_shape), persistent=False)

    def flatten(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Returns the maps (N, C, h, w) of all levels, with their embeddings, as one (N, S, C)."""
        rows = []
        for level, features in enumerate(maps):
            cells = features.flatten(2).transpose(1, 2)  # (N, h w, C)
            rows.append(cells + self.cams_embeds[:, None] + self.level_embeds[level])
        return torch.cat(rows, dim=1) if len(rows) > 1 else rows[0]

    def history(self, query: Tensor, prev_bev: Tensor, can_bus: Tensor, use: Tensor) -> History:
        """Turns and shifts the previous BEV.

        Args:
            query: (1, Q, C), the encoder's first query.
            prev_bev: (Q, 1, C) BEV features of the previous frame; anything finite if there is none.
            can_bus: (18,), see `ego_motion`.
            use: (1,) one if there is a previous frame, else zero.
        """
        range_m = self.config.range_m
        shift = bev_shift(can_bus, (range_m[3] - range_m[0], range_m[4] - range_m[1]))[
            :, None, None
        ]  # (1, 1, 1, 2)
        if self.config.shift == "aliased":
            moved = self.centres + shift
            reference = torch.cat([moved, moved])
        else:
            reference = torch.cat([self.centres + shift * use, self.centres])  # (2, Q, 1, 2)
        turned = self.rotation(prev_bev, can_bus[17:18])
        return History(torch.cat([turned, query]), use, reference)


class BEVFormerHead(nn.Module):
    """BEV and object queries, the transformer, and a class and a box branch per decoder layer."""

    def __init__(self, config: BEVFormerConfig) -> None:
        super().__init__()
        self.config = config
        height, width = config.bev_shape
        self.code_weights = nn.Parameter(torch.tensor(BOX_WEIGHTS), requires_grad=False)
        self.positional_encoding = LearnedPositions(height, width, config.dims)
        self.transformer = PerceptionTransformer(config)
        count = range(config.decoder_layers)
        self.cls_branches = nn.ModuleList([class_branch(config.dims, config.classes) for _ in count])
        self.reg_branches = nn.ModuleList([box_branch(config.dims) for _ in count])
        self.bev_embedding = nn.Embedding(height * width, config.dims)
        self.query_embedding = nn.Embedding(config.objects, 2 * config.dims)

    def forward(
        self,
        maps: tuple[Tensor, ...],
        prev_bev: Tensor,
        can_bus: Tensor,
        use_prev_bev: Tensor,
        lidar2img: Tensor,
    ) -> Prediction:
        """Maps features (N, C, h, w) per level and the detector's other inputs to a prediction."""
        bev = self.encode(maps, prev_bev, can_bus, use_prev_bev, lidar2img)
        scores, boxes = self.decode(bev)
        return Prediction(bev.transpose(0, 1), scores, boxes)

    def encode(
        self,
        maps: tuple[Tensor, ...],
        prev_bev: Tensor,
        can_bus: Tensor,
        use_prev_bev: Tensor,
        lidar2img: Tensor,
    ) -> Tensor:
        """Returns the BEV features (1, Q, C)."""
        transformer = self.transformer
        query = self.bev_embedding.weight[None] + transformer.can_bus_mlp(can_bus[None, None])
        history = transformer.history(query, prev_bev, can_bus, use_prev_bev)
        value = transformer.flatten(maps)
        return transformer.encoder(query, self.positional_encoding(), history, value, lidar2img)  # type: ignore[no-any-return]

    def decode(self, bev: Tensor) -> tuple[Tensor, Tensor]:
        """Returns scores and boxes of every decoder layer, from BEV features (1, Q, C)."""
        objects, dims = self.query_embedding.weight[None], self.config.dims
        position, x = objects[..., :dims], objects[..., dims:]
        centre = self.transformer.reference_points(position).sigmoid()  # (1, K, 3)
        scores, boxes = [], []
        for layer, classify, regress in zip(
            self.transformer.decoder.layers, self.cls_branches, self.reg_branches, strict=True
        ):
            x = layer(x, position, bev, centre[:, :, None, :2])
            raw = regress(x)
            centre = refine(raw, centre)
            scores.append(classify(x))
            boxes.append(boxes_m(raw, centre, self.config.range_m))
        return torch.stack(scores), torch.stack(boxes)


class BEVFormer(nn.Module):
    """The whole detector."""

    def __init__(self, config: BEVFormerConfig) -> None:
        super().__init__()
        self.config = config
        self.img_backbone = ResNet(config.depth, config.stages, config.dcn_stages, config.style)
        channels = [256 * 2**stage for stage in config.stages]
        self.img_neck = FPN(
            channels, config.dims, config.levels, add_extra_convs="on_output", relu_before_extra_convs=True
        )
        self.pts_bbox_head = BEVFormerHead(config)

    def forward(
        self, img: Tensor, prev_bev: Tensor, can_bus: Tensor, use_prev_bev: Tensor, lidar2img: Tensor
    ) -> Prediction:
        """Detects objects in one frame.

        Args:
            img: (1, N, 3, height, width), normalised.
            prev_bev: (Q, 1, C), the previous frame's `bev_embed`.
            can_bus: (18,), see `ego_motion`.
            use_prev_bev: (1,) one if there is a previous frame, else zero.
            lidar2img: (1, N, 4, 4), lidar frame (m) to network px.
        """
        maps = self.img_neck(self.img_backbone(img[0]))
        return self.pts_bbox_head(maps, prev_bev, can_bus, use_prev_bev, lidar2img)  # type: ignore[no-any-return]


def build(name: str) -> BEVFormer:
    """Returns the model `name` of `CONFIGS`, its weights not yet set."""
    return BEVFormer(CONFIGS[name])


def example_inputs(name: str) -> dict[str, Tensor]:
    """Returns zeros of the shape of every input of the model `name`, in the order of `BEVFormer.forward`."""
    config = CONFIGS[name]
    (height, width), (image_width, image_height) = config.bev_shape, config.image_px
    return {
        "img": torch.zeros(1, config.cameras, 3, image_height, image_width),
        "prev_bev": torch.zeros(height * width, 1, config.dims),
        "can_bus": torch.zeros(CAN_BUS_NUMBERS),
        "use_prev_bev": torch.zeros(1),
        "lidar2img": torch.zeros(1, config.cameras, 4, 4),
    }


def output_names(name: str) -> tuple[str, ...]:
    """Returns the names of what `BEVFormer.forward` returns, whatever the `name`."""
    return Prediction._fields
