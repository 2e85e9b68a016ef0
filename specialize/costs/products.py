"""Define cost formulas of operators that multiply and add: convolutions, matrix products, Einsum, normalisations."""

from __future__ import annotations

import math
from collections import Counter

from specialize.costs.node import NodeView, Shape, Work


def conv(view: NodeView) -> Work:
    """Count `y.size * C/group * kernel` multiply-adds, plus `y.size` for a bias."""
    per_output = math.prod(view.shape(1)[1:])  # weights (O, C/group, *kernel)
    return Work(view.out_size() * per_output, view.out_size() if view.has(2) else 0)


def conv_transpose(view: NodeView) -> Work:
    """Count `x.size * O/group * kernel` multiply-adds, plus `y.size` for a bias."""
    per_input = math.prod(view.shape(1)[1:])  # weights (C, O/group, *kernel)
    return Work(view.size(0) * per_input, view.out_size() if view.has(2) else 0)


def matmul(view: NodeView) -> Work:
    """Count `y.size * K` multiply-adds, K being the axis that is summed over."""
    return Work(view.out_size() * view.shape(0)[-1])


def gemm(view: NodeView) -> Work:
    """Count `y.size * K` multiply-adds, plus `y.size` for C."""
    summed = view.shape(0)[0] if view.integer("transA", 0) else view.shape(0)[-1]
    return Work(view.out_size() * summed, view.out_size() if view.has(2) else 0)


def einsum(view: NodeView) -> Work:
    """Count the product of all indices, times operands - 1: multiply-adds if an index is summed over."""
    terms, result = _einsum_terms(view)
    sizes: dict[str, int] = {}
    for index, term in enumerate(terms):
        for label, size in zip(term, view.shape(index), strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    space = math.prod(sizes.values())
    if len(terms) == 1:
        return Work(other=space if set(sizes) - set(result) else 0)
    products = space * (len(terms) - 1)
    return Work(products) if set(sizes) - set(result) else Work(other=products)


def _einsum_terms(view: NodeView) -> tuple[list[str], str]:
    """Return the labels of each operand and of the result, with `...` spelled out."""
    equation = view.text("equation", "").replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = [
        _spell_out(term, len(view.shape(index)) - len(term.replace("...", "")))
        for index, term in enumerate(left.split(","))
    ]
    if arrow:
        dots = max(
            (
                len(term) - len(raw.replace("...", ""))
                for term, raw in zip(terms, left.split(","), strict=True)
            ),
            default=0,
        )
        return terms, _spell_out(right, dots)
    counts = Counter("".join(terms))
    return terms, "".join(label for label, count in counts.items() if count == 1 or not label.isascii())


def _spell_out(term: str, extra: int) -> str:
    """Replace `...` by `extra` labels that cannot occur in an equation, the last one first."""
    labels = "".join(chr(0x391 + place) for place in reversed(range(extra)))  # Greek capitals
    return term.replace("...", labels)


def batch_normalization(view: NodeView) -> Work:
    """Count one multiply-add per element: at inference it is a scale and a shift."""
    return Work(view.out_size())


def normalization(view: NodeView) -> Work:
    """Count mean 1, subtraction 1, variance 2, division 1, scale 1, shift 1 per element."""
    scales = sum(view.has(index) for index in (1, 2))
    return Work(other=(5 + scales) * view.out_size())


def inverse(view: NodeView) -> Work:
    """Count `n^3` multiply-adds per n x n matrix (Gauss-Jordan)."""
    return Work(view.size(0) * view.shape(0)[-1])


def determinant(view: NodeView) -> Work:
    """Count `n^3 / 3` multiply-adds per n x n matrix (LU)."""
    return Work(view.size(0) * view.shape(0)[-1] // 3)


def pooling(view: NodeView) -> Work:
    """Count one operation per element of the window and output."""
    window: Shape = view.integers("kernel_shape", ())
    return Work(other=view.out_size() * math.prod(window))


def bev_pool(view: NodeView) -> Work:
    """Count `kept points * C` multiply-adds: depth times feature, summed into cells."""
    points = view.size(2)  # inputs: depth, features, ranks of depth, ...
    return Work(points * view.shape(1)[-1])
