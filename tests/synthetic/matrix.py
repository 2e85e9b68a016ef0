"""One model through the compiler as a build does it: made runnable, prepared, bound in a mode, packed in a layout."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from specialize.binding.modes import Binding, bind_model
from specialize.binding.witnessed.build import witness_build
from specialize.calibration.dump import dump_profile
from specialize.graph.folding import fold
from specialize.graph.graph_file import GraphFile
from specialize.graph.io import read_graph
from specialize.lowering.attention import has_custom, runnable
from specialize.model.visible import visible_sets
from specialize.passes.clean_up import tidy
from specialize.passes.fold_affine import fold_affine
from specialize.request import BuildRequest
from specialize.rows.arrange import Packing
from specialize.visibility.pyramid import Deviation
from tests.graphs import ALIGNED, PADDED, RAGGED, assert_static, operators, run
from tests.synthetic.attention import Model, Style
from tests.synthetic.exporting import export, simplified
from tests.synthetic.sampling import CUSTOM
from tests.synthetic.styles import BASE, LEVELS, REBATCHED_LEVELS, STYLES, TURN_RAD
from tests.synthetic.vehicles import others, spec_of, vehicle

MODES = ("exact", "envelope", "tables")
PACKINGS = {"ragged": RAGGED, "padded": PADDED, "aligned": ALIGNED}
TOLERANCE = "rotation=1deg,translation=5cm,focal=1%"
NEAR = Deviation(rotation_rad=0.03, translation_m=0.1, focal_ratio=0.03, principal_point_px=1.0)
NEVER_LEFT = frozenset({"NonZero", "ScatterND", "ScatterElements", "If", "Loop", "Mod", "CumSum", "Einsum"})
SPLIT_HEADS = "trt::MultiscaleDeformableAttnPlugin_TRT"  # its result has heads apart, unlike the module's


@dataclass(frozen=True)
class Case:
    """A way in which a model reaches the compiler.

    Attributes:
        style: How its attention is written.
        opset: Of the export.
        tool: What simplified it.
        dynamo: Whether torch.export exported it.
        fold: Whether the exporter folded constants.
    """

    style: Style = field(default_factory=Style)
    opset: int = 16
    tool: str = "raw"
    dynamo: bool = False
    fold: bool = True


WRITTEN: dict[str, Style] = STYLES | {
    "summed by a convolution": replace(BASE, convolved=True),
    "mask per height": replace(BASE, form="height_masks"),
    "masks of heights first": replace(BASE, form="heights_first"),
    "heights at once": replace(BASE, form="heights_at_once"),
    "heights rebatched": replace(BASE, form="heights_rebatched"),
    "rebatched, queries first": REBATCHED_LEVELS,
}

CASES: dict[str, Case] = {
    **{name: Case(style) for name, style in WRITTEN.items()},
    **{
        f"{name}, {tool}": Case(WRITTEN[name], tool=tool)
        for name in ("masked twice", "rebatched", "looped")
        for tool in ("onnxsim", "onnxslim")
    },
    **{f"{name}, not folded": Case(WRITTEN[name], fold=False) for name in ("masked twice", "rebatched")},
    **{
        f"{name}, opset {opset}": Case(replace(WRITTEN[name], sampler="decomposed", levels=LEVELS), opset)
        for name in ("masked twice", "rebatched")
        for opset in (13, 14, 15)
    },
    **{
        f"{name}, dynamo, {tool}": Case(WRITTEN[name], 18, tool, dynamo=True)
        for name in ("masked twice", "bool mask", "two levels")
        for tool in ("raw", "onnxsim", "onnxslim")
    },
    **{
        operator: Case(replace(BASE, sampler=operator, levels=LEVELS))
        for operator in CUSTOM
        if operator != SPLIT_HEADS
    },
}


@functools.lru_cache(maxsize=64)
def exported(case: Case) -> onnx.ModelProto:
    """Return the export of a case."""
    model = Model(case.style)
    domains = (case.style.sampler.split("::")[0],) if "::" in case.style.sampler else ()
    proto = export(model, model.example(), case.opset, dynamo=case.dynamo, fold=case.fold, domains=domains)
    return simplified(proto, case.tool)


def holds(case: Case, mode: str, packing: Packing, folder: Path) -> Binding:
    """Check that a case, bound and packed, computes the plan's pairs and the original's numbers for all that is fed."""
    style, spec = case.style, spec_of(case.style)
    original = ir.from_proto(onnx.ModelProto.FromString(exported(case).SerializeToString()))
    if has_custom(original):
        runnable(original)
    proto = ir.to_proto(original)
    onnx.save(proto, folder / "model.onnx")
    prepared = read_graph(folder / "model.onnx")
    fold(prepared)
    tidy(prepared)
    ir.save(prepared, folder / "prepared.onnx")
    profile = vehicle(style, TURN_RAD)
    (folder / "vehicle.yaml").write_text(dump_profile(profile))
    request = BuildRequest(
        calib=folder / "vehicle.yaml",
        mode=mode,  # type: ignore[arg-type]
        layout=packing.layout,
        align=packing.align,
        tolerance=TOLERANCE if mode == "envelope" else None,
        capacity_over=fleet(style, folder) if mode == "tables" else (),
    )
    (plan,) = visible_sets(spec, profile)
    bound = bind_model(request, profile, spec, GraphFile(folder / "prepared.onnx"), (plan,))
    made = bound.compiled
    fold_affine(made.model)
    sites = style.grid.anchors if "height" in style.form else 1
    assert len(made.sites) == sites
    if sites == 1 and mode != "envelope":
        assert made.sites[0].visible == tuple(plan.lengths)
    if mode == "envelope":
        wanted = bound.options["envelope"]["pairs"]  # type: ignore[index]
        assert [site.pairs for site in made.sites] == wanted * sites
        assert wanted[0] >= plan.pairs
    assert_static(made.model)
    assert not NEVER_LEFT & set(operators(made.model))
    inputs = {str(value.name) for value in made.model.graph.inputs}
    assert ("lidar2img" in inputs) == (mode == "envelope")
    feeds = {name: value.numpy() for name, value in Model(style).example().items()}
    assert len(bound.fed.cases) >= {"exact": 1, "envelope": 4, "tables": 3}[mode]
    for fed in bound.fed.cases:
        got, original_gives = run(made.model, {**feeds, **fed}), run(proto, {**feeds, **fed})
        np.testing.assert_allclose(got["out"], original_gives["out"], atol=2e-5, rtol=2e-4)
    witness = witness_build(request, spec, (plan,), bound)
    assert len(witness.sites) == sites and witness.not_witnessed == (), witness.not_witnessed
    assert all(site.pairs == plan.pairs and not site.unread for site in witness.sites)
    return bound


def fleet(style: Style, folder: Path) -> tuple[Path, ...]:
    """Write other vehicles of a style and return the folder."""
    home = folder / "fleet"
    home.mkdir()
    for number, profile in enumerate(others(style, 2, NEAR, TURN_RAD)):
        named = replace(profile, vehicle=f"other{number}")
        (home / f"{number}.yaml").write_text(dump_profile(named))
    return (home,)
