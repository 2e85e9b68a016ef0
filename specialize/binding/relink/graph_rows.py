"""Rows that a mask keeps, and the places that a query's rows stand at, in a graph of fixed shapes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from specialize.binding.relink.assemble import INT64
from specialize.binding.relink.nodes import cast, const, ints, op, shaped, sliced


def pairs_of(
    whole: ir.Value, cameras: int, queries: int, lengths: Sequence[int]
) -> tuple[ir.Value, ir.Value]:
    """Return the pairs of a mask (N, Q), queries of each camera ascending, then the last again; and how many, (N,)."""
    wanted = op("ReduceSum", cast(whole, INT64), ints([1]), keepdims=0)
    most = min(max(lengths), queries)
    descending = const(np.arange(queries, 0, -1, dtype=np.float32)[None])
    key = op("Where", whole, descending, const(np.zeros((), np.float32)))
    best = op("TopK", key, ints([most]), outputs=2, axis=1, largest=1, sorted=1)
    ascending = const(np.arange(queries, dtype=np.float32)[None])
    seen = op("Where", whole, ascending, const(np.zeros((), np.float32)))
    last = op("ReduceMax", seen, axes=[1], keepdims=1)
    count = const(np.array(queries, np.float32))
    there = op("Greater", best, const(np.zeros((), np.float32)))
    chosen = op("Where", there, op("Sub", count, best), last)
    first = const(np.arange(cameras, dtype=np.int64)[:, None] * queries)
    parts = []
    for camera, length in enumerate(lengths):
        start = sliced(first, (cameras, 1), [(camera, camera + 1, 1), (0, 1, 1)])
        for values, width in ((chosen, min(length, most)), (last, length - min(length, most))):
            if width:
                place = [(camera, camera + 1, 1), (0, width if values is chosen else 1, 1)]
                part = sliced(values, (cameras, most if values is chosen else 1), place)
                wide = op("Expand", part, ints([1, width]))
                parts.append(shaped(op("Add", cast(wide, INT64), start), (width,)))
    return op("Concat", *parts, axis=0), wanted


def places_of(
    mask: ir.Value, cameras: int, queries: int, lengths: Sequence[int], fan_in: int
) -> tuple[ir.Value, ir.Value]:
    """Return (Q, fan-in), the places of each query's rows in the order of cameras, then that of zeros; and how many."""
    whole = op("Transpose", mask, perm=[1, 0])  # (Q, N)
    counts = cast(whole, INT64)
    wanted = op("ReduceSum", counts, ints([1]), keepdims=0)
    starts = np.array([0, *itertools.accumulate(lengths)][:-1], np.int64) - 1
    place = op("Add", op("CumSum", counts, const(np.array(0, np.int64))), const(starts))
    descending = const(np.arange(cameras, 0, -1, dtype=np.float32)[None])
    zero = const(np.zeros((), np.float32))
    key, most = op("Where", whole, descending, zero), min(fan_in, cameras)
    best = op("TopK", key, ints([most]), outputs=2, axis=1, largest=1, sorted=1)
    index = best.producer().outputs[1]  # type: ignore[union-attr]
    spare = const(np.array(sum(lengths), np.int64))
    found = op("Where", op("Greater", best, zero), op("GatherElements", place, index, axis=1), spare)
    if most == fan_in:
        return found, wanted
    joined = op("Concat", found, op("Expand", spare, ints([queries, fan_in - most])), axis=1)
    return joined, wanted
