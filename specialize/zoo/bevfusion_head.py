"""BEVFusion after the camera branch: the fuser, and the TransFusion head that finds boxes in its features.

Maps are (1, C, X, Y): x of the vehicle before y, 180x180 cells of 0.6 m.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specialize.zoo.layers import MultiheadWeights

GRID = (180, 180)
CAMERA_DIMS = 80
LIDAR_DIMS = 256
FUSED_DIMS = 512
DIMS = 128
HEADS = 8
CLASSES = 10
WIDE_CLASSES = 8  # of these only local maxima count; pedestrians and cones, the last two, may stand close
PROPOSALS = 200
NORM_EPS = 1e-3
PREDICTIONS = {"center": 2, "height": 1, "dim": 3, "rot": 2, "vel": 2, "heatmap": CLASSES}


class BevFuser(nn.Module):
    """Camera and lidar BEV features to common ones, through two scales of convolutions."""

    checkpoint_parts_elsewhere = ("encoders.", "heads.")

    def __init__(self) -> None:
        super().__init__()
        fused = nn.Conv2d(CAMERA_DIMS + LIDAR_DIMS, 256, 3, padding=1, bias=False)
        self.fuser = nn.Sequential(fused, nn.BatchNorm2d(256), nn.ReLU())
        blocks = nn.ModuleList([_convolutions(256, 128, stride=1), _convolutions(128, 256, stride=2)])
        same: nn.Module = nn.Conv2d(128, 256, 1, bias=False)
        twice: nn.Module = nn.ConvTranspose2d(256, 256, 2, stride=2, bias=False)
        norms = [nn.Sequential(conv, nn.BatchNorm2d(256, NORM_EPS), nn.ReLU()) for conv in (same, twice)]
        self.decoder = nn.ModuleDict(
            {
                "backbone": nn.ModuleDict({"blocks": blocks}),
                "neck": nn.ModuleDict({"deblocks": nn.ModuleList(norms)}),
            }
        )

    def forward(self, camera: Tensor, lidar: Tensor) -> Tensor:
        """Maps (1, 80, X, Y) and (1, 256, X, Y) to (1, 512, X, Y)."""
        x = self.fuser(torch.cat([camera, lidar], dim=1))
        scales = []
        for index in range(2):
            x = self.get_submodule(f"decoder.backbone.blocks.{index}")(x)
            scales.append(self.get_submodule(f"decoder.neck.deblocks.{index}")(x))
        return torch.cat(scales, dim=1)


class BoxHead(nn.Module):
    """The TransFusion head under its name in checkpoints."""

    checkpoint_parts_elsewhere = ("encoders.", "fuser.", "decoder.")

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({"object": TransFusionHead()})

    def forward(self, middle: Tensor) -> tuple[Tensor, ...]:
        """See `TransFusionHead.forward`."""
        result: tuple[Tensor, ...] = self.heads["object"](middle)
        return result


class TransFusionHead(nn.Module):
    """Finds the 200 strongest peaks of a heat map per class and refines them with one layer of attention."""

    cell_centres: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.shared_conv = nn.Conv2d(FUSED_DIMS, DIMS, 3, padding=1)
        self.heatmap_head = nn.Sequential(
            _normed(nn.Conv2d(DIMS, DIMS, 3, padding=1, bias=False), nn.BatchNorm2d(DIMS)),
            nn.Conv2d(DIMS, CLASSES, 3, padding=1),
        )
        self.class_encoding = nn.Conv1d(CLASSES, DIMS, 1)
        self.decoder = nn.ModuleList([DecoderLayer()])
        self.prediction_heads = nn.ModuleList(
            [nn.ModuleDict({name: _prediction(size) for name, size in PREDICTIONS.items()})]
        )
        x, y = torch.meshgrid(torch.arange(GRID[0]), torch.arange(GRID[1]), indexing="ij")
        centres = torch.stack([x, y], dim=-1).reshape(1, -1, 2) + 0.5
        self.register_buffer("cell_centres", centres, persistent=False)

    def forward(self, middle: Tensor) -> tuple[Tensor, ...]:
        """Finds objects in common features (1, 512, X, Y).

        Returns:
            Centre in cells (1, 2, P); height in m, of the centre (1, 1, P); logarithms of the sizes in m
            (1, 3, P); sine and cosine of the yaw (1, 2, P); velocity in m/s (1, 2, P); score per class, zero
            for all but the class of the proposal (1, 10, P).
        """
        features = self.shared_conv(middle)  # (1, C, X, Y)
        peaks = local_peaks(self.heatmap_head(features).sigmoid()).flatten(2)  # (1, classes, X Y)
        cells = peaks.shape[-1]
        best = peaks.flatten(1).topk(PROPOSALS, dim=1).indices[0]  # (P,)
        label, cell = torch.div(best, cells, rounding_mode="floor"), best % cells
        rows = features.flatten(2).transpose(1, 2)  # (1, X Y, C)
        encoding = self.encoded_classes()[label]  # (P, C)
        where = self.cell_centres[:, cell]  # (1, P, 2)
        queries = self.decoder[0](rows[:, cell] + encoding, rows, where, self.cell_centres)
        raw = {name: self._predict(name, queries) for name in PREDICTIONS}
        is_label = (torch.arange(CLASSES, device=label.device)[:, None] == label[None]).to(peaks.dtype)
        score = raw["heatmap"].sigmoid() * peaks[:, :, cell] * is_label
        centre = raw["center"] + where.transpose(1, 2)
        return centre, raw["height"], raw["dim"], raw["rot"], raw["vel"], score

    def encoded_classes(self) -> Tensor:
        """Returns what is added to a proposal of each class, (classes, C)."""
        one_hot = torch.eye(CLASSES, device=self.cell_centres.device)[None]  # (1, classes, classes)
        encoded: Tensor = self.class_encoding(one_hot)
        return encoded[0].T

    def _predict(self, name: str, queries: Tensor) -> Tensor:
        """Reads one quantity off queries (1, P, C): (1, size, P)."""
        result: Tensor = self.get_submodule(f"prediction_heads.0.{name}")(queries.transpose(1, 2))
        return result


class DecoderLayer(nn.Module):
    """Self-attention, attention to the map, feed-forward; positions are encoded by small networks."""

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.self_attn = MultiheadWeights(DIMS)
        self.multihead_attn = MultiheadWeights(DIMS)
        self.linear1, self.linear2 = nn.Linear(DIMS, hidden), nn.Linear(hidden, DIMS)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(DIMS) for _ in range(3))
        self.self_posembed, self.cross_posembed = PositionEmbedding(), PositionEmbedding()

    def forward(self, query: Tensor, cells: Tensor, where: Tensor, cells_where: Tensor) -> Tensor:
        """Refines queries (1, P, C) at `where` (1, P, 2) with map cells (1, X Y, C) at `cells_where`."""
        position = self.self_posembed(where)
        placed = query + position
        query = self.norm1(query + attend(self.self_attn, placed, placed))
        placed_cells = cells + self.cross_posembed(cells_where)
        query = self.norm2(query + attend(self.multihead_attn, query + position, placed_cells))
        result: Tensor = self.norm3(query + self.linear2(F.relu(self.linear1(query))))
        return result


class PositionEmbedding(nn.Module):
    """Encodes positions by a small network."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Conv1d(2, DIMS, 1), nn.BatchNorm1d(DIMS), nn.ReLU()
        self.position_embedding_head = nn.Sequential(*first, nn.Conv1d(DIMS, DIMS, 1))

    def forward(self, where: Tensor) -> Tensor:
        """Maps positions in cells (1, P, 2) to (1, P, C)."""
        result: Tensor = self.position_embedding_head(where.transpose(1, 2)).transpose(1, 2)
        return result


