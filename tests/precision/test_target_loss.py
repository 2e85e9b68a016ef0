"""What a loss was measured on, and the loss on the target's own runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.errors import VerificationError
from specialize.precision.loss import measurable, measure, measure_on_target, measured_on, runs_here
from specialize.targets.base import Int8
from specialize.verify import machine, runtime
from specialize.verify.runtime import Runner
from tests.precision.models import frames, sampling_model
from tests.precision.saturation import run_saturating
from tests.precision.test_saturation import converted

CPUINFO = {
    "x86": (
        "flags\t\t: fpu sse2 avx2 avx512f avx512_vnni amx_int8\n",
        ("avx2", "avx512f", "avx512_vnni", "amx_int8"),
    ),
    "arm": ("processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\n", ("asimddp", "i8mm")),
    "none": ("processor : 0\n", ()),
}


@pytest.mark.parametrize("kind", CPUINFO)
def test_features_are_those_that_change_sums(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the many that a processor has, those that integers and short floats are computed with, in a fixed order."""
    text, wanted = CPUINFO[kind]
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
    assert machine.processor_features() == wanted
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "nothing")
    assert machine.processor_features() == ()


def test_a_measurement_names_runtime_version_and_processor() -> None:
    """A key of RUNTIMES with another way of running is the same package."""
    found = measured_on("onnxruntime-kernels")
    assert (found.runtime, found.integers) == ("onnxruntime", "kernels")
    assert found.version == machine.version_of("onnxruntime") and found.version in found.text
    assert found.features == machine.processor_features() and found.architecture in found.text


def test_only_a_known_and_installed_runtime_runs_here() -> None:
    """A target without a runner, and one whose package is missing, do not run here."""
    assert runs_here("onnxruntime-kernels")
    assert not runs_here("") and not runs_here("no_such_runtime")


@pytest.mark.parametrize("name", ["onnxruntime-kernels", "openvino"])
def test_the_loss_on_the_target_is_that_of_the_file(tmp_path: Path, name: str) -> None:
    """With 7-bit weights kernels lose what the file as written loses; OpenVINO names the kernels it chose."""
    path, made = converted(tmp_path, sampling_model(), Int8(symmetric=True))
    shown = frames(path)
    written = measure(path, measurable(made, tmp_path), shown, ["out"])
    found = measure_on_target(path, made, shown, written, name)
    assert found.outputs["out"].max_abs == pytest.approx(written["out"].max_abs, rel=0.05)
    kernels = found.measured_on.kernels
    assert (len(kernels) >= 2 and all(each.lower().endswith("i8") for each in kernels)) == (
        name == "openvino"
    )


@pytest.mark.parametrize("bits", [7, 8])
def test_kernels_that_saturate_fail_a_model_in_8_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    """On a runtime whose sums saturate, weights of 8 bits are farther from float32 than allowed, those of 7 are not."""
    path, made = converted(tmp_path, sampling_model(), Int8(weight_bits=bits))  # type: ignore[arg-type]
    shown = frames(path)
    written = measure(path, measurable(made, tmp_path), shown, ["out"])

    def open_saturating(file: Path, threads: int) -> Runner:
        def call(feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: np.asarray(value, np.float32) for name, value in run_saturating(file, feed).items()}

        return Runner(("query", "image"), ("out",), call)

    monkeypatch.setitem(runtime.RUNTIMES, "openvino", open_saturating)  # type: ignore[arg-type]
    if bits == 7:
        assert measure_on_target(path, made, shown, written, "openvino").outputs["out"].cosine > 0.999
        return
    with pytest.raises(VerificationError) as caught:
        measure_on_target(path, made, shown, written, "openvino")
    assert str(caught.value).startswith(
        "int8 model on openvino: output 'out': expected at most 2 times the loss of the model as it is written, 0.2"
    )
    assert "use fp16 or float32 for this target" in str(caught.value)
