"""A manifest to test with."""

from __future__ import annotations

import onnx

from specialize.artifact import (
    Digests,
    Manifest,
    ModelTie,
    PassNote,
    Site,
    SiteCamera,
    Tensor,
    contract_digest,
    write_metadata,
)
from specialize.artifact.measured import Measured, MeasuredForm, MeasuredPart
from specialize.artifact.witness import Witness, WitnessedGrid, WitnessedInput, WitnessedSite
from specialize.evidence.comparison import OutputReport, VerifyReport, Worst
from specialize.evidence.costs import Amount, FormCost, FormsReport, Movement, Uncounted
from specialize.evidence.power import Conditioning, Influence, Power, SitePower
from specialize.text.record import Figure
from specialize.verify.tolerance import TOLERANCES


def sha(letter: str) -> str:
    """Return something that looks like a digest."""
    return f"sha256:{letter * 64}"


def form(pairs: int) -> FormCost:
    """Return the costs of one form, in proportion to its pairs; the operations of two nodes are not counted."""
    attention = 20_000_000 * pairs
    return FormCost(
        pairs=pairs,
        attention_flops=attention,
        per_row_flops=15_000_000 * pairs,
        model_flops=attention + 5_000_000_000,
        attention_bytes=4096 * pairs,
        model_bytes=4096 * pairs + 2**20,
        attention_samples=32 * pairs,
        peak_bytes=2**24,
        weight_bytes=2**22,
        constant_bytes=2**12 + 16 * pairs,
        attention_predicted_ns=300_000 * pairs,
        model_predicted_ns=300_000 * pairs + 10**8,
        movement=Movement(gathered=Amount(1000 * pairs, 4000 * pairs)),
        uncounted=("model_flops",),
    )


def power() -> Power:
    """Return what the proof of the example could show."""
    factors = {"CAM_FRONT": 5000.0, "CAM_BACK": 800.0, "can_bus": 2.5}
    return Power(
        frame=3,
        influences=tuple(
            Influence(
                kind="camera" if name.startswith("CAM") else "input",
                name=name,
                outputs={"bev_embed": factor},
                shown=factor >= 10.0,
            )
            for name, factor in factors.items()
        ),
        not_shown=("input 'can_bus': no output changes by more than 2.5 times what is allowed",),
        sites=(
            SitePower(
                where="/attention/ReduceSum",
                pairs=70,
                moved=69,
                elsewhere=0,
                outputs={"bev_embed": 4000.0},
                shown=False,
            ),
        ),
        outputs={"bev_embed": Conditioning(scale=0.65, ulp=2.6e-6, order=2.3e-6, rtol=1.66e-4, rule="noise")},
    )


def manifest() -> Manifest:
    """Return a manifest with something in every section, and figures small enough to check by eye."""
    cameras = (SiteCamera(name="CAM_FRONT", visible=30), SiteCamera(name="CAM_BACK", visible=40))
    site = Site(queries=100, cameras=cameras, longest=40, pairs=70, rows_computed=72)
    forms = {"original": form(200), "rebatched": form(80), "specialized": form(70)}
    flops = FormsReport(
        original="zero-padded",
        forms=forms,
        attention_share={"original": 0.08},
        uncounted=(Uncounted(op="Einsum", domain="", reason="no formula", nodes=2, attention=False),),
    )
    output = OutputReport(
        dtype="float32",
        shape=(100, 1, 4),
        max_abs=Figure(1.5e-6),
        max_rel=Figure(2.5e-5),
        cosine=Figure(1.0),
        margin=Figure(0.25),
        tolerance=TOLERANCES["float32"],
        worst=Worst(frame=1, index=(7, 0, 2), reference=Figure(1.0), candidate=Figure(1.0000015)),
        failures=0,
        passed=True,
        reason="",
    )
    verify = VerifyReport(
        passed=True,
        runtime="onnxruntime",
        reference_runtime="onnxruntime",
        frames=4,
        outputs={"bev_embed": output},
        problems=(),
        notes=(),
    )
    return Manifest(
        vehicle="car42",
        model="bevformer_tiny",
        digests=Digests(profile=sha("a"), plan=sha("b"), model=sha("c"), build=sha("d")),
        target="onnxruntime",
        mode="exact",
        layout="ragged",
        align=8,
        cameras=("CAM_FRONT", "CAM_BACK"),
        sites=(site,),
        inputs=(Tensor(name="img", dtype="float32", shape=(1, 2, 3, 8, 8)),),
        outputs=(Tensor(name="bev_embed", dtype="float32", shape=(100, 1, 4)),),
        passes=(PassNote(name="compact", applied=True, where="site 0", reason="70 of 200 rows kept"),),
        verify=verify,
        power=power(),
        flops=flops,
        witness=WITNESS,
        warnings=("weights are seeded, not trained",),
        spec="schema: specialize/model@1\n",
    )


def measured() -> Measured:
    """Return figures of a build whose sites and model were measured, the model on one run without a warm-up."""
    one = MeasuredForm(cpu_seconds=0.2031, seconds=0.21, peak_bytes=592 << 20)
    two = MeasuredForm(cpu_seconds=0.0602, seconds=0.0625, peak_bytes=42 << 20)
    sites = MeasuredPart(part="sites", runs=5, warm=True, ratio=3.37, original=one, specialized=two)
    model = MeasuredPart(
        part="model",
        runs=1,
        warm=False,
        ratio=0.8,
        original=MeasuredForm(cpu_seconds=1.2, seconds=1.3, peak_bytes=700 << 20),
        specialized=MeasuredForm(cpu_seconds=1.5, seconds=1.6, peak_bytes=900 << 20),
    )
    return Measured(
        runtime="onnxruntime 1.31.1",
        threads=1,
        parts=(sites, model),
        contradictions=("contradiction: whole model: predicted 1.52x faster, measured 1.25x slower",),
    )


WITNESS = Witness(
    inputs=(WitnessedInput(name="lidar2img", kind="lidar2img", cases=1, deviation=1e-7),),
    grids=(WitnessedGrid(queries=100, pairs=70, doubtful=3, differing=1, farthest_px=2e-5),),
    sites=(WitnessedSite(where="node_sum_4", grid=0, pairs=70, rounding=1, unread=0, rows=1),),
    not_witnessed=("site node_sum_8: 2 x 7 is no grid of the sidecar",),
)


def model_of(manifest: Manifest) -> bytes:
    """Return an ONNX file without a graph whose metadata names the build of a manifest."""
    digests = manifest.digests
    tie = ModelTie(
        vehicle=manifest.vehicle,
        mode=manifest.mode,
        layout=manifest.layout,
        cameras=manifest.cameras,
        lengths=tuple(tuple(camera.visible for camera in site.cameras) for site in manifest.sites),
        profile=digests.profile,
        plan=digests.plan,
        model=digests.model,
        build=digests.build,
        contract=contract_digest(manifest),
    )
    props: dict[str, str] = {}
    write_metadata(props, tie)
    model = onnx.ModelProto(ir_version=8)
    onnx.helper.set_model_props(model, props)
    return bytes(model.SerializeToString())
