"""The compiler: from a calibration and a model to a build that is proven and tied to both.

`build` is the whole flow. Nothing here knows a model by name.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specialize.artifact import Build, BuildKey, Digests, Manifest, ModelTie, record_files, write_manifest, write_metadata
from specialize.artifact.build import MODEL, PROFILE
from specialize.artifact.manifest import PassNote, Site, SiteCamera, Tensor
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import DeclinedError, InputError
from specialize.files import only_one, publish_directory, write_file
from specialize.flops import CostReport, FormsReport, compare_forms, count
from specialize.graph.io import read_graph, write_graph
from specialize.graph.shapes import dims
from specialize.model import ModelSpec, parse_spec
from specialize.passes.compact import CompactedSite
from specialize.passes.pipeline import Specialized, specialize_graph
from specialize.planning import plans_digest, visible_sets
from specialize.request import BuildOutcome, BuildRequest
from specialize.rows.arrange import Packing
from specialize.sources import GRAPH, PREPARED, PREPARED_WEIGHTS, GenericModel, Say, generic_model, model_again
from specialize.store import open_store
from specialize.verify import VerifyReport, compare_models, make_frames, model_inputs
from specialize.visibility.plan import VisibilityPlan


def quiet(line: str) -> None:
    """Say nothing."""


def build(request: BuildRequest, say: Say = quiet) -> BuildOutcome:
    """Specialize a model for one calibration, prove it, and leave a build behind.

    Raises:
        InputError: Profile, model or sidecar are wrong.
        DeclinedError: There is nothing to specialize, and `allow_unchanged` was not asked for.
        VerificationError: The specialized model differs from the original; nothing is left behind.
    """
    watch = _Watch()
    profile = load_profile(request.calib)
    store = open_store()
    generic = generic_model(request, store, say)
    watch.lap("model")
    key = _key(request, profile, generic)
    folder = request.output or Path("build") / profile.vehicle
    with only_one(folder.parent / f".{folder.name}.lock", f"build {folder}", on_wait=say):
        done = _up_to_date(folder, key)
        if done is not None:
            return BuildOutcome(build_dir=folder, up_to_date=True, manifest=done.manifest, warnings=generic.warnings)
        with generic.unpacked(store) as parts:
            manifest = _make(request, profile, generic, key, parts, folder, watch, say)
    return BuildOutcome(build_dir=folder, up_to_date=False, manifest=manifest, seconds=watch.seconds)


def costs(request: BuildRequest, say: Say = quiet) -> FormsReport:
    """Count the zero-padded, re-batched and specialized forms of a model for one calibration.

    Raises:
        InputError: Profile, model or sidecar are wrong.
        DeclinedError: There is nothing to specialize.
    """
    profile, store = load_profile(request.calib), open_store()
    generic = generic_model(request, store, say)
    with generic.unpacked(store) as parts:
        constants = _constants(generic.spec, profile)
        compiled = specialize_graph(read_graph(parts / PREPARED), constants, _packing(request))
        _require_sites(compiled, request)
        return _forms(parts, constants, compiled)


def verify(build_dir: Path, frames: int = 4, say: Say = quiet) -> VerifyReport:
    """Compare a build with the model that it was made from, once more.

    Raises:
        InputError: The build is damaged, or its original cannot be had any more.
    """
    made = Build.open(build_dir)
    made.require_intact()
    spec = parse_spec(made.manifest.spec, f"{build_dir}: spec of the manifest")
    store = open_store()
    generic = model_again(made.manifest.source, spec, store, say)
    if generic.digest != made.manifest.digests.model:
        raise InputError(f"{build_dir}: model", made.manifest.digests.model, generic.digest, "build again")
    with generic.unpacked(store) as parts:
        return _compare(parts / GRAPH, made.model, spec, load_profile(made.profile), frames, 0, say)


def _make(
    request: BuildRequest, profile: CalibrationProfile, generic: GenericModel, key: BuildKey, parts: Path,
    folder: Path, watch: _Watch, say: Say,
) -> Manifest:  # fmt: skip
    """Compile, write, verify, count and publish; return the manifest of what is there now."""
    say(f"specializing {generic.name} for {profile.vehicle}")
    plans = visible_sets(generic.spec, profile)
    constants = _constants(generic.spec, profile)
    compiled = specialize_graph(read_graph(parts / PREPARED), constants, _packing(request))
    _require_sites(compiled, request)
    _require_covered(compiled.sites, plans)
    manifest = _manifest(request, profile, generic, key, compiled, plans)
    write_metadata(compiled.model.metadata_props, _tie(manifest, compiled.sites))
    watch.lap("compile")
    forms = _forms(parts, constants, compiled)
    watch.lap("count")
    with publish_directory(folder) as room:
        write_graph(compiled.model, room / MODEL)
        shutil.copyfile(parts / PREPARED_WEIGHTS, room / PREPARED_WEIGHTS)
        write_file(room / PROFILE, dump_profile(profile))
        watch.lap("write")
        report = _compare(parts / GRAPH, room / MODEL, generic.spec, profile, request.frames, request.seed, say)
        report.require_passed()
        watch.lap("verify")
        evidence = {"verify": report.to_json(), "flops": forms.to_json()}
        manifest = record_files(room, _with_evidence(manifest, evidence))
        write_manifest(room, manifest)
    return manifest


def _key(request: BuildRequest, profile: CalibrationProfile, generic: GenericModel) -> BuildKey:
    from specialize.digest import digest

    return BuildKey(
        vehicle=profile.vehicle, profile=profile.digest, model=generic.digest, spec=digest(generic.spec.to_text()),
        target=request.target, mode=request.mode, layout=request.layout, align=request.align,
        tolerance=request.tolerance or "", capacity=request.capacity or "",
        envelope_over=tuple(load_profile(other).digest for other in request.envelope_over),
        frames=request.frames, seed=request.seed, allow_unchanged=request.allow_unchanged,
    )  # fmt: skip


def _up_to_date(folder: Path, key: BuildKey) -> Build | None:
    """Return the build that is there if it was made from the same key and is whole."""
    try:
        found = Build.open(folder)
        if found.manifest.digests.build != key.digest():
            return None
        found.require_intact()
    except InputError:
        return None
    return found


def _constants(spec: ModelSpec, profile: CalibrationProfile) -> dict[str, np.ndarray]:
    """Return what is bound: the calibration, and what the sidecar holds constant."""
    return spec.calibration_arrays(profile) | {name: np.asarray(value) for name, value in spec.other_inputs.items()}


def _packing(request: BuildRequest) -> Packing:
    return Packing(request.layout, request.align)


def _require_sites(compiled: Specialized, request: BuildRequest) -> None:
    if compiled.sites or request.allow_unchanged:
        return
    reasons = sorted({note.reason for note in compiled.notes if note.verdict == "declined"})
    found = "; ".join(reasons) or "no sum over cameras, no gather and no scatter with constant places"
    raise DeclinedError(request.model, "rows that the calibration makes superfluous", found, "see `specialize inspect`")


def _require_covered(sites: tuple[CompactedSite, ...], plans: tuple[VisibilityPlan, ...]) -> None:
    """Refuse a plan that keeps fewer queries than the mask of the graph, which is the authority."""
    for site in sites:
        for plan in plans:
            if site.seen.shape != plan.superset.shape:
                continue
            lost = site.seen & ~plan.superset
            if lost.any():
                camera, query = (int(index[0]) for index in np.nonzero(lost))
                raise InputError(
                    "sidecar: grids, image, rule", f"a plan that keeps all {site.pairs} pairs of the model's own mask",
                    f"{int(lost.sum())} fewer, the first at camera {camera}, query {query}",
                    "the grid, the image preparation or the rule are not the model's",
                )  # fmt: skip


def _forms(parts: Path, constants: dict[str, np.ndarray], compiled: Specialized) -> FormsReport:
    """Count the three forms, each on its real graph."""
    replaced = frozenset(name for site in compiled.sites for name in site.replaced)
    dense = count(read_graph(parts / PREPARED), replaced)
    rebatched = specialize_graph(read_graph(parts / PREPARED), constants, Packing("padded"))
    reports: dict[str, CostReport] = {
        "zero_padded": dense, "rebatched": count(rebatched.model), "specialized": count(compiled.model),
    }  # fmt: skip
    pairs = {
        "zero_padded": sum(site.rows_before for site in compiled.sites),
        "rebatched": sum(site.rows_computed for site in rebatched.sites),
        "specialized": sum(site.rows_computed for site in compiled.sites),
    }
    return compare_forms(reports, pairs)


def _compare(
    original: Path, candidate: Path, spec: ModelSpec, profile: CalibrationProfile, frames: int, seed: int, say: Say
) -> VerifyReport:
    """Run both models on seeded frames; the original gets the calibration as an input."""
    wanted = model_inputs(original)
    bound = {
        name: array[..., : wanted[name].shape[-2], : wanted[name].shape[-1]].reshape(wanted[name].shape)
        for name, array in spec.calibration_arrays(profile).items()
    }
    bound |= {name: np.asarray(value).reshape(wanted[name].shape) for name, value in spec.other_inputs.items()}
    typed = {name: array.astype(wanted[name].dtype) for name, array in bound.items()}
    free = {name: info for name, info in wanted.items() if name not in typed}
    rules = {name: rule for name, rule in spec.inputs.items() if name in free}

    def progress(stage: str, frame: int) -> None:
        say(f"verifying: {stage}, frame {frame + 1} of {frames}")

    return compare_models(original, candidate, make_frames(free, rules, seed, frames), constants=typed, progress=progress)


def _manifest(
    request: BuildRequest, profile: CalibrationProfile, generic: GenericModel, key: BuildKey, compiled: Specialized,
    plans: tuple[VisibilityPlan, ...],
) -> Manifest:  # fmt: skip
    from specialize.digest import digest

    plan = plans_digest(plans) if plans else digest([site.seen for site in compiled.sites])
    graph = compiled.model.graph
    return Manifest(
        vehicle=profile.vehicle, model=generic.name, target=request.target, mode=request.mode, layout=request.layout,
        align=request.align, cameras=profile.camera_names(), spec=generic.spec.to_text(), source=generic.source,
        digests=Digests(profile=profile.digest, plan=plan, model=generic.digest, build=key.digest()),
        sites=tuple(_site(site, profile) for site in compiled.sites),
        inputs=tuple(_tensor(value) for value in graph.inputs), outputs=tuple(_tensor(value) for value in graph.outputs),
        passes=tuple(
            PassNote(name=note.pass_name, applied=note.verdict == "applied", where=note.where, reason=note.reason)
            for note in compiled.notes
        ),
        warnings=generic.warnings, verify={}, flops={},
    )  # fmt: skip


def _with_evidence(manifest: Manifest, evidence: dict[str, dict[str, object]]) -> Manifest:
    import msgspec

    return msgspec.structs.replace(manifest, **evidence)


def _tensor(value: object) -> Tensor:
    import onnx_ir as ir

    assert isinstance(value, ir.Value) and value.dtype is not None
    return Tensor(name=str(value.name), dtype=value.dtype.numpy().name, shape=dims(value))


def _site(site: CompactedSite, profile: CalibrationProfile) -> Site:
    names = profile.camera_names()
    if len(site.visible) != len(names):
        names = tuple(f"group {index}" for index in range(len(site.visible)))
    return Site(
        queries=site.queries,
        cameras=tuple(SiteCamera(name=name, visible=seen) for name, seen in zip(names, site.visible, strict=True)),
        longest=max(site.visible, default=0), pairs=site.pairs, rows_computed=site.rows_computed,
    )  # fmt: skip


def _tie(manifest: Manifest, sites: tuple[CompactedSite, ...]) -> ModelTie:
    digests = manifest.digests
    return ModelTie(
        vehicle=manifest.vehicle, mode=manifest.mode, layout=manifest.layout, cameras=manifest.cameras,
        lengths=tuple(site.lengths for site in sites), profile=digests.profile, plan=digests.plan,
        model=digests.model, build=digests.build,
    )  # fmt: skip


@dataclass(slots=True)
class _Watch:
    """Wall time by stage."""

    seconds: dict[str, float]
    _last: float

    def __init__(self) -> None:
        self.seconds = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
