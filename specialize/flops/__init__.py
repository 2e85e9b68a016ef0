"""Count what a graph costs: operations, sampled points, bytes and memory, node by node."""

from specialize.flops.agreement import contradiction, counted_ratio
from specialize.flops.count import SITE_KEY, count, count_file
from specialize.flops.report import (
    CostReport,
    CostTotal,
    FormCost,
    FormsReport,
    NodeCost,
    Uncounted,
    compare_forms,
)

__all__ = [
    "SITE_KEY",
    "CostReport",
    "CostTotal",
    "FormCost",
    "FormsReport",
    "NodeCost",
    "Uncounted",
    "compare_forms",
    "contradiction",
    "count",
    "count_file",
    "counted_ratio",
]
