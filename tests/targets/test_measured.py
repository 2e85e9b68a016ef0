"""Targets write attention as the stored figures decide, and say so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.run import RESULTS
from specialize.lowering.formulations import FORMULATIONS
from specialize.targets import TARGETS, measured, target
from specialize.targets.base import Toolchain
from specialize.targets.measured import FILE, MeasuredForms, as_file, measured_forms, quickest_form, why_form
from tools.formulations_page import defaults

FIGURES = MeasuredForms(
    runtime="fast 1.0", source="a file", sites=3,
    faster={"points-first": 1.09, "corner-product": 1.5, "deform-conv": 2.0, "decomposed": 0.4},
)  # fmt: skip


@pytest.fixture
def toolchain(monkeypatch: pytest.MonkeyPatch) -> Toolchain:
    """Return the toolchain of ONNX Runtime with other figures."""
    monkeypatch.setattr(measured, "measured_forms", lambda: {"onnxruntime": FIGURES})
    return target("onnxruntime").TOOLCHAIN


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_the_form_that_was_quickest(name: str) -> None:
    """A target that was timed has the form of the figures: `make formulations` may change it, with a changelog."""
    toolchain = target(name).TOOLCHAIN
    assert quickest_form(toolchain) in (None, toolchain.form)
    assert why_form(toolchain).startswith(f"{toolchain.form}, ")


def test_the_figures_are_those_that_were_measured() -> None:
    """The packaged table is what the stored benchmark gives, and nothing else."""
    assert FILE.read_text() == as_file(defaults(json.loads((RESULTS / "formulations.json").read_text())))
    for name, found in measured_forms().items():
        assert name in TARGETS and found.sites and set(found.faster) <= set(FORMULATIONS)


def test_a_form_of_a_newer_opset_is_no_default(toolchain: Toolchain) -> None:
    """The quickest of what the target's opset has is chosen; the newer one is named."""
    assert quickest_form(toolchain) == "corner-product"
    assert quickest_form(replace(toolchain, opset=19)) == "deform-conv"
    assert quickest_form(replace(toolchain, opset=19, forms=())) == "corner-product"
    assert "deform-conv of opset 19 is 2.00x faster" in why_form(toolchain)


def test_a_default_is_clearly_faster(toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below ten per cent GridSample stays."""
    figures = {"onnxruntime": MeasuredForms(runtime="r", source="s", sites=1, faster={"points-first": 1.09})}
    monkeypatch.setattr(measured, "measured_forms", lambda: figures)
    assert quickest_form(toolchain) == "gridsample"
    figures["onnxruntime"].faster["points-first"] = 1.1
    assert quickest_form(toolchain) == "points-first"


def test_what_decided_is_told(toolchain: Toolchain) -> None:
    """A measurement with its runtime, the user, or the toolchain itself."""
    quick = why_form(replace(toolchain, form="corner-product"))
    assert quick == "corner-product, 1.50x faster than gridsample at 3 sites on fast 1.0"
    assert why_form(toolchain, "decomposed") == "decomposed, as --attention says"
    assert why_form(target("qnn").TOOLCHAIN) == "gridsample, what qnn takes; not timed here"
