"""BEVFusion, camera branch and what follows it, in the parts in which the field deploys it.

    bevfusion_camera                  the whole camera branch: images and depth image to BEV features
    bevfusion_camera_only             the camera branch of the model without a lidar, on a grid of its own
    bevfusion_camera.backbone         the camera branch before pooling: features and depth weights of pixels
    bevfusion_camera.vtransform       the camera branch from pooling on; calibration enters here
    bevfusion_fuser                   camera and lidar BEV features to common ones
    bevfusion_head.bbox               common BEV features to boxes

Images go through a Swin-T, or through a ResNet-50 where a name ends in `_r50`. The sparse lidar backbone stays
outside. Parameter names are those of the public checkpoint, so every part loads from it. Images are 1600x900
times 0.48, less 32 columns at each side and 176 rows at the top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specialize.zoo.backbone import ResNet
from specialize.zoo.bevfusion_head import FUSED_DIMS, GRID, LIDAR_DIMS, BevFuser, BoxHead
from specialize.zoo.lss import (
    DEPTHS,
    FEATURE_HW,
    IMAGE_HW,
    Calibration,
    DepthLSSTransform,
    LSSTransform,
    ViewTransform,
)
from specialize.zoo.swin import SwinTransformer

CAMERAS = 6
OTHER_BACKBONE = "_r50"
BEV_DIMS = 80


class LSSNeck(nn.Module):
    """Adds coarse maps, enlarged, beside finer ones: concatenate, 1x1 convolution, 3x3 convolution."""

    def __init__(self, in_channels: tuple[int, ...], dims: int = 256) -> None:
        super().__init__()
        above = (*(dims for _ in in_channels[2:]), in_channels[-1])
        pairs = zip(in_channels[:-1], above, strict=True)
        self.lateral_convs = nn.ModuleList(NormedConv(own + coarse, dims, 1) for own, coarse in pairs)
        self.fpn_convs = nn.ModuleList(NormedConv(dims, dims, 3) for _ in in_channels[1:])

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Maps (N, C_i, h_i, w_i), finest first, to the finest map (N, 256, h, w)."""
        x = maps[-1]
        for level in range(len(maps) - 2, -1, -1):
            enlarged = F.interpolate(x, size=maps[level].shape[-2:], mode="bilinear", align_corners=False)
            x = self.fpn_convs[level](self.lateral_convs[level](torch.cat([maps[level], enlarged], dim=1)))
        return x


class NormedConv(nn.Module):
    """A convolution with norm and ReLU, under the names that checkpoints give them."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, h, w) to (N, outputs, h, w)."""
        return F.relu(self.bn(self.conv(x)))


def swin_t() -> dict[str, nn.Module]:
    """Returns a Swin-T and its neck: images (N, 3, 256, 704) to features (N, 256, 32, 88)."""
    return {"backbone": SwinTransformer(), "neck": LSSNeck((192, 384, 768))}


def resnet_50() -> dict[str, nn.Module]:
    """Returns a ResNet-50 and its neck: images (N, 3, 256, 704) to features (N, 256, 32, 88)."""
    return {"backbone": ResNet(50, out_indices=(1, 2, 3)), "neck": LSSNeck((512, 1024, 2048))}


class ImageEncoder(nn.Module):
    """Backbone, neck and view transform under the names that checkpoints give them."""

    checkpoint_parts_elsewhere = ("encoders.lidar.", "fuser.", "decoder.", "heads.")

    def __init__(self, images: Mapping[str, nn.Module], vtransform: ViewTransform) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"camera": nn.ModuleDict({**images, "vtransform": vtransform})})

    def features(self, img: Tensor) -> Tensor:
        """Maps images (1, N, 3, 256, 704) to features (N, 256, 32, 88)."""
        result: Tensor = self._part("neck")(self._part("backbone")(img[0]))
        return result

    def _part(self, name: str) -> nn.Module:
        return self.get_submodule(f"encoders.camera.{name}")


class CameraOnlyBranch(ImageEncoder):
    """Images alone to BEV features, of the model that runs without a lidar."""

    def __init__(self) -> None:
        super().__init__(swin_t(), LSSTransform())

    def forward(
        self,
        img: Tensor,
        camera2lidar: Tensor,
        camera_intrinsics: Tensor,
        img_aug_matrix: Tensor,
        lidar_aug_matrix: Tensor,
    ) -> Tensor:
        """Returns BEV features (1, 80, 128, 128), x before y; inputs as in `CameraBranch`."""
        vtransform = cast(LSSTransform, self._part("vtransform"))
        calibration = Calibration(camera2lidar, camera_intrinsics, img_aug_matrix, lidar_aug_matrix)
        pooled = vtransform.pool(*vtransform.weigh(self.features(img)), calibration)
        result: Tensor = vtransform.downsample(pooled)
        return result


