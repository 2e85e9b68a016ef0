"""Compare operators of DerryHub's plugins, as they are defined here, with the float32 kernels of their maker.

usage: python tools/targets/plugin_kernels.py CHECKOUT

CHECKOUT is a clone of DerryHub/BEVFormer_tensorrt. Its kernels are taken from there and compiled for this CPU, one
thread after the other; a graph of each operator is run on ONNX Runtime as `runnable` of
`specialize.lowering.attention` writes it. Needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import helper, numpy_helper

from specialize.graph import folding
from specialize.lowering.attention import runnable

SOURCES = {
    "rotate/rotateKernel.cu": (
        "within_bounds_2d", "safe_downgrade_to_int_range", "grid_sampler_compute_source_index", "rotateKernel",
    ),
    "modulated_deformable_conv2d/modulatedDeformableConv2dKernel.cu": (
        "dmcn_im2col_bilinear", "modulated_deformable_im2col_gpu_kernel",
    ),
    "multi_scale_deformable_attn/multiScaleDeformableAttnKernel.cu": (
        "ms_deform_attn_im2col_bilinear", "ms_deformable_im2col_gpu_kernel",
    ),
    "bev_pool_v2/bevPoolKernel.cu": ("bev_pool_v2_kernel",),
}  # fmt: skip
"""Files below TensorRT/plugin, and the functions that are needed of them."""

BEFORE = """
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdint>
#include <limits>
#define __global__
#define __device__
#define __forceinline__ inline
#define CUDA_1D_KERNEL_LOOP(i, n) for (int i##_ = 0, i = 0; i##_ < (n); ++i##_, i = i##_)
namespace cuda { namespace std { using ::std::numeric_limits; } }
using std::exp; using std::floor; using std::isfinite; using std::max; using std::min;
enum class RotateInterpolation { Bilinear, Nearest };
struct Place { int x; };
static Place blockIdx{0}, blockDim{1}, threadIdx{0};
"""

AFTER = """
extern "C" void turn(float *out, float *image, float *angle, float *center, int c, int h, int w, int nearest) {
  rotateKernel<float>(h * w, out, image, angle, center, c, h, w,
                      nearest ? RotateInterpolation::Nearest : RotateInterpolation::Bilinear);
}
extern "C" void columns(float *out, float *image, float *offset, float *mask, int c, int h, int w, int k, int pad,
                        int groups) {
  modulated_deformable_im2col_gpu_kernel<float>(c * h * w, image, offset, mask, h, w, k, k, pad, pad, 1, 1, 1, 1,
                                                c / groups, 1, c, groups, h, w, out);
}
extern "C" void attend(float *out, float *value, int32_t *shapes, float *reference, float *offsets, float *weights,
                       int n, int s, int m, int d, int levels, int q, int points, int anchors) {
  ms_deformable_im2col_gpu_kernel<float>(n * q * m * d, value, shapes, reference, offsets, weights, s, m, d, levels,
                                         q, points, anchors, out);
}
extern "C" void pool(float *out, float *depth, float *feat, int *points, int *places, int *cells, int *starts,
                     int *lengths, int c, int intervals) {
  for (blockIdx.x = 0; blockIdx.x < c * intervals; ++blockIdx.x)
    bev_pool_v2_kernel<float>(c, intervals, depth, feat, points, places, cells, starts, lengths, out);
}
"""

Array = np.ndarray


def main() -> None:
    """Print, for each operator and case, how far kernel and definition are apart."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:
        kernels = compiled(parser.parse_args().checkout / "TensorRT" / "plugin", Path(folder))
        for name, got, wanted in (
            *turns(kernels),
            *convolutions(kernels),
            attention(kernels),
            pooling(kernels),
        ):
            off = np.abs(got - wanted)
            apart = int(np.count_nonzero(off.reshape(off.shape[0], -1).max(axis=0) > 1e-3))
            print(
                f"{name}: largest difference {off.max():.1e} of {np.abs(wanted).max():.2g}, places apart: {apart}"
            )


