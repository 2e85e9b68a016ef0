"""Infer the size of the network's image from how a graph uses pixels: divisors, bounds, and scales of maps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from specialize.drafting.use import LEAST_SIZE, Pixels

Size = tuple[int, int]


def image_size(pixels: Sequence[Pixels], maps: Collection[Size] = ()) -> Size | None:
    """Return width and height of the network's image, consistent over the graph, or None if it does not reveal them.

    Args:
        pixels: How the graph uses pixels of projected points.
        maps: Widths and heights of feature maps among the inputs.
    """
    whole = [one for one in pixels if one.stride == 1]
    stated = _stated(whole)
    scaled = {
        (width * each, height * each) for one in pixels for each in one.strides() for width, height in maps
    }
    if len(scaled) == 1 and len(set(maps)) == 1:
        (found,) = scaled
        strides = {each for one in pixels for each in one.strides()}
        if stated is None or all(abs(a - b) <= max(strides) for a, b in zip(stated, found, strict=True)):
            return found
    return stated


def _stated(pixels: Sequence[Pixels]) -> Size | None:
    """Return the size that pixels are divided by or compared with."""
    sizes: list[int] = []
    for axis in (0, 1):
        ratios = {
            ratio for one in pixels for place, ratio in one.ratios if place == axis and ratio > LEAST_SIZE
        }
        bounds = {
            bound for one in pixels for place, bound in one.bounds if place == axis and bound > LEAST_SIZE
        }
        whole = {_whole(number) for number in ratios or bounds}
        largest = max(whole, default=0)
        if not largest or any(2 * size > largest for size in whole - {largest}):
            return None
        sizes.append(largest)  # the others are shares spread from -1 to 1, or pixels of feature maps
    return sizes[0], sizes[1]


def _whole(number: float) -> int:
    """Return the size that a number stands for: itself, or one more if borders are at w - 1."""
    size = int(np.ceil(number - 1e-6))
    return size + 1 if size % 2 and (size + 1) % 8 == 0 else size
