"""How inputs hold matrices of cameras: one per camera, one for all of them, or one per image token."""

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
    """What a graph's inputs say about its cameras.

    Attributes:
        cameras: How many there are; 0 if no input holds matrices.
        tokens: How many image tokens each has: pixels of a feature map among the inputs.
    """

    cameras: int
    tokens: frozenset[int] = frozenset()

    def repeat(self, shape: tuple[int, ...]) -> int:
        """Return how many times in a row an input of a shape holds each camera's matrix; 1 if it does not."""
        return self.shared_by(lead_of(shape))

    def shared_by(self, size: int) -> int:
        """Return how many entries of an axis belong to each camera, those of one camera in a row; 1 if it is none."""
        count, rest = divmod(size, self.cameras) if self.cameras else (0, 1)
        return count if rest == 0 and count in self.tokens and size != self.cameras else 1

    def kinds(self, shape: tuple[int, ...]) -> list[str]:
        """Return the kinds that an input of a shape can hold."""
        return kinds_of(shape, self.cameras, self.repeat(shape)) if self.cameras else []


def layout_of(inputs: Sequence[Tensor]) -> Layout:
    """Return what inputs say about cameras, by the small matrices among them.

    Where every matrix stands once per image token, the feature map says of how many cameras they are.
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
    """Return of how many cameras as many tokens are; 0 if no feature map says it."""
    for shape in maps:
        count, rest = divmod(lead, shape[-1] * shape[-2])
        if rest == 0 and 1 < count <= MOST_CAMERAS and count in shape[:-2]:
            return count
    return 0
