"""Binding modes: what each mode makes constant, and what it leaves as an input.

In mode `exact` the calibration is a constant. In mode `envelope` it stays an input, and which rows are computed is
fixed for all calibrations within bounds. In mode `tables` what follows from the calibration is an input, of a fixed
size: one engine serves many vehicles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.artifact.witness import WitnessedEnvelope
from specialize.binding import envelope, envelope_file
from specialize.binding.shared_engine import tabulate
from specialize.binding.table_inputs import program_of
from specialize.binding.table_program import OWN_TABLE, require_table
from specialize.binding.witnessed.disagreement import disagree
from specialize.binding.witnessed.geometry import compare_inputs
from specialize.calibration.folder import profile_files
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import DeclinedError, InputError
from specialize.graph.closure import Closure
from specialize.graph.graph_file import GraphFile
from specialize.graph.io import read_graph
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.passes.bind import feeds_of
from specialize.passes.masks import Mask, Trial, find_masks
from specialize.passes.pipeline import Spare, Specialized, bind_graph, specialize_bound, specialize_graph
from specialize.passes.superset import OUTSIDE, restrict
from specialize.request import BuildRequest
from specialize.rows.arrange import Packing
from specialize.text.record import to_json
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.plan import VisibilityPlan
from specialize.visibility.pyramid import Deviation
from specialize.witness.off import rig_without
from specialize.witness.rig import Rig, read_rig

Arrays = Mapping[str, npt.NDArray[np.generic]]

TURN_RAD = math.radians(2.0)
"""How far every camera is turned, about an axis of its own, to see whether the calibration matters."""

_FAR = Deviation(rotation_rad=0.1, translation_m=0.3, focal_ratio=0.05, principal_point_px=10.0)
"""How far the calibrations are from nominal that confirm what a mask is."""


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """What verification feeds beside the frames.

    Attributes:
        cases: Taken in turn, frame by frame: calibration, constants and tables by input name.
        extra_outputs: Outputs that only the specialized graph has, and what they must be.
        turned: The calibration with every camera turned by `TURN_RAD`; what is left out does not depend on that.
    """

    cases: tuple[Arrays, ...]
    extra_outputs: Arrays = field(default_factory=dict)
    turned: Arrays = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Binding:
    """One model, bound in one mode.

    Attributes:
        compiled: The specialized graph.
        fed: What verification feeds.
        options: What the manifest says about the mode.
        files: Further files of the build, by name.
        table: The tables of this vehicle, by input name.
        tables: What each of them was compared with by the witness; those that could not be are left out.
        rigs: What the cases of `fed` are fed for, as the witness has it; empty for the vehicle of the request.
        supersets: In an envelope, per grid the pairs (N, Q) that are computed.
        at_the_edge: In an envelope, what the witness found at the edge of its tolerance.
        spare: In mode exact, the graph before its rows were dropped.
    """

    compiled: Specialized
    fed: Fed
    options: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    table: Arrays = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    rigs: tuple[Rig, ...] = ()
    supersets: tuple[npt.NDArray[np.bool_], ...] = ()
    at_the_edge: WitnessedEnvelope | None = None
    spare: Spare | None = None


def bind_model(
    request: BuildRequest,
    profile: CalibrationProfile,
    spec: ModelSpec,
    prepared: GraphFile,
    plans: Sequence[VisibilityPlan],
) -> Binding:
    """Bind a prepared graph as a request asks.

    Args:
        request: What is asked for.
        profile: The calibration.
        spec: What is known about the model.
        prepared: The graph.
        plans: What the cameras of the profile see, one plan per grid of the sidecar.

    Raises:
        InputError: A profile or an option does not fit the model.
        UsageError: An option that the mode needs is missing.
        DeclinedError: The mode does not work for this model.
    """
    if request.mode == "envelope":
        return _bind_envelope(request, profile, spec, prepared, plans)
    if request.mode == "tables":
        return _bind_tables(request, profile, spec, prepared, plans)
    return _bind_exact(request, profile, spec, prepared)


def fed_to(build: Build, spec: ModelSpec, prepared: Path) -> Fed:
    """Return what verification of a build feeds.

    Raises:
        VerificationError: That is not what the witness finds for the build's calibration.
    """
    fed, rig = _fed_to(build, spec, prepared), read_rig(build.profile)
    compare_inputs(spec, fed.cases[:1], [rig])
    if build.manifest.mode == "tables":
        program_of(build).compare(build.calibration(), rig, fed.cases[0])
    return fed


def _fed_to(build: Build, spec: ModelSpec, prepared: Path) -> Fed:
    model, profile = read_graph(prepared), build.calibration()
    turned = _turned(model, spec, profile)
    if build.manifest.mode == "envelope":
        counted = bool(build.manifest.options.get("count_outside"))
        return Fed(envelope_file.read_cases(build.folder), _none_outside() if counted else {}, turned)
    own = feeds_of(model, spec, profile)
    if build.manifest.mode == "tables":
        table, metadata = read_tensors(build.file(OWN_TABLE))
        require_table(build.file(OWN_TABLE), metadata, build)
        return Fed(({**own, **table},), turned=turned)
    return Fed((own,), turned=turned)


def _bind_exact(
    request: BuildRequest, profile: CalibrationProfile, spec: ModelSpec, prepared: GraphFile
) -> Binding:
    model = prepared.copy()
    fed, turned = feeds_of(model, spec, profile), _turned(model, spec, profile)
    packing = Packing(request.layout, request.align, every_site=request.keep_every_site)
    bound = bind_graph(model, fed)
    spare = Spare(bound.copy())
    return Binding(compiled=specialize_bound(bound, packing), fed=Fed((fed,), turned=turned), spare=spare)


def _bind_envelope(
    request: BuildRequest,
    profile: CalibrationProfile,
    spec: ModelSpec,
    prepared: GraphFile,
    plans: Sequence[VisibilityPlan],
) -> Binding:
    made = envelope.make_envelope(request, profile, spec, plans)
    _require_unseen(made)
    model = prepared.copy()
    closure = Closure(model, spec.calibration_inputs)
    masks = find_masks(closure, _trials(model, spec, profile, plans))
    cases = tuple(feeds_of(model, spec, example) for example in made.examples)
    turned = _turned(model, spec, profile)
    _require_inside(closure, masks, made.supersets, cases)
    done = restrict(model, closure, masks, made.supersets, cases[0], count=request.count_outside)
    packing = Packing(request.layout, request.align)
    compiled = specialize_graph(model, spec.constants(), packing, done.gates)
    compiled = Specialized(compiled.model, compiled.sites, (*done.notes, *compiled.notes))
    if not compiled.sites:
        raise _not_restricted(request.model, compiled)
    return Binding(
        compiled=compiled,
        fed=Fed(cases, _none_outside() if request.count_outside else {}, turned),
        options={"envelope": made.summary(), "count_outside": request.count_outside},
        files={envelope_file.FILE_NAME: envelope_file.envelope_file(made.supersets, cases)},
        rigs=made.rigs,
        supersets=made.supersets,
        at_the_edge=made.witnessed,
    )


def _bind_tables(
    request: BuildRequest,
    profile: CalibrationProfile,
    spec: ModelSpec,
    prepared: GraphFile,
    plans: Sequence[VisibilityPlan],
) -> Binding:
    made = tabulate(request, profile, spec, prepared.path, plans)
    model = prepared.look()
    cases = tuple({**feeds_of(model, spec, vehicle), **table} for vehicle, table in made.vehicles)
    others = [read_rig(path) for path in profile_files(request.capacity_over)]
    rigs = (rig_without(read_rig(request.calib), request.without), *others)[: len(cases)]
    maker = made.maker.learned(made.vehicles, rigs)
    compared = [
        maker.compare(vehicle, rig, table) for (vehicle, table), rig in zip(made.vehicles, rigs, strict=True)
    ]
    return Binding(
        compiled=made.compiled,
        fed=Fed(cases, turned=_turned(model, spec, profile)),
        options={"tables": {**made.options, "witness": to_json(maker.recipe)}},
        files=made.files,
        table=made.vehicles[0][1],
        rigs=rigs,
        tables=compared[0],
    )


def _turned(
    model: ir.Model, spec: ModelSpec, profile: CalibrationProfile
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the calibration inputs that matter and change if every camera is turned, with the values they then have.

    Unused inputs are left out; `model` has no dead nodes.
    """
    bounds = [Deviation(rotation_rad=TURN_RAD)] * len(profile.cameras)
    try:
        (moved,) = at_the_edge(profile, bounds, 1)
        after = feeds_of(model, spec, moved)
    except InputError:  # a bare lidar2img that is no pinhole camera cannot be turned
        return {}
    before = feeds_of(model, spec, profile)
    read = {str(value.name) for value in model.graph.inputs if value.uses()}
    return {
        name: array
        for name, array in after.items()
        if name in read and not np.array_equal(array, before[name])
    }


