"""Element types follow from operator schemas, through casts, constants, branches and Inverse."""

from __future__ import annotations

import onnx.parser
import onnx_ir as ir

from specialize.graph.element_types import element_types

MODEL = """
<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1, "vendor" : 1]>
mixed (float[2,2] a, bool c) => (float[2,2] y)
<double[1] two = {2}>
{
    inverted = com.microsoft.Inverse(a)
    wide = Cast<to = 11>(inverted)
    scaled = Mul(wide, two)
    size = Shape(a)
    made = ConstantOfShape<value = double[1] {0}>(size)
    seen = Greater(scaled, two)
    chosen = If(c) <then_branch = t () => (then_out) { then_out = Identity(scaled) },
                    else_branch = e () => (else_out) { else_out = Neg(scaled) }>
    unknown = vendor.Op(scaled)
    behind = Relu(unknown)
    y = Cast<to = 1>(chosen)
}
"""


def test_types_are_found_without_shapes() -> None:
    """A type that the file does not state is derived from the operators; an unknown operator leaves it open."""
    model = ir.from_proto(onnx.parser.parse_model(MODEL))
    types = {value.name: dtype for value, dtype in element_types(model).items()}
    wide = ("wide", "scaled", "two", "made", "chosen", "then_out", "else_out")
    assert {types[name] for name in wide} == {ir.DataType.DOUBLE}
    assert (types["inverted"], types["y"]) == (ir.DataType.FLOAT, ir.DataType.FLOAT)
    assert (types["size"], types["seen"]) == (ir.DataType.INT64, ir.DataType.BOOL)
    assert not {"unknown", "behind"} & set(types)
