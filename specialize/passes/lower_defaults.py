"""Lower defaults: write attributes that ONNX gives a default, where one compiler stops if they are not written.

What: LayerNormalization(x, scale, bias)  ->  the same with its axis and epsilon written.
Why it is sound: they are what the operator says they are.
Needs: nothing.
Declines when: never; what is written stays.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.shapes import STANDARD

DEFAULTS = {"LayerNormalization": {"axis": -1, "epsilon": 1e-5}}
"""By operator; RKNN-Toolkit2 2.5.0 looks for both and stops with a KeyError."""


def lower_defaults(model: ir.Model) -> int:
    """Write the defaults, in place; return how many."""
    count = 0
    for node in model.graph:
        if node.domain not in STANDARD:
            continue
        for name, value in DEFAULTS.get(node.op_type, {}).items():
            if name not in node.attributes:
                node.attributes[name] = ir.convenience.convert_attribute(name, value)
                count += 1
    return count
