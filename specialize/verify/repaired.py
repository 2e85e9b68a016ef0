"""Evaluate repaired operators of a reference in float64: measure and bound the effect of the inserted casts.

    reference: features, places (float64) -> Cast -> GridSample -> result;   here: features, places -> float64 result

The bound follows from arithmetic, not from the result: with u = 2**-24, a place of float32 is off by at most 4 u W
pixels across and 4 u H down, an interpolated value moves by at most 2 M per pixel, M the largest feature, and the sum
of four products adds 8 u M. Twice that much is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.errors import VerificationError
from specialize.graph.bind_batch import bind_batch
from specialize.graph.io import read_graph, write_graph
from specialize.graph.repair_grid_sample import repaired_nodes
from specialize.verify.cut import prune
from specialize.verify.runtime import open_onnxruntime

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, np.ndarray]

_UNIT = 2.0**-24


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a GridSample reads its features.

    Attributes:
        mode: `linear` or `nearest`.
        padding: `zeros`, `border` or `reflection`.
        align: Whether places of -1 and 1 are the centres of the outermost pixels, not their outer edges.
    """

    mode: str
    padding: str
    align: bool


def check_repaired(reference: Path, feed: Arrays, threads: int, folder: Path) -> tuple[str, ...]:
    """Compare every repaired operator of a reference with its evaluation in float64.

    Args:
        reference: The model that a proof compares with.
        feed: Inputs of one frame by name, calibration included.
        threads: Threads within an operator.
        folder: Where the part that is run is written.

    Returns:
        One line about all of them; nothing if nothing was repaired.

    Raises:
        VerificationError: One differs by more than float32 explains.
    """
    model = read_graph(reference)
    bind_batch(model)
    nodes = repaired_nodes(model.graph)
    if not nodes:
        return ()
    parts = [(_name(node), _sampling(node), _values(node)) for node in nodes]
    names = list(dict.fromkeys(name for _, _, values in parts for name in values))
    part = folder / "repaired.onnx"
    _write_part(model, names, part)
    results = open_onnxruntime(part, threads).run(feed)
    worst = 0.0
    for name, sampling, values in parts:
        features, places, result = (results.get(each, feed.get(each)) for each in values)
        assert features is not None and places is not None and result is not None
        worst = max(worst, _share(name, sampling, features, places, result))
    text = f"{len(nodes)} GridSample of the reference read float64 locations through a cast to float32"
    return (f"{text}: evaluated in float64 they differ by at most {worst:.1e} of the largest feature",)


def sample(features: Floats, places: Floats, sampling: Sampling) -> Floats:
    """Return the definition of GridSample in float64.

    Args:
        features: (N, C, H, W).
        places: (N, Ho, Wo, 2), x and y from -1 to 1.
        sampling: How it reads.

    Returns:
        (N, C, Ho, Wo).
    """
    x, y = pixels(features.shape, places, sampling)
    if sampling.mode == "nearest":
        return _read(features, np.rint(x), np.rint(y), sampling)
    left, top = np.floor(x), np.floor(y)
    right_share, lower_share = (x - left)[:, None], (y - top)[:, None]
    found = np.zeros((*features.shape[:2], *places.shape[1:3]))
    for down in (0, 1):
        for across in (0, 1):
            weight = (right_share if across else 1 - right_share) * (lower_share if down else 1 - lower_share)
            found += weight * _read(features, left + across, top + down, sampling)
    return found


def pixels(shape: tuple[int, ...], places: Floats, sampling: Sampling) -> tuple[Floats, Floats]:
    """Return the columns and rows, (N, Ho, Wo) each, that places (N, Ho, Wo, 2) are of features of a shape."""
    height, width = shape[2:]
    return _pixels(places[..., 0], width, sampling), _pixels(places[..., 1], height, sampling)


