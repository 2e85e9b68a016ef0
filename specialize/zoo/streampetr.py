"""StreamPETR (ResNet-50, 704x256, 428 queries): a detector that carries queries from frame to frame.

The memory is an input and an output, so the model is a pure function. Parameter names are those of public
checkpoints. Frames: points are in lidar coordinates (metres), pixels are the network's. Images are the raw
ones times 0.44, less 140 rows at the top.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specialize.zoo.backbone import ResNet
from specialize.zoo.neck import FPN
from specialize.zoo.streampetr_head import CLASSES, DIMS, IMAGE_HW, StreamPETRHead
from specialize.zoo.streampetr_memory import ROWS, Frame, Memory

CAMERAS = 6


class StreamPETR(nn.Module):
    """The whole detector: images, calibration, pose, time and memory in; boxes and memory out."""

    def __init__(self) -> None:
        super().__init__()
        self.pts_bbox_head = StreamPETRHead()
        self.img_neck = FPN([1024, 2048], DIMS, num_outs=2, smoothed=1)
        self.img_backbone = ResNet(50, out_indices=(2, 3))
        self.img_roi_head = AuxiliaryHead()

    def forward(
        self,
        img: Tensor,
        lidar2img: Tensor,
        intrinsics: Tensor,
        timestamp: Tensor,
        ego_pose: Tensor,
        ego_pose_inv: Tensor,
        prev_exists: Tensor,
        memory_embedding: Tensor,
        memory_reference_point: Tensor,
        memory_timestamp: Tensor,
        memory_egopose: Tensor,
        memory_velo: Tensor,
    ) -> tuple[Tensor, ...]:
        """Detects objects in one set of images.

        Args:
            img: (B, N, 3, 256, 704).
            lidar2img: Lidar points (m) to network pixels, (B, N, 4, 4), last row 0 0 0 1.
            intrinsics: Of the network's images, (B, N, 4, 4), px.
            timestamp: Time in s, (B,), float64.
            ego_pose: Lidar to global, (B, 4, 4).
            ego_pose_inv: Its inverse.
            prev_exists: 1 if the memory belongs to this drive, else 0, (B,).
            memory_embedding: See `Memory`; 640 rows each.
            memory_reference_point: See `Memory`.
            memory_timestamp: See `Memory`.
            memory_egopose: See `Memory`.
            memory_velo: See `Memory`.

        Returns:
            Class logits (6, B, 428, 10); boxes (6, B, 428, 10) as cx, cy, cz, w, l, h, sin, cos, vx, vy (m,
            m/s; w, l, h as logarithms); the five parts of the new memory.
        """
        memory = Memory(
            memory_embedding, memory_reference_point, memory_timestamp, memory_egopose, memory_velo
        )
        frame = Frame(timestamp, ego_pose, ego_pose_inv, prev_exists)
        scores, boxes, new_memory = self.pts_bbox_head(
            self.features(img), lidar2img, intrinsics, frame, memory
        )
        return (scores, boxes, *new_memory)

    def features(self, img: Tensor) -> Tensor:
        """Maps images (B, N, 3, H, W) to features (B, N, C, H / 16, W / 16)."""
        maps = self.img_neck(self.img_backbone(img.flatten(0, 1)))
        result: Tensor = maps[0].unflatten(0, img.shape[:2])
        return result


class AuxiliaryHead(nn.Module):
    """The 2-D head that training uses; inference does not run it, checkpoints hold its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Conv2d(DIMS, CLASSES, 1)
        self.shared_reg = nn.Sequential(
            nn.Conv2d(DIMS, DIMS, 3, padding=1), nn.GroupNorm(32, DIMS), nn.ReLU()
        )
        self.shared_cls = nn.Sequential(
            nn.Conv2d(DIMS, DIMS, 3, padding=1), nn.GroupNorm(32, DIMS), nn.ReLU()
        )
        self.centerness = nn.Conv2d(DIMS, 1, 1)
        self.ltrb = nn.Conv2d(DIMS, 4, 1)
        self.center2d = nn.Conv2d(DIMS, 2, 1)


def build(name: str) -> nn.Module:
    """Returns the detector; the family has one size."""
    return StreamPETR().eval()


def example_inputs(name: str) -> dict[str, Tensor]:
    """Returns inputs of the right shapes and types; the calibration is a pinhole looking ahead."""
    pinhole = torch.eye(4)
    pinhole[:2, 2] = torch.tensor([352.0, 128.0])
    poses = torch.eye(4)[None]
    return {
        "img": torch.zeros(1, CAMERAS, 3, *IMAGE_HW),
        "lidar2img": pinhole.expand(1, CAMERAS, 4, 4).clone(),
        "intrinsics": pinhole.expand(1, CAMERAS, 4, 4).clone(),
        "timestamp": torch.zeros(1, dtype=torch.float64),
        "ego_pose": poses,
        "ego_pose_inv": poses.clone(),
        "prev_exists": torch.ones(1),
        "memory_embedding": torch.zeros(1, ROWS, DIMS),
        "memory_reference_point": torch.zeros(1, ROWS, 3),
        "memory_timestamp": torch.zeros(1, ROWS, 1, dtype=torch.float64),
        "memory_egopose": torch.zeros(1, ROWS, 4, 4),
        "memory_velo": torch.zeros(1, ROWS, 2),
    }


def output_names(name: str) -> tuple[str, ...]:
    """Returns the names under which the outputs are recorded; the new memory comes `after` the frame."""
    memory = tuple(f"after/memory_{field}" for field in Memory._fields)
    return ("all_cls_scores", "all_bbox_preds", *memory)
