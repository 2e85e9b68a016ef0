"""Count what a graph costs: operations, sampled points, bytes and memory, node by node."""

from specialize.flops.agreement import contradiction, counted_ratio
from specialize.flops.count import SITE_KEY, count, count_file
from specialize.flops.forms import FormCost, FormsReport, compare_forms
from specialize.flops.movement import KINDS, Movement
from specialize.flops.report import CostReport, CostTotal, NodeCost, Uncounted

__all__ = [
    "KINDS",
    "SITE_KEY",
    "CostReport",
    "CostTotal",
    "FormCost",
    "FormsReport",
    "Movement",
    "NodeCost",
    "Uncounted",
    "compare_forms",
    "contradiction",
    "count",
    "count_file",
    "counted_ratio",
]
