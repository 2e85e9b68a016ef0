"""Lower casts from bool: choose between two numbers where a compiler casts truth values wrongly.

What: Cast(b)  ->  Where(b, 1, 0), of the type that was cast to.
Why it is sound: Cast makes 1 of true and 0 of false.
Needs: types of all values.
Declines when: nothing; casts to bool, and of other types, stay.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import Note, node_name
from specialize.passes.compact import remove_unused, replace

NAME = "lower_bool_casts"


def lower_bool_casts(model: ir.Model) -> list[Note]:
    """Write every cast of truth values to numbers as a choice, in place."""
    count = 0
    for node in list(model.graph):
        source = node.inputs[0] if node.op_type == "Cast" and node.domain in STANDARD else None
        result = node.outputs[0]
        if source is None or source.dtype != ir.DataType.BOOL or result.dtype in (None, ir.DataType.BOOL):
            continue
        if not is_static(result):
            continue
        assert result.dtype is not None
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        kind = result.dtype.numpy()
        shape = (1,) * min(1, len(dims(result)))
        one, zero = (builder.constant(np.full(shape, value, kind), f"is{value}") for value in (1, 0))
        chosen = builder.node("Where", [source, one, zero], dims(result), dtype=result.dtype)
        replace(model.graph, result, chosen)
        remove_unused(model.graph, node)
        count += 1
    return (
        [Note(NAME, "applied", "graph", f"{count} casts of truth values written as choices")] if count else []
    )
