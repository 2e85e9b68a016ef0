"""Lower defaults: write attributes that ONNX gives a default, where one compiler stops if they are not written.

What: LayerNormalization(x, scale, bias)  ->  the same with its axis and epsilon written.
Why it is sound: they are what the operator says they are.
Needs: nothing.
Declines when: never; what is written stays.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.ops import OPERATORS
from specialize.graph.rewrite import Rewritten, Rule

NAME = "lower_defaults"


def _spelled_out(node: ir.Node, builder: Builder) -> Rewritten | None:
    lacking = {
        name: value for name, value in OPERATORS[node.op_type].defaults.items() if name not in node.attributes
    }
    for name, value in lacking.items():
        node.attributes[name] = ir.convenience.convert_attribute(name, value)
    return Rewritten(["attributes written that ONNX gives a default"] * len(lacking)) if lacking else None


WRITTEN_DEFAULTS = Rule(name=NAME, operators={"LayerNormalization"}, rewrite=_spelled_out, counted=True)
"""RKNN-Toolkit2 2.5.0 looks for axis and epsilon, and stops with a KeyError."""
