"""The documented formulas are the formulas."""

from __future__ import annotations

from pathlib import Path

from specialize.calibration.load import load_profile
from specialize.costs.closed import DeformableSite
from specialize.costs.table import page
from specialize.files.resources import resource_dir
from specialize.model.parts import ImagePrep
from specialize.model.spec import GridSpec, ModelSpec
from specialize.visibility.plan import plan_visibility

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "flop-formulas.md"


def test_the_page_is_up_to_date() -> None:
    """The page of formulas is what the table says."""
    command = "python -m specialize.costs.table > docs/reference/flop-formulas.md"
    assert PAGE.read_text(encoding="utf-8") == page(), f"rewrite it: {command}"


def test_the_costs_page_states_what_the_formulas_give() -> None:
    """The table of the concepts page is what the closed formulas and the visible sets of car42 give."""
    profile = load_profile(resource_dir("calib_profiles") / "car42.yaml")
    text = PAGE.parents[1].joinpath("concepts", "costs.md").read_text(encoding="utf-8")
    pixels = 116 * 200 + 58 * 100 + 29 * 50 + 15 * 25
    sites = {
        50: (DeformableSite(2500, 256, 8, 1, 8, 15 * 25, 6), (800, 480), 0.5),
        200: (DeformableSite(40000, 256, 8, 4, 8, pixels, 6), (1600, 928), 1.0),
    }
    for side, (site, size_px, scale) in sites.items():
        image = ImagePrep(size_px=size_px, scale=scale)
        grid = GridSpec(shape=(side, side), range_m=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), anchors=4)
        spec = ModelSpec(image=image, calibration_inputs={}, grids=(grid,))
        sizes = spec.sizes_px(6)
        plan = plan_visibility(spec.network_from_lidar(profile), sizes, grid.grid(), spec.visibility_rule())
        forms = {
            "zero-padded": 6 * side * side,
            "re-batched": 6 * int(max(plan.lengths)),
            "specialized": plan.pairs,
        }
        for form, rows in forms.items():
            flops = site.flops(rows, rows if form == "zero-padded" else min(rows, side * side)) / 1e9
            numbers = f"{flops:.2f}" if flops < 10 else f"{flops:.1f}"
            samples = site.samples(rows) / 1e6
            points = f"{samples:.3f}" if samples < 10 else f"{samples:.1f}"
            assert f"| {side}x{side}, {form} | {rows} | {numbers} | {points} |" in text
