"""Lower operands: write products and quotients with constants the way an NPU keeps them.

What: MatMul(x of rank r, weight of rank 2)  ->  the weight with leading axes of size 1, of rank r;
    Div(x, constant)  ->  Mul(x, 1 / constant).
Why it is sound: leading axes of size 1 broadcast; a quotient is a product up to one rounding.
Needs: fold, so that weights are constants.
Declines when: never; what does not fit stays.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import Note, node_name
from specialize.rows.lift import array_of

NAME = "lower_operands"
FLOATS = frozenset({"float16", "float32", "float64"})


def lower_operands(model: ir.Model) -> list[Note]:
    """Rewrite products and quotients with constants, in place."""
    products = quotients = 0
    for node in model.graph:
        if node.domain not in STANDARD or len(node.inputs) != 2:
            continue
        left, known = node.inputs[0], array_of(node.inputs[1])
        if left is None or known is None or not is_static(left):
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        if node.op_type == "MatMul" and known.ndim == 2 < len(dims(left)):
            shape = (1,) * (len(dims(left)) - 2) + known.shape
            node.replace_input_with(1, builder.constant(known.reshape(shape), "weight"))
            products += 1
        elif node.op_type == "Div" and known.dtype.name in FLOATS and np.all(known != 0):
            node.op_type = "Mul"
            node.replace_input_with(1, builder.constant(np.reciprocal(known), "reciprocal"))
            quotients += 1
    if not products + quotients:
        return []
    return [
        Note(NAME, "applied", "graph", f"{products} weights of equal rank, {quotients} quotients as products")
    ]
