"""Define cost formulas of operators that read an image at computed locations, which are bound by memory traffic."""

from __future__ import annotations

import math

from specialize.costs.node import NodeView, Work


def locate(samples: int, axes: int, mode: str) -> Work:
    """Return the arithmetic on coordinates, once per sampled point whatever its channels.

    Linear: per axis un-normalise (a multiply-add), floor, fraction, 1 - fraction and two bound checks; per
    corner the product of its axes' weights. Nearest: per axis un-normalise, round, two bound checks. Cubic:
    per axis four weights of three multiply-adds each.
    """
    if mode == "nearest":
        return Work(axes * samples, 3 * axes * samples, samples)
    if mode in ("cubic", "bicubic"):
        return Work(13 * axes * samples, 4 * axes * samples, samples)
    corners = 2**axes * (axes - 1)
    return Work(axes * samples, (5 * axes + corners) * samples, samples)


def taps(axes: int, mode: str) -> int:
    """Return how many elements are multiplied and added per sampled value."""
    if mode == "nearest":
        return 0
    return int(4**axes if mode in ("cubic", "bicubic") else 2**axes)


def grid_sample(view: NodeView) -> Work:
    """Count 4 multiply-adds per output in 2-D (8 in 3-D) when linear, plus the coordinates per point."""
    axes = len(view.shape(0)) - 2
    mode = view.text("mode", "linear")
    samples = view.size(1) // axes  # grid (N, *out, axes)
    return Work(view.out_size() * taps(axes, mode)) + locate(samples, axes, mode)


def deform_conv(view: NodeView) -> Work:
    """Count the convolution, 4 multiply-adds per sampled value, its mask, and the coordinates per point."""
    channels, kernel = view.shape(0)[1], math.prod(view.shape(1)[2:])
    batch, *places = view.out_shape()[:1] + view.out_shape()[2:]
    positions = batch * math.prod(places)
    values = positions * kernel * channels
    convolution = Work(view.out_size() * math.prod(view.shape(1)[1:]), view.out_size() if view.has(3) else 0)
    masked = Work(other=values if view.has(4) else 0)
    points = positions * kernel * view.integer("offset_group", 1)
    return convolution + Work(4 * values) + masked + locate(points, 2, "linear")


def resize(view: NodeView) -> Work:
    """Count 2 multiply-adds per output to the power of the axes resized when linear, 4 when cubic."""
    mode = view.text("mode", "nearest")
    axes = sum(before != after for before, after in zip(view.shape(0), view.out_shape(), strict=True))
    if mode == "nearest":
        return Work()
    return Work(view.out_size() * taps(axes, mode)) if axes else Work()


def roi_align(view: NodeView) -> Work:
    """Count 4 multiply-adds per sampled value, plus the coordinates; one sample per bin by default."""
    ratio = max(1, view.integer("sampling_ratio", 0)) ** 2
    points = view.out_size() // view.out_shape()[1] * ratio
    return Work(view.out_size() * ratio * 4) + locate(points, 2, "linear")


def deformable_attention(view: NodeView) -> Work:
    """Count per point 4 multiply-adds per channel and 1 for its weight, plus its coordinates.

    The inputs end with sampling locations (..., 2) and attention weights; the first is the value (...,
    C/heads).
    """
    samples = view.size(_locations(view)) // 2
    return Work(5 * samples * view.shape(0)[-1]) + locate(samples, 2, "linear")


def fused_deformable_attention(view: NodeView) -> Work:
    """Count as deformable attention, plus the softmax and the sum of offsets and reference points inside.

    Inputs: value (B, S, M, C/M), shapes, reference points, offsets in pixels (..., M, L*P*2), weights before
    softmax.
    """
    samples = view.size(3) // 2
    inside = Work(other=5 * samples + 4 * samples)  # softmax; offset / size + reference, twice
    return Work(5 * samples * view.shape(0)[-1]) + locate(samples, 2, "linear") + inside


def _locations(view: NodeView) -> int:
    """Return the place of the sampling locations: the first float input after the value that ends in 2."""
    for index in range(1, len(view.node.inputs)):
        value = view.node.inputs[index]
        floats = value is not None and value.dtype is not None and value.dtype.is_floating_point()
        if floats and view.shape(index)[-1:] == (2,):
            return index
    return len(view.node.inputs) - 2
