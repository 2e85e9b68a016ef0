"""Files that lie: every one is an error that says what and where, or is left alone; nothing large is ever made."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from specialize.errors import InputError
from specialize.graph import budget
from specialize.graph.folding import fold
from specialize.graph.io import read_graph, write_graph
from specialize.passes.pipeline import specialize_graph
from tests.graph import hostile_cases, hostile_models
from tests.graphs import RAGGED

MOST_BYTES = 1 << 30


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """Let a test fail that asks for much more memory than the process has by now."""
    status = Path("/proc/self/status")
    if not status.exists():
        yield
        return
    held = int(next(line for line in status.read_text().splitlines() if line.startswith("VmSize")).split()[1])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held * 1024 + MOST_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def model(*nodes: onnx.NodeProto, **constants: onnx.TensorProto | np.ndarray) -> bytes:
    """Return a file whose nodes read `x`, two rows of three, and make `y`."""
    tensors = []
    for name, held in constants.items():
        tensor = (
            held if isinstance(held, onnx.TensorProto) else numpy_helper.from_array(np.asarray(held), name)
        )
        tensor.name = name
        tensors.append(tensor)
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_empty_tensor_value_info("y")],
        tensors,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("strange", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def node(operator: str, *inputs: str, to: str = "y", **attributes: object) -> onnx.NodeProto:
    """Return a node of that name."""
    return helper.make_node(operator, list(inputs), [to], operator.lower(), **attributes)


def read(content: bytes, folder: Path) -> int:
    """Read and specialize a file; return how many nodes are left."""
    path = folder / "model.onnx"
    path.write_bytes(content)
    return len(specialize_graph(read_graph(path), {}, RAGGED).model.graph)


def tensor(*dims: int, floats: int = 0, raw: bytes | None = None) -> onnx.TensorProto:
    """Return a tensor that says it has those dimensions."""
    made = TensorProto(data_type=TensorProto.FLOAT, dims=dims)
    made.float_data.extend([1.0] * floats)
    if raw is not None:
        made.raw_data = raw
    return made


MATMUL = node("MatMul", "x", "w")
WRONG = {
    "dimensions beyond any memory": (model(MATMUL, w=tensor(1 << 40, 1 << 20, raw=b"1234")), "truncated"),
    "the same, numbers in a list": (model(MATMUL, w=tensor(1 << 40, 1 << 20, floats=2)), "truncated"),
    "fewer numbers than dimensions": (model(MATMUL, w=tensor(3, 2, floats=2)), "truncated"),
    "dimensions below zero": (model(MATMUL, w=tensor(-3, 2, floats=6)), "dimensions of 0 or more"),
    "an element type that is none": (model(MATMUL, w=TensorProto(data_type=99, dims=[3])), "damaged"),
    "an input that nothing makes": (model(node("Add", "x", "gone")), "'gone'"),
    "a result made twice": (model(node("Relu", "x"), node("Sigmoid", "x")), "damaged"),
    "a node that reads itself": (model(node("Add", "x", "y")), "cycle"),
    "an operator that is none": (model(node("Frobnicate", "x")), "Frobnicate"),
    "a shape below zero": (model(node("ConstantOfShape", "s"), s=np.array([-5, 2])), "constantofshape"),
    "two unknown sizes": (model(node("Reshape", "x", "s"), s=np.array([-1, -1])), "reshape"),
    "a division by zero": (
        model(node("Div", "a", "b", to="q"), node("Reshape", "x", "q"), a=np.array([6]), b=np.array([0])),
        "'div'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    """One clear error, that names the node, the weight or the file."""
    content, said = WRONG[name]
    with pytest.raises(InputError) as caught:
        read(content, tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", hostile_cases.WRONG)
def test_a_model_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    """Paths, versions, kinds of input, attributes, functions and budgets: each lie is one error that says where."""
    maker, said = hostile_cases.WRONG[name]
    with pytest.raises(InputError) as caught:
        read(maker(tmp_path).SerializeToString(), tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", hostile_cases.FINE)
def test_an_odd_model_is_read_and_written(name: str, tmp_path: Path) -> None:
    """What is unusual but right is folded twice, as a build does it, and gives a file that ONNX Runtime opens."""
    path = tmp_path / "model.onnx"
    onnx.save(hostile_cases.FINE[name](tmp_path), path)
    for turn in range(2):
        made = read_graph(path)
        fold(made)
        path = tmp_path / f"{turn}.onnx"
        write_graph(made, path, f"{turn}.weights")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    opened = onnxruntime.InferenceSession(path, options)
    assert [put.name for put in opened.get_outputs()] == [value.name for value in made.graph.outputs]


def test_a_constant_that_is_too_large_is_told(tmp_path: Path) -> None:
    """A result of 4 GiB stays a node, and a note says why."""
    path = tmp_path / "model.onnx"
    onnx.save(hostile_cases.FINE["2 ** 30 numbers that are summed"](tmp_path), path)
    notes = specialize_graph(read_graph(path), {}, RAGGED).notes
    assert "its result of 4.0 GiB is larger than a constant may be, 1 GiB" in [note.reason for note in notes]


def test_a_loop_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding has a budget of processor time, and going beyond is an error, not another result."""
    monkeypatch.setattr(budget, "SECONDS", 0.5)
    with pytest.raises(InputError, match="of processor time, got more"):
        read(hostile_models.endless_loop().SerializeToString(), tmp_path)


