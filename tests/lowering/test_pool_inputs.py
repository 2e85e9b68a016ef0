"""Pooling whose tables are inputs: read as the kernels read them, whatever the lengths and the order of intervals."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from specialize.graph.custom import POOLS, TABLES
from specialize.lowering.attention import runnable
from tests.graphs import run

CAMERAS, DEPTHS, HEIGHT, WIDTH, CHANNELS = 2, 3, 2, 4, 5
ROWS, COLUMNS = 4, 3
POINTS, PIXELS = CAMERAS * DEPTHS * HEIGHT * WIDTH, CAMERAS * HEIGHT * WIDTH


def pooling(
    domain: str = "mmdeploy", name: str = "bev_pool_v2", opset: int = 11, cast: bool = False
) -> onnx.ModelProto:
    """Return a pooling as exporters of plugins write it: arrays of the traced vehicle's lengths."""
    kind = onnx.TensorProto.INT64 if cast else onnx.TensorProto.INT32
    shapes = [(CAMERAS, DEPTHS, HEIGHT, WIDTH), (CAMERAS, HEIGHT, WIDTH, CHANNELS)]
    inputs = [
        helper.make_tensor_value_info(given, onnx.TensorProto.FLOAT, shape)
        for given, shape in zip(("depth", "feat"), shapes, strict=True)
    ]
    inputs += [
        helper.make_tensor_value_info(table, kind, (17 if index < 3 else 5,))
        for index, table in enumerate(TABLES)
    ]
    read = [f"{table}_read" if cast else table for table in TABLES]
    casts = zip(TABLES, read, strict=True) if cast else ()
    nodes = [helper.make_node("Cast", [table], [to], to=onnx.TensorProto.INT32) for table, to in casts]
    size = {"out_height": ROWS, "out_width": COLUMNS}
    nodes.append(helper.make_node(name, ["depth", "feat", *read], ["out"], domain=domain, **size))
    out = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, (1, ROWS, COLUMNS, CHANNELS))
    graph = helper.make_graph(nodes, "pooling", inputs, [out])
    domains = {"": opset} | ({domain: 1} if domain else {})
    imports = [helper.make_opsetid(each, version) for each, version in domains.items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def pooled(depth: np.ndarray, feat: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """Return what the kernels compute: each interval writes its sum into the cell of its first point."""
    ranks_depth, ranks_feat, ranks_bev, starts, lengths = tables
    rows, found = feat.reshape(-1, CHANNELS), np.zeros((ROWS * COLUMNS, CHANNELS))
    for start, length in zip(starts, lengths, strict=True):
        if length:
            points = slice(start, start + length)
            found[ranks_bev[start]] = depth.ravel()[ranks_depth[points]] @ rows[ranks_feat[points]]
    return found.reshape(1, ROWS, COLUMNS, CHANNELS)


@st.composite
def arrays(draw: st.DrawFn) -> list[np.ndarray]:
    """Return the five arrays of random points: some points in no interval, intervals in any order, padded or not."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    counts = random.integers(0, 6, ROWS * COLUMNS)
    if not counts.any():
        counts[0] = 2
    filled = np.flatnonzero(counts)
    bev = np.repeat(filled, counts[filled])
    lengths = counts[filled]
    starts = np.cumsum(lengths) - lengths
    if draw(st.booleans()):  # intervals that are shorter than the points sorted into their cells
        lengths = np.maximum(lengths - random.integers(0, 2, len(lengths)), 0)
    order = random.permutation(len(starts)) if draw(st.booleans()) else np.arange(len(starts))
    starts, lengths = starts[order], lengths[order]
    spare = draw(st.integers(0, 3))
    points = [random.integers(0, POINTS, len(bev)), random.integers(0, PIXELS, len(bev)), bev]
    padding = draw(st.sampled_from(["repeat", "empty"]))
    points = [np.concatenate([each, np.repeat(each[-1:], spare)]) for each in points]
    last, length = (starts[-1], lengths[-1]) if padding == "repeat" else (0, 0)
    starts, lengths = np.append(starts, [last] * spare), np.append(lengths, [length] * spare)
    return [each.astype(np.int32) for each in (*points, starts, lengths)]


@given(arrays(), st.booleans())
def test_any_tables_are_read_as_the_kernels_read_them(tables: list[np.ndarray], cast: bool) -> None:
    """Points outside intervals add nothing, and an interval that is there twice is counted once."""
    random = np.random.default_rng(0)
    depth = random.random((CAMERAS, DEPTHS, HEIGHT, WIDTH), dtype=np.float32)
    feat = random.standard_normal((CAMERAS, HEIGHT, WIDTH, CHANNELS), dtype=np.float32)
    model = ir.from_proto(pooling(cast=cast))
    runnable(model)
    given_tables = [table.astype(np.int64 if cast else np.int32) for table in tables]
    feeds = {"depth": depth, "feat": feat, **dict(zip(TABLES, given_tables, strict=True))}
    np.testing.assert_allclose(run(model, feeds)["out"], pooled(depth, feat, tables), atol=1e-5)


@pytest.mark.parametrize(("domain", "name"), sorted(POOLS))
@pytest.mark.parametrize("opset", [11, 17])
def test_every_spelling_is_read(domain: str, name: str, opset: int) -> None:
    """Domain, name and opset make no difference; the inputs take arrays of any length."""
    model = ir.from_proto(pooling(domain, name, opset))
    runnable(model)
    lengths = [value.shape for value in model.graph.inputs if value.name in TABLES]
    assert [str(shape) for shape in lengths] == ["[points]"] * 3 + ["[intervals]"] * 2
    assert not {node.domain for node in model.graph} & {"mmdeploy", "trt", "TRT"}
