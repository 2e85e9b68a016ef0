"""Builds in float16 and int8 from the command line are verified first, then converted, and their loss is reported."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from specialize.artifact import Build, write_manifest
from specialize.artifact.precision import Precision
from specialize.artifact.tensors import read_tensors
from specialize.compiler import convert
from specialize.precision import loss
from specialize.targets import TARGETS
from tests.cli.running import CAR42, CAR43, Ran, run_here, run_process
from tests.end_to_end.test_build import Bench, bench, content
from tests.end_to_end.tiny_model import CAMERAS, CHANNELS, COLUMNS, GRID, ROWS

__all__ = ["bench"]

PRECISIONS = ("fp16", "int8")


def write_frames(folder: Path, scale: float = 1.0, count: int = 3) -> Path:
    """Write frames for the tiny model, as a recorder on the vehicle would; features of another scale."""
    folder.mkdir()
    for number in range(count):
        random = np.random.default_rng(number)
        np.savez(
            folder / f"{number}.npz",
            query=random.standard_normal((1, GRID.queries, CHANNELS)),
            features=scale * random.standard_normal((CAMERAS, CHANNELS, ROWS, COLUMNS)),
        )
    return folder


def opened(path: Path) -> onnxruntime.InferenceSession:
    """Open a model; at the highest level of optimization the runtime crashes on some in 16 bits."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def precision_of(folder: Path) -> Precision:
    """Return what a build says of its conversion."""
    found = Build.open(folder).manifest.precision
    assert found is not None
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_converted_build_says_what_it_loses(bench: Bench, precision: str) -> None:
    """The proof of the float32 model is kept, the loss stands beside it, and the model really gives the same so far."""
    data = bench.outcome("--precision", precision)
    bench.outcome(name="float32")
    assert data["verify"]["passed"] is True  # type: ignore[index]
    loss = data["precision"]["outputs"]["bev"]  # type: ignore[index]
    assert 1e-5 < loss["max_abs"] < 0.2
    assert loss["cosine"] > 0.999
    converted, plain = (opened(bench.folder / name / "model.onnx") for name in ("car42", "float32"))
    random = np.random.default_rng(9)
    feeds = {put.name: random.standard_normal(put.shape).astype(np.float32) for put in plain.get_inputs()}
    (wanted,), (found,) = plain.run(None, feeds), converted.run(None, feeds)
    assert found.dtype == np.float32
    assert 0 < np.median(np.abs(found - wanted)) < loss["max_abs"]
    onnx.checker.check_model(onnx.load(bench.folder / "car42" / "model.onnx"))


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_a_build_is_run_on_its_targets_runtime(bench: Bench, target: str) -> None:
    """Where the target's own runtime is installed, the loss with its kernels stands in the manifest, and is printed."""
    ran = bench.build("--precision", "int8", "--target", target)
    assert ran.code == 0, ran.err
    found = precision_of(bench.folder / "car42")
    assert found.weight_bits == 7 and "saturate in 16 bits" in found.weight_bits_source
    assert (found.measured_on.runtime, found.measured_on.integers) == ("onnxruntime", "as written")
    assert found.on_target is not None
    there = found.on_target.measured_on
    assert (there.runtime, there.integers) == (target, "kernels") and there.text in ran.out.replace("\n", " ")
    assert found.on_target.outputs["bev"].max_abs < 2.0 * found.outputs["bev"].max_abs
    assert "the loss was measured with ONNX Runtime" not in ran.err
    verified = json.loads(run_here(bench.capsys, "verify", bench.folder / "car42", "--json").out)
    assert verified["passed"] and verified["runtime"].startswith(target)


def test_a_runtime_that_is_not_here_is_announced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the target's runtime the build warns on what it was measured; a target with none here likewise."""
    said = "int8: the loss was measured with ONNX Runtime, as the file is written, and not on "
    assert (
        "it does not run on this machine"
        in bench.build("--precision", "int8", "--target", "tvm", name="tvm").err
    )
    monkeypatch.setattr(convert, "runs_here", lambda runtime: False)
    ran = bench.build("--precision", "int8", "--target", "openvino", name="openvino")
    assert "openvino is not installed; its kernels may compute different results" in " ".join(ran.err.split())
    assert precision_of(bench.folder / "openvino").on_target is None
    (warning,) = (
        line for line in Build.open(bench.folder / "openvino").manifest.warnings if line.startswith(said)
    )
    assert "before using this model on a vehicle" in warning


