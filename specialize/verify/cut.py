"""Cut a model in two: what is computed from the images alone, and the small rest, which is run often.

    images -> backbone -> features (one slab per camera) -> head -> outputs

A backbone is most of a detector's work, and the effect of one camera's features is visible behind it. A value belongs
to the features if it depends on image inputs and constants alone and has an axis of N cameras.

Sites project the same features, each with weights of its own. These projections are left to the head, so that the
features are held once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from specialize.graph.bind_batch import bind_batch
from specialize.graph.folding import IMPURE
from specialize.graph.infer_file import infer_in_place
from specialize.graph.io import read_graph, write_graph
from specialize.graph.ops import of
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.graph.subgraphs import has_subgraph, node_reads, remove_dead
from specialize.verify.frames import TensorInfo

MOST_FEATURES = 64
"""Maximum number of values of a cut."""

LEAST_AXES = 3
"""Minimum number of axes of an image or feature map, whatever their sizes."""

HEAVY = of("convolution", "product")


@dataclass(frozen=True, slots=True)
class Cut:
    """A model in two parts.

    Attributes:
        backbone: What computes the features; None if the images are the features.
        head: The rest, or the whole model.
        axes: Axis of the cameras of each feature, by the name of the head's input.
        sources: Output of the backbone for each feature, by the same name.
    """

    backbone: Path | None
    head: Path
    axes: Mapping[str, int]
    sources: Mapping[str, str]


def camera_axes(inputs: Mapping[str, TensorInfo], cameras: int) -> dict[str, int]:
    """Return the axis of N cameras of each input that has one, by name; none for a single camera."""
    if cameras < 2:
        return {}
    return {
        name: info.shape.index(cameras)
        for name, info in inputs.items()
        if len(info.shape) >= LEAST_AXES and cameras in info.shape
    }


def cut(path: Path, images: Mapping[str, int], cameras: int, folder: Path) -> Cut:
    """Cut a model behind what depends on its images alone.

    Args:
        path: The model.
        images: Inputs with an axis of cameras, and which axis that is.
        cameras: Number of cameras, N.
        folder: Where the parts are written; they have weights of their own.
    """
    whole = Cut(None, path, images, {})
    model = read_shaped(path)
    edge, inside = _features(model.graph, images, cameras)
    if not edge:
        return whole
    made = [value for value in edge if value.producer() is not None]
    names = [str(value.name) for value in made]
    backbone, head = folder / "backbone.onnx", folder / "head.onnx"
    axes = {f"{value.name}/cut": _axis(value, cameras) for value in made}
    kept = {str(value.name): images[str(value.name)] for value in edge if value.producer() is None}
    _head(model, edge, inside)
    write_graph(model, head, "head.bin")
    model = read_shaped(path)
    _backbone(model, names)
    write_graph(model, backbone, "backbone.bin")
    return Cut(backbone, head, {**axes, **kept}, {f"{name}/cut": name for name in names})


def read_shaped(path: Path) -> ir.Model:
    """Read a model whose values have shapes as far as these can be inferred without its inputs."""
    model = read_graph(path)
    bind_batch(model)
    if any(value.shape is None for node in model.graph for value in node.outputs):
        infer_in_place(model)
    return model


def _features(
    graph: ir.Graph, images: Mapping[str, int], cameras: int
) -> tuple[list[ir.Value], set[ir.Value]]:
    """Return the values at which to cut a graph, and all before them; none if there is no work before them."""
    inside = {value for value in graph.inputs if value.name in images}
    dependent, deep = set(graph.inputs), set[ir.Value]()
    for node in graph:
        reads = [value for value in node_reads(node) if value in dependent]
        if not reads:
            continue
        dependent.update(node.outputs)
        alone = all(value in inside for value in reads)
        if alone and not (has_subgraph(node) or node.op_type in IMPURE) and _by_camera(node, cameras):
            inside.update(node.outputs)
            if node.op_type in HEAVY or not deep.isdisjoint(reads):
                deep.update(node.outputs)
    edge = _narrowed([value for value in inside if _leaves(value, inside)], inside, deep)
    worth = bool(deep) and len(edge) <= MOST_FEATURES and any(value not in inside for value in graph.outputs)
    return (sorted(edge, key=lambda value: str(value.name)) if worth else []), inside


def _narrowed(
    edge: list[ir.Value], inside: Collection[ir.Value], deep: Collection[ir.Value]
) -> list[ir.Value]:
    """Return fewer bytes of features, which those at the edge follow from by one product each.

    Args:
        edge: Features that are read elsewhere.
        inside: All features, and the images.
        deep: Values that follow from a product or a convolution: what is cut before these is no backbone.
    """
    ways = {value: _way(value, inside, deep) for value in sorted(edge, key=lambda value: str(value.name))}
    while True:
        gains: dict[ir.Value, int] = {}
        for value, way in ways.items():
            for before in way:
                gains[before] = gains.get(before, -_bytes(before)) + _bytes(value)
        best = max(gains, key=gains.__getitem__, default=None)
        if best is None or gains[best] <= 0:
            return list(ways)
        passing = [value for value, way in ways.items() if best in way]
        rests = [ways.pop(value) for value in passing]
        ways[best] = min((way[way.index(best) :] for way in rests), key=len)


def _way(value: ir.Value, inside: Collection[ir.Value], deep: Collection[ir.Value]) -> list[ir.Value]:
    """Return a value and those before it that it follows from alone, with one product on the way at most."""
    way, products = [], 0
    while value in deep and is_static(value) and value.dtype is not None:
        way.append(value)
        node = value.producer()
        assert node is not None
        products += node.op_type in HEAVY
        before = [each for each in dict.fromkeys(node_reads(node)) if each in inside]
        if products > 1 or len(before) != 1:
            break
        value = before[0]
    return way


def _bytes(value: ir.Value) -> int:
    return math.prod(dims(value)) * numpy_type(value).itemsize


def _by_camera(node: ir.Node, cameras: int) -> bool:
    """Return whether all results are features of N cameras; the shape of a tensor of N axes has N numbers, too."""
    return all(_axis(value, cameras) >= 0 and not _is_integer(value) for value in node.outputs)


def _is_integer(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_integer()


def _axis(value: ir.Value, cameras: int) -> int:
    """Return the first axis of N cameras, or -1 if there is none."""
    sizes = [] if value.shape is None else [dim if isinstance(dim, int) else -1 for dim in value.shape]
    return sizes.index(cameras) if cameras in sizes else -1


def _leaves(value: ir.Value, inside: set[ir.Value]) -> bool:
    return any(not set(use.node.outputs) <= inside for use in value.uses())


def _head(model: ir.Model, edge: list[ir.Value], inside: set[ir.Value]) -> None:
    """Make inputs of the features, in place; outputs that are computed from images alone go."""
    graph = model.graph
    kept = [value for value in graph.outputs if value not in inside]
    graph.outputs.clear()
    graph.outputs.extend(kept)
    for value in edge:
        if value.producer() is None:
            continue
        made = ir.Value(name=f"{value.name}/cut", type=value.type, shape=value.shape)
        ir.convenience.replace_all_uses_with(value, made)
        graph.inputs.append(made)
    prune(graph)


def _backbone(model: ir.Model, names: list[str]) -> None:
    """Keep what computes some values, in place."""
    graph = model.graph
    values = {str(value.name): value for node in graph for value in node.outputs}
    graph.outputs.clear()
    graph.outputs.extend(values[name] for name in names)
    prune(graph)


def prune(graph: ir.Graph) -> None:
    """Remove what no output of a graph depends on, inputs included, in place."""
    remove_dead(graph)
    for value in [value for value in graph.inputs if not value.uses()]:
        graph.inputs.remove(value)
