"""Cut one attention site out of a model, with the inputs that it gets inside the model, to be timed alone."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from specialize.bench.measure import Subject
from specialize.errors import InputError
from specialize.verify.runtime import open_onnxruntime


def extract_site(
    path: Path, nodes: Collection[str], feed: Mapping[str, np.ndarray], folder: Path, threads: int = 2
) -> Subject:
    """Write the nodes of one site as a model of their own; see `extract_sites`."""
    return extract_sites(path, {"site": nodes}, feed, folder, threads)["site"]


def extract_sites(
    path: Path,
    sites: Mapping[str, Collection[str]],
    feed: Mapping[str, np.ndarray],
    folder: Path,
    threads: int = 2,
) -> dict[str, Subject]:
    """Write some nodes of a model as models of their own, with inputs from one run of the whole model.

    Args:
        path: The whole model. Weights in external files are copied, unless they are in `folder` already.
        sites: Name of a part -> names of its nodes. Parts may overlap.
        feed: Inputs of the whole model.
        folder: Where `<part>.onnx` is written.
        threads: Threads for the one run of the whole model.

    Raises:
        InputError: The model has no such nodes, or a tensor on a border has no static shape.
    """
    # Without propagation of data: it makes a message of every number of an index, gigabytes of a large site.
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path), load_external_data=False))
    types = _types(model.graph)
    parts = {name: _part(model.graph, nodes, types, path) for name, nodes in sites.items()}
    folder.mkdir(parents=True, exist_ok=True)
    _copy_weights(model, path.parent, folder)
    entering = dict.fromkeys(name for part in parts.values() for name in part.entering)
    values = _values(model, list(entering), types, feed, folder, threads)
    subjects = {}
    for name, part in parts.items():
        alone = onnx.ModelProto()
        alone.CopyFrom(model)
        _keep_only(alone.graph, part, types)
        target = folder / f"{name}.onnx"
        onnx.save(alone, str(target))
        subjects[name] = Subject(target, {tensor: values[tensor] for tensor in part.entering})
    return subjects


@dataclass(frozen=True, slots=True)
class _Part:
    """Nodes of a model, and the names of the tensors on their border."""

    nodes: tuple[onnx.NodeProto, ...]
    entering: tuple[str, ...]
    leaving: tuple[str, ...]


def _part(
    graph: onnx.GraphProto, names: Collection[str], types: Mapping[str, onnx.ValueInfoProto], path: Path
) -> _Part:
    inside = [node for node in graph.node if node.name in names]
    if not inside:
        raise InputError(str(path), "the nodes of an attention site", "none of the given names")
    entering, leaving = _border(graph, inside)
    missing = [name for name in (*entering, *leaving) if name not in types]
    if missing:
        raise InputError(f"{path}: site", "a known type of every tensor on its border", ", ".join(missing))
    return _Part(tuple(inside), tuple(entering), tuple(leaving))


def _border(graph: onnx.GraphProto, inside: list[onnx.NodeProto]) -> tuple[list[str], list[str]]:
    """Return the names of the tensors that enter the site, and of those that others read."""
    constants = {tensor.name for tensor in graph.initializer}
    made = {name for node in inside for name in node.output if name}
    names = {node.name for node in inside}
    read = dict.fromkeys(name for node in inside for name in node.input if name)
    elsewhere = {name for node in graph.node if node.name not in names for name in node.input}
    elsewhere.update(value.name for value in graph.output)
    return [n for n in read if n not in made and n not in constants], [n for n in made if n in elsewhere]


def _types(graph: onnx.GraphProto) -> dict[str, onnx.ValueInfoProto]:
    known = [*graph.input, *graph.value_info, *graph.output]
    return {value.name: value for value in known if value.type.tensor_type.HasField("shape")}


def _copy_weights(model: onnx.ModelProto, source: Path, folder: Path) -> None:
    """Copy the external files of a model; readers of ONNX refuse files with a second name."""
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            target = folder / entry.value
            if entry.key == "location" and not target.exists():
                shutil.copyfile(source / entry.value, target)


def _values(
    model: onnx.ModelProto,
    names: list[str],
    types: Mapping[str, onnx.ValueInfoProto],
    feed: Mapping[str, np.ndarray],
    folder: Path,
    threads: int,
) -> dict[str, np.ndarray]:
    """Return the values of inner tensors, from one run of the whole model with these as outputs."""
    inner = [name for name in names if name not in feed]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(types[name] for name in inner)
    path = folder / "probe.onnx"
    onnx.save(probe, str(path))
    found = open_onnxruntime(path, threads, fold=False).run(feed) if inner else {}
    return {name: found[name] if name in found else feed[name] for name in names}


def _keep_only(graph: onnx.GraphProto, part: _Part, types: Mapping[str, onnx.ValueInfoProto]) -> None:
    """Reduce a graph to the nodes of a part, with the tensors on its border as inputs and outputs."""
    read = {name for node in part.nodes for name in node.input}
    inputs, outputs = ([types[name] for name in names] for names in (part.entering, part.leaving))
    weights = [tensor for tensor in graph.initializer if tensor.name in read]
    graph.CopyFrom(helper.make_graph(part.nodes, "site", inputs, outputs, weights))
