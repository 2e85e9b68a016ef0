"""BEVFormer, the whole detector: images of N cameras to BEV features and boxes.

The three public sizes are three values of `bevformer_config.CONFIGS`. Parameter names are those of the public
checkpoints. Calibration is an input (`lidar2img`); the cross-attention is in its zero-padded form, so that
every shape is static.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from specialize.zoo.backbone import ResNet
from specialize.zoo.bevformer_config import CONFIGS, LENSES, BEVFormerConfig
from specialize.zoo.bevformer_decoder import Decoder, box_branch, boxes_m, class_branch, refine
from specialize.zoo.bevformer_encoder import Encoder, History, cell_centres, encoder_layers
from specialize.zoo.ego_motion import BevRotation, bev_shift
from specialize.zoo.layers import LearnedPositions
from specialize.zoo.lens_sight import PARAMETERS
from specialize.zoo.neck import FPN

CAN_BUS_NUMBERS = 18
EMBEDDED_LEVELS = 4  # checkpoints carry embeddings for four levels even where one is used
BOX_WEIGHTS = (1.0,) * 8 + (0.2, 0.2)  # of the training loss; part of the checkpoints


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
        self.encoder = Encoder(
            layers, config.bev_shape, config.range_m, config.anchors, config.image_px, config.lens
        )
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
        *calibration: Tensor,
    ) -> Prediction:
        """Maps features (N, C, h, w) per level and the detector's other inputs to a prediction."""
        bev = self.encode(maps, prev_bev, can_bus, use_prev_bev, *calibration)
        scores, boxes = self.decode(bev)
        return Prediction(bev.transpose(0, 1), scores, boxes)

    def encode(
        self,
        maps: tuple[Tensor, ...],
        prev_bev: Tensor,
        can_bus: Tensor,
        use_prev_bev: Tensor,
        *calibration: Tensor,
    ) -> Tensor:
        """Returns the BEV features (1, Q, C)."""
        transformer = self.transformer
        query = self.bev_embedding.weight[None] + transformer.can_bus_mlp(can_bus[None, None])
        history = transformer.history(query, prev_bev, can_bus, use_prev_bev)
        value = transformer.flatten(maps)
        return transformer.encoder(query, self.positional_encoding(), history, value, *calibration)  # type: ignore[no-any-return]

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


class LensBEVFormer(BEVFormer):
    """The same on raw images, through lenses."""

    def forward(  # type: ignore[override]
        self,
        img: Tensor,
        prev_bev: Tensor,
        can_bus: Tensor,
        use_prev_bev: Tensor,
        lidar2cam: Tensor,
        lens: Tensor,
    ) -> Prediction:
        """Detects objects in one frame.

        Args:
            img: (1, N, 3, height, width), normalised.
            prev_bev: (Q, 1, C), the previous frame's `bev_embed`.
            can_bus: (18,), see `ego_motion`.
            use_prev_bev: (1,) one if there is a previous frame, else zero.
            lidar2cam: (1, N, 4, 4), lidar frame to camera frame, m.
            lens: (1, N, K), the numbers that `lens_sight.PARAMETERS` names.
        """
        maps = self.img_neck(self.img_backbone(img[0]))
        return self.pts_bbox_head(maps, prev_bev, can_bus, use_prev_bev, lidar2cam, lens)  # type: ignore[no-any-return]


def build(name: str) -> BEVFormer:
    """Returns the model `name` of `CONFIGS`, its weights not yet set."""
    return LensBEVFormer(CONFIGS[name]) if name in LENSES else BEVFormer(CONFIGS[name])


def example_inputs(name: str) -> dict[str, Tensor]:
    """Returns zeros of the shape of every input of the model `name`, in the order of `BEVFormer.forward`."""
    config = CONFIGS[name]
    (height, width), (image_width, image_height) = config.bev_shape, config.image_px
    return {
        "img": torch.zeros(1, config.cameras, 3, image_height, image_width),
        "prev_bev": torch.zeros(height * width, 1, config.dims),
        "can_bus": torch.zeros(CAN_BUS_NUMBERS),
        "use_prev_bev": torch.zeros(1),
    } | _calibration(config)


def _calibration(config: BEVFormerConfig) -> dict[str, Tensor]:
    """Returns zeros of the shape of every calibration input."""
    poses = torch.zeros(1, config.cameras, 4, 4)
    if not config.lens:
        return {"lidar2img": poses}
    return {"lidar2cam": poses, "lens": torch.zeros(1, config.cameras, len(PARAMETERS[config.lens]))}


def output_names(name: str) -> tuple[str, ...]:
    """Returns the names of what `BEVFormer.forward` returns, whatever the `name`."""
    return Prediction._fields
