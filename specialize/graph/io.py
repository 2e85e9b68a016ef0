"""Reading models that strangers wrote, and writing models that others must read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common
from onnx import version_converter

from specialize.errors import InputError
from specialize.files.atomic import explained
from specialize.graph.check_file import require_sound, require_whole
from specialize.graph.check_operators import require_operators
from specialize.graph.custom import is_plugin

WRITTEN_OPSET = 13
"""The oldest opset that what specialization makes can be written in; older models are raised to it."""
PLUGINS = "plugins"
"""Domain that operators without one are put in for a while: a name that no operator set has."""

EXTERNAL_BYTES = 1 << 10
"""Weights below this stay in the graph's file."""


def read_graph(path: Path) -> ir.Model:
    """Read an ONNX file; its weights are read when they are needed.

    Local functions are inlined, and initializers that are also inputs become constants.

    Raises:
        InputError: The file is missing, truncated, cyclic, of an unknown opset, or keeps data outside its folder.
    """
    model = _load(path)
    return _inlined(_raised(model, path) if opset_of(model) < WRITTEN_OPSET else model, path)


def read_as_written(path: Path) -> ir.Model:
    """Read an ONNX file as `read_graph` does, in the opset that it is written in: to judge it, not to change it.

    Raises:
        InputError: As `read_graph`.
    """
    return _inlined(_load(path), path)


def _load(path: Path) -> ir.Model:
    with explained(path):
        if not path.is_file():
            raise InputError(str(path), "an ONNX file", "no such file")
        with _readable(path):
            proto = onnx.load(path, load_external_data=False)
        require_whole(proto, path)
        with _readable(path):
            model = ir.from_proto(proto)
        with _readable(path):  # a damaged part may be in the way anywhere
            ir.external_data.set_base_dir(model.graph, path.parent)
            require_sound(model, path)
            _forget_undefined(model)
    return model


def _forget_undefined(model: ir.Model) -> None:
    """Leave values without a type whose type says that it is undefined, in place: it is unknown, as one not given."""
    of_nodes = (value for node in model.graph.all_nodes() for value in node.outputs)
    for value in (*model.graph.inputs, *model.graph.outputs, *of_nodes):
        if value.dtype == ir.DataType.UNDEFINED:
            value.type = None


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what protobuf and onnx_ir raise about a file, which are many types, into an error of ours."""
    try:
        yield
    except (OSError, InputError):
        raise
    except Exception as error:
        hint = "the file is damaged or not ONNX: export it again"
        raise InputError(str(path), "an ONNX model", _innermost(error), hint) from error


def _innermost(error: BaseException) -> str:
    """Return what the first cause of an error says; onnx_ir wraps it once per level of the file."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip() or type(error).__name__


def _inlined(model: ir.Model, path: Path) -> ir.Model:
    with _readable(path):
        for tidy in (common.InlinePass(), common.RemoveInitializersFromInputsPass()):
            model = tidy(model).model
        for value in model.graph.initializers.values():
            if value.type is None and value.const_value is not None:  # an output without a type, too
                value.type = ir.TensorType(value.const_value.dtype)
                value.shape = ir.Shape(value.const_value.shape.numpy())
        require_operators(model, path)
    return model


def write_graph(model: ir.Model, path: Path, weights_name: str = "") -> None:
    """Write an ONNX file; the same graph gives the same bytes.

    Args:
        model: The graph. Weights that lie in a file already stay there, under the same name beside `path`.
        path: The file to write.
        weights_name: If given, a file beside `path` that takes all weights from `EXTERNAL_BYTES` on.
    """
    _rename_doubles(model.graph)
    with explained(path):
        if weights_name:
            ir.save(model, path, external_data=weights_name, size_threshold_bytes=EXTERNAL_BYTES)
        else:
            ir.save(model, path)


def _rename_doubles(graph: ir.Graph) -> None:
    """Give values of a graph that share a name, which no runtime accepts, names of their own; the ends keep theirs."""
    ends = [*graph.inputs, *graph.outputs, *graph.initializers.values()]
    names = {value.name: value for value in ends}
    for node in graph.all_nodes():
        for value in node.outputs:
            while value.name and names.setdefault(value.name, value) is not value:
                value.name += "_"


def external_files(path: Path) -> list[str]:
    """Return the names of the files beside an ONNX file that hold its weights, those of graphs inside nodes included.

    Raises:
        InputError: The file is not ONNX, or a name leads out of its folder.
    """
    with explained(path), _readable(path):
        proto = onnx.load(path, load_external_data=False)
    names = {
        entry.value
        for tensor in tensors_of(proto)
        for entry in tensor.external_data
        if tensor.data_location == onnx.TensorProto.EXTERNAL and entry.key == "location"
    }
    folder = path.parent.resolve()
    for name in sorted(names):
        if Path(name).is_absolute() or not (folder / name).resolve().is_relative_to(folder):
            hint = "put it next to the model"
            raise InputError(str(path), "external data in the model's folder", repr(name), hint)
        if not (folder / name).is_file():
            raise InputError(str(path), f"the file {name} next to it", "no such file")
    return sorted(names)


def tensors_of(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every constant of a file: initializers and attributes, in graphs inside nodes and in functions too."""
    nodes = [node for function in proto.functions for node in function.node]
    graphs = [proto.graph]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            nodes += graph.node
        for attribute in (attribute for node in nodes for attribute in node.attribute):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs
        nodes = []


def opset_of(model: ir.Model) -> int:
    """Return the version of the standard operators of a model; 0 if it does not say."""
    return model.graph.opset_imports.get("", model.graph.opset_imports.get("ai.onnx", 0))


def raise_opset(model: ir.Model, opset: int) -> bool:
    """Write a graph in a newer opset, in place; return whether that can be done. Operators of other domains stay."""
    marks = {node.name: dict(node.metadata_props) for node in model.graph}
    try:
        model.graph = _converted(model, opset).graph
    except Exception:  # the converter raises RuntimeError and its own types
        return False
    for node in model.graph:
        node.metadata_props.update(marks.get(node.name, {}))  # the converter keeps none
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
