"""Inspect a model before it is built: calibration inputs, operators, and what specialization would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from specialize.artifact.describe import describe_notes, describe_site, describe_tensor
from specialize.artifact.manifest import PassNote, Site, Tensor
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.adopt import GRAPH, reference_of, require_open
from specialize.compiler.forms import SiteForm, mask_names, site_forms
from specialize.compiler.match_plans import lost_pairs
from specialize.drafting.draft import Draft, draft_sidecar
from specialize.drafting.grids import WITHOUT, described
from specialize.drafting.layout import layout_of
from specialize.drafting.pools import pool_of
from specialize.errors import InputError, SpecializeError
from specialize.files.atomic import write_file
from specialize.files.resources import resource_dir
from specialize.files.scratch import temporary_folder
from specialize.graph.bind_batch import batch_notes, bind_batch
from specialize.graph.folding import fold
from specialize.graph.io import opset_of, read_as_written, read_graph, write_graph
from specialize.graph.notes import Note
from specialize.model.sidecar import with_guesses_taken
from specialize.model.spec import ModelSpec, read_spec
from specialize.model.visible import visible_sets
from specialize.passes.bind import feeds_of
from specialize.passes.pipeline import specialize_graph
from specialize.passes.site import CompactedSite
from specialize.rows.arrange import Packing

_MARGIN = (
    "the graph keeps {:,} of its pairs that the rule of a sidecar does not, as with a margin around images"
)
DATA_DEPENDENT = ("NonZero", "Compress", "Unique", "NonMaxSuppression", "Loop", "If", "Scan", "SequenceMap")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInspection:
    """`specialize inspect MODEL.onnx --json`.

    Attributes:
        path: The file.
        opset: Version of the standard operators; 0 if it uses none.
        nodes: Number of nodes.
        inputs: Its inputs; a dimension without a number is -1.
        outputs: Its outputs, likewise.
        operators: Number of nodes of each operator, most frequent first.
        data_dependent: Those of the operators whose results have no fixed shape.
        calibration_inputs: Inputs that are calibration, with the matrix that each expects; GUESS if a person must
            decide.
        sidecar: Text of the sidecar, or the draft of one.
        drafted: Whether it is a draft: entries marked GUESS are not in the graph.
        rig: Vehicle whose calibration the rest is for: the given one, or a packaged one with as many cameras.
        sites: What a specialization keeps; empty if nothing could be specialized.
        forms: The form of each site.
        masks: Values that state what the cameras see.
        nodes_after: Number of nodes after specialization; 0 if there was none.
        notes: What each pass would do, or why it declines.
        obstacle: Why nothing was specialized, if so.
    """

    kind: Literal["model"] = "model"
    path: Path
    opset: int
    nodes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: dict[str, int]
    data_dependent: dict[str, int]
    calibration_inputs: dict[str, str]
    sidecar: str
    drafted: bool
    rig: str = ""
    sites: tuple[Site, ...] = ()
    forms: tuple[SiteForm, ...] = ()
    masks: tuple[str, ...] = ()
    nodes_after: int = 0
    notes: tuple[PassNote, ...] = ()
    obstacle: str = ""


def inspect_model(path: Path, model_spec: Path | None = None, calib: Path | None = None) -> ModelInspection:
    """Inspect an ONNX file, and what a specialization would do for a calibration or a packaged rig.

    Raises:
        InputError: The model, its sidecar or the profile cannot be read; or the profile does not fit.
    """
    model = read_graph(path)
    prior = [Note("batch", "applied", *note) for note in batch_notes(bind_batch(model))]
    beside = path.with_suffix(".model.yaml")
    chosen = model_spec or (beside if beside.is_file() else None)
    spec = None if chosen is None else read_spec(chosen)
    inputs = tuple(describe_tensor(value) for value in model.graph.inputs)
    pool = pool_of(model)
    cameras = pool.cameras if pool is not None else layout_of(inputs).cameras
    profile = load_profile(calib) if calib is not None else _packaged(cameras)
    found = _described(path, model, inputs, spec)
    for step in (lambda: prior.extend(_opened(model, path)), lambda: fold(model)):
        try:
            step()
        except SpecializeError as error:  # the error of folding is closer to the cause
            found = replace(found, obstacle=str(error))
    found = replace(found, notes=describe_notes(prior))
    draft = None
    if spec is None:
        draft = draft_sidecar(path.stem, model, inputs, profile, calib is not None, pool)
        found = replace(found, calibration_inputs=draft.calibration(), sidecar=draft.text())
    why = found.obstacle or _obstacle(found, profile, cameras)
    if why or profile is None:
        return replace(found, obstacle=why)
    try:
        return _specialized(found, model, draft or spec, profile)
    except SpecializeError as error:
        if calib is not None and draft is None:  # a person's sidecar and calibration do not fit the model
            raise
        return replace(found, obstacle=str(error))


def _described(
    path: Path, model: ir.Model, inputs: tuple[Tensor, ...], spec: ModelSpec | None
) -> ModelInspection:
    """Return what a file says of itself, without its inputs' use."""
    written = read_as_written(path)
    operators = Counter(node.op_type for node in written.graph.all_nodes())
    return ModelInspection(
        path=path,
        opset=opset_of(written),
        nodes=operators.total(),
        inputs=inputs,
        outputs=tuple(describe_tensor(value) for value in model.graph.outputs),
        operators=dict(sorted(operators.items(), key=lambda item: (-item[1], item[0]))),
        data_dependent={name: operators[name] for name in DATA_DEPENDENT if operators[name]},
        calibration_inputs={} if spec is None else _named(spec),
        sidecar="" if spec is None else spec.to_text(),
        drafted=spec is None,
    )


