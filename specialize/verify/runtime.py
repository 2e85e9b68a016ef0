"""Run an ONNX file on a runtime, one session at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from specialize.errors import InputError, closest
from specialize.graph.racing import file_nodes, safe_threads

Arrays = Mapping[str, np.ndarray]

CRASHING = ("FuseFp16InitializerToFp32NodeTransformer",)
"""Optimisers that are disabled: ONNX Runtime 1.31 ends the process while it opens some 16-bit models on a CPU."""

UNKNOWN_OPERATOR = (
    "the original must run for comparison: export that operator in standard ones, or in a form that `specialize "
    "targets` lists"
)


class RunError(InputError):
    """A model that a runtime opens, but cannot run."""


Memory = Literal["given back", "reused", "kept"]
"""What becomes of memory that a value of a model no longer needs: a large model has none to spare; a small one is twice
as fast with memory that it had before; one that is run many times keeps it from run to run.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """An opened model. Dropping the last reference frees its memory.

    Attributes:
        inputs: Names of the inputs that the model still has.
        outputs: Names of the outputs, in order.
        call: Takes every input by name and returns every output by name.
        kernels: Names of the kernels of 8 bits that the runtime chose, sorted, where it names them.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    call: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
    kernels: tuple[str, ...] = ()

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Run one frame; entries of `feed` that the model does not have are left out.

        Raises:
            InputError: An input of the model is not in `feed`, or an output is no tensor of numbers.
            RunError: The runtime cannot run it.
        """
        missing = [name for name in self.inputs if name not in feed]
        if missing:
            raise InputError("inputs", f"a value for {', '.join(missing)}", f"only {', '.join(sorted(feed))}")
        try:
            outputs = self.call({name: feed[name] for name in self.inputs})
        except Exception as error:  # runtimes raise types of their own
            hint = "the graph needs too much memory, or an operation that this runtime does not support"
            raise RunError("the model", "a run without error", str(error).strip(), hint) from error
        for name, array in outputs.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind in "OSU":
                raise InputError(
                    f"output {name!r}", "a tensor of numbers", "text or a sequence", "remove this output"
                )
        return outputs


def open_onnxruntime(
    path: Path, threads: int, fold: bool = True, kernels: bool = False, optimize: bool = True
) -> Runner:
    """Open a model on ONNX Runtime's CPU provider, deterministic, without keeping freed memory.

    An arena grows from frame to frame where nothing is reused, and would hold twice what a large model needs.

    Args:
        path: The model.
        threads: Threads within an operator; one if the model has an operator that races on several.
        fold: Whether the runtime may compute what only depends on constants in advance. In a form that computes all
            rows these are the sampling places of all rows, site by site: gigabytes that are not needed at once.
        kernels: Whether integers between QuantizeLinear and DequantizeLinear are computed by the runtime's kernels of
            8 bits, as a deployment does; else in float32, as the file says.
        optimize: Whether the runtime may rewrite the graph; without, it adds in another order.
    """
    safe = safe_threads(file_nodes(path), threads)
    return _opened(str(path), _options(safe, kernels=kernels, optimize=optimize), fold=fold)


def open_bytes(
    model: bytes, folder: Path, threads: int, optimize: bool = True, memory: Memory = "reused"
) -> Runner:
    """Open a model on ONNX Runtime's CPU provider that is no file; the files of its weights lie in a folder.

    Args:
        model: The model.
        folder: Folder of its weights.
        threads: Threads within an operator.
        optimize: Whether the runtime may rewrite the graph.
        memory: What becomes of memory that a value no longer needs.
    """
    options = _options(threads, kernels=False, optimize=optimize)
    options.enable_mem_reuse = memory != "given back"
    options.enable_cpu_mem_arena = memory == "kept"
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder.resolve())
    )
    return _opened(model, options, fold=True)


def _options(threads: int, *, kernels: bool, optimize: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False
    options.enable_mem_reuse = (
        False  # with reuse, tensors that live long keep large blocks from being given back
    )
    options.log_severity_level = 4  # its errors come as exceptions; names in its lines are not escaped
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads wait without working
    options.add_session_config_entry("session.disable_quant_qdq", "0" if kernels else "1")
    return options


def _opened(source: str | bytes, options: Any, *, fold: bool) -> Runner:
    import onnxruntime

    disabled = [*CRASHING, *([] if fold else ["ConstantFolding"])]
    session = onnxruntime.InferenceSession(
        source, options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled
    )
    outputs = tuple(value.name for value in session.get_outputs())

    def call(feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(list(outputs), feed), strict=True))

    return Runner(tuple(value.name for value in session.get_inputs()), outputs, call)


def open_openvino(path: Path, threads: int) -> Runner:
    """Open a model on OpenVINO's CPU plugin, in float32.

    Without the hint the plugin computes float32 models in bfloat16 where the processor has it, and in float16 on ARM.
    """
    import openvino

    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = openvino.Core().read_model(str(path))
    inputs, names = _onnx_names(path, model)
    compiled = openvino.compile_model(model, "CPU", settings)

    def call(feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = compiled(dict(feed))
        return {name: np.array(results[index]) for index, name in enumerate(names)}

    return Runner(inputs, names, call, _integer_kernels(compiled))


def _integer_kernels(compiled: Any) -> tuple[str, ...]:
    """Return the kernels that multiply in 8 bits, as OpenVINO names them: `brgconv_avx512_1x1_I8`."""
    products = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    named = {
        str(fact["primitiveType"].astype(str))
        for fact in facts
        if "primitiveType" in fact and str(fact["layerType"].astype(str)) in products
    }
    return tuple(sorted(name for name in named if name.lower().endswith("_i8")))


def open_unoptimized(path: Path, threads: int) -> Runner:
    """Open a model on ONNX Runtime's CPU provider, node by node as the file says."""
    return open_onnxruntime(path, threads, optimize=False)


RUNTIMES: Mapping[str, Callable[[Path, int], Runner]] = {
    "onnxruntime": open_onnxruntime,
    "onnxruntime-kernels": partial(open_onnxruntime, kernels=True),
    "openvino": open_openvino,
}


def open_model(path: Path, runtime: str, threads: int) -> Runner:
    """Open a model on one of `RUNTIMES`.

    Raises:
        InputError: The runtime is unknown, not installed, or does not take the model.
    """
    if runtime not in RUNTIMES:
        raise InputError("runtime", "a known runtime", repr(runtime), closest(runtime, RUNTIMES))
    try:
        return RUNTIMES[runtime](path, threads)
    except ImportError as error:
        raise InputError("runtime", f"{runtime} to be installed", str(error)) from error
    except Exception as error:
        hint = UNKNOWN_OPERATOR if "is not a registered" in str(error) else ""
        raise InputError(str(path), f"a model that {runtime} can open", str(error), hint) from error


def _onnx_names(path: Path, model: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ONNX names of OpenVINO's inputs and outputs, in OpenVINO's order (ports have aliases)."""
    graph = onnx.load(str(path), load_external_data=False).graph
    inputs = [value.name for value in graph.input]
    outputs = [value.name for value in graph.output]
    return _matched(model.inputs, inputs), _matched(model.outputs, outputs)


def _matched(ports: Any, names: list[str]) -> tuple[str, ...]:
    found = tuple(next((name for name in names if name in port.get_names()), "") for port in ports)
    if "" in found or len(set(found)) != len(found):
        raise ValueError(f"ports {[sorted(port.get_names()) for port in ports]} are not {names}")
    return found
