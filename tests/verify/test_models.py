"""Two models are run and compared; every way of being wrong is caught."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.errors import InputError, VerificationError
from specialize.model.parts import InputRule
from specialize.text.record import to_json
from specialize.verify import TensorInfo, Tolerance, compare_models, make_frames, model_inputs
from specialize.verify import kept as kept_outputs
from specialize.verify.runtime import open_model
from tests.verify.helpers import CHANNELS, PAIRS, QUERIES, weights, write_elementwise, write_model

FRAMES = make_frames({"rows": TensorInfo((2 * QUERIES, CHANNELS), "float32")}, {}, seed=1, count=3)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """Return the original model."""
    return write_model(tmp_path / "reference.onnx", weights())


def test_a_model_equals_itself(reference: Path) -> None:
    """A model compared with itself passes on every output and frame."""
    report = compare_models(reference, reference, FRAMES)
    report.require_passed()
    assert report.passed and report.frames == 3
    assert list(report.outputs) == ["bev", "label"]


def test_swapped_weights_are_caught(reference: Path, tmp_path: Path) -> None:
    """A model with two columns of weights swapped fails."""
    swapped = weights()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    report = compare_models(reference, write_model(tmp_path / "swapped.onnx", swapped), FRAMES)
    assert not report.passed


def test_one_dropped_pair_is_caught_and_named(reference: Path, tmp_path: Path) -> None:
    """If one query reads one camera's row twice instead of both, the error names that query."""
    pairs = PAIRS.copy()
    pairs[41, 1] = pairs[41, 0]
    report = compare_models(reference, write_model(tmp_path / "dropped.onnx", weights(), pairs), FRAMES)
    with pytest.raises(VerificationError, match=r"output 'bev'\[41, \d\], frame \d: expected -?\d") as error:
        report.require_passed()
    assert error.value.exit_code == 4


def test_two_swapped_queries_are_caught(reference: Path, tmp_path: Path) -> None:
    """If two queries exchange their rows, both are wrong and nothing else."""
    pairs = PAIRS.copy()
    pairs[[3, 50]] = pairs[[50, 3]]
    report = compare_models(reference, write_model(tmp_path / "swapped.onnx", weights(), pairs), FRAMES)
    bev = report.outputs["bev"]
    assert not bev.passed and bev.worst.index[0] in (3, 50)
    assert bev.failures <= 2 * CHANNELS * report.frames


def test_a_wrong_count_is_caught(reference: Path, tmp_path: Path) -> None:
    """A result that is off by a constant factor fails."""
    wrong = write_model(tmp_path / "count.onnx", weights(), scale=0.5)
    assert not compare_models(reference, wrong, FRAMES).passed


def test_a_missing_and_an_extra_output_are_problems(reference: Path, tmp_path: Path) -> None:
    """Outputs are compared by name: one that is missing or new fails even if all others agree."""
    renamed = write_model(tmp_path / "renamed.onnx", weights(), output="features")
    report = compare_models(reference, renamed, FRAMES)
    assert report.outputs["label"].passed and not report.passed
    assert report.problems == ("output 'bev' is missing", "output 'features' is not in the original")
    with pytest.raises(VerificationError, match="output 'bev' is missing"):
        report.require_passed()


def test_another_shape_is_a_problem(tmp_path: Path) -> None:
    """An output of another shape is not compared and fails."""
    first = write_elementwise(tmp_path / "a.onnx", "Abs", (4, 4))
    second = write_elementwise(tmp_path / "b.onnx", "Abs", (2, 8))
    frames = [{"x": np.ones((4, 4), np.float32)}]
    with pytest.raises(VerificationError, match="a run without error"):
        compare_models(first, second, frames)


def test_nan_is_caught(tmp_path: Path) -> None:
    """NaN in one model or in both fails and says so."""
    path = write_elementwise(tmp_path / "a.onnx", "Sqrt", (4, 4))
    other = write_elementwise(tmp_path / "b.onnx", "Abs", (4, 4))
    frames = [{"x": np.full((4, 4), -1.0, np.float32)}]
    for first, second in [(path, path), (path, other), (other, path)]:
        with pytest.raises(VerificationError, match="16 of 16 values are NaN"):
            compare_models(first, second, frames).require_passed()


