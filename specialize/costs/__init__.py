"""Count the cost of a graph, node by node: operations, sampled points, bytes and memory."""

from specialize.costs.agreement import contradiction, counted_ratio
from specialize.costs.count import SITE_KEY, count, count_file
from specialize.costs.forms import compare_forms
from specialize.costs.report import CostReport, CostTotal, NodeCost
from specialize.evidence.costs import KINDS, FormCost, FormsReport, Movement, Uncounted

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
