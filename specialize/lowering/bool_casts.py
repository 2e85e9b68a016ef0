"""Lower casts from bool: choose between two numbers where a compiler casts truth values wrongly.

What: Cast(b)  ->  Where(b, 1, 0), of the type that was cast to.
Why it is sound: Cast makes 1 of true and 0 of false.
Needs: types of all values.
Declines when: nothing; casts to bool, and of other types, stay.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.rewrite import Rewritten, Rule
from specialize.graph.shapes import STANDARD, dims, is_static

NAME = "lower_bool_casts"


def _is_bool_cast(node: ir.Node) -> bool:
    source = node.inputs[0] if node.op_type == "Cast" and node.domain in STANDARD else None
    result = node.outputs[0]
    numbers = result.dtype not in (None, ir.DataType.BOOL) and is_static(result)
    return source is not None and source.dtype == ir.DataType.BOOL and numbers


def _chosen(node: ir.Node, builder: Builder) -> Rewritten | None:
    result = node.outputs[0]
    if not _is_bool_cast(node) or result.dtype is None:
        return None
    kind = result.dtype.numpy()
    shape = (1,) * min(1, len(dims(result)))
    one, zero = (builder.constant(np.full(shape, value, kind), f"is{value}") for value in (1, 0))
    chosen = builder.node("Where", [node.inputs[0], one, zero], dims(result), dtype=result.dtype)
    return Rewritten(["casts of truth values written as choices"], [chosen])


CHOSEN_BOOLS = Rule(name=NAME, operators={"Cast"}, rewrite=_chosen, counted=True, leaves=_is_bool_cast)
"""Every cast of truth values to numbers becomes a choice between two numbers."""