def test_no_frames_is_no_proof(reference: Path) -> None:
    """A comparison over no frames does not pass."""
    report = compare_models(reference, reference, [])
    assert not report.passed
    with pytest.raises(VerificationError, match="at least one frame"):
        report.require_passed()


def test_frames_that_run_dry_are_noticed(reference: Path) -> None:
    """An iterator that gives frames only once does not pass by comparing nothing."""
    report = compare_models(reference, reference, iter([FRAMES[0]]))  # type: ignore[arg-type]
    assert not report.passed and report.problems == ("1 frames of the original, 0 of the specialized model",)


def test_calibration_inputs_are_bound_in_the_reference_only(tmp_path: Path) -> None:
    """The original gets the calibration as a constant input; the specialized model has no such input."""
    original = write_elementwise(tmp_path / "a.onnx", "Add", (4, 4), inputs=2)
    specialized = write_elementwise(tmp_path / "b.onnx", "Identity", (4, 4))
    frames = make_frames({"x": TensorInfo((4, 4), "float32")}, {})
    zero = {"y": np.zeros((4, 4), np.float32)}
    assert compare_models(original, specialized, frames, constants=zero).passed
    one = {"y": np.ones((4, 4), np.float32)}
    assert not compare_models(original, specialized, frames, constants=one).passed
    tables = compare_models(specialized, original, frames, candidate_constants=zero)
    assert tables.passed


def test_an_input_that_nobody_gives_is_named(tmp_path: Path) -> None:
    """A missing input of the original is the user's error; one of the specialized model is a failure."""
    original = write_elementwise(tmp_path / "a.onnx", "Add", (4, 4), inputs=2)
    single = write_elementwise(tmp_path / "b.onnx", "Identity", (4, 4))
    frames = make_frames({"x": TensorInfo((4, 4), "float32")}, {})
    with pytest.raises(InputError, match="a value for y"):
        compare_models(original, single, frames)
    with pytest.raises(VerificationError, match="a value for y"):
        compare_models(single, original, frames)


def test_a_broken_file_is_an_error_of_its_side(reference: Path, tmp_path: Path) -> None:
    """A file that does not open is an input error as original and a failed verification as result."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(InputError):
        compare_models(broken, reference, FRAMES)
    with pytest.raises(VerificationError):
        compare_models(reference, broken, FRAMES)
    with pytest.raises(InputError, match="did you mean 'openvino'"):
        compare_models(reference, reference, FRAMES, reference_runtime="openvin")


def test_an_operator_that_the_runtime_lacks_is_explained(tmp_path: Path) -> None:
    """The error says that the original must run, and what to export instead; a broken file gets no such advice."""
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Mystery", ["x"], ["y"], domain="vendor")], "g", [x], [y]
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("vendor", 1)]
    path = tmp_path / "mystery.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    with pytest.raises(InputError, match="Mystery") as error:
        open_model(path, "onnxruntime", 1)
    assert "export that operator in standard ones" in error.value.hint
    path.write_bytes(b"no model")
    with pytest.raises(InputError) as error:
        open_model(path, "onnxruntime", 1)
    assert error.value.hint == ""


def test_outputs_may_spill_to_disk(reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs beyond the memory bound are kept on disk, with the same result."""
    in_memory = compare_models(reference, reference, FRAMES)
    monkeypatch.setattr(kept_outputs, "_KEEP_BYTES", 100)
    assert compare_models(reference, reference, FRAMES) == in_memory


def test_an_output_that_never_changes_is_noted(tmp_path: Path) -> None:
    """Equality of an output that ignores its input is reported as weak evidence."""
    path = write_elementwise(tmp_path / "a.onnx", "Relu", (4, 4))
    frames = [{"x": np.full((4, 4), -float(i), np.float32)} for i in range(1, 3)]
    assert compare_models(path, path, frames).notes == (
        "output 'out' is the same in every frame, so that its equality proves little",
    )


