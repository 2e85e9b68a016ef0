"""A detector exported for a pooling plugin, whose tables are its inputs, is built, proven and witnessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from specialize.artifact import Build
from specialize.graph.custom import TABLES
from specialize.model import spec as model_spec
from specialize.model.pool_tables import pool_tables
from tests.cli.running import CAR42, CAR43, run_here

CAMERAS, DEPTHS, HEIGHT, WIDTH, CHANNELS = 6, 20, 8, 22, 6
CELLS = 32


def plugin_model() -> onnx.ModelProto:
    """Return a lift, a pooling by tables of another vehicle's lengths, and a convolution of the cells."""
    random = np.random.default_rng(0)
    lift = random.standard_normal((DEPTHS + CHANNELS, 4, 1, 1)).astype(np.float32)
    head = random.standard_normal((3, CHANNELS, 3, 3)).astype(np.float32)
    bounds = {"begin": [0], "cut": [DEPTHS], "end": [DEPTHS + CHANNELS], "axis": [1]}
    nodes = [
        helper.make_node("Conv", ["features", "lift"], ["lifted"]),
        helper.make_node("Slice", ["lifted", "begin", "cut", "axis"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["depth"], axis=1),
        helper.make_node("Slice", ["lifted", "cut", "end", "axis"], ["context"]),
        helper.make_node("Transpose", ["context"], ["feat"], perm=[0, 2, 3, 1]),
        helper.make_node(
            "bev_pool_v2",
            ["depth", "feat", *TABLES],
            ["bev"],
            domain="mmdeploy",
            out_height=CELLS,
            out_width=CELLS,
        ),
        helper.make_node("Transpose", ["bev"], ["cells"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["cells", "head"], ["out"]),
    ]
    held = [numpy_helper.from_array(lift, "lift"), numpy_helper.from_array(head, "head")]
    held += [numpy_helper.from_array(np.array(value), name) for name, value in bounds.items()]
    features = helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, (CAMERAS, 4, HEIGHT, WIDTH))
    tables = [
        helper.make_tensor_value_info(table, onnx.TensorProto.INT32, (17 if index < 3 else 5,))
        for index, table in enumerate(TABLES)
    ]
    out = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, (1, 3, CELLS - 2, CELLS - 2))
    graph = helper.make_graph(nodes, "plugin", [features, *tables], [out], held)
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("mmdeploy", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write the model."""
    path = tmp_path / "plugin.onnx"
    onnx.save(plugin_model(), path)
    return path


@pytest.fixture
def drafted(model: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Save the model's draft beside it, and decide what it cannot know."""
    sidecar = model.with_suffix(".model.yaml")
    ran = run_here(capsys, "inspect", model, "--calib", CAR42, "--save-draft", sidecar, "--take-guesses")
    assert ran.code == 0, ran.err
    text = sidecar.read_text()
    assert all(f"{table}: {table}  # read as such by mmdeploy::bev_pool_v2" in text for table in TABLES)
    lines = [line for line in text.splitlines() if not line.startswith("guessed")]
    decided = {"size_px": "[704, 256]", "scale": "0.44", "crop_px": "[0, 140]"}
    for index, line in enumerate(lines):
        key = line.strip().partition(":")[0]
        lines[index] = f"  {key}: {decided[key]}" if key in decided else line
    sidecar.write_text("\n".join(lines) + "\n")
    return model


def test_it_is_built_for_each_vehicle(drafted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A vehicle's arrays are constants of its build, in its own lengths, and its points are witnessed."""
    made = []
    for calib in (CAR42, CAR43):
        folder = drafted.parent / calib.stem
        ran = run_here(capsys, "build", "--calib", calib, "--model", drafted, "--frames", "1", "-o", folder)
        assert ran.code == 0, ran.err
        build = Build.open(folder)
        assert [tensor.name for tensor in build.manifest.inputs] == ["features"]
        assert "lifted points agree" in ran.out
        made.append(build.manifest.files["model.onnx"].sha256)
    assert made[0] != made[1]


def test_wrong_arrays_are_witnessed(
    drafted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both models are fed the same arrays, so only the witness sees a point in the cell beside its own."""

    def moved(*arguments: object) -> dict[str, np.ndarray]:
        tables = pool_tables(*arguments)  # type: ignore[arg-type]
        return tables | {"ranks_bev": np.minimum(tables["ranks_bev"] + 1, CELLS * CELLS - 1)}

    monkeypatch.setattr(model_spec, "pool_tables", moved)
    ran = run_here(
        capsys, "build", "--calib", CAR42, "--model", drafted, "--frames", "1", "-o", drafted.parent / "build"
    )
    assert ran.code not in (0, 2) and "witness" in ran.err, ran.err
    assert not (drafted.parent / "build").exists()


@pytest.mark.parametrize("mode", ["tables", "envelope"])
def test_it_is_bound_exactly(drafted: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the other modes the arrays stay what they are: inputs."""
    ran = run_here(
        capsys, "build", "--calib", CAR42, "--model", drafted, "--mode", mode, "-o", drafted.parent / "build"
    )
    assert ran.code == 2 and "exact for a model whose inputs are the tables of its pooling" in ran.err
