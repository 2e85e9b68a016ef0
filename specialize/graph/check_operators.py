"""Whether nodes have the inputs, outputs and attributes of their operators, before anything relies on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from specialize.errors import InputError
from specialize.graph import custom
from specialize.graph.check_weights import AGAIN, require_numbers
from specialize.graph.shapes import STANDARD


def require_operators(model: ir.Model, path: Path) -> None:
    """Refuse nodes that have other inputs, outputs or attributes than their operators; functions are inlined by now.

    Raises:
        InputError: What is wrong, and at which node.
    """
    opset = model.graph.opset_imports.get("", model.graph.opset_imports.get("ai.onnx", 0))
    schemas: dict[str, _Signature | None] = {}
    for node in model.graph.all_nodes():
        place = f"{path}: node {node.name or node.op_type!r}"
        if not node.outputs:
            raise InputError(place, "at least one output", "none", AGAIN)
        for attr in node.attributes.values():
            if attr.is_ref() or attr.type == ir.AttributeType.UNDEFINED:
                raise InputError(f"{place}: {attr.name}", "a value", "none", AGAIN)
            if attr.type == ir.AttributeType.TENSOR:
                _check_tensor(attr.value, f"{place}: {attr.name}")
        if custom.is_custom(node):
            _check_custom(node, place)
        elif node.domain in STANDARD:
            if node.op_type not in schemas:
                schemas[node.op_type] = _signature(node.op_type, opset)
            _check_operator(node, schemas[node.op_type], place)


@dataclass(frozen=True, slots=True)
class _Signature:
    """How many inputs and outputs an operator has, which inputs it cannot do without, and its attributes' types."""

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    needed: tuple[int, ...]
    types: dict[str, int]
    required: tuple[str, ...]


def _signature(operator: str, opset: int) -> _Signature | None:
    """Return the signature of a standard operator; None if this opset has no such operator."""
    try:
        schema = onnx.defs.get_schema(operator, opset, "")
    except onnx.defs.SchemaError:
        return None  # shape inference says so at the node, if it gets there
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    return _Signature(
        inputs=(schema.min_input, schema.max_input),
        outputs=(schema.min_output, schema.max_output),
        needed=tuple(index for index, one in enumerate(schema.inputs) if one.option == single),
        types={name: _number(attr.type) for name, attr in schema.attributes.items()},
        required=tuple(name for name, attr in schema.attributes.items() if attr.required),
    )


def _number(kind: Any) -> int:
    """Return the number that an attribute's type has in files; the stubs of onnx do not know it."""
    return int(kind.value)


def _check_operator(node: ir.Node, signature: _Signature | None, place: str) -> None:
    if signature is None:
        return
    for kind, count, (least, most) in (
        ("inputs", len(node.inputs), signature.inputs),
        ("outputs", len(node.outputs), signature.outputs),
    ):
        if not least <= count <= most:
            raise InputError(place, f"{least} to {most} {kind} of {node.op_type}", str(count), AGAIN)
    _require_inputs(node, signature.needed, place)
    for name in signature.required:
        if name not in node.attributes:
            raise InputError(place, f"the attribute {name!r} of {node.op_type}", "none", AGAIN)
    for name, attr in node.attributes.items():
        wanted = signature.types.get(name, attr.type.value)
        if attr.type.value != wanted:
            expected = ir.AttributeType(wanted).name
            raise InputError(f"{place}: {name}", f"an attribute of type {expected}", attr.type.name, AGAIN)
        _require_text(attr, f"{place}: {name}")
    if node.op_type == "If":
        _check_branches(node, place)


def _require_text(attr: ir.Attr, place: str) -> None:
    """Refuse bytes in the place of the text that names a mode, which is how damaged files are read."""
    texts = attr.value if attr.type == ir.AttributeType.STRINGS else (attr.value,)
    wrong = next((text for text in texts if isinstance(text, bytes)), None)
    if wrong is not None:
        raise InputError(place, "text", repr(wrong), AGAIN)


def _check_branches(node: ir.Node, place: str) -> None:
    for name in ("then_branch", "else_branch"):
        graph, wanted = node.attributes[name].as_graph(), len(node.outputs)
        if len(graph.outputs) != wanted or graph.inputs:
            found = f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
            raise InputError(f"{place}: {name}", f"no input and {wanted} outputs", found, AGAIN)


def _check_custom(node: ir.Node, place: str) -> None:
    least = custom.least_inputs(node)
    if len(node.inputs) < least:
        raise InputError(place, f"at least {least} inputs of {node.op_type}", str(len(node.inputs)), AGAIN)
    _require_inputs(node, range(least), place)


def _check_tensor(tensor: ir.TensorProtocol, place: str) -> None:
    if tensor.dtype == ir.DataType.UNDEFINED or any(
        not isinstance(dim, int) or dim < 0 for dim in tensor.shape
    ):
        raise InputError(place, "a tensor with a type and dimensions of 0 or more", str(tensor.shape), AGAIN)
    if isinstance(tensor, ir.ExternalTensor):
        raise InputError(place, "numbers in the graph's own file", str(tensor.location), AGAIN)
    require_numbers(tensor, place)


def _require_inputs(node: ir.Node, needed: Iterable[int], place: str) -> None:
    for index in needed:
        if index < len(node.inputs) and node.inputs[index] is None:
            raise InputError(place, f"input {index} of {node.op_type}", "none", AGAIN)
