"""A proof counts only if it can fail: inputs that make it empty are refused, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from specialize.model import InputRule
from tests.cli.running import CAR42, Ran, run_here
from tests.end_to_end.tiny_model import SPEC, write_tiny


@dataclass(frozen=True)
class Bench:
    """The tiny model in a folder, and how to build it with other rules for the inputs of verification."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def build(self, *more: str, sidecar: str = "", **rules: InputRule) -> Ran:
        """Build the tiny model for car42 with rules, or with the text of a sidecar."""
        path = write_tiny(self.folder / "model")
        spec = msgspec.structs.replace(SPEC, inputs=rules)
        path.with_suffix(".model.yaml").write_text(sidecar or spec.to_text())
        return run_here(
            self.capsys, "build", "--calib", CAR42, "--model", path, "-o", self.folder / "build", *more
        )


@pytest.fixture
def bench(tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Return a bench with a store of its own."""
    return Bench(tmp_path, capsys)


def test_a_rule_for_no_input_is_refused(bench: Bench) -> None:
    """A misspelt name would leave the input with other values than intended: the known names are listed."""
    ran = bench.build(feature=InputRule(scale=0.5))
    assert ran.code == 1
    assert (
        "sidecar: inputs: feature: expected a rule for a free input of the model (query, features)" in ran.err
    )
    assert "got no input of that name" in ran.err
    assert "did you mean 'features'?" in ran.err
    assert not (bench.folder / "build").exists()


def test_a_rule_for_a_bound_input_is_refused(bench: Bench) -> None:
    """The calibration says what its inputs are; a rule for one of them would not be followed."""
    ran = bench.build(lidar2img=InputRule(scale=0.5))
    assert ran.code == 1
    assert "sidecar: inputs: lidar2img" in ran.err
    assert "got an input that is bound" in ran.err


@pytest.mark.parametrize(
    "rule", ["scale: .nan", "offset: .inf", "low: -.inf", "high: .nan", "values: [0, .inf]"]
)
def test_a_rule_without_a_finite_number_is_refused(bench: Bench, rule: str) -> None:
    """NaN in, NaN out would read as a failed verification; it is a fault of the sidecar."""
    text = SPEC.to_text()
    assert "{scale: 0.5}" in text
    ran = bench.build(sidecar=text.replace("{scale: 0.5}", f"{{{rule}}}"))
    assert ran.code == 1
    assert "expected a finite number" in ran.err
