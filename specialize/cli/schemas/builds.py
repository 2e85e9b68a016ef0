"""JSON of commands about builds and models."""

from __future__ import annotations

from typing import Literal

from specialize.artifact.drawing import Drawing
from specialize.artifact.manifest import Digests, Manifest, PassNote, Site, Tensor
from specialize.artifact.measured import Measured
from specialize.artifact.precision import Precision
from specialize.artifact.witness import Witness
from specialize.cli.schemas.base import JsonObject, Output
from specialize.evidence.comparison import VerifyReport
from specialize.evidence.costs import Movement
from specialize.evidence.power import Power
from specialize.explain.compare import Comparison
from specialize.model.spec import ModelSpec
from specialize.plausibility.record import Plausibility
from specialize.zoo.about import About


class BuildForm(Output, frozen=True, kw_only=True):
    """One form of a build's model.

    Attributes:
        pairs: Camera-query pairs computed, over all sites.
        attention: Operations of the attention sites, projections included.
        model: Operations of the whole model.
        attention_bytes: Bytes that the attention sites read and write.
        model_bytes: Bytes that the whole model reads and writes.
        model_predicted_ns: Time of the whole model by count, on a reference processor.
        movement: What the whole model sorts, scans, gathers and scatters.

    A figure is null if nodes of this form could not be counted.
    """

    pairs: int
    attention: int | None
    model: int | None
    attention_bytes: int | None
    model_bytes: int | None
    model_predicted_ns: int | None
    movement: Movement | None


class BuildDone(Output, frozen=True, kw_only=True):
    """`specialize build --json`.

    Attributes:
        build_dir: Folder of the build.
        up_to_date: Whether it was there already, made from the same key.
        vehicle: Name of the vehicle.
        model: Name of the model.
        target: Toolchain that it was lowered for.
        mode: How calibration is bound: `exact`, `envelope` or `tables`.
        layout: How visible pairs are laid out: `ragged` or `padded`.
        align: Lengths are multiples of this.
        sites: The attention sites, in graph order.
        digests: What the build is tied to.
        verify: The comparison with the original.
        power: What that comparison could show; null in builds without one.
        flops: Costs by form: `original`, `rebatched`, `specialized`.
        measured: Time and memory of the original and the specialized model, measured once where the build was made;
            null if that was not asked for, or was of another build.
        witness: The second computation of the geometry, compared with the compiler's own.
        passes: What every pass did or declined.
        options: What the mode adds: tolerance, capacity.
        precision: What a conversion to another number format left, and loses; null in float32.
        seconds: Wall time by stage; empty if nothing was done.
        warnings: What the user should know.
        allowed: Codes of errors about the calibration in spite of which it was built.
        plausibility: Whether the values that the model is fed are plausible, and what was seen.
    """

    schema: Literal["specialize/build@1"]
    build_dir: str
    up_to_date: bool
    vehicle: str
    model: str
    target: str
    mode: str
    layout: str
    align: int
    sites: tuple[Site, ...]
    digests: Digests
    verify: VerifyReport
    power: Power | None
    flops: dict[str, BuildForm]
    measured: Measured | None
    witness: Witness
    passes: tuple[PassNote, ...]
    options: JsonObject
    precision: Precision | None
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    allowed: tuple[str, ...]
    plausibility: Plausibility


class InspectedBuild(Output, frozen=True, kw_only=True, tag="build", tag_field="kind"):
    """`specialize inspect BUILD --json`.

    Attributes:
        path: Folder of the build.
        manifest: Its manifest, as `manifest.json` has it.
    """

    schema: Literal["specialize/inspect@1"]
    path: str
    manifest: Manifest


class SiteForm(Output, frozen=True, kw_only=True):
    """How a site is written.

    Attributes:
        where: The node at which rows are dropped.
        form: Zero-padded, re-batched, one camera after the other, tables from outside, or points pooled into cells.
        sampling: What its samples are read by, and how many nodes that are.
        rows: Rows that it computes as it is.
    """

    where: str
    form: str
    sampling: str
    rows: int


class InspectedModel(Output, frozen=True, kw_only=True, tag="model", tag_field="kind"):
    """`specialize inspect MODEL.onnx --json`.

    Attributes:
        path: The file.
        opset: Version of the standard operators.
        nodes: Number of nodes.
        inputs: What it wants; a dimension without a number is -1.
        outputs: What it gives, likewise.
        operators: How many nodes of each operator.
        data_dependent: Those whose results have no fixed shape.
        calibration_inputs: Inputs that hold matrices per camera, and which.
        sidecar: Text of the sidecar, or a draft of one.
        drafted: Whether it is a draft.
        rig: Vehicle whose calibration the rest is for: that of `--calib`, or a packaged one with as many cameras.
        sites: What a specialization keeps; empty if nothing could be specialized.
        forms: How each site is written.
        masks: Values of the graph that say what the cameras see.
        nodes_after: Number of nodes after specialization; 0 if there was none.
        notes: What each pass would do.
        obstacle: Why nothing was specialized, if so.
    """

    schema: Literal["specialize/inspect@1"]
    path: str
    opset: int
    nodes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: dict[str, int]
    data_dependent: dict[str, int]
    calibration_inputs: dict[str, str]
    sidecar: str
    drafted: bool
    rig: str
    sites: tuple[Site, ...]
    forms: tuple[SiteForm, ...]
    masks: tuple[str, ...]
    nodes_after: int
    notes: tuple[PassNote, ...]
    obstacle: str


class Graph(Output, frozen=True, kw_only=True):
    """`specialize inspect BUILD --graph --json`.

    Attributes:
        path: Folder of the build.
        model: Name of the model.
        drawings: The largest attention site, before and after.
    """

    schema: Literal["specialize/graph@1"]
    path: str
    model: str
    drawings: tuple[Drawing, ...]


class Compare(Output, frozen=True, kw_only=True):
    """`specialize compare --json`.

    Attributes:
        rows: Every model on every vehicle.
    """

    schema: Literal["specialize/compare@1"]
    rows: tuple[Comparison, ...]


class Report(Output, frozen=True, kw_only=True):
    """`specialize report --json`.

    Attributes:
        build_dir: Folder of the build.
        report: The file.
        measured: Whether times were measured for it.
    """

    schema: Literal["specialize/report@1"]
    build_dir: str
    report: str
    measured: bool


class Models(Output, frozen=True, kw_only=True):
    """`specialize models --json`.

    Attributes:
        models: The sidecar of each built-in model, by name.
        about: What goes into each, what comes out, its parameters, and what a specialization removes.
    """

    schema: Literal["specialize/models@1"]
    models: dict[str, ModelSpec]
    about: dict[str, About]


class Export(Output, frozen=True, kw_only=True):
    """`specialize export --json`.

    Attributes:
        model: Name of the model.
        output: The ONNX file.
        weights_digest: Digest of its weights.
        warnings: What the user should know.
    """

    schema: Literal["specialize/export@1"]
    model: str
    output: str
    weights_digest: str
    warnings: tuple[str, ...]
