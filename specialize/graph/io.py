"""Reading models that strangers wrote, and writing models that others must read."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common
from onnx import version_converter

from specialize.errors import InputError
from specialize.files import explained
from specialize.graph.custom import is_plugin
from specialize.graph.shapes import STANDARD

OLDEST_OPSET, NEWEST_OPSET = 11, 26
WRITTEN_OPSET = 13
"""The oldest opset that what specialization makes can be written in; older models are raised to it."""
PLUGINS = "plugins"
"""Domain that operators without one are put in for a while: any name that nobody has."""

EXTERNAL_BYTES = 1 << 10
"""Weights below this stay in the graph's file."""


def read_graph(path: Path) -> ir.Model:
    """Read an ONNX file; its weights are read when somebody asks for them.

    Local functions are inlined, and initializers that are also inputs become constants.

    Raises:
        InputError: The file is missing, truncated, cyclic, of an unknown opset, or keeps data outside its folder.
    """
    model = _load(path)
    return _inlined(_raised(model, path) if opset_of(model) < WRITTEN_OPSET else model)


def read_as_written(path: Path) -> ir.Model:
    """Read an ONNX file as `read_graph` does, in the opset that it is written in: to judge it, not to change it.

    Raises:
        InputError: As `read_graph`.
    """
    return _inlined(_load(path))


def _load(path: Path) -> ir.Model:
    with explained(path):
        if not path.is_file():
            raise InputError(str(path), "an ONNX file", "no such file")
        try:
            model = ir.load(path)
        except OSError:
            raise
        except Exception as error:  # protobuf and onnx_ir raise many types
            hint = "the file is damaged or not ONNX: export it again"
            raise InputError(
                str(path), "an ONNX model", str(error).strip() or type(error).__name__, hint
            ) from error
    _check(model, path)
    return model


def _inlined(model: ir.Model) -> ir.Model:
    for tidy in (common.InlinePass(), common.RemoveInitializersFromInputsPass()):
        model = tidy(model).model
    return model


def write_graph(model: ir.Model, path: Path, weights_name: str = "") -> None:
    """Write an ONNX file; the same graph gives the same bytes.

    Args:
        model: The graph. Weights that lie in a file already stay there, under the same name beside `path`.
        path: The file to write.
        weights_name: If given, a file beside `path` that takes all weights from `EXTERNAL_BYTES` on.
    """
    with explained(path):
        if weights_name:
            ir.save(model, path, external_data=weights_name, size_threshold_bytes=EXTERNAL_BYTES)
        else:
            ir.save(model, path)


def weight_files(model: ir.Model, folder: Path) -> list[str]:
    """Return the names of the files beside a model that hold its weights."""
    names = {
        str(Path(value.const_value.location))
        for value in model.graph.initializers.values()
        if isinstance(value.const_value, ir.ExternalTensor)
    }
    return sorted(names)


def opset_of(model: ir.Model) -> int:
    """Return the version of the standard operators of a model; 0 if it does not say."""
    return model.graph.opset_imports.get("", model.graph.opset_imports.get("ai.onnx", 0))


def raise_opset(model: ir.Model, opset: int) -> bool:
    """Write a graph in a newer opset, in place; return whether that can be done. Operators of other domains stay."""
    try:
        model.graph = _converted(model, opset).graph
    except Exception:  # the converter raises RuntimeError and its own types
        return False
    return True


def _converted(model: ir.Model, opset: int) -> ir.Model:
    made = ir.from_proto(version_converter.convert_version(with_domains(model), opset))
    for node in made.graph:
        node.domain = "" if node.domain == PLUGINS else node.domain
    made.graph.opset_imports.pop(PLUGINS, None)
    for name, value in made.graph.initializers.items():
        known = model.graph.initializers.get(name)
        if known is not None and isinstance(known.const_value, ir.ExternalTensor):
            value.const_value = known.const_value  # protobuf does not say in which folder its file is
    return made


def with_domains(model: ir.Model) -> onnx.ModelProto:
    """Return a model for tools that know every operator without a domain: plugins without one are in `PLUGINS`."""
    proto = ir.to_proto(model)
    apart = [made for node, made in zip(model.graph, proto.graph.node, strict=True) if is_plugin(node)]
    for made in apart:
        made.domain = PLUGINS
    if apart:
        proto.opset_import.append(onnx.helper.make_opsetid(PLUGINS, 1))
    return proto


