"""StreamPETR's memory: what is remembered of earlier frames, as a value that goes in and comes out.

The memory holds 640 rows; a frame reads the first 512 and writes its best 128 before them. Between frames all
geometry is kept in the global frame (metres), times as minus the clock (seconds, float64).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

KEPT_ROWS = 512
NEW_ROWS = 128
ROWS = KEPT_ROWS + NEW_ROWS


class Memory(NamedTuple):
    """Remembered queries, R rows each.

    Attributes:
        embedding: Query states, (B, R, C).
        reference_point: Positions in m, (B, R, 3).
        timestamp: Minus the time of the row (s), (B, R, 1), float64; once recalled, the age of the row.
        egopose: Pose of the lidar when the row was written, (B, R, 4, 4), in the frame of the positions.
        velo: Velocities in m/s, (B, R, 2).
    """

    embedding: Tensor
    reference_point: Tensor
    timestamp: Tensor
    egopose: Tensor
    velo: Tensor


class Frame(NamedTuple):
    """What a frame says of itself: B rows each.

    Attributes:
        timestamp: Time in s, (B,), float64.
        ego_pose: Lidar to global, (B, 4, 4).
        ego_pose_inv: Global to lidar, (B, 4, 4).
        prev_exists: 1 where the memory belongs to the same drive, else 0, (B,).
    """

    timestamp: Tensor
    ego_pose: Tensor
    ego_pose_inv: Tensor
    prev_exists: Tensor


def recall(memory: Memory, frame: Frame, first_points: Tensor) -> Memory:
    """Brings the first 512 rows of `memory` into this frame's lidar coordinates.

    Without a previous frame everything is zero but the first 128 rows, which stand at `first_points` (128, 3)
    in metres with an identity pose.
    """
    exists = frame.prev_exists.reshape(-1, 1, 1)  # (B, 1, 1)
    fresh = 1 - exists
    old = Memory(*(part[:, :KEPT_ROWS] for part in memory))
    timestamp = (old.timestamp + frame.timestamp.reshape(-1, 1, 1)) * exists.double()
    points = move_points(frame.ego_pose_inv, old.reference_point) * exists
    poses = (frame.ego_pose_inv[:, None] @ old.egopose) * exists[..., None]
    start = torch.cat((fresh * first_points, points.new_zeros(1, KEPT_ROWS - NEW_ROWS, 3)), dim=1)
    first_rows = (torch.arange(KEPT_ROWS, device=points.device) < NEW_ROWS).to(points.dtype)  # (512,)
    identity = first_rows[:, None, None] * torch.eye(4, dtype=points.dtype, device=points.device)
    return Memory(
        embedding=old.embedding * exists,
        reference_point=points + start,
        timestamp=timestamp,
        egopose=poses + fresh[..., None] * identity,
        velo=old.velo * exists,
    )


def remember(memory: Memory, frame: Frame, scores: Tensor, boxes: Tensor, states: Tensor) -> Memory:
    """Writes the 128 best queries before the recalled 512 rows and moves all of them to the global frame.

    Args:
        memory: What `recall` gave, 512 rows in this frame's lidar coordinates.
        frame: This frame.
        scores: Class logits of the last layer, (B, Q, classes).
        boxes: Boxes of the last layer, (B, Q, 10): centre (m) first, velocity (m/s) last.
        states: Query states of the last layer, (B, Q, C).

    Returns:
        640 rows.
    """
    best = scores.sigmoid().amax(dim=-1)  # (B, Q)
    rows = best.topk(NEW_ROWS, dim=1).indices[..., None]  # (B, 128, 1)

    def pick(values: Tensor) -> Tensor:
        return values.gather(1, rows.expand(-1, -1, values.shape[-1]))

    points = torch.cat((pick(boxes[..., :3]), memory.reference_point), dim=1)  # (B, 640, 3)
    now = memory.timestamp.new_zeros(1, NEW_ROWS, 1)
    own_pose = frame.ego_pose[:, None].expand(-1, NEW_ROWS, -1, -1)
    return Memory(
        embedding=torch.cat((pick(states), memory.embedding), dim=1),
        reference_point=move_points(frame.ego_pose, points),
        timestamp=torch.cat((now, memory.timestamp), dim=1) - frame.timestamp.reshape(-1, 1, 1),
        egopose=torch.cat((own_pose, frame.ego_pose[:, None] @ memory.egopose), dim=1),
        velo=torch.cat((pick(boxes[..., -2:]), memory.velo), dim=1),
    )


def move_points(pose: Tensor, points: Tensor) -> Tensor:
    """Applies `pose` (B, 4, 4) to `points` (B, R, 3) in metres."""
    return points @ pose[:, :3, :3].transpose(1, 2) + pose[:, None, :3, 3]
