"""JSON of commands about builds and models: what is asked for first, of a manifest that has all of it."""

from __future__ import annotations

from pathlib import Path

from specialize.artifact import Build
from specialize.artifact.drawing import Drawing
from specialize.artifact.manifest import Digests, JsonObject, Manifest, PassNote, Site
from specialize.artifact.measured import Measured
from specialize.artifact.precision import Precision
from specialize.artifact.witness import Witness
from specialize.evidence.comparison import VerifyReport
from specialize.evidence.costs import FormCost, Movement
from specialize.evidence.power import Power
from specialize.evidence.tuned import Tuning
from specialize.explain.demo import MODEL, PROFILE, Demo
from specialize.plausibility.record import Plausibility
from specialize.request import BuildOutcome
from specialize.text.record import Record


class BuildForm(Record, frozen=True, kw_only=True):
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


class BuildDone(Record, frozen=True, kw_only=True):
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
        tuning: How the formulation of attention was chosen; null if it was not by measurement.
        witness: The second computation of the geometry, compared with the compiler's own.
        passes: What every pass did or declined.
        options: What the mode adds: tolerance, capacity.
        precision: What a conversion to another number format left, and loses; null in float32.
        seconds: Wall time by stage; empty if nothing was done.
        warnings: What the user should know.
        allowed: Codes of errors about the calibration in spite of which it was built.
        plausibility: Whether the values that the model is fed are plausible, and what was seen.
    """

    build_dir: Path
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
    tuning: Tuning | None
    witness: Witness
    passes: tuple[PassNote, ...]
    options: JsonObject
    precision: Precision | None
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    allowed: tuple[str, ...]
    plausibility: Plausibility


class DemoDone(Record, frozen=True, kw_only=True):
    """`specialize demo --json`.

    Attributes:
        folder: Where its files are.
        profile: Calibration that the build is for.
        other: Calibration of another vehicle.
        model: The model.
        build_dir: Folder of the build.
        up_to_date: Whether it was there already, made from the same key.
        verified: Whether its outputs equal those of the model.
    """

    folder: Path
    profile: Path
    other: Path
    model: Path
    build_dir: Path
    up_to_date: bool
    verified: bool


class InspectedBuild(Record, frozen=True, kw_only=True, tag="build", tag_field="kind"):
    """`specialize inspect BUILD --json`.

    Attributes:
        path: Folder of the build.
        manifest: Its manifest, as `manifest.json` has it.
    """

    path: Path
    manifest: Manifest


class Graph(Record, frozen=True, kw_only=True):
    """`specialize inspect BUILD --graph --json`.

    Attributes:
        path: Folder of the build.
        model: Name of the model.
        drawings: The largest attention site, before and after.
    """

    path: Path
    model: str
    drawings: tuple[Drawing, ...]


class Report(Record, frozen=True, kw_only=True):
    """`specialize report --json`.

    Attributes:
        build_dir: Folder of the build.
        report: The file.
        measured: Whether times were measured for it.
    """

    build_dir: Path
    report: Path
    measured: bool


class Export(Record, frozen=True, kw_only=True):
    """`specialize export --json`.

    Attributes:
        model: Name of the model.
        output: The ONNX file.
        weights_digest: Digest of its weights.
        warnings: What the user should know.
    """

    model: str
    output: Path
    weights_digest: str
    warnings: tuple[str, ...]


def built(outcome: BuildOutcome) -> BuildDone:
    """Return what `specialize build --json` prints."""
    manifest = outcome.manifest
    named = set(BuildDone.__struct_fields__) & set(Manifest.__struct_fields__)
    own = {
        "build_dir": outcome.build_dir,
        "up_to_date": outcome.up_to_date,
        "flops": {name: form_of(form) for name, form in manifest.flops.forms.items()},
        "measured": outcome.measured,
        "tuning": outcome.tuning,
        "seconds": {stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
        "warnings": (*manifest.warnings, *outcome.warnings),
    }
    return BuildDone(**{name: getattr(manifest, name) for name in named} | own)


def demonstrated(demo: Demo) -> DemoDone:
    """Return what `specialize demo --json` prints."""
    return DemoDone(
        folder=demo.folder, profile=demo.folder / PROFILE, other=demo.other, model=demo.folder / MODEL,
        build_dir=demo.outcome.build_dir, up_to_date=demo.outcome.up_to_date,
        verified=demo.outcome.manifest.verify.passed,
    )  # fmt: skip


def form_of(form: FormCost) -> BuildForm:
    """Return operations, bytes and movement of a form; None where nodes are left out."""
    return BuildForm(
        pairs=form.pairs,
        attention=form.known("attention_flops"),
        model=form.known("model_flops"),
        movement=None if "movement" in form.uncounted else form.movement,
        attention_bytes=form.known("attention_bytes"),
        model_bytes=form.known("model_bytes"),
        model_predicted_ns=form.known("model_predicted_ns"),
    )


def inspected(build: Build) -> InspectedBuild:
    """Return what `specialize inspect BUILD --json` prints."""
    return InspectedBuild(path=build.folder, manifest=build.manifest)


def graph(build: Build) -> Graph:
    """Return what `specialize inspect BUILD --graph --json` prints."""
    return Graph(path=build.folder, model=build.manifest.model, drawings=build.manifest.drawings)