def test_a_processor_is_evidence_and_no_part_of_the_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another processor the same inputs give the same key and files; the manifest alone says what measured."""
    monkeypatch.setattr(loss, "processor_features", lambda: ("avx2", "avx512f"))  # one that need not be this
    bench.outcome("--precision", "int8", name="first")
    monkeypatch.setattr(loss, "processor_features", lambda: ("avx2",))
    bench.outcome("--precision", "int8", name="second")
    first, second = (content(bench.folder / name) for name in ("first", "second"))
    assert {name for name in first if first[name] != second[name]} == {"manifest.json", "report.html"}
    manifests = [json.loads(each["manifest.json"]) for each in (first, second)]
    assert manifests[0]["digests"] == manifests[1]["digests"]
    assert manifests[1]["precision"]["measured_on"]["features"] == ["avx2"]
    assert bench.outcome("--precision", "int8", name="first")["up_to_date"] is True


@pytest.mark.parametrize("precision", PRECISIONS)
def test_noise_is_announced(bench: Bench, precision: str) -> None:
    """Without frames a warning says that the figures are not representative; with frames it does not."""
    frames = write_frames(bench.folder.parent / "frames")
    assert "NOT representative" in bench.build("--precision", precision).err
    assert "NOT representative" not in bench.build("--precision", precision, "--frames-dir", frames).err
    assert precision_of(bench.folder / "car42").frames == 3


def test_what_can_change_a_byte_is_in_the_key(bench: Bench) -> None:
    """Precision, and the content of the frames, give other builds; the same gives the same bytes."""
    base = bench.folder.parent
    first, second = write_frames(base / "first"), write_frames(base / "second", scale=2.0)
    given: dict[str, tuple[str | Path, ...]] = {
        "float32": (),
        "fp16": ("--precision", "fp16"),
        "int8": ("--precision", "int8"),
        "first": ("--precision", "int8", "--frames-dir", first),
        "second": ("--precision", "int8", "--frames-dir", second),
    }
    keys = {name: bench.outcome(*more, name=name)["digests"]["build"] for name, more in given.items()}  # type: ignore[index]
    assert len(set(keys.values())) == len(given)
    again = bench.outcome(*given["first"], name="again")
    assert again["digests"]["build"] == keys["first"]  # type: ignore[index]
    assert content(bench.folder / "again") == content(bench.folder / "first")
    assert bench.outcome(*given["first"], name="first")["up_to_date"] is True


def test_another_process_makes_the_same_bytes(bench: Bench, store_dir: Path) -> None:
    """Nothing depends on the order in which a process sees names."""
    bench.outcome("--precision", "int8")
    arguments = bench.arguments("--precision", "int8", name="other")
    ran = run_process(*arguments, SPECIALIZE_STORE=str(store_dir), PYTHONHASHSEED="77")
    assert ran.code == 0, ran.err
    assert content(bench.folder / "other") == content(bench.folder / "car42")


def test_ranges_come_from_the_frames(bench: Bench) -> None:
    """Frames that are twice as large give twice the scales."""
    base = bench.folder.parent
    scales = []
    for name, scale in (("one", 1.0), ("two", 2.0)):
        frames = write_frames(base / name, scale=scale)
        bench.outcome("--precision", "int8", "--frames-dir", frames, name=name)
        model = onnx.load(bench.folder / name / "model.onnx")
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        pair = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
        scales.append(float(constants[pair.input[1]]))
    assert scales[1] == pytest.approx(2 * scales[0], rel=0.3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_other_commands_take_converted_builds(bench: Bench, precision: str) -> None:
    """`check`, `verify` and `inspect` work, and `verify` says what it compares."""
    bench.outcome("--precision", precision)
    folder = bench.folder / "car42"
    assert run_here(bench.capsys, "check", folder, "--calib", CAR42).code == 0
    assert run_here(bench.capsys, "check", folder, "--calib", CAR43).code == 3
    shown = run_here(bench.capsys, "inspect", folder)
    assert precision in shown.out and "loss of output" in shown.out
    assert json.loads(run_here(bench.capsys, "inspect", folder, "--json").out)["manifest"]["precision"]
    verified = run_here(bench.capsys, "verify", folder)
    assert verified.code == 0, verified.err
    assert (
        f"the {precision} model of the build is compared with the float32 original: the limit is 2"
        in verified.out
    )
    assert run_here(bench.capsys, "verify", folder, "--json").code == 0
    page = (folder / "report.html").read_text()
    assert f"After this proof the model was converted to {precision}." in page
    assert f"before conversion to {precision}" in page


def test_verify_fails_if_a_converted_model_is_off(bench: Bench) -> None:
    """A build whose recorded loss is smaller than what its model loses does not verify."""
    bench.outcome("--precision", "fp16", name="fp16")
    manifest = Build.intact(bench.folder / "fp16").manifest
    precision = manifest.precision
    assert precision is not None
    none = {name: msgspec.structs.replace(loss, max_abs=0.0) for name, loss in precision.outputs.items()}
    precision = msgspec.structs.replace(precision, outputs=none)
    write_manifest(bench.folder / "fp16", msgspec.structs.replace(manifest, precision=precision))
    ran = run_here(bench.capsys, "verify", bench.folder / "fp16")
    assert ran.code == 4
    assert "NOT VERIFIED" in ran.out


def test_frames_of_another_kind_are_compared_but_not_judged(bench: Bench) -> None:
    """A loss that was measured on recorded frames says nothing about noise; the same frames can be given again."""
    frames = write_frames(bench.folder.parent / "frames", scale=0.1)
    bench.outcome("--precision", "int8", "--frames-dir", frames)
    folder = bench.folder / "car42"
    noise = run_here(bench.capsys, "verify", folder)
    assert noise.code == 0 and "NOT judged" in noise.out
    same = run_here(bench.capsys, "verify", folder, "--frames-dir", frames)
    assert same.code == 0 and "the limit is 2 times" in same.out


def refused(bench: Bench, *more: str | Path) -> Ran:
    """Run a build that must fail and leave nothing."""
    ran = bench.build(*more)
    assert not bench.names(), ran.out
    return ran


def test_wrong_requests_are_refused_before_anything_is_built(bench: Bench) -> None:
    """Frames without a precision, an empty folder, frames of another model, and an unknown precision are errors."""
    base = bench.folder.parent
    frames = write_frames(base / "frames")
    (base / "empty").mkdir()
    (base / "wrong").mkdir()
    np.savez(
        base / "wrong" / "0.npz", query=np.zeros((1, 2, 3), np.float32), features=np.zeros(1, np.float32)
    )
    for more, code, text in (
        (("--frames-dir", frames), 2, "--precision fp16 or int8"),
        (("--precision", "int8", "--frames-dir", base / "empty"), 1, "at least one frame"),
        (
            ("--precision", "int8", "--frames-dir", base / "wrong"),
            1,
            "expected shape [1, 48, 4], got [1, 2, 3]",
        ),
        (("--precision", "fp8"), 2, "fp8"),
    ):
        ran = refused(bench, *more)
        assert (ran.code, text in ran.err) == (code, True), ran.err
    bench.outcome()
    plain = run_here(bench.capsys, "verify", bench.folder / "car42", "--frames-dir", frames)
    assert plain.code == 2


def test_frames_without_content_show_no_loss(bench: Bench) -> None:
    """Frames with a single number per input are errors, in a build and in verification; one such input is a warning."""
    base = bench.folder.parent
    zeros, dark = write_frames(base / "zeros", scale=0.0), write_frames(base / "dark", scale=0.0)
    for path in zeros.iterdir():
        np.savez(path, **{name: np.zeros_like(array) for name, array in np.load(path).items()})
    ran = refused(bench, "--precision", "int8", "--frames-dir", zeros)
    assert (ran.code, "expected frames in which an input varies" in ran.err) == (1, True), ran.err
    ran = bench.build("--precision", "fp16", "--frames-dir", dark)
    assert (ran.code, "fp16: features: a single number in every frame" in ran.err) == (0, True), ran.err
    ran = run_here(bench.capsys, "verify", bench.folder / "car42", "--frames-dir", zeros)
    assert (ran.code, "expected frames in which an input varies" in ran.err) == (1, True), ran.err


@pytest.mark.parametrize(
    "mode", [("envelope", "--tolerance", "rotation=0.5deg"), ("tables",)], ids=lambda m: m[0]
)
def test_every_binding_mode_can_be_converted(bench: Bench, mode: tuple[str, ...]) -> None:
    """Calibration and tables that are inputs are fed by the build, not by frames, and stay exact."""
    frames = write_frames(bench.folder.parent / "frames")
    for precision in PRECISIONS:
        more = ("--mode", *mode, "--precision", precision, "--frames-dir", frames)
        loss = bench.outcome(*more, name=precision)["precision"]["outputs"]["bev"]  # type: ignore[index]
        assert loss["cosine"] > 0.999
        verified = run_here(bench.capsys, "verify", bench.folder / precision, "--frames-dir", frames)
        assert verified.code == 0, verified.out


def test_a_converted_build_makes_the_tables_of_the_float32_one(bench: Bench) -> None:
    """The program that makes tables keeps its constants in full precision, whatever becomes of the weights."""
    frames = write_frames(bench.folder.parent / "frames")
    made = {}
    for precision in ("float32", *PRECISIONS):
        more = () if precision == "float32" else ("--precision", precision, "--frames-dir", frames)
        bench.outcome("--mode", "tables", *more, name=precision)
        path = bench.folder.parent / f"{precision}.safetensors"
        ran = run_here(bench.capsys, "table", "--calib", CAR43, "--for", bench.folder / precision, "-o", path)
        assert ran.code == 0, ran.err
        made[precision], _ = read_tensors(path)
    for precision in PRECISIONS:
        assert made[precision].keys() == made["float32"].keys()
        for name, array in made["float32"].items():
            np.testing.assert_array_equal(made[precision][name], array)


REFUSES_HALF = {"axera": "--target axera: it casts to float16"}
NO_SOURCE = {"denglin", "horizon_j5", "horizon_j6"}
SYMMETRIC = {"openvino", "tvm", "tensorrt", "tensorrt_derryhub"}
OWN = {"rknn", "axera", "horizon_j5", "horizon_j6"}


APART = ("axera", "denglin", "horizon_j5", "rknn", "tensorrt_derryhub")
"""Those with custom operators, old opsets, GridSample written out, or something to refuse; the others are alike."""


@pytest.mark.parametrize(
    "target", [name if name in APART else pytest.param(name, marks=pytest.mark.slow) for name in TARGETS]
)
def test_every_target_gets_its_form(bench: Bench, target: str) -> None:
    """Padded rows, custom operators and old opsets are converted too; a target says what it wants or refuses."""
    ran = bench.build("--target", target, "--layout", "padded", "--precision", "fp16", name="fp16")
    if target in REFUSES_HALF:
        assert ran.code == 1 and REFUSES_HALF[target] in ran.err and "float32 build" in ran.err
        assert "specializing" not in ran.err  # nothing is made first
    else:
        assert ran.code == 0, ran.err
        assert ("may not compute in float16" in ran.err) == (target in NO_SOURCE)
    ran = bench.build("--target", target, "--layout", "padded", "--precision", "int8", name="int8")
    assert ran.code == 0, ran.err
    found = precision_of(bench.folder / "int8")
    assert found.activations == ("symmetric" if target in SYMMETRIC else "asymmetric")
    assert found.source
    assert ("quantizes the float model itself" in ran.err) == (target in OWN)
    assert found.outputs["bev"].cosine > 0.999
    assert run_here(bench.capsys, "verify", bench.folder / "int8").code == 0


def test_files_beside_a_converted_model_are_its_own(bench: Bench) -> None:
    """The script compiles it in its own types, the header states them, and conformance is checked for it too."""
    ran = bench.build("--target", "tensorrt", "--precision", "int8")
    assert "tensorrt: " in ran.out and " nodes allowed, 0 fall back to the CPU, 0 unknown in int8" in ran.out
    assert f"specialize inspect {bench.folder / 'car42'} --target tensorrt" in ran.out
    assert "--stronglyTyped" in (bench.folder / "car42" / "build_engine.sh").read_text()
    header = (bench.folder / "car42" / "specialize_model.h").read_text()
    assert '#define SPECIALIZE_PRECISION "int8"' in header


def test_what_falls_to_the_cpu_is_said_by_the_build(bench: Bench) -> None:
    """Operators that the toolchain leaves to its CPU, or that no source mentions, are named with the reason."""
    said = bench.build("--target", "horizon_j5").out
    assert "horizon_j5: on the CPU: 1 Add: " in said and "at least 2 is required" in said
    assert "denglin: unknown: " in bench.build("--target", "denglin", name="denglin").out


def test_values_beyond_16_bits_stay_in_float32(bench: Bench) -> None:
    """Features of 30,000 overflow behind the first product: what holds such values is not converted, and said."""
    frames = write_frames(bench.folder.parent / "frames", scale=3e4)
    ran = bench.build("--precision", "fp16", "--frames-dir", frames)
    assert ran.code == 0, ran.err
    assert "tensors beyond 16 bits" in ran.out
    found = precision_of(bench.folder / "car42")
    assert found.wide > 0
    assert found.outputs["bev"].cosine > 0.999
    assert run_here(bench.capsys, "verify", bench.folder / "car42", "--frames-dir", frames).code == 0


def test_an_output_that_is_not_finite_fails_the_build(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If such values are converted nevertheless, an infinite output is a named error, and nothing is written."""
    monkeypatch.setattr(convert, "beyond_half", lambda runnable, frames: frozenset())
    frames = write_frames(bench.folder.parent / "frames", scale=3e4)
    ran = refused(bench, "--precision", "fp16", "--frames-dir", frames)
    assert ran.code == 4
    assert "converted model: output 'bev': expected finite numbers" in ran.err
