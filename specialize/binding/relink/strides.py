"""Axes and strides of arrays, in elements."""

from __future__ import annotations

from collections.abc import Sequence

Shape = tuple[int, ...]


def contiguous(shape: Sequence[int]) -> Shape:
    """Return the strides of an array without gaps, in elements."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= int(size)
    return tuple(reversed(steps))


def along(shape: Shape, whole: Shape, strides: Shape | None = None) -> Shape:
    """Return the strides with which an array is read as one of a broadcast shape."""
    steps = (0,) * (len(whole) - len(shape)) + (contiguous(shape) if strides is None else strides)
    sizes = (1,) * (len(whole) - len(shape)) + shape
    return tuple(0 if size == 1 else step for size, step in zip(sizes, steps, strict=True))


def merged(shape: Shape, strides: Sequence[Shape]) -> tuple[Shape, list[Shape]]:
    """Return a shape and strides over it with as few axes as say the same."""
    axes: list[tuple[int, ...]] = []
    for size, *steps in zip(shape, *strides, strict=True):
        if size == 1 and len(shape) > 1:
            continue
        if axes and all(outer == step * size for outer, step in zip(axes[-1][1:], steps, strict=True)):
            axes[-1] = (axes[-1][0] * size, *steps)
        else:
            axes.append((size, *steps))
    if not axes:
        axes = [(1, *(0,) * len(strides))]
    return tuple(axis[0] for axis in axes), [
        tuple(axis[1 + number] for axis in axes) for number in range(len(strides))
    ]


def moving(shape: Shape, source: Shape, target: Shape) -> tuple[int, ...]:
    """Return the last operands of COPY: as few axes as say the same, the longest last, where the loop is fastest."""
    dims, strides = merged(shape, [source, target])
    axes = list(range(len(dims)))
    axes.append(axes.pop(len(dims) - 1 - dims[::-1].index(max(dims))))
    return (len(dims), *(row[axis] for row in (dims, *strides) for axis in axes))
