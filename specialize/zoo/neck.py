"""Feature pyramid necks, with the parameter names of public detection checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


class ConvLayer(nn.Module):
    """A convolution named `conv`, as checkpoints of the field name it."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Convolves (B, C, H, W)."""
        return self.conv(x)  # type: ignore[no-any-return]


class FPN(nn.Module):
    """Adds coarse maps, enlarged, to finer ones; a 1x1 convolution before and a 3x3 after.

    Args:
        in_channels: Channels of the incoming maps, finest first.
        out_channels: Channels of every outgoing map.
        num_outs: Number of outgoing maps. Those beyond the incoming ones come from stride-2 convolutions
            of the last outgoing one (`on_output`) or from its every second pixel (`False`).
        start_level: First incoming map used.
        add_extra_convs: How further maps are made.
        relu_before_extra_convs: Whether the second and later further maps see a ReLU first.
        smoothed: Number of outgoing maps that get a 3x3 convolution; the others are passed as they are.
            All of them where omitted.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int,
        start_level: int = 0,
        add_extra_convs: Literal[False, "on_output"] = False,
        relu_before_extra_convs: bool = False,
        smoothed: int | None = None,
    ) -> None:
        super().__init__()
        self.start_level, self.num_outs = start_level, num_outs
        self.relu_before_extra_convs = relu_before_extra_convs
        used = list(in_channels)[start_level:]
        self.lateral_convs = nn.ModuleList(ConvLayer(channels, out_channels, 1) for channels in used)
        count = len(used) if smoothed is None else smoothed
        convs = [ConvLayer(out_channels, out_channels, 3) for _ in range(count)]
        self.extra_convs = max(num_outs - len(used), 0) if add_extra_convs else 0
        convs += [ConvLayer(out_channels, out_channels, 3, stride=2) for _ in range(self.extra_convs)]
        self.fpn_convs = nn.ModuleList(convs)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (B, C_i, H_i, W_i), finest first, to `num_outs` maps (B, out_channels, ., .)."""
        used = list(maps)[self.start_level :]
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, used, strict=True)]
        for level in range(len(laterals) - 1, 0, -1):
            size = laterals[level - 1].shape[-2:]
            laterals[level - 1] = laterals[level - 1] + F.interpolate(laterals[level], size=size)
        smoothed = len(self.fpn_convs) - self.extra_convs
        outs = [conv(x) for conv, x in zip(self.fpn_convs[:smoothed], laterals[:smoothed], strict=True)]
        outs += laterals[smoothed:]
        while len(outs) < self.num_outs:
            outs.append(self._further(outs[-1], len(outs), len(laterals)))
        return tuple(outs[: self.num_outs])

    def _further(self, x: Tensor, level: int, first_level: int) -> Tensor:
        """Makes the outgoing map number `level` from the one before it (B, C, H, W), at half its size."""
        if not self.extra_convs:
            return F.max_pool2d(x, 1, stride=2)
        if self.relu_before_extra_convs and level > first_level:
            x = F.relu(x)
        return self.fpn_convs[level](x)  # type: ignore[no-any-return]