def attend(attention: MultiheadWeights, query: Tensor, key: Tensor) -> Tensor:
    """Attends from rows (1, P, C) over rows (1, K, C), which are values, too; returns (1, P, C)."""
    q, k, v = (_project(attention, rows, part) for part, rows in enumerate((query, key, key)))
    logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (1, heads, P, K)
    mixed = (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
    result: Tensor = attention.out_proj(mixed)
    return result


def _project(attention: MultiheadWeights, rows: Tensor, part: int) -> Tensor:
    """Makes query (part 0), key (1) or value (2) of rows (1, L, C), per head: (1, heads, L, d)."""
    own = slice(part * DIMS, (part + 1) * DIMS)
    projected = F.linear(rows, attention.in_proj_weight[own], attention.in_proj_bias[own])
    return projected.reshape(1, -1, HEADS, DIMS // HEADS).transpose(1, 2)


def local_peaks(heat: Tensor) -> Tensor:
    """Keeps of (1, classes, X, Y) what no neighbour exceeds, and all of the last two classes.

    Cells at the border of the map are never the largest of the classes that must be.
    """
    wide = heat[:, :WIDE_CLASSES]
    largest = F.pad(F.max_pool2d(wide, 3, stride=1), (1, 1, 1, 1))
    return torch.cat([wide * (wide == largest).to(heat.dtype), heat[:, WIDE_CLASSES:]], dim=1)


def _normed(conv: nn.Module, norm: nn.Module) -> nn.Sequential:
    """Makes a convolution with norm and ReLU, under the names that checkpoints give them."""
    layer = nn.Sequential()
    for name, part in (("conv", conv), ("bn", norm), ("activate", nn.ReLU())):
        layer.add_module(name, part)
    return layer


def _prediction(size: int) -> nn.Sequential:
    """Makes the two layers that read one quantity off the queries."""
    first = _normed(nn.Conv1d(DIMS, 64, 1, bias=False), nn.BatchNorm1d(64))
    return nn.Sequential(first, nn.Conv1d(64, size, 1))


def _convolutions(inputs: int, outputs: int, stride: int, count: int = 5) -> nn.Sequential:
    """Makes a 3x3 convolution with `stride` and `count` more at the same size, each with norm and ReLU."""
    layers: list[nn.Module] = []
    for index in range(count + 1):
        conv = nn.Conv2d(inputs if index == 0 else outputs, outputs, 3, 1 if index else stride, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(outputs, NORM_EPS), nn.ReLU()]
    return nn.Sequential(*layers)
