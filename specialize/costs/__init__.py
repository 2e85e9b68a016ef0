"""Count what a graph costs: operations, sampled points, bytes and memory, node by node."""

from specialize.costs.agreement import contradiction, counted_ratio
from specialize.costs.count import SITE_KEY, count, count_file
from specialize.costs.forms import FormCost, FormsReport, compare_forms
from specialize.costs.movement import KINDS, Movement
from specialize.costs.report import CostReport, CostTotal, NodeCost, Uncounted

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
