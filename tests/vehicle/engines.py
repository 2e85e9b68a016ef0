"""Engines for the golden frame, and its C++ twin through ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from specialize.vehicle.golden import TYPES, Array, Golden
from specialize.vehicle.selftesting import Engine, Selftest
from specialize.vehicle.words import Reason


class GoldenView(ctypes.Structure):
    """`specialize_golden`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        *((name, ctypes.c_uint32) for name in ("inputs", "outputs", "reference", "unused")),
    )


class Tensor(ctypes.Structure):
    """`specialize_tensor`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_uint32),
        ("rank", ctypes.c_uint32),
        ("shape", ctypes.c_int64 * 8),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_size_t),
    )


class Difference(ctypes.Structure):
    """`specialize_difference`."""

    _fields_ = (
        ("frame", ctypes.c_int32),
        ("output", ctypes.c_int32),
        ("index", ctypes.c_int64),
        ("beyond", ctypes.c_uint64),
        ("expected", ctypes.c_double),
        ("found", ctypes.c_double),
        ("allowed", ctypes.c_double),
    )


Tensors = ctypes.POINTER(Tensor)
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, Tensors, ctypes.c_uint32, Tensors, ctypes.c_uint32)


def opened(
    library: ctypes.CDLL, data: bytes, contract: object = None, shift: int = 0
) -> tuple[Reason, GoldenView, Array]:
    """Return what `specialize_open_golden` says, the view it fills, and the memory that this looks at.

    Args:
        library: The C interface.
        data: The file.
        contract: A pointer to `specialize_contract`, or None.
        shift: Bytes that the file begins after an aligned address.
    """
    memory = np.frombuffer(bytes(shift) + data + bytes(-len(data) - shift & 7), np.uint64).copy()
    view = GoldenView()
    start = ctypes.c_void_p(memory.ctypes.data + shift)
    size = ctypes.c_size_t(len(data))
    return Reason(library.specialize_open_golden(start, size, contract, ctypes.byref(view))), view, memory


def native_selftest(library: ctypes.CDLL, golden: Golden, run: Engine) -> Selftest:
    """Return what the C++ twin says of an engine."""
    reason, view, memory = opened(library, golden.to_bytes())
    assert reason is Reason.OK
    first = Difference()
    library.specialize_selftest.argtypes = [
        ctypes.POINTER(GoldenView),
        CALLBACK,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    kept: list[Array] = []

    def call(_: int, inputs: object, count: int, outputs: object, wanted: int) -> int:
        kept.clear()
        try:
            gave = run({inputs[k].name.decode(): _array(inputs[k]) for k in range(count)})  # type: ignore[index]
        except RuntimeError:
            return 1
        for k in range(wanted):
            output = outputs[k]  # type: ignore[index]
            array = np.ascontiguousarray(gave.get(output.name.decode(), np.zeros(0, np.uint8)))
            kept.append(array)
            if array.nbytes:
                output.data = array.ctypes.data
            output.bytes = array.nbytes
        return 0

    code = library.specialize_selftest(ctypes.byref(view), CALLBACK(call), None, ctypes.byref(first))
    assert len(memory)  # alive until here
    name = golden.outputs[first.output].name if first.output >= 0 else ""
    return Selftest(
        reason=Reason(code), frame=first.frame, output=name, index=first.index, beyond=first.beyond,
        expected=first.expected, found=first.found, allowed=first.allowed,
    )  # fmt: skip


def _array(tensor: Tensor) -> Array:
    raw = ctypes.string_at(tensor.data, tensor.bytes)
    shape = [int(tensor.shape[axis]) for axis in range(tensor.rank)]
    return np.frombuffer(raw, TYPES[tensor.type]).reshape(shape)


def onnx_engine(path: Path) -> Engine:
    """Return a model on ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run


def frozen(golden: Golden, frame: int) -> Engine:
    """Return an engine that gives what one frame expects, whatever it is fed."""
    return lambda inputs: {output.name: output.frames[frame] for output in golden.outputs}


def playing(golden: Golden, change: Callable[[int, str, Array], Array]) -> Engine:
    """Return an engine that gives what is expected, frame by frame, each output changed."""
    frames = iter(range(2))

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        frame = next(frames)
        return {each.name: change(frame, each.name, each.frames[frame]) for each in golden.outputs}

    return run
