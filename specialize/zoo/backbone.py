"""ResNet-50 and ResNet-101 image backbones, with the parameter names of public detection checkpoints.

Two styles of the bottleneck block exist: in `pytorch` its 3x3 convolution has the stride, in `caffe` its
first 1x1 has it. Stages named in `dcn_stages` use modulated deformable convolutions.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from torch import Tensor, nn

from specialize.zoo.deform_conv import ModulatedDeformConv2d

Style = Literal["pytorch", "caffe"]

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
EXPANSION = 4


class ResNet(nn.Module):
    """A ResNet that returns the feature maps of chosen stages.

    Args:
        depth: 50 or 101.
        out_indices: Stages to return, 0 (stride 4, 256 channels) to 3 (stride 32, 2048 channels).
        dcn_stages: Stages, counted the same way, whose 3x3 convolutions are deformable.
        style: Where the stride of a block stands.
    """

    def __init__(
        self,
        depth: int,
        out_indices: tuple[int, ...],
        dcn_stages: Collection[int] = (),
        style: Style = "pytorch",
    ) -> None:
        super().__init__()
        self.out_indices = out_indices
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        in_channels = 64
        for stage, count in enumerate(BLOCKS[depth]):
            width = 64 * 2**stage
            stride = 1 if stage == 0 else 2
            blocks: list[nn.Module] = []
            for index in range(count):
                blocks.append(
                    Bottleneck(in_channels, width, stride if index == 0 else 1, style, stage in dcn_stages)
                )
                in_channels = width * EXPANSION
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Maps (B, 3, H, W) to one map (B, 256 * 2**i, H / 2**(i+2), W / 2**(i+2)) per chosen stage i."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        maps = []
        for stage in range(max(self.out_indices) + 1):
            x = self.get_submodule(f"layer{stage + 1}")(x)
            if stage in self.out_indices:
                maps.append(x)
        return tuple(maps)


class Bottleneck(nn.Module):
    """A residual block 1x1, 3x3, 1x1; a 1x1 on the shortcut where the shape changes."""

    def __init__(self, in_channels: int, width: int, stride: int, style: Style, deformable: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if style == "caffe" else (1, stride)
        out_channels = width * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2: nn.Module
        if deformable:
            self.conv2 = ModulatedDeformConv2d(width, width, second)
        else:
            self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, 4 width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x)) + shortcut
        return self.relu(x)  # type: ignore[no-any-return]