def test_a_loop_that_fills_memory_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding has a memory budget for sizes that are not known in advance."""
    monkeypatch.setattr(budget, "MEMORY_BYTES", 64 << 20)
    with pytest.raises(InputError, match="of memory, got more"):
        read(hostile_models.endless_loop(scan=True).SerializeToString(), tmp_path)


LARGE = np.array([1 << 15, 1 << 15, 8])  # 32 GiB of float32
BOMBS = {
    "filled": model(node("ConstantOfShape", "s"), s=LARGE),
    "filled and summed": model(
        node("ConstantOfShape", "s", to="z"), node("ReduceSum", "z", to="r"), node("Add", "x", "r"), s=LARGE
    ),
    "filled and searched": model(node("ConstantOfShape", "s", to="z"), node("NonZero", "z"), s=LARGE),
    "counted": model(node("Range", "a", "b", "c"), a=np.array(0), b=np.array(1 << 50), c=np.array(1)),
    "tiled": model(node("Tile", "k", "s"), k=np.ones((4, 4), np.float32), s=np.array([1 << 20, 1 << 20])),
    "expanded": model(node("Expand", "k", "s"), k=np.ones((1, 1), np.float32), s=LARGE),
    "padded": model(node("Pad", "x", "s"), s=np.array([0, 0, 1 << 30, 1 << 30])),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_makes_nothing_large(name: str, tmp_path: Path) -> None:
    """What would be larger than it is worth stays a node."""
    assert read(BOMBS[name], tmp_path) >= 1


def test_operators_of_strangers_are_left_alone(tmp_path: Path) -> None:
    """An unknown domain is no reason to reject a file."""
    assert read(model(node("Frobnicate", "x", domain="strange")), tmp_path) == 1


WHOLE = model(node("Relu", "x", to="r"), node("Add", "r", "w"), w=np.ones((2, 3), np.float32))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(WHOLE) - 1), st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)))
)
def test_damaged_files_are_errors_or_models(cut: int, changes: list[tuple[int, int]]) -> None:
    """Cut anywhere, bytes changed anywhere: an input error or a graph, never another exception."""
    import tempfile

    damaged = bytearray(WHOLE[: len(WHOLE) - cut])
    for place, byte in changes:
        if place < len(damaged):
            damaged[place] = byte
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(bytes(damaged), Path(folder))
        except InputError as error:
            assert str(error)


def test_a_split_that_counts_other_outputs_is_refused(tmp_path: Path) -> None:
    """ONNX's shape inference would end the process where a node has more outputs than it says."""
    made = onnx.load_from_string(
        model(helper.make_node("Split", ["x"], ["y", "z", "a"], "cut", num_outputs=2))
    )
    made.opset_import[0].version = 18
    with pytest.raises(InputError) as caught:
        read(made.SerializeToString(), tmp_path)
    assert str(caught.value) == "node 'cut': num_outputs: expected 3, as many as it has outputs, got 2"
