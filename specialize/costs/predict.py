"""Predict the time of a count on ONNX Runtime with one thread: a sum of counted quantities, each with one rate.

The rates are of single operators on one processor, never of a model: `make movement` measures them, and compares the
predicted ratio of two forms with the measured one. Milliseconds are of that processor; only ratios are shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from operator import add

from specialize.costs.formulas import MSDA_OPERATORS
from specialize.costs.report import CostReport, NodeCost

PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum"})
SAMPLERS = frozenset({"GridSample", "DeformConv", "RoiAlign", *MSDA_OPERATORS})

RATES: Mapping[str, float] = {
    "node": 480.0,
    "byte": 0.051,
    "operation of a product": 0.0054,
    "operation of sampling": 0.39,
    "sorted, times log2": 6.9,
    "scanned": 1.9,
    "gathered": 5.7,
    "scattered": 14.0,
    "matrix": 120.0,
    "piece": 12.0,
}
"""Nanoseconds of each quantity, as `benchmarks/results/movement.json` has them."""


def quantities(node: NodeCost) -> dict[str, float]:
    """Return what of a node takes time, by the names of `RATES`."""
    moved, ordered = node.movement, node.movement.sorted.elements
    product, sampler = node.op in PRODUCTS, node.op in SAMPLERS
    return {
        "node": 1.0,
        "byte": node.moved_bytes,
        "operation of a product": node.flops if product else 0,
        "operation of sampling": node.flops if sampler else 0,
        "sorted, times log2": ordered * math.log2(max(2, ordered)),
        "scanned": moved.scanned.elements,
        "gathered": moved.gathered.elements,
        "scattered": moved.scattered.elements,
        "matrix": node.pieces if product else 0,
        "piece": 0 if product else node.pieces,
    }


def predicted_ns(report: CostReport, attention: bool = False) -> int:
    """Return the predicted nanoseconds of a graph, or of its attention sites alone."""
    chosen = [node for node in report.nodes if node.site or not attention]
    spent = (RATES[name] * value for node in chosen for name, value in quantities(node).items())
    return round(reduce(add, spent, 0.0))
