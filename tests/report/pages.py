"""A manifest and visible sets to make a page of, without compiling a model."""

from __future__ import annotations

import numpy as np

from specialize.artifact.drawing import Drawing, Step
from specialize.artifact.manifest import Digests, Manifest, PassNote, Site, SiteCamera, Tensor
from specialize.artifact.witness import Witness, WitnessedGrid, WitnessedInput, WitnessedSite
from specialize.calibration.load import load_profile
from specialize.costs import compare_forms, count
from specialize.files.resources import resource_dir
from specialize.model.parts import ImagePrep
from specialize.model.spec import GridSpec, ModelSpec
from specialize.model.visible import visible_sets
from specialize.verify import TOLERANCES, VerifyReport, compare_arrays
from specialize.visibility.plan import VisibilityPlan
from tests.costs.graphs import cross_attention


def plans(
    side: int = 50, shape: tuple[int, ...] = (), calib: str = "car42.yaml"
) -> tuple[VisibilityPlan, ...]:
    """Return the visible sets of a profile for one square grid, or one of another shape."""
    image = ImagePrep(size_px=(800, 480), scale=0.5)
    grid = GridSpec(
        shape=shape or (side, side),
        range_m=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0),
        anchors=1 if len(shape) == 3 else 4,
    )
    spec = ModelSpec(image=image, calibration_inputs={}, grids=(grid,))
    return visible_sets(spec, load_profile(resource_dir("calib_profiles") / calib))


def verify_report(wrong: bool = False) -> VerifyReport:
    """Return a comparison that passed, or one that failed."""
    wanted = np.random.default_rng(0).normal(size=(2500, 1, 256)).astype(np.float32)
    got = wanted + np.float32(1e-6)
    if wrong:
        got[1234, 0, 7] += 1
    output = compare_arrays(wanted, got, TOLERANCES["float32"])
    return VerifyReport(
        passed=output.passed,
        runtime="onnxruntime",
        reference_runtime="onnxruntime",
        frames=4,
        outputs={"bev_embed": output},
        problems=(),
        notes=(),
    )


def manifest(plan: VisibilityPlan, wrong: bool = False, vehicle: str = "car42") -> Manifest:
    """Return the manifest of a build as the compiler writes it."""
    names = [camera.name for camera in load_profile(resource_dir("calib_profiles") / "car42.yaml").cameras]
    rows = {"original": plan.seen.size, "rebatched": 6 * plan.longest, "specialized": plan.pairs}
    forms = {form: count(cross_attention(number, 2500, 6, (15, 25))) for form, number in rows.items()}
    site = Site(
        queries=plan.grid.queries,
        cameras=tuple(
            SiteCamera(name=name, visible=int(length))
            for name, length in zip(names, plan.lengths.tolist(), strict=True)
        ),
        longest=plan.longest,
        pairs=plan.pairs,
        rows_computed=plan.pairs,
    )
    fake = "sha256:" + "0123456789abcdef" * 4
    return Manifest(
        vehicle=vehicle,
        model="bevformer_tiny",
        digests=Digests(profile=fake, plan=plan.digest, model=fake, build=fake),
        target="onnxruntime",
        mode="exact",
        layout="ragged",
        align=1,
        cameras=tuple(names),
        sites=(site, site, site),
        inputs=(Tensor(name="img", dtype="float32", shape=(1, 6, 3, 480, 800)),),
        outputs=(Tensor(name="bev_embed", dtype="float32", shape=(2500, 1, 256)),),
        passes=(
            PassNote(name="bind", applied=True, where="lidar2img", reason="bound to 6 matrices"),
            PassNote(name="compact", applied=False, where="node_7", reason="the mask is not constant"),
        ),
        verify=verify_report(wrong),
        flops=compare_forms(forms, rows),
        witness=witness(plan),
        warnings=("runs with random weights",),
        spec="",
        drawings=(drawing(),),
    )


def witness(plan: VisibilityPlan) -> Witness:
    """Return what the witness finds in such a build."""
    grid = WitnessedGrid(
        queries=plan.grid.queries, pairs=plan.pairs, doubtful=3, differing=1, farthest_px=2e-5
    )
    fed = WitnessedInput(name="lidar2img", kind="lidar2img", cases=1, deviation=1e-7)
    site = WitnessedSite(where="node_sum_4", grid=0, pairs=plan.pairs, rounding=1, unread=0, rows=1)
    left = ("site node_sum_8: 2 x 7 is no grid of the sidecar",)
    return Witness(inputs=(fed,), grids=(grid,), sites=(site,), not_witnessed=left)


def drawing() -> Drawing:
    """Return the drawing of a site with every kind of step."""
    steps = (
        Step(what="query", times=1, kind="input", shape="1 x 2500 x 256", values=640_000, after=()),
        Step(what="mask", times=1, kind="calibration", shape="6 x 2500 x 1", values=15_000, after=()),
        Step(what="Gather", times=6, kind="move", shape="1 x 387..600 x 256", values=722_432, after=(0,)),
        Step(what="Mul", times=1, kind="work", shape="6 x 2500 x 256", values=3_840_000, after=(1, 2)),
    )
    return Drawing(site=0, rows=(15000, 2822), before=steps, after=steps[:3])
