"""Run one tool once on one graph and print what it took, as JSON; imports come first and are not counted.

A process of its own, without torch, as a build is: `python -m tools.forms_worker specialize|onnxsim GRAPH`. The
calibration that the graph is bound to lies beside it as `.npy`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from specialize.bench.worker import peak_bytes
from specialize.graph.io import read_graph, write_graph
from specialize.passes.fold_affine import fold_affine
from specialize.passes.pipeline import specialize_graph
from specialize.rows.arrange import Packing


def work(tool: str, path: Path) -> dict[str, float]:
    """Read a graph, let a tool work on it, and write it; return what that took."""
    if tool == "onnxsim":
        import onnxsim
    bound, held = np.load(path.with_suffix(".npy")), peak_bytes()
    start, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.onnx"
        if tool == "onnxsim":
            with silent():
                made, _ = onnxsim.simplify(onnx.load(str(path)))
            onnx.save(made, str(target))
            nodes = len(made.graph.node)
        else:
            done = specialize_graph(read_graph(path), {"lidar2img": bound}, Packing("ragged"))
            fold_affine(done.model)
            write_graph(done.model, target)
            nodes = len(done.model.graph)
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": (peak_bytes() - held) >> 20, "nodes": nodes}


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Send what native code writes to stderr nowhere: onnxsim warns of every node that it cannot fold."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1], Path(sys.argv[2]))))