def _raised(model: ir.Model, path: Path) -> ir.Model:
    try:
        return _converted(model, WRITTEN_OPSET)
    except Exception as error:  # the converter raises RuntimeError and its own types
        hint = f"export it with opset {WRITTEN_OPSET} or later"
        place = f"{path}: opset_import"
        raise InputError(
            place, f"operators that opset {WRITTEN_OPSET} has too", str(error).strip(), hint
        ) from error


def _check(model: ir.Model, path: Path) -> None:
    opset = opset_of(model)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        expected = f"opset {OLDEST_OPSET} to {NEWEST_OPSET}"
        raise InputError(
            f"{path}: opset_import", expected, str(opset), "convert it with onnx.version_converter"
        )
    _check_weights(model, path)
    for value in model.graph.inputs:
        if value.dtype is None or value.shape is None:
            raise InputError(f"{path}: input {value.name!r}", "a tensor with type and shape", "neither")
        if any(isinstance(dim, int) and dim < 0 for dim in value.shape):
            raise InputError(f"{path}: input {value.name!r}", "dimensions of 0 or more", str(value.shape))
    _check_names(model, path)
    _check_reads(model, path)
    try:
        model.graph.sort()
    except ValueError as error:
        raise InputError(str(path), "a graph without cycles", str(error)) from error


def _check_names(model: ir.Model, path: Path) -> None:
    """Refuse names that are no text, which is how damaged files are read."""
    names: list[object] = [*model.graph.opset_imports, *(value.name for value in model.graph.inputs)]
    names += model.graph.initializers
    for node in model.graph.all_nodes():
        names += [node.op_type, node.domain, node.name, *node.attributes]
        names += [value.name for value in node.outputs]
    wrong = next((name for name in names if not isinstance(name, str | None)), None)
    if wrong is not None:
        raise InputError(
            str(path), "names that are text", repr(wrong), "the file is damaged: export it again"
        )


def _check_reads(model: ir.Model, path: Path) -> None:
    """Refuse a graph that reads what nothing makes."""
    given = {*model.graph.inputs, *model.graph.initializers.values()}
    for node in model.graph:
        for value in node.inputs:
            if value is not None and value.producer() is None and value not in given:
                place = f"{path}: node {node.name or node.op_type!r}"
                raise InputError(place, "an input that something makes", repr(value.name))


def _check_weights(model: ir.Model, path: Path) -> None:
    folder = path.parent.resolve()
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        place = f"{path}: initializer {name!r}"
        if tensor is None:
            raise InputError(place, "data", "none")
        if tensor.dtype == ir.DataType.UNDEFINED:
            raise InputError(place, "a type of its elements", "none", "the file is damaged: export it again")
        if any(not isinstance(dim, int) or dim < 0 for dim in tensor.shape):
            raise InputError(place, "dimensions of 0 or more", str(tensor.shape))
        if isinstance(tensor, ir.ExternalTensor):
            _check_external(tensor, place, folder)
        elif tensor.size and not _is_whole(tensor):
            hint = "the file is truncated or damaged: export it again"
            raise InputError(place, f"{tensor.nbytes} bytes of data", "fewer or more", hint)


def _check_external(tensor: ir.ExternalTensor, place: str, folder: Path) -> None:
    file = (folder / tensor.location).resolve()
    if not file.is_relative_to(folder):
        raise InputError(
            place, "external data in the model's folder", str(tensor.location), "put it beside the model"
        )
    size = file.stat().st_size if file.is_file() else -1
    wanted = (tensor.offset or 0) + (tensor.length or tensor.nbytes)
    if size < wanted:
        found = "no such file" if size < 0 else f"{size} bytes"
        raise InputError(f"{place}: {tensor.location}", f"a file of at least {wanted} bytes", found)


def _is_whole(tensor: ir.TensorProtocol) -> bool:
    """Return whether a tensor in the graph's file has as many numbers as its dimensions say."""
    raw = getattr(tensor, "raw", None)
    if not isinstance(raw, onnx.TensorProto):
        return True
    if raw.HasField("raw_data"):
        return len(raw.raw_data) == tensor.nbytes
    if raw.string_data or tensor.dtype.bitwidth < 8:  # packed: several elements in one number
        return True
    fields = (raw.float_data, raw.int32_data, raw.int64_data, raw.double_data, raw.uint64_data)
    pairs = tensor.dtype in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128)
    return sum(map(len, fields)) == tensor.size * (2 if pairs else 1)


def is_standard(node: ir.Node) -> bool:
    """Return whether a node is one of the ONNX standard's own operators."""
    return node.domain in STANDARD
