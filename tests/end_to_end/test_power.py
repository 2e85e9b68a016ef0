"""A proof counts only if it can fail: inputs that make it empty are refused, with the reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from specialize.artifact import read_manifest
from specialize.calibration.load import load_profile
from specialize.evidence.power import Power
from specialize.model.parts import InputRule
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


def test_a_build_records_what_its_proof_can_show(bench: Bench) -> None:
    """The manifest has every change and what it does; the text has one line; `verify` shows the same."""
    ran = bench.build()
    assert ran.code == 0, ran.err
    assert "power: 8 of 8 changes move outputs" in ran.out
    power = read_manifest(bench.folder / "build").power
    assert power is not None
    names = load_profile(CAR42).camera_names()
    assert [each.name for each in power.influences] == [*names, "query", ""]
    assert all(each.shown for each in power.influences)
    assert power.outputs["bev"].rule in ("table", "noise", "floor")
    assert power.outputs["bev"].rtol <= 2e-4
    again = run_here(bench.capsys, "verify", bench.folder / "build", "--json")
    assert again.code == 0
    found = msgspec.convert(json.loads(again.out)["power"], Power)
    assert [(each.kind, each.name, each.shown) for each in found.influences] == [
        (each.kind, each.name, each.shown) for each in power.influences
    ]
    assert found.outputs == power.outputs
    assert found.sites == ()  # which rows a build computes is known while it is made
    (site,) = power.sites
    assert (site.moved, site.elsewhere) == (51, 0)  # one samples outside of its features
    assert ", 51 of 52 rows follow their camera" in ran.out
    assert "not shown: site ReduceSum_v78: 1 of 52 rows do not change with their camera" in ran.out


def test_an_empty_proof_is_refused_unless_allowed(bench: Bench) -> None:
    """Features of zeros hide every fault: exit 4, nothing is left, and a person's allowance is recorded."""
    ran = bench.build(features=InputRule(scale=0.0))
    assert ran.code == 4
    assert "expected a comparison that can fail, got no camera's features influence an output" in ran.err
    assert not (bench.folder / "build").exists()
    allowed = bench.build("--allow", "empty-proof", features=InputRule(scale=0.0))
    assert allowed.code == 0, allowed.err
    manifest = read_manifest(bench.folder / "build")
    assert manifest.allowed == ("empty-proof",)
    assert manifest.power is not None
    assert "no camera's features" in manifest.power.empty
    assert "not shown: features of camera CAM_FRONT: no output changes" in allowed.out


def test_only_what_exists_can_be_allowed(bench: Bench) -> None:
    """A misspelt allowance is an error of the command line."""
    ran = bench.build("--allow", "empty-prof")
    assert ran.code == 2
    assert "did you mean 'empty-proof'?" in ran.err
