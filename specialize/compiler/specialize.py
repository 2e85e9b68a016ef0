"""Specialize one model for one calibration: from prepared graph to specialized graph, judged and witnessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.artifact.describe import describe_tensor
from specialize.artifact.witness import Witness
from specialize.binding.modes import Binding, bind_model
from specialize.binding.witnessed.build import witness_build
from specialize.calibration.lint.findings import Finding
from specialize.calibration.off import cameras_off
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.generic import PREPARED, GenericModel
from specialize.compiler.laps import Laps
from specialize.compiler.match_plans import require_matching
from specialize.compiler.original import count_original
from specialize.costs import count
from specialize.drafting.contradicted import kinds_findings
from specialize.errors import DeclinedError, InputError
from specialize.graph.custom import POOL
from specialize.graph.graph_file import GraphFile, in_folder
from specialize.graph.io import read_graph
from specialize.graph.notes import Note
from specialize.graph.remembered import Remembered
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.passes.fold_affine import fold_affine
from specialize.passes.gather_sums import gather_sums
from specialize.passes.pipeline import FITTING_SHAPES, Bound, Specialized, specialize_bound
from specialize.passes.site import CompactedSite
from specialize.plausibility.fit import Fit, judged, look_over
from specialize.plausibility.judge import Judged, judge_build
from specialize.plausibility.masks import SiteMask
from specialize.plausibility.record import Plausibility
from specialize.request import BuildRequest
from specialize.rows.arrange import Packing
from specialize.targets import target
from specialize.targets.base import RUNS_ANYWHERE
from specialize.visibility.plan import VisibilityPlan

LEAST_SAVING = 0.005
"""Minimum share of a model's operations or of its traffic that must be saved if there is no site: a smaller saving is
not worth a build per vehicle.
"""

Plans = tuple[VisibilityPlan, ...]
_EMPTY_CAMERA = (
    "a re-batched export cannot reshape the zero rows of a camera that sees nothing, so there is no original to "
    "compare with: export the zero-padded form, as docs/guides/forms.md shows"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compilation:
    """One model, specialized for one calibration, not yet proven.

    Attributes:
        profile: The calibration.
        generic: The model.
        parts: Folder with the model's original and prepared graph, for as long as the compilation is used.
        prepared: The prepared graph.
        constants: What the exact mode binds, by input name.
        binding: What the mode makes of it.
        plans: What the cameras see, one per grid of the sidecar.
        graph: The specialized graph.
        sites: Where rows were dropped, in graph order.
        notes: What every pass did or declined.
        fit: How the calibration fits the model.
        plausibility: What was seen in the values that the model is fed.
        witness: What was compared with the second computation of the geometry.
    """

    profile: CalibrationProfile
    generic: GenericModel
    parts: Path
    prepared: GraphFile
    constants: dict[str, np.ndarray]
    binding: Binding
    plans: tuple[VisibilityPlan, ...]
    graph: ir.Model
    sites: tuple[CompactedSite, ...]
    notes: tuple[Note, ...]
    fit: Fit
    plausibility: Plausibility
    witness: Witness

    @property
    def original(self) -> Path:
        """The model that a proof compares with, in the folder of its parts."""
        return self.generic.reference(self.parts)


def specialize(
    request: BuildRequest, profile: CalibrationProfile, generic: GenericModel, parts: Path, laps: Laps
) -> Compilation:
    """Bind, fold and compact the prepared graph of a model for one calibration.

    Raises:
        InputError: The profile or the sidecar do not fit the model.
        DeclinedError: There is nothing to specialize, and `allow_unchanged` was not asked for.
        VerificationError: The witness computes another geometry.
    """
    spec, where = generic.spec, str(request.calib)
    prepared = _prepared(generic, parts)
    _require_usual_grids(spec, request.mode)
    known = generic.source["kind"] == "zoo" and request.model_spec is None
    found = (*look_over(profile, spec), *_kinds_findings(generic, prepared, known))
    # before anything is bound: under wrong kinds that ends in errors about nodes
    judged(found, profile, request.allow, where, spec.name)
    plans = visible_sets(spec, profile)
    binding = _bound(request, profile, spec, prepared, plans)
    compiled = _settled(binding.compiled, request)
    compiled = replace(compiled, sites=tuple(site.by_camera(len(profile.cameras)) for site in compiled.sites))
    if not compiled.sites and not request.allow_unchanged:
        _require_saving(request.model, prepared.path, bound_constants(spec, profile), compiled)
    values = _judged_values(request, profile, spec, compiled)
    fit = judged((*found, *values.findings), profile, request.allow, where, spec.name)
    if request.mode == "exact":
        require_matching(compiled.sites, plans, prepared.look(), spec)
    witness = witness_build(request, spec, plans, binding)
    laps.lap("compile")
    return Compilation(
        profile=profile,
        generic=generic,
        parts=parts,
        prepared=prepared,
        constants=bound_constants(spec, profile),
        binding=binding,
        plans=plans,
        graph=compiled.model,
        sites=compiled.sites,
        notes=compiled.notes,
        fit=fit,
        plausibility=values.record,
        witness=witness,
    )


_GRAPHS: Remembered[ir.Model] = Remembered(2)
_FILES: Remembered[GraphFile] = Remembered(2)
_FOUND: Remembered[tuple[Finding, ...]] = Remembered()


def _prepared(generic: GenericModel, parts: Path) -> GraphFile:
    """Return the prepared graph of a model; a process reads and checks it once, for all vehicles."""
    path, key = parts / PREPARED, generic.entry.objects[PREPARED]
    file = _FILES.get((key, path))
    if file is not None:
        return file
    model = _GRAPHS.get(key)
    if model is None:
        model = _GRAPHS.keep(key, read_graph(path))
    return _FILES.keep((key, path), GraphFile(path, in_folder(model, parts)))


def _kinds_findings(generic: GenericModel, prepared: GraphFile, known: bool) -> tuple[Finding, ...]:
    """Return what the graph says about the kinds of the sidecar, which no vehicle changes."""
    key = (generic.entry.key, generic.spec.to_text(), known)
    found = _FOUND.get(key)
    if found is None:
        found = _FOUND.keep(key, kinds_findings(prepared.look(), generic.spec, known))
    return found


def _bound(
    request: BuildRequest, profile: CalibrationProfile, spec: ModelSpec, prepared: GraphFile, plans: Plans
) -> Binding:
    """Bind the calibration.

    Raises:
        InputError: The graph does not take it; if cameras are off, that is the likely reason.
    """
    try:
        return bind_model(request, profile, spec, prepared, plans)
    except InputError as error:
        off = cameras_off(profile)
        if not off or not error.expected.startswith(FITTING_SHAPES):
            raise
        where, found = f"{spec.name} without {', '.join(off)}", f"{error.where}: {error.found}"
        raise InputError(where, "a graph that runs if a camera sees nothing", found, _EMPTY_CAMERA) from error


def _require_usual_grids(spec: ModelSpec, mode: str) -> None:
    """Refuse grids with an order of their own in modes whose vehicles compute pairs, which know the usual order alone.

    Raises:
        InputError: There is one.
    """
    for index, each in enumerate(spec.grids):
        if mode != "exact" and not each.grid().is_usual:
            raise InputError(
                f"{spec.name}: grids[{index}].order",
                f"the usual order in mode {mode}, because the vehicle knows no other",
                each.order,
                "leave this grid out of the sidecar, so that the model's own masks decide; or "
                "build in mode exact",
            )


def _judged_values(
    request: BuildRequest, profile: CalibrationProfile, spec: ModelSpec, compiled: Specialized
) -> Judged:
    """Judge what the model is fed and what its graph makes of that."""
    masks = [SiteMask(site.where, site.seen, site.rows_before, site.pairs) for site in compiled.sites]
    inputs = {tensor.name: tensor.shape for tensor in map(describe_tensor, compiled.model.graph.inputs)}
    return judge_build(spec, profile, masks, inputs, request.mode)


def bound_constants(spec: ModelSpec, profile: CalibrationProfile) -> dict[str, np.ndarray]:
    """Return what is bound, by input name: the calibration, and what the sidecar holds constant.

    The matrices are (N, 4, 4) float64, or (N * repeat, 4, 4) for an input that holds each camera's several times.
    """
    arrays = spec.calibration_arrays(profile)
    held = {name: np.repeat(array, spec.kind_of(name).repeat, axis=0) for name, array in arrays.items()}
    return held | spec.constants()


def rebatched(bound: Bound, left: frozenset[str] = frozenset()) -> Specialized:
    """Return the re-batched form that others are compared with: every camera as long as the longest one.

    It is what `--layout padded` builds, so that a comparison is about rows and about nothing else.

    Args:
        bound: The graph, bound and folded; it is changed.
        left: Names of the sites that the build left as they were; see `left_for_cost`.
    """
    packing = Packing("padded", every_site=True, left=left)
    found = specialize_bound(bound, packing)
    return replace(found, notes=(*found.notes, *fold_affine(found.model), *gather_sums(found.model)))


def _settled(compiled: Specialized, request: BuildRequest) -> Specialized:
    """Write what any runtime takes, in place: constants folded into tables, sums without a scatter.

    A target that wants an operator with the tables inside, or has one that pools, gets the form that it is read from.
    """
    toolchain, notes = target(request.target).TOOLCHAIN, compiled.notes
    if (request.attention or toolchain.form) in RUNS_ANYWHERE:
        notes = (*notes, *fold_affine(compiled.model))
    if toolchain.operators.get(POOL, toolchain.unlisted).verdict != "allowed":
        notes = (*notes, *gather_sums(compiled.model))
    return replace(compiled, notes=notes)


def _require_saving(
    model: str, prepared: Path, constants: Mapping[str, np.ndarray], compiled: Specialized
) -> None:
    """Refuse a model without sites in which the calibration alone determines next to nothing.

    A position embedding that depends on calibration alone is no site, but folding it away is worth a build; so is
    leaving out the cells of a million points.
    """
    before, after = count_original(prepared, constants).total(), count(compiled.model).total()
    flops, moved = before.flops - after.flops, before.moved_bytes - after.moved_bytes
    if flops >= LEAST_SAVING * before.flops or moved >= LEAST_SAVING * before.moved_bytes:
        return
    reasons = sorted({note.reason for note in compiled.notes if note.verdict == "declined"})
    why = "; ".join(reasons) or "no sum over cameras, no gather and no scatter with constant places"
    found = (
        f"{flops:,} of {before.flops:,} FLOPs that depend on calibration alone, and no rows to drop ({why})"
    )
    hint = "`specialize inspect` shows what was found; --allow-unchanged builds the model nevertheless"
    raise DeclinedError(model, "work that the calibration makes superfluous", found, hint)
