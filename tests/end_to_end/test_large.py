"""A model of more than two gigabytes, its weights in files beside it, is built within a small multiple of memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from specialize.artifact import Build
from tests.cli.running import CAR42
from tests.end_to_end.tiny_model import CHANNELS, GRID, SPEC, tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROWS, WIDTH = 1 << 20, 288
TABLES = 2
BYTES = 4 * ROWS * WIDTH  # of each table: a little more than half of what a protobuf may hold


def large_model(folder: Path) -> Path:
    """Write the tiny model with tables of zeros, from which it looks up rows that depend on its query."""
    model = tiny_model()
    graph = model.graph
    shape = helper.make_tensor("flat", TensorProto.INT64, [2], [1, GRID.queries * CHANNELS])
    graph.initializer.append(shape)
    found = [
        helper.make_node("Reshape", ["query", "flat"], ["numbers"], "numbers"),
        helper.make_node("ArgMax", ["numbers"], ["which"], "which", axis=1, keepdims=0),
    ]
    for number in range(TABLES):
        table = TensorProto(name=f"table{number}", data_type=TensorProto.FLOAT, dims=[ROWS, WIDTH])
        table.data_location = TensorProto.EXTERNAL
        for key, value in (("location", f"table{number}.bin"), ("offset", 0), ("length", BYTES)):
            table.external_data.add(key=key, value=str(value))
        graph.initializer.append(table)
        with (folder / f"table{number}.bin").open("wb") as file:
            file.truncate(BYTES)  # a file with a hole: zeros that no disk holds
        found.append(helper.make_node("Gather", [table.name, "which"], [f"row{number}"], f"row{number}"))
        graph.output.append(helper.make_tensor_value_info(f"row{number}", TensorProto.FLOAT, [1, WIDTH]))
    graph.node.extend(found)
    path = folder / "large.onnx"
    onnx.save(model, path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def test_two_gigabytes_of_weights(tmp_path: Path) -> None:
    """It is read, specialized, written and proven; the process never holds the weights more than twice."""
    path = large_model(tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.glob("table*.bin"))
    assert size > 2**31
    command = [sys.executable, "-m", "specialize", "build", "--calib", str(CAR42), "--model", str(path)]
    command += ["-o", str(tmp_path / "build"), "--frames", "2"]
    environment = {**os.environ, "SPECIALIZE_STORE": str(tmp_path / "store"), "OMP_NUM_THREADS": "2"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (tmp_path / "log").read_text()
    build = Build.open(tmp_path / "build")
    assert build.manifest.verify.passed
    (site,) = build.manifest.sites
    assert site.pairs < site.queries * len(site.cameras)
    peak = usage.ru_maxrss * 1024
    assert peak < 2.5 * size, f"{size / 2**30:.2f} GiB of weights, peak {peak / 2**30:.2f} GiB"
