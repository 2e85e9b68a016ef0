"""Formulations: equal ways to write deformable attention in standard operators.

Each is the operator's definition (`attention.operator`); they differ in what a runtime has to move and how often, so
that which is quickest is measured (`specialize tune`), not argued. A formulation is one function here and one line in
`FORMULATIONS`; every build proves the one that it uses, and a property test compares all with float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from specialize.attention.operator import Attention
from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.lowering.corner_product import with_corner_product
from specialize.lowering.deform_attention import with_deform_conv
from specialize.lowering.points_first import with_points_first
from specialize.lowering.sampling import with_gather, with_grid_sample
from specialize.lowering.vendor_conv import DEFORM_CONV_OPSET

Write = Callable[[Attention, Builder, int], ir.Value | Declined]
"""Makes the nodes, for an opset; returns the result, [N, Q, M * d]."""


@dataclass(frozen=True, slots=True)
class Formulation:
    """One way to write deformable attention.

    Attributes:
        title: What it is made of, for notes.
        write: Writes it.
        opset: Version of the standard operators that a graph is raised to for it; 0 if it is written as it is.
    """

    title: str
    write: Write
    opset: int = 0


GRID_SAMPLE, DECOMPOSED, POINTS_FIRST = "gridsample", "decomposed", "points-first"
CORNER_PRODUCT, DEFORM_CONV = "corner-product", "deform-conv"

FORMULATIONS: dict[str, Formulation] = {
    GRID_SAMPLE: Formulation("GridSample", with_grid_sample),
    POINTS_FIRST: Formulation("GridSample, points first", with_points_first),
    DEFORM_CONV: Formulation("DeformConv", with_deform_conv, DEFORM_CONV_OPSET),
    CORNER_PRODUCT: Formulation("Gather and MatMul of corners", with_corner_product),
    DECOMPOSED: Formulation("Floor, Clip and Gather", with_gather),
}
"""By the name that `--attention` takes; `SITES/OTHERS` writes the sites in one, and other attention in another."""


def parts_of(form: str) -> tuple[str, str]:
    """Return how sites are written, and all other attention: `SITES/OTHERS`, or one form for both."""
    sites, _, others = form.partition("/")
    return sites, others or sites


def is_formulation(form: str | None) -> bool:
    """Return whether a form, or both parts of one, are formulations."""
    return form is not None and all(part in FORMULATIONS for part in parts_of(form))


def least_opset(form: str) -> int:
    """Return the version of the standard operators that a form asks for; 0 if it asks for none."""
    return max(FORMULATIONS[part].opset if part in FORMULATIONS else 0 for part in parts_of(form))
