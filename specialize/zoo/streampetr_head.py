"""StreamPETR's head: position embedding, temporal alignment, decoder and prediction branches.

Calibration enters at one place, `StreamPETRHead.token_geometry`: the position embedding of image tokens and
the "cone" that conditions their normalisation. Both depend on nothing else: once bound, they are constants.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from specialize.zoo.affine import inverse_affine
from specialize.zoo.encodings import ConditionalNorm, Gate, octave_encoding, point_encoding, sine_encoding
from specialize.zoo.layers import inverse_sigmoid
from specialize.zoo.streampetr_decoder import Decoder
from specialize.zoo.streampetr_memory import NEW_ROWS, Frame, Memory, recall, remember

IMAGE_HW = (256, 704)
STRIDE = 16
DIMS = 256
LEARNED_QUERIES = 300
CLASSES = 10
BOX_CODES = 10
DECODER_LAYERS = 6
DEPTHS = 64
FIRST_DEPTH_M = 1.0
CONE_DEPTHS = (63, 34)
POINT_RANGE_M = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
POSITION_RANGE_M = (-61.2, -61.2, -10.0, 61.2, 61.2, 10.0)
CODE_WEIGHTS = (2.0, 2.0) + (1.0,) * 8


class Queries(NamedTuple):
    """What the decoder starts from: Q = 428 queries and P = 384 remembered rows.

    Attributes:
        state: (B, Q, C).
        position: (B, Q, C).
        reference: Normalised to the point range, (B, Q, 3).
        past: (B, P, C).
        past_position: (B, P, C).
    """

    state: Tensor
    position: Tensor
    reference: Tensor
    past: Tensor
    past_position: Tensor


class StreamPETRHead(nn.Module):
    """Position embedding, temporal alignment, decoder and prediction branches."""

    frustum: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._add_constants()
        classify, regress = _classification_branch(), _regression_branch()
        self.cls_branches = nn.ModuleList([classify] * DECODER_LAYERS)  # one module, listed once per layer
        self.reg_branches = nn.ModuleList([regress] * DECODER_LAYERS)
        self.position_encoder = _two_layers(3 * DEPTHS, 4 * DIMS, DIMS)
        self.memory_embed = _two_layers(DIMS, DIMS, DIMS)
        self.featurized_pe = Gate(DIMS)
        self.reference_points = nn.Embedding(LEARNED_QUERIES, 3)
        self.pseudo_reference_points = nn.Embedding(NEW_ROWS, 3)
        for embedding in (self.reference_points, self.pseudo_reference_points):
            nn.init.uniform_(embedding.weight)
        self.query_embedding = _two_layers(DIMS * 3 // 2, DIMS, DIMS)
        self.spatial_alignment = ConditionalNorm(8)
        self.time_embedding = nn.Sequential(nn.Linear(DIMS, DIMS), nn.LayerNorm(DIMS))
        self.ego_pose_pe = ConditionalNorm(180)
        self.ego_pose_memory = ConditionalNorm(180)
        self.transformer = nn.ModuleDict({"decoder": Decoder(layers=DECODER_LAYERS)})

    def forward(
        self, features: Tensor, lidar2img: Tensor, intrinsics: Tensor, frame: Frame, memory: Memory
    ) -> tuple[Tensor, Tensor, Memory]:
        """Detects from features (B, N, C, h, w); returns logits, boxes, new memory (see `StreamPETR`)."""
        low, span = self.pc_range[:3], self.pc_range[3:] - self.pc_range[:3]
        recalled = recall(memory, frame, self.pseudo_reference_points.weight * span + low)
        coordinates, cone = self.token_geometry(lidar2img, intrinsics)
        tokens, tokens_pos = self.tokens(features, coordinates, cone)
        queries = self.queries(recalled)
        states = self.transformer["decoder"](
            queries.state, queries.position, queries.past, queries.past_position, tokens, tokens_pos
        )
        scores, boxes = self.predict(states, queries.reference)
        return scores, boxes, remember(recalled, frame, scores[-1], boxes[-1], states[-1])

    def token_geometry(self, lidar2img: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
        """Computes what tokens know of space; the only use of calibration.

        The cone's focal lengths go round the cameras token by token (0, 1 ... N-1, 0 ...), not camera by
        camera: checkpoints were trained with that.

        Args:
            lidar2img: (B, N, 4, 4), last row 0 0 0 1.
            intrinsics: (B, N, 4, 4).

        Returns:
            Logits of the tokens' points at all depths (B, T, 3 * D), and the cone (B, T, 8), T = N * h * w.
        """
        batch, cameras = lidar2img.shape[:2]
        img2lidar = inverse_affine(lidar2img)  # (B, N, 4, 4)
        points = self.frustum @ img2lidar[..., :3, :].transpose(-1, -2)  # (B, N, hw D, 3)
        low, high = self.position_range[:3], self.position_range[3:]
        points = ((points - low) / (high - low)).reshape(batch, -1, DEPTHS, 3)  # (B, T, D, 3)
        tokens = points.shape[1]
        focal = torch.stack((intrinsics[..., 0, 0], intrinsics[..., 1, 1]), dim=-1).abs() / 1e3  # (B, N, 2)
        focal = focal.repeat(1, tokens // cameras, 1)  # (B, T, 2)
        cone = torch.cat((focal, *(points[:, :, depth] for depth in CONE_DEPTHS)), dim=-1)
        return inverse_sigmoid(points.flatten(2)), cone

    def tokens(self, features: Tensor, coordinates: Tensor, cone: Tensor) -> tuple[Tensor, Tensor]:
        """Makes image tokens and their positions, both (B, T, C), from features (B, N, C, h, w)."""
        rows = features.permute(0, 1, 3, 4, 2).flatten(1, 3)  # (B, T, C)
        tokens = self.spatial_alignment(self.memory_embed(rows), cone)
        return tokens, self.featurized_pe(self.position_encoder(coordinates), tokens)

    def queries(self, memory: Memory) -> Queries:
        """Makes the decoder's queries from the learned ones and the recalled memory (512 rows)."""
        batch = memory.embedding.shape[0]
        low, span = self.pc_range[:3], self.pc_range[3:] - self.pc_range[:3]
        own_motion = octave_encoding(_still_motion(memory.velo)).expand(batch, LEARNED_QUERIES, -1)
        points = self.reference_points.weight.expand(batch, -1, -1)  # (B, 300, 3)
        state = self.ego_pose_memory(points.new_zeros(batch, LEARNED_QUERIES, DIMS), own_motion)
        position = self.ego_pose_pe(self.query_embedding(point_encoding(points)), own_motion)
        position = position + self.time_embedding(
            sine_encoding(points.new_zeros(batch, LEARNED_QUERIES), DIMS)
        )

        past_points = (memory.reference_point - low) / span  # (B, 512, 3)
        age_s = memory.timestamp.float()  # (B, 512, 1)
        motion = octave_encoding(
            torch.cat((memory.velo, age_s, memory.egopose[..., :3, :].flatten(-2)), dim=-1)
        )
        past = self.ego_pose_memory(memory.embedding, motion)
        past_position = self.ego_pose_pe(self.query_embedding(point_encoding(past_points)), motion)
        past_position = past_position + self.time_embedding(sine_encoding(age_s[..., 0], DIMS))
        return Queries(
            state=torch.cat((state, past[:, :NEW_ROWS]), dim=1),
            position=torch.cat((position, past_position[:, :NEW_ROWS]), dim=1),
            reference=torch.cat((points, past_points[:, :NEW_ROWS]), dim=1),
            past=past[:, NEW_ROWS:],
            past_position=past_position[:, NEW_ROWS:],
        )

    def predict(self, states: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Reads class logits and boxes off the decoder's states (L, B, Q, C); `reference` is (B, Q, 3)."""
        scores = self.cls_branches[-1](states)
        raw = self.reg_branches[-1](states)
        centre = (raw[..., :3] + inverse_sigmoid(reference)).sigmoid()
        centre = centre * (self.pc_range[3:] - self.pc_range[:3]) + self.pc_range[:3]
        return scores, torch.cat((centre, raw[..., 3:]), dim=-1)

    def _add_constants(self) -> None:
        """Adds the constants that checkpoints store, and the frustum, which they do not."""
        self.code_weights = _constant(torch.tensor(CODE_WEIGHTS))
        self.match_costs = _constant(torch.tensor(CODE_WEIGHTS))
        self.pc_range = _constant(torch.tensor(POINT_RANGE_M))
        self.position_range = _constant(torch.tensor(POSITION_RANGE_M))
        index = torch.arange(DEPTHS).float()
        step = (self.position_range[3] - FIRST_DEPTH_M) / (DEPTHS * (1 + DEPTHS))
        self.coords_d = _constant(FIRST_DEPTH_M + step * index * (index + 1))
        self.register_buffer("frustum", _frustum(self.coords_d), persistent=False)


def _constant(value: Tensor) -> nn.Parameter:
    """Makes a value that checkpoints store although it is fixed."""
    return nn.Parameter(value, requires_grad=False)


def _frustum(depths_m: Tensor) -> Tensor:
    """Returns the points (u d, v d, d, 1) of all token centres and depths, (h w D, 4), px and m."""
    height, width = IMAGE_HW
    u = (torch.arange(0, width, STRIDE).float() + STRIDE // 2) / width * width  # as the field rounds it
    v = (torch.arange(0, height, STRIDE).float() + STRIDE // 2) / height * height
    grid_v, grid_u, depth = torch.meshgrid(v, u, depths_m, indexing="ij")  # (h, w, D)
    return torch.stack((grid_u * depth, grid_v * depth, depth, torch.ones_like(depth)), dim=-1).reshape(-1, 4)


def _still_motion(like: Tensor) -> Tensor:
    """Returns the motion code of something at rest, just now, in this frame: (1, 1, 15)."""
    pose = torch.eye(4, dtype=like.dtype, device=like.device)[:3].flatten()  # (12,)
    return torch.cat((pose.new_zeros(3), pose)).reshape(1, 1, -1)


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _classification_branch() -> nn.Sequential:
    steps: list[nn.Module] = []
    for _ in range(2):
        steps += [nn.Linear(DIMS, DIMS), nn.LayerNorm(DIMS), nn.ReLU()]
    return nn.Sequential(*steps, nn.Linear(DIMS, CLASSES))


def _regression_branch() -> nn.Sequential:
    hidden = [nn.Linear(DIMS, DIMS), nn.ReLU(), nn.Linear(DIMS, DIMS), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(DIMS, BOX_CODES))
