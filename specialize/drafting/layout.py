"""Infer how inputs hold the matrices of cameras: one per camera, one for all of them, or one per image token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from specialize.artifact.manifest import Tensor
from specialize.model.kinds import kinds_of, trailing

MOST_CAMERAS = 32
_LEAST_AXES = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Number of cameras and tokens according to a graph's inputs.

    Attributes:
        cameras: Number of cameras; 0 if no input holds matrices.
        tokens: Numbers of image tokens per camera: pixels of a feature map among the inputs.
    """

    cameras: int
    tokens: frozenset[int] = frozenset()

    def repeat(self, shape: tuple[int, ...]) -> int:
        """Return how many times in a row an input of a shape holds each camera's matrix, or 1 if it does not."""
        return self.shared_by(lead_of(shape))

    def shared_by(self, size: int) -> int:
        """Return how many consecutive entries of an axis belong to each camera, or 1 if it is not a camera axis."""
        count, rest = divmod(size, self.cameras) if self.cameras else (0, 1)
        return count if rest == 0 and count in self.tokens and size != self.cameras else 1

    def kinds(self, shape: tuple[int, ...]) -> list[str]:
        """Return the kinds that an input of a shape can hold."""
        return kinds_of(shape, self.cameras, self.repeat(shape)) if self.cameras else []


def layout_of(inputs: Sequence[Tensor]) -> Layout:
    """Return the layout of the inputs, inferred from the small matrices among them.

    If every matrix is repeated for each image token, the feature map determines the number of cameras.
    """
    leads = [
        lead_of(tensor.shape)
        for tensor in inputs
        if tensor.dtype.startswith("float") and len(trailing(tensor.shape)) == 2
    ]
    several = Counter(lead for lead in leads if 1 < lead <= MOST_CAMERAS)
    maps = [tensor.shape for tensor in inputs if len(tensor.shape) >= _LEAST_AXES and min(tensor.shape) > 0]
    if several:
        cameras = several.most_common(1)[0][0]
    else:
        cameras = next((found for lead in leads if (found := _by_tokens(lead, maps))), int(bool(leads)))
    tokens = {shape[-1] * shape[-2] for shape in maps if cameras in shape[:-2]} - {1}
    return Layout(cameras, frozenset(tokens))


def lead_of(shape: tuple[int, ...]) -> int:
    """Return how many matrices or vectors an input of a shape holds."""
    return math.prod(shape[: len(shape) - len(trailing(shape))])


def _by_tokens(lead: int, maps: Sequence[tuple[int, ...]]) -> int:
    """Return the number of cameras with this number of tokens, or 0 if no feature map reveals it."""
    for shape in maps:
        count, rest = divmod(lead, shape[-1] * shape[-2])
        if rest == 0 and 1 < count <= MOST_CAMERAS and count in shape[:-2]:
            return count
    return 0
