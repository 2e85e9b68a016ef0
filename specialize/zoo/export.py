"""Exporting a model of the zoo to its generic ONNX: fully static, calibration still an input.

The file's bytes depend on the model, its weights and the versions of torch and onnxscript alone. Large
weights go to one file beside the graph, named by model and weights, so that two exports never write over each
other.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir
import torch
from torch import nn

from specialize.digest import digest, short
from specialize.errors import InternalError
from specialize.files.atomic import explained
from specialize.files.scratch import work_folder
from specialize.zoo import create, zoo_module
from specialize.zoo.deform_conv import DEFORM_CONV_OPSET, ModulatedDeformConv2d

OPSET = 17
IR_VERSION = 10
INLINE_BYTES = 1 << 20  # weights below this stay inside the graph's file
EXTERNAL_BYTES = 1 << 10  # tensors below this stay inside it in any case
NOISY_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir")
REFUSED = frozenset({"NonZero", "If", "Loop", "Scan"})
SCATTERS = frozenset({"ScatterND", "ScatterElements"})  # refused where they write rows; pooling adds them


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericModel:
    """What an export wrote.

    Attributes:
        path: The ONNX file.
        weights_path: The file of its large weights beside it; None where they are all inside `path`.
        weights_digest: Of the weights that the model was given.
        warnings: What the user must be told, in full sentences.
    """

    path: Path
    weights_path: Path | None
    weights_digest: str
    warnings: tuple[str, ...]


def export_generic(name: str, checkpoint: Path | None, out_path: Path, seed: int = 0) -> GenericModel:
    """Exports a model of the zoo, zero-padded and fully static, to `out_path`.

    Args:
        name: A name in `specialize.zoo.MODELS`.
        checkpoint: Its weights; without it they are made from `seed`, and `warnings` says so.
        out_path: The ONNX file to write.
        seed: Of the weights, where there is no checkpoint.

    Raises:
        UsageError: There is no such model.
        InputError: The checkpoint is not one of this model.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = create(name, checkpoint, seed)
    weights_digest = digest_weights(model)
    graph = trace(name, model)
    check_static(graph, name)
    graph.metadata_props.update(
        {"specialize.form": "generic", "specialize.model": name, "specialize.weights": weights_digest}
    )
    weights_path = _save(graph, out_path, f"{name}-{short(weights_digest)}.weights")
    for weight in (*model.parameters(), *model.buffers()):
        weight.data = weight.new_empty(0)  # the exporter's rewriter keeps the last graph that it matched
    said = tuple(str(item.message) for item in caught if item.category is UserWarning)
    return GenericModel(
        path=out_path, weights_path=weights_path, weights_digest=weights_digest, warnings=said
    )


def digest_weights(model: nn.Module) -> str:
    """Returns the digest of all weights of a model, by their keys."""
    return digest({key: value.numpy() for key, value in model.state_dict().items()})


def trace(name: str, model: nn.Module) -> ir.Model:
    """Returns the graph of a model of the zoo, cleared of all that is not the model."""
    module = zoo_module(name)
    inputs = module.example_inputs(name)
    deformable = any(isinstance(part, ModulatedDeformConv2d) for part in model.modules())
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            model,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=list(module.output_names(name)),
            opset_version=DEFORM_CONV_OPSET if deformable else OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model
    _repair_split(graph)
    clear(graph, name)
    return graph


def check_static(model: ir.Model, name: str) -> None:
    """Refuses a graph whose shapes depend on data.

    Raises:
        InternalError: An operator of `REFUSED` or a writing scatter is left, or a dimension is not a number.
    """
    for node in model.graph.all_nodes():
        writes = node.op_type in SCATTERS and "reduction" not in node.attributes
        if node.op_type in REFUSED or writes:
            raise InternalError(f"{name}: {node.name}", "a static graph", node.op_type)
        for value in node.outputs:
            if value.shape is None or not all(isinstance(size, int) for size in value.shape):
                raise InternalError(f"{name}: {value.name}", "a shape of numbers", str(value.shape))


def _repair_split(model: ir.Model) -> None:
    """Drops `num_outputs`, which the converter to opset 17 leaves behind; before opset 18 the outputs determine it."""
    if model.opset_imports[""] >= 18:
        return
    for node in model.graph.all_nodes():
        if node.op_type == "Split":
            node.attributes.pop("num_outputs", None)


def clear(model: ir.Model, name: str) -> None:
    """Removes what tells of the machine or the exporter: paths of source files, versions, comments."""
    model.producer_name, model.producer_version = "specialize", None
    model.ir_version, model.doc_string = IR_VERSION, None
    model.metadata_props.clear()
    graph = model.graph
    graph.name, graph.doc_string = name, None
    graph.metadata_props.clear()
    for node in graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in [*graph.inputs, *graph.initializers.values()]:
        value.metadata_props.clear()


def _save(model: ir.Model, path: Path, weights_name: str) -> Path | None:
    """Writes a graph and returns the file of its weights, if it has one; neither is seen half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    constants = [value.const_value for value in model.graph.initializers.values()]
    large = sum(value.nbytes for value in constants if value is not None) >= INLINE_BYTES
    weights_path = path.with_name(weights_name)
    with explained(path), work_folder(path.parent, ".export") as room:
        if large:
            ir.save(model, room / path.name, external_data=weights_name, size_threshold_bytes=EXTERNAL_BYTES)
            (room / weights_name).replace(weights_path)
        else:
            ir.save(model, room / path.name)
        (room / path.name).replace(path)
    return weights_path if large else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the exporter's progress and warnings off the user's terminal."""
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
