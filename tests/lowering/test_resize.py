"""Nearest Resize by whole factors is written in the way that a toolchain names, and computes the same."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize import targets
from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.resize import HALF_PIXELS
from specialize.targets.conformance import check
from tests.graphs import GraphMaker, random_feeds, run


def resize(factors: tuple[float, float], places: str, rounding: str, mode: str = "nearest") -> ir.Model:
    """Return a model that resizes a map."""
    g = GraphMaker()
    scales = g.const(np.array([1, 1, *factors], np.float32))
    attributes = {"coordinate_transformation_mode": places, "nearest_mode": rounding, "mode": mode}
    model = ir.from_proto(g.model(out=g.op("Resize", g.input("x", (1, 2, 6, 7)), "", scales, **attributes)))
    folding.evaluate(model)
    return model


def verdict(model: ir.Model) -> str:
    """Return what Pulsar2 does with the node."""
    report = check(model, targets.target("axera").TOOLCHAIN)
    return next(finding.verdict for finding in report.nodes if finding.operator == "Resize")


SOUND = [("asymmetric", "floor"), ("half_pixel", "round_prefer_floor")]


@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (4, 5), (7, 8)])
@pytest.mark.parametrize(("places", "rounding"), SOUND)
def test_whole_factors(factors: tuple[float, float], places: str, rounding: str) -> None:
    """Pulsar2 rejects it as exported for a feature pyramid; rewritten, it is accepted and computes the same bits."""
    original, model = resize(factors, places, rounding), resize(factors, places, rounding)
    assert verdict(original) == "refused"
    (note,) = apply(model, HALF_PIXELS)
    assert note.verdict == "applied" and verdict(model) == "allowed"
    feeds = random_feeds(ir.to_proto(original))
    assert np.array_equal(run(model, feeds)["out"], run(original, feeds)["out"])
    assert apply(model, HALF_PIXELS) == []


@pytest.mark.parametrize(
    ("factors", "places", "rounding", "reason"),
    [
        ((2.5, 2), "asymmetric", "floor", "not a multiple"),
        ((2, 2), "asymmetric", "ceil", "rounded by ceil"),
        ((2, 2), "half_pixel", "floor", "rounded by floor"),
        ((2, 2), "align_corners", "floor", "places are computed as align_corners"),
    ],
)
def test_what_is_something_else_stays(
    factors: tuple[float, float], places: str, rounding: str, reason: str
) -> None:
    """Another place or another rounding is another map: it is declined, and refused by Pulsar2."""
    model = resize(factors, places, rounding)
    (note,) = apply(model, HALF_PIXELS)
    assert note.verdict == "declined" and reason in note.reason
    assert verdict(model) == "refused"


def test_linear_has_no_rounding() -> None:
    """A linear Resize is left alone, and taken whatever its rounding says."""
    model = resize((2, 2), "half_pixel", "floor", mode="linear")
    assert apply(model, HALF_PIXELS) == [] and verdict(model) == "allowed"
