"""Equal constants: a graph keeps the first of them. Contents are read only where type, shape and both ends agree."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
import onnx_ir as ir

END_BYTES = 64
"""Bytes of each end of a constant that are compared before all of them are."""


def merge_constants(model: ir.Model, largest: int) -> None:
    """Replace constants by the first one of the same type, shape and content, graph by graph, in place.

    Args:
        model: The graph, and those inside its nodes.
        largest: Elements up to which constants are compared.
    """
    for graph in model.graphs():
        for value, kept in _doubles(graph, largest):
            value.replace_all_uses_with(kept)
            graph.initializers.pop(str(value.name))


def _doubles(graph: ir.Graph, largest: int) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Yield each constant that is there already, with the one that stays."""
    alike: dict[Hashable, list[tuple[ir.Value, ir.TensorProtocol]]] = {}
    for value in tuple(graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or value.is_graph_input() or value.is_graph_output() or tensor.size > largest:
            continue
        alike.setdefault((tensor.dtype, tuple(tensor.shape)), []).append((value, tensor))
    for several in alike.values():
        kept: dict[Hashable, list[tuple[ir.Value, np.ndarray]]] = {}
        for value, tensor in several if len(several) > 1 else ():
            content = _content(tensor)
            known = kept.setdefault((content[:END_BYTES].tobytes(), content[-END_BYTES:].tobytes()), [])
            first = next((other for other, own in known if np.array_equal(own, content)), None)
            if first is None:
                known.append((value, content))
            else:
                yield value, first


def _content(tensor: ir.TensorProtocol) -> np.ndarray:
    """Return the content of a tensor as bytes (B,), without copying that of numbers."""
    if tensor.dtype == ir.DataType.STRING:
        texts = [len(text).to_bytes(8, "little") + text for text in tensor.numpy().reshape(-1).tolist()]
        return np.frombuffer(b"".join(texts), dtype=np.uint8)
    return np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8)