def _trials(
    model: ir.Model, spec: ModelSpec, profile: CalibrationProfile, plans: Sequence[VisibilityPlan]
) -> list[Trial]:
    """Return the nominal calibration and two that are far from it, to tell masks from what only equals one."""
    far = tuple(at_the_edge(profile, [_FAR] * len(profile.cameras), 2))
    seen = (tuple(plans), *(visible_sets(spec, each) for each in far))
    return [
        Trial(feeds_of(model, spec, each), sets) for each, sets in zip((profile, *far), seen, strict=True)
    ]


def _require_unseen(made: envelope.Envelope) -> None:
    """Require that the envelope leaves anything out.

    Raises:
        DeclinedError: Every camera may come to see every query.
    """
    if all(bool(pairs.all()) for pairs in made.supersets):
        hint = "allow smaller deviations with --tolerance, or envelope fewer vehicles"
        found = f"all {made.pairs:,} pairs may be seen"
        raise DeclinedError("--mode envelope", "queries that a camera never sees", found, hint)


def _require_inside(
    closure: Closure,
    masks: Mapping[ir.Value, Mask],
    supersets: Sequence[npt.NDArray[np.bool_]],
    cases: Sequence[Arrays],
) -> None:
    """Compute the graph's own masks for calibrations inside an envelope: none may be visible outside.

    Raises:
        VerificationError: The envelope is too small for one of them.
    """
    for number, case in enumerate(cases):
        for value, array in closure.compute(masks, case).items():
            mask = masks[value]
            lost = mask.pairs(array) & ~supersets[mask.grid]
            if lost.any():
                camera, query = (int(index[0]) for index in np.nonzero(lost))
                found = f"{int(lost.sum())} pairs, the first at camera {camera}, query {query}"
                disagree(f"envelope, calibration {number}", "no pair of the graph's mask outside", found)


def _not_restricted(model: str, compiled: Specialized) -> DeclinedError:
    reasons = sorted({note.reason for note in compiled.notes if note.verdict == "declined"})
    hint = "use --mode exact: a constant calibration can be followed further"
    return DeclinedError(model, "a sum over cameras that a restricted mask reaches", "; ".join(reasons), hint)


def _none_outside() -> dict[str, npt.NDArray[np.generic]]:
    return {OUTSIDE: np.zeros(1, dtype=np.float32)}
