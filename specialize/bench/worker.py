"""Run one form of a model in its own process: open the model, then run it on command.

Started by `measure` as `python -m specialize.bench.worker MODEL FEED.npz RUNTIME THREADS`. One JSON object
per line on both sides: `run` answers with seconds, `peak` with bytes, `profile` with seconds per operator, and is the
last.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from specialize.files.scratch import temporary_folder
from specialize.verify.runtime import CRASHING

Run = Callable[[], object]
_PROFILED = 3
"""Runs with a profile."""
_KERNEL = "_kernel_time"
"""Last part of the name of a kernel's entry in a profile, behind that of its node."""


def peak_bytes() -> int:
    """Return the peak memory of this process since it was started.

    `ru_maxrss` would include the parent's memory at the moment of the fork, so Linux's own counter is
    preferred.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def open_onnxruntime(path: Path, feed: Mapping[str, np.ndarray], threads: int) -> tuple[Run, str]:
    """Open a model as a deployment would: all optimisations, memory arena."""
    import onnxruntime

    session = _ort_session(path, threads, None)
    used = {value.name: feed[value.name] for value in session.get_inputs()}
    return lambda: session.run(None, used), f"onnxruntime {onnxruntime.__version__}"


def profile_onnxruntime(
    path: Path, feed: Mapping[str, np.ndarray], threads: int, runs: int
) -> dict[str, float]:
    """Return seconds per operator, from ONNX Runtime's profile; a first run, which asks for memory, does not count."""
    with temporary_folder("profile") as folder:
        session = _ort_session(path, threads, str(folder / "profile"))
        used = {value.name: feed[value.name] for value in session.get_inputs()}
        for _ in range(runs + 1):
            session.run(None, used)
        times = kernel_times(session)
    seconds: defaultdict[str, float] = defaultdict(float)
    for _, operator, spent in times[len(times) // (runs + 1) :]:
        seconds[operator] += spent
    return dict(seconds)


def kernel_times(session: Any) -> list[tuple[str, str, float]]:
    """End the profile of ONNX Runtime's session; return name, operator and seconds of every kernel that ran."""
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return [
        (event["name"].removesuffix(_KERNEL), event["args"]["op_name"], event["dur"] * 1e-6)
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL)
    ]


def open_openvino(path: Path, feed: Mapping[str, np.ndarray], threads: int) -> tuple[Run, str]:
    """Open a model on OpenVINO's CPU plugin in float32."""
    import openvino

    request, used = _openvino_request(path, feed, threads, False)
    return lambda: request.infer(used), f"openvino {openvino.__version__.split('-')[0]}"


def profile_openvino(path: Path, feed: Mapping[str, np.ndarray], threads: int, runs: int) -> dict[str, float]:
    """Return seconds per operator, from OpenVINO's counters."""
    request, used = _openvino_request(path, feed, threads, True)
    seconds: Counter[str] = Counter()
    for _ in range(runs):
        request.infer(used)
        for entry in request.profiling_info:
            seconds[entry.node_type] += entry.real_time.total_seconds()
    return {name: value for name, value in seconds.items() if value > 0}


OPEN = {"onnxruntime": open_onnxruntime, "openvino": open_openvino}
PROFILE = {"onnxruntime": profile_onnxruntime, "openvino": profile_openvino}


def serve(arguments: list[str], commands: TextIO, answers: TextIO) -> None:
    """Open the model, report it, and execute commands until `profile` or the end of the input."""
    path, runtime, threads = Path(arguments[0]), arguments[2], int(arguments[3])
    with np.load(arguments[1]) as stored:
        feed = {name: stored[name] for name in stored.files}
    __import__(runtime)
    idle = peak_bytes()
    run, version = OPEN[runtime](path, feed, threads)
    _answer(answers, {"runtime": version, "idle_bytes": idle})
    for line in commands:
        command = line.strip()
        if command == "run":
            start, spent = time.perf_counter(), time.process_time()
            run()
            taken = {"cpu_seconds": time.process_time() - spent, "seconds": time.perf_counter() - start}
            _answer(answers, taken)
        elif command == "peak":
            _answer(answers, {"bytes": peak_bytes()})
        elif command == "profile":
            del run  # a second session beside it would take as much memory again
            _answer(answers, PROFILE[runtime](path, feed, threads, _PROFILED))
            return


def _ort_session(path: Path, threads: int, profile: str | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=list(CRASHING)
    )


def _openvino_request(
    path: Path, feed: Mapping[str, np.ndarray], threads: int, counters: bool
) -> tuple[Any, Any]:
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": counters,
    }
    compiled = openvino.compile_model(openvino.Core().read_model(str(path)), "CPU", settings)
    used = {
        place: next(feed[name] for name in port.get_names() if name in feed)
        for place, port in enumerate(compiled.inputs)
    }
    return compiled.create_infer_request(), used


def _answer(answers: TextIO, value: Mapping[str, object]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def main() -> None:
    """Serve on the standard streams; whatever a runtime prints goes to the standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(sys.argv[1:], sys.stdin, answers)


if __name__ == "__main__":
    main()