class Camera(ImageEncoder):
    """The two halves of the camera branch; its subclasses say what runs."""

    def __init__(self, images: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__(images or swin_t(), DepthLSSTransform())

    def see(self, img: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Returns BEV features (N, 32, 88, 80) and depth weights (N, 118, 32, 88) of each pixel."""
        return self.vtransform.weigh(self.features(img), depth[0])

    def lift(self, features: Tensor, weights: Tensor, calibration: Calibration) -> Tensor:
        """Pools what `see` returns into (1, 80, 360, 360), then makes it (1, 80, 180, 180)."""
        result: Tensor = self.vtransform.downsample(self.vtransform.pool(features, weights, calibration))
        return result

    @property
    def vtransform(self) -> DepthLSSTransform:
        """The part that knows depth and geometry."""
        return cast(DepthLSSTransform, self._part("vtransform"))


class CameraBranch(Camera):
    """Images and the lidar's depth image to BEV features."""

    def forward(
        self,
        img: Tensor,
        depth: Tensor,
        camera2lidar: Tensor,
        camera_intrinsics: Tensor,
        img_aug_matrix: Tensor,
        lidar_aug_matrix: Tensor,
    ) -> Tensor:
        """Returns BEV features (1, 80, 180, 180), x before y.

        Args:
            img: (1, N, 3, 256, 704).
            depth: The lidar's depth image in m, zero where it has no point, (1, N, 1, 256, 704).
            camera2lidar: See `Calibration`.
            camera_intrinsics: See `Calibration`.
            img_aug_matrix: See `Calibration`.
            lidar_aug_matrix: See `Calibration`.
        """
        features, weights = self.see(img, depth)
        calibration = Calibration(camera2lidar, camera_intrinsics, img_aug_matrix, lidar_aug_matrix)
        return self.lift(features, weights, calibration)


class CameraBackbone(Camera):
    """The camera branch up to pooling; it knows no calibration."""

    def forward(self, img: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what `Camera.see` returns; inputs as in `CameraBranch`."""
        return self.see(img, depth)


class CameraTransform(Camera):
    """The camera branch from pooling on."""

    def forward(
        self,
        camera_feature: Tensor,
        camera_depth_weights: Tensor,
        camera2lidar: Tensor,
        camera_intrinsics: Tensor,
        img_aug_matrix: Tensor,
        lidar_aug_matrix: Tensor,
    ) -> Tensor:
        """Returns BEV features (1, 80, 180, 180) of what `CameraBackbone` returns."""
        calibration = Calibration(camera2lidar, camera_intrinsics, img_aug_matrix, lidar_aug_matrix)
        return self.lift(camera_feature, camera_depth_weights, calibration)


_PARTS: dict[str, Callable[[], nn.Module]] = {
    "bevfusion_camera": CameraBranch,
    "bevfusion_camera_r50": lambda: CameraBranch(resnet_50()),
    "bevfusion_camera_only": CameraOnlyBranch,
    "bevfusion_camera.backbone": CameraBackbone,
    "bevfusion_camera.backbone_r50": lambda: CameraBackbone(resnet_50()),
    "bevfusion_camera.vtransform": CameraTransform,
    "bevfusion_fuser": BevFuser,
    "bevfusion_head.bbox": BoxHead,
}

_OUTPUTS = {
    "bevfusion_camera": ("vtransform_out",),
    "bevfusion_camera_only": ("vtransform_out",),
    "bevfusion_camera.backbone": ("camera_feature", "camera_depth_weights"),
    "bevfusion_camera.vtransform": ("vtransform_out",),
    "bevfusion_fuser": ("middle",),
    "bevfusion_head.bbox": ("reg", "height", "dim", "rot", "vel", "score"),
}


def build(name: str) -> nn.Module:
    """Returns one part."""
    return _PARTS[name]().eval()


def example_inputs(name: str) -> dict[str, Tensor]:
    """Returns inputs of the right shapes and types; cameras are pinholes at the lidar."""
    matrices = torch.eye(4).expand(1, CAMERAS, 4, 4)
    calibration = {key: matrices.clone() for key in ("camera2lidar", "camera_intrinsics", "img_aug_matrix")}
    calibration["lidar_aug_matrix"] = torch.eye(4)[None]
    images = {
        "img": torch.zeros(1, CAMERAS, 3, *IMAGE_HW),
        "depth": torch.zeros(1, CAMERAS, 1, *IMAGE_HW),
    }
    pixels = {
        "camera_feature": torch.zeros(CAMERAS, *FEATURE_HW, BEV_DIMS),
        "camera_depth_weights": torch.zeros(CAMERAS, DEPTHS, *FEATURE_HW),
    }
    return {
        "bevfusion_camera": images | calibration,
        "bevfusion_camera_only": {"img": images["img"]} | calibration,
        "bevfusion_camera.backbone": images,
        "bevfusion_camera.vtransform": pixels | calibration,
        "bevfusion_fuser": {
            "camera": torch.zeros(1, BEV_DIMS, *GRID),
            "lidar": torch.zeros(1, LIDAR_DIMS, *GRID),
        },
        "bevfusion_head.bbox": {"middle": torch.zeros(1, FUSED_DIMS, *GRID)},
    }[name.removesuffix(OTHER_BACKBONE)]


def output_names(name: str) -> tuple[str, ...]:
    """Returns the names of a part's outputs, as its deployments call them."""
    return _OUTPUTS[name.removesuffix(OTHER_BACKBONE)]