def test_a_tolerance_by_name_holds_for_that_output(reference: Path, tmp_path: Path) -> None:
    """A caller's tolerance applies to the output that it names."""
    slightly = write_model(tmp_path / "slightly.onnx", weights(), scale=1.001)
    assert not compare_models(reference, slightly, FRAMES).passed
    assert compare_models(reference, slightly, FRAMES, {"bev": Tolerance(1e-3, 1e-2)}).passed


def test_reports_repeat_and_hold_no_path(reference: Path, tmp_path: Path) -> None:
    """Two runs give equal JSON, and no path or time is in it."""
    other = write_model(tmp_path / "other.onnx", weights(3))
    first = json.dumps(to_json(compare_models(reference, other, FRAMES)), allow_nan=False)
    assert first == json.dumps(to_json(compare_models(reference, other, FRAMES)))
    assert str(tmp_path) not in first


def test_openvino_is_a_runtime_too(reference: Path, tmp_path: Path) -> None:
    """The same comparison runs on OpenVINO, and fails there for a wrong model."""
    pytest.importorskip("openvino")
    assert compare_models(reference, reference, FRAMES, runtime="openvino").passed
    wrong = write_model(tmp_path / "wrong.onnx", weights(5))
    assert not compare_models(reference, wrong, FRAMES, runtime="openvino").passed


def test_progress_is_told_before_each_run(reference: Path) -> None:
    """The progress callback sees both models' frames in order."""
    seen: list[tuple[str, int]] = []
    compare_models(reference, reference, FRAMES, progress=lambda stage, frame: seen.append((stage, frame)))
    assert seen == [(stage, frame) for stage in ("reference", "candidate") for frame in range(3)]


def test_model_inputs_reads_shapes(reference: Path) -> None:
    """Inputs are read from the file with shape and dtype; weights are not inputs."""
    assert model_inputs(reference) == {"rows": TensorInfo((2 * QUERIES, CHANNELS), "float32")}


def test_rules_make_the_inputs() -> None:
    """Values take turns frame by frame, bounds hold, integers stay integers, noise has the stated scale."""
    inputs = {
        "img": TensorInfo((100, 100), "float32"),
        "flag": TensorInfo((1,), "float32"),
        "angle": TensorInfo((1000,), "float32"),
        "ids": TensorInfo((1000,), "int64"),
    }
    rules = {
        "img": InputRule(scale=3.0, offset=1.0),
        "flag": InputRule(values=(0.0, 1.0)),
        "angle": InputRule(low=-0.5, high=0.5),
        "ids": InputRule(low=2, high=4),
    }
    frames = make_frames(inputs, rules, seed=5, count=4)
    assert [float(frame["flag"][0]) for frame in frames] == [0.0, 1.0, 0.0, 1.0]
    assert frames[0]["img"].std() == pytest.approx(3.0, rel=0.05)
    assert frames[0]["img"].dtype == np.float32 and frames[0]["ids"].dtype == np.int64
    assert np.abs(frames[2]["angle"]).max() <= 0.5
    assert set(frames[0]["ids"].tolist()) == {2, 3, 4}


def test_frames_are_a_function_of_seed_frame_and_name() -> None:
    """The same seed repeats; another seed, frame or input differs; other inputs change nothing."""
    info = TensorInfo((8,), "float32")
    one, two = make_frames({"a": info}, {}, 1), make_frames({"a": info, "b": info}, {}, 1)
    assert np.array_equal(one[1]["a"], two[1]["a"])
    assert not np.array_equal(two[1]["a"], two[1]["b"])
    assert not np.array_equal(one[0]["a"], one[1]["a"])
    assert not np.array_equal(one[0]["a"], make_frames({"a": info}, {}, 2)[0]["a"])


def test_a_rule_for_an_unknown_input_is_an_error() -> None:
    """A rule that names no input is refused, as is a count of zero."""
    with pytest.raises(InputError, match="imgs"):
        make_frames({"img": TensorInfo((1,), "float32")}, {"imgs": InputRule()})
    with pytest.raises(InputError, match="at least one frame"):
        make_frames({"img": TensorInfo((1,), "float32")}, {}, count=0)