def _pixels(place: Floats, size: int, sampling: Sampling) -> Floats:
    pixel = (place + 1) / 2 * (size - 1) if sampling.align else ((place + 1) * size - 1) / 2
    if sampling.padding == "border":
        return np.clip(pixel, 0, size - 1)
    if sampling.padding == "reflection":
        low, span = (0.0, size - 1.0) if sampling.align else (-0.5, float(size))
        folded = np.mod(pixel - low, 2 * span) if span else np.zeros_like(pixel)
        return np.clip(low + np.minimum(folded, 2 * span - folded), 0, size - 1)
    return pixel


def _read(features: Floats, column: Floats, row: Floats, sampling: Sampling) -> Floats:
    """Return features (N, C, H, W) at whole columns and rows (N, Ho, Wo); 0 outside."""
    height, width = features.shape[2:]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    columns = np.clip(np.nan_to_num(column), 0, width - 1).astype(np.int64)
    rows = np.clip(np.nan_to_num(row), 0, height - 1).astype(np.int64)
    samples = np.arange(len(features))[:, None, None]
    found = features[samples, :, rows, columns]  # (N, Ho, Wo, C)
    kept = found if sampling.padding != "zeros" else found * inside[..., None]
    return np.moveaxis(kept, -1, 1)


def _share(
    name: str, sampling: Sampling, features: np.ndarray, places: np.ndarray, result: np.ndarray
) -> float:
    """Return the largest difference of a result from its evaluation in float64, in units of the largest feature.

    Raises:
        VerificationError: It is larger than float32 explains.
    """
    wide, where = features.astype(np.float64), places.astype(np.float64)
    exact = sample(wide, where, sampling)
    largest = float(np.abs(wide).max(initial=0.0)) or 1.0
    reach = max(1.0, float(np.abs(where).max(initial=0.0))) if sampling.padding == "reflection" else 1.0
    height, width = features.shape[2:]
    allowed = _UNIT * 16 * (width + height + 1) * reach
    difference = np.abs(result.astype(np.float64) - exact) / largest
    if sampling.mode == "nearest":
        difference = difference * _is_settled(features.shape, where, sampling, allowed)[:, None]
    worst = float(difference.max(initial=0.0))
    if not worst <= allowed:
        raise VerificationError(
            f"reference: node {name!r}",
            f"its evaluation in float64, within {allowed:.1e} of the largest feature",
            f"a difference of {worst:.1e}",
            "the sampling locations of this GridSample need float64; export it with float32 locations",
        )
    return worst


def _is_settled(
    shape: tuple[int, ...], places: Floats, sampling: Sampling, doubt: float
) -> npt.NDArray[np.bool_]:
    """Return (N, Ho, Wo) whether the nearest pixel of places is the same after rounding."""
    column, row = (np.abs(each - np.floor(each) - 0.5) > doubt for each in pixels(shape, places, sampling))
    return np.asarray(column & row)


def _sampling(node: ir.Node) -> Sampling:
    texts = {
        key: node.attributes[key].as_string() for key in ("mode", "padding_mode") if key in node.attributes
    }
    align = node.attributes["align_corners"].as_int() if "align_corners" in node.attributes else 0
    mode = texts.get("mode", "linear")
    return Sampling(
        "nearest" if mode == "nearest" else "linear", texts.get("padding_mode", "zeros"), bool(align)
    )


def _values(node: ir.Node) -> tuple[str, str, str]:
    """Return the names of features, float64 places and result of a repaired node."""
    features, places = node.inputs[:2]
    assert features is not None and places is not None
    cast = places.producer()
    assert cast is not None and cast.inputs[0] is not None
    return str(features.name), str(cast.inputs[0].name), str(node.outputs[0].name)


def _write_part(model: ir.Model, names: list[str], path: Path) -> None:
    """Write what computes some values; what is an input is fed and no output."""
    graph = model.graph
    values = {str(value.name): value for node in graph for value in node.outputs}
    graph.outputs.clear()
    graph.outputs.extend(values[name] for name in names if name in values)
    prune(graph)
    write_graph(model, path, "repaired.bin")


def _name(node: ir.Node) -> str:
    return node.name or str(node.outputs[0].name)
