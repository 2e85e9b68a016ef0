"""Count what a graph costs: operations, sampled points, bytes and memory, node by node."""

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
    "count",
    "count_file",
]
