"""Lower defaults: write attributes that ONNX gives a default, where one compiler stops if they are not written.

What: LayerNormalization(x, scale, bias)  ->  the same with its axis and epsilon written.
Why it is sound: they are what the operator says they are.
Needs: nothing.
Declines when: never; what is written stays.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.ops import OPERATORS
from specialize.graph.shapes import STANDARD

WRITTEN = ("LayerNormalization",)
"""RKNN-Toolkit2 2.5.0 looks for its axis and epsilon, and stops with a KeyError."""


def lower_defaults(model: ir.Model) -> int:
    """Write the defaults, in place; return how many."""
    count = 0
    for node in model.graph:
        if node.domain not in STANDARD or node.op_type not in WRITTEN:
            continue
        for name, value in OPERATORS[node.op_type].defaults.items():
            if name not in node.attributes:
                node.attributes[name] = ir.convenience.convert_attribute(name, value)
                count += 1
    return count