def _drafted(draft: Draft, sites: Sequence[CompactedSite], profile: CalibrationProfile) -> str:
    """Return the draft of a sidecar without the grids whose rule is not that of the graph's own masks."""
    by_camera = [site.by_camera(len(profile.cameras)) for site in sites]
    places = draft.places({site.queries for site in sites})
    gridded = [place for place in places if place.grid is not None]
    plans = visible_sets(draft.spec({site.queries for site in sites}), profile)
    lost = {id(place): lost_pairs(by_camera, plan) for place, plan in zip(gridded, plans, strict=True)}
    kept = [
        replace(place, grid=None, reason=f"{described(place)}: {_MARGIN.format(lost[id(place)])}; {WITHOUT}")
        if lost.get(id(place))
        else place
        for place in places
    ]
    return draft.text(kept)


def save_draft(found: ModelInspection, target: Path, take_guesses: bool = False) -> None:
    """Write the draft of a sidecar to a new file.

    Args:
        found: What was found about the model.
        target: The file.
        take_guesses: Whether to write the likeliest value of every guess; builds then warn of them.

    Raises:
        InputError: The model has a sidecar, or the file is there already.
    """
    if not found.drafted:
        hint = "`build` uses the existing sidecar; name another file with --model-spec"
        raise InputError(
            str(found.path), "a model without a sidecar, whose draft is saved", "a model with a sidecar", hint
        )
    if target.exists():
        raise InputError(
            str(target), "a file that does not exist yet", "an existing file", "choose another name"
        )
    write_file(target, with_guesses_taken(found.sidecar) if take_guesses else found.sidecar)


def _named(spec: ModelSpec) -> dict[str, str]:
    return {name: str(kind) for name, kind in spec.calibration_inputs.items()}


def _opened(model: ir.Model, path: Path) -> list[Note]:
    """Bring a graph, in place, to the form that a build is compared with; return what was repaired in it.

    Raises:
        InputError: A custom operator cannot be read, or ONNX Runtime opens the model in no form.
    """
    reference = reference_of(model, path)
    if reference["reference"] == GRAPH:
        with temporary_folder("inspect") as folder:
            write_graph(model, folder / GRAPH, "inspect.weights")
            require_open(folder / GRAPH, path)
    return [Note("repair", "applied", *note) for note in reference["repairs"]]


def _obstacle(found: ModelInspection, profile: CalibrationProfile | None, cameras: int) -> str:
    """Return why nothing can be specialized, or an empty string."""
    if not found.calibration_inputs:
        return "no calibration inputs found"
    if profile is None:
        return f"no packaged rig has {cameras} camera{'' if cameras == 1 else 's'}: give --calib"
    return ""


def _packaged(cameras: int) -> CalibrationProfile | None:
    """Return a packaged rig with that many cameras, to show what a specialization would do; None without one."""
    folder = resource_dir("calib_profiles")
    files = {
        4: folder / "reference" / "wide4.yaml",
        6: folder / "car42.yaml",
        7: folder / "reference" / "ring7.yaml",
    }
    return load_profile(files[cameras]) if cameras in files else None


def _specialized(
    found: ModelInspection, model: ir.Model, about: Draft | ModelSpec | None, profile: CalibrationProfile
) -> ModelInspection:
    """Specialize a folded graph, in place, and describe what that finds."""
    spec = about.spec() if isinstance(about, Draft) else about
    assert spec is not None
    original = read_graph(found.path)
    bind_batch(original)
    masks = mask_names(model, spec, (profile,))
    done = specialize_graph(model, feeds_of(model, spec, profile), Packing(every_site=True))
    cameras, bound = profile.camera_names(), {*spec.calibration_inputs, *spec.other_inputs}
    return replace(
        found,
        sidecar=_drafted(about, done.sites, profile) if isinstance(about, Draft) else found.sidecar,
        rig=profile.vehicle,
        sites=tuple(describe_site(site, cameras) for site in done.sites),
        forms=site_forms(original, bound, done.sites, len(cameras)),
        masks=masks,
        nodes_after=len(done.model.graph),
        notes=(*found.notes, *describe_notes(done.notes)),
    )