def compiled(plugins: Path, folder: Path) -> ctypes.CDLL:
    """Return the kernels as a library of this machine."""
    parts = [BEFORE]
    for file, names in SOURCES.items():
        text = (plugins / file).read_text()
        parts += [function_of(text, name) for name in names]
    source, library = folder / "kernels.cpp", folder / "kernels.so"
    source.write_text("\n".join([*parts, AFTER]))
    subprocess.run(["c++", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return ctypes.CDLL(str(library))


def turns(kernels: ctypes.CDLL) -> list[tuple[str, Array, Array]]:
    """Return the result of the kernel and of the definition for rotations of maps as large as detectors have."""
    found, random = [], np.random.default_rng(0)
    for size in (50, 200):
        for nearest in (0, 1):
            image = random.standard_normal((2, size, size)).astype(np.float32)
            center = np.array([100.0, 100.0], np.float32)
            for angle in np.array([[-13.7], [2.3], [7.5]], np.float32):
                feeds = {"image": image, "angle": angle}
                wanted = defined("RotateTRT", [*feeds, center], feeds, image.shape, interpolation=nearest)
                got = np.zeros_like(image)
                _call(kernels.turn, got, image, angle, center, *image.shape, nearest)
                mode = "nearest" if nearest else "bilinear"
                found.append((f"RotateTRT {size} x {size}, {mode}, {angle[0]:g} degrees", got, wanted))
    return found


def convolutions(kernels: ctypes.CDLL) -> list[tuple[str, Array, Array]]:
    """Return the same for convolutions with and without groups."""
    found, random = [], np.random.default_rng(0)
    for groups, shared in ((1, 1), (2, 1), (1, 2), (2, 2)):
        shapes = {"image": (1, 4, 6, 7), "offset": (1, 18 * shared, 6, 7), "mask": (1, 9 * shared, 6, 7)}
        feeds = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        kernel = random.standard_normal((6, 4 // groups, 3, 3)).astype(np.float32)
        settings = {"padding": [1, 1], "groups": groups, "deform_groups": shared}
        wanted = defined("ModulatedDeformableConv2dTRT", [*feeds, kernel], feeds, (1, 6, 6, 7), **settings)
        rows = np.zeros((4 * 9, 6 * 7), np.float32)
        _call(kernels.columns, rows, *feeds.values(), 4, 6, 7, 3, 1, shared)
        products = kernel.reshape(groups, 6 // groups, -1) @ rows.reshape(groups, -1, 42)
        name = f"ModulatedDeformableConv2dTRT, {groups} and {shared} groups"
        found.append((name, products.reshape(1, 6, 6, 7), wanted))
    return found


def attention(kernels: ctypes.CDLL) -> tuple[str, Array, Array]:
    """Return the same for an attention of two levels, eight points and four anchors."""
    random, heads, channels, queries, points, anchors = np.random.default_rng(0), 3, 4, 5, 8, 4
    shapes = np.array([[3, 4], [5, 6]], np.int32)
    feeds = {
        "value": random.standard_normal((2, 42, heads, channels)),
        "reference": random.random((2, queries, 1, anchors * 2)),
        "offsets": random.standard_normal((2, queries, heads, 2 * points * 2)),
        "weights": random.standard_normal((2, queries, heads, 2 * points)),
    }
    feeds = {name: array.astype(np.float32) for name, array in feeds.items()}
    inputs = ["value", shapes, "reference", "offsets", "weights"]
    wanted = defined("MultiScaleDeformableAttnTRT", inputs, feeds, (2, queries, heads, channels))
    got = np.zeros_like(wanted)
    value, *rest = feeds.values()
    _call(kernels.attend, got, value, shapes, *rest, 2, 42, heads, channels, 2, queries, points, anchors)
    return "MultiScaleDeformableAttnTRT", got, wanted


def pooling(kernels: ctypes.CDLL) -> tuple[str, Array, Array]:
    """Return the same for pooling of a few points into two of six cells."""
    random = np.random.default_rng(0)
    feeds = {"depth": random.random((1, 2, 2, 3)), "feat": random.standard_normal((1, 2, 3, 4))}
    feeds = {name: array.astype(np.float32) for name, array in feeds.items()}
    points, cells = np.array([0, 7, 3, 11, 5], np.int32), np.array([1, 1, 4, 4, 4], np.int32)
    tables = [points, points % 6, cells, np.array([0, 2], np.int32), np.array([2, 3], np.int32)]
    wanted = defined("BEVPoolV2TRT", [*feeds, *tables], feeds, (1, 2, 3, 4), out_height=2, out_width=3)
    got = np.zeros_like(wanted)
    _call(kernels.pool, got, *feeds.values(), *tables, 4, 2)
    return "BEVPoolV2TRT", got, wanted


def defined(
    operator: str,
    inputs: Sequence[object],
    feeds: dict[str, Array],
    shape: Sequence[int],
    **attributes: Any,
) -> Array:
    """Return what an operator gives by its definition here; inputs are names of feeds, or constants."""
    constants = {f"c{place}": each for place, each in enumerate(inputs) if isinstance(each, np.ndarray)}
    names = [each if isinstance(each, str) else f"c{place}" for place, each in enumerate(inputs)]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["r"], "it", **attributes), helper.make_node("Identity", ["r"], ["out"])],
        operator,
        [helper.make_tensor_value_info(name, float32, array.shape) for name, array in feeds.items()],
        [helper.make_tensor_value_info("out", float32, shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = ir.from_proto(proto)
    folding.evaluate(model)
    runnable(model)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    return np.asarray(session.run(None, feeds)[0])


def function_of(text: str, name: str) -> str:
    """Return the first definition of a function in a source: its template of all types."""
    start = re.search(rf"^(?:template <typename \w+>|static)[^{{;]*?\b{name}\s*\(", text, re.MULTILINE)
    if start is None:
        raise SystemExit(f"no function {name} in that checkout: is it another version?")
    depth, at = 0, text.index("{", start.end())
    for end in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[start.start() : end + 1]
    raise SystemExit(f"the function {name} has no end in that checkout")


def _call(function: object, *arguments: Array | int) -> None:
    assert callable(function)
    function(
        *(each.ctypes.data_as(ctypes.c_void_p) if isinstance(each, Array) else each for each in arguments)
    )


if __name__ == "__main__":
    main()
