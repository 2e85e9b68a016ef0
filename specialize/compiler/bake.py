"""Bake lenses: let each camera's lens take the place of the matrices of a model, which makes it another model.

The user's model projects the points of its grids by matrices. That part is cut out of its graph, and the projected
points are an input of what is left; everything downstream, such as the division by the depth, the mask and the
sampling, stays the model's own. What a lens gives is then bound like any calibration. What was done is proven in three
steps: with the points that its own matrices give, the cut model equals the user's; the points of the lenses equal those
of the witness; and the specialized model equals the cut one.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from specialize.artifact import Build
from specialize.artifact.baked import CutProof
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.adopt import GRAPH, KIND, prepare
from specialize.compiler.generic import PREPARING, GenericModel, model_again
from specialize.digest import digest
from specialize.errors import InputError, VerificationError
from specialize.files.scratch import work_folder
from specialize.model.baked import SUFFIX, with_lenses
from specialize.model.kinds import PROJECTED
from specialize.model.projected import projected
from specialize.model.spec import InputKind, ModelSpec, parse_spec
from specialize.store import Store, open_store
from specialize.store.entry import Entry
from specialize.text.progress import Say
from specialize.version import code_version
from specialize.visibility.pyramid import Deviation

BAKING = (*PREPARING, "compiler/bake.py", "compiler/original.py", "model", "visibility/grid.py")
"""Code that a model with lenses depends on."""
THREADS = 2
MOST_FRAMES = 2
"""Frames of a comparison in which both models compute the same operators."""
_FAR = Deviation(rotation_rad=0.1, translation_m=0.3, focal_ratio=0.05, principal_point_px=10.0)
"""How far the calibrations are from nominal that confirm what a product is, and that must change an output."""


def bake(base: GenericModel, profile: CalibrationProfile, store: Store, say: Say) -> GenericModel:
    """Return a model whose input is projected points in the place of matrices, made only if it is not in the store.

    Raises:
        UsageError: The model has lenses already, or its sidecar no grid.
        DeclinedError: Its graph does not project the points of its grids by matrices, or uses these for more.
    """
    with_lenses(base.spec)
    code = code_version(*BAKING)
    key = digest(["baked", base.digest, base.spec.to_text(), len(profile.cameras), code])
    entry = store.find_entry(KIND, key)
    if entry is None:
        with store.making(KIND, key, say):
            entry = store.find_entry(KIND, key) or _bake(base, profile, key, store)
    inputs = {
        cut["name"]: InputKind(kind=PROJECTED, grid=cut["grid"], axes=cut["axes"])
        for cut in entry.info["cuts"]
    }
    source: dict[str, object] = {"kind": "baked", "name": base.name + SUFFIX, "key": key}
    source |= {"reference": "the user's model with its projection cut out"}
    source |= {"of": base.source, "of_spec": base.spec.to_text(), "of_digest": base.digest}
    spec = with_lenses(base.spec, inputs)
    return GenericModel(base.name + SUFFIX, spec, entry, source, base.warnings)


def base_of(source: Mapping[str, Any], store: Store, say: Say) -> GenericModel:
    """Return the user's model that a build with lenses was made from.

    Raises:
        InputError: It cannot be made again, or is another one.
    """
    spec = parse_spec(str(source["of_spec"]), "spec of the user's model")
    base = model_again(source["of"], spec, store, say)
    if base.digest != source["of_digest"]:
        raise InputError(f"model {base.name}", str(source["of_digest"]), base.digest, "build again")
    return base


@contextlib.contextmanager
def original_of(made: Build, spec: ModelSpec, say: Say) -> Iterator[tuple[Path, Path]]:
    """Yield a folder with the generic model of a build, and what a proof compares with, for as long as the block lasts.

    Raises:
        InputError: It is not what the build was made from.
    """
    store, source = open_store(), made.manifest.source
    generic = (
        model_again(source, spec, store, say)
        if made.manifest.baked is None
        else bake(base_of(source, store, say), made.calibration(), store, say)
    )
    if generic.digest != made.manifest.digests.model:
        expected = made.manifest.digests.model
        raise InputError(f"{made.folder}: model", expected, generic.digest, "build again")
    with generic.unpacked(store) as parts:
        yield parts, generic.reference(parts)


def _bake(base: GenericModel, profile: CalibrationProfile, key: str, store: Store) -> Entry:
    from specialize.compiler.original import read_original
    from specialize.graph.io import write_graph
    from specialize.passes.cut_projection import cut_projection, notes_of

    with base.unpacked(store) as parts, work_folder(store.scratch(), "baked") as folder:
        model = read_original(base.reference(parts))
        cuts = cut_projection(model, list(base.spec.calibration_inputs), _trials(model, base.spec, profile))
        write_graph(model, folder / GRAPH, f"{base.name}-{key.removeprefix('sha256:')[:12]}.weights")
        prepare(model, folder)
        objects = {path.name: store.adopt_file(path) for path in sorted(folder.iterdir())}
    notes = [*base.notes, *((note.pass_name, note.where, note.reason) for note in notes_of(cuts))]
    info = {
        "cuts": [dataclasses.asdict(cut) for cut in cuts],
        "notes": notes,
        "warnings": list(base.warnings),
    }
    entry = Entry(kind=KIND, key=key, title=f"{base.name} with lenses", objects=objects, info=info)
    store.write_entry(entry)
    return entry


def _trials(model: Any, spec: ModelSpec, profile: CalibrationProfile) -> list[Any]:
    """Return the nominal calibration and two that are far from it, each by matrices."""
    from specialize.passes.bind import feeds_of
    from specialize.passes.cut_projection import Projected
    from specialize.visibility.perturb import at_the_edge

    far = at_the_edge(profile, [_FAR] * len(profile.cameras), 2)
    return [Projected(feeds_of(model, spec, each), by_matrices(spec, each)) for each in (profile, *far)]


def by_matrices(spec: ModelSpec, profile: CalibrationProfile) -> tuple[np.ndarray, ...]:
    """Return the points (N, Q, D, 4) of every grid as a model's own matrices project them."""
    rig, sizes = spec.rig(profile), spec.sizes_px(len(profile.cameras))
    return tuple(projected(rig, grid.grid().points(), sizes, through_lenses=False) for grid in spec.grids)


def prove_cut_of(made: Build, original: Path, say: Say) -> CutProof:
    """Prove the cut of a build again; `original` is the cut model.

    Raises:
        VerificationError: The user's model and the cut one differ.
    """
    store = open_store()
    base = base_of(made.manifest.source, store, say)
    baked = bake(base, made.calibration(), store, say)
    frames, seed = int(made.manifest.key["frames"]), int(made.manifest.key["seed"])
    return prove_cut(base, baked, made.calibration(), original, frames, seed, store, say)


def prove_cut(
    base: GenericModel, baked: GenericModel, profile: CalibrationProfile, original: Path, frames: int, seed: int,
    store: Store, say: Say,
) -> CutProof:  # fmt: skip
    """Compare the user's model with the cut one, which is given the points that the user's own graph computes.

    Args:
        base: The user's model.
        baked: The model with its projection cut out.
        profile: The vehicle, whose lenses give way to the matrices around their axes.
        original: Where the cut model is.
        frames: Number of seeded frames.
        seed: Their starting point.
        store: Where the user's model is.
        say: Says what is done.

    Raises:
        VerificationError: They differ, or turned cameras change no output.
    """
    from specialize.verify import compare_models, make_frames, model_inputs
    from specialize.visibility.perturb import at_the_edge

    (turned,) = at_the_edge(profile, [_FAR] * len(profile.cameras), 1)
    with base.unpacked(store) as parts:
        reference = base.reference(parts)
        fed, other = (_own_points(reference, base, baked, each) for each in (profile, turned))
        free = {name: info for name, info in model_inputs(original, fed).items() if name not in fed}
        shown = make_frames(free, baked.spec.inputs, seed, min(frames, MOST_FRAMES))
        say(f"comparing {base.name} with its projection cut out")
        report = compare_models(reference, original, shown, constants=fed, threads=THREADS)
        report.require_passed()
        moved = compare_models(
            reference, original, [shown[0]], constants=fed, candidate_constants=other, threads=THREADS
        )
    if moved.passed:
        where = f"{baked.name}: cut of the projection"
        raise VerificationError(where, "outputs that change when cameras turn", "the same outputs")
    largest = max(float(output.max_rel) for output in report.outputs.values())
    return CutProof(frames=report.frames, outputs=len(report.outputs), max_rel=_bound(largest), noticed=True)


def _own_points(
    reference: Path, base: GenericModel, baked: GenericModel, profile: CalibrationProfile
) -> dict[str, np.ndarray]:
    """Return the inputs of the user's model, and of the cut one as the user's own graph projects the points.

    Raises:
        VerificationError: Those are not the products that the sidecar of the cut model promises.
    """
    from specialize.compiler.original import read_original
    from specialize.graph.closure import Closure
    from specialize.model.projected import in_order
    from specialize.passes.bind import feeds_of
    from specialize.passes.cut_projection import CLOSE

    model = read_original(reference)
    fed = feeds_of(model, base.spec, profile)
    closure = Closure(model, fed)
    values = {str(value.name): value for value in closure.values}
    cuts: Sequence[Mapping[str, Any]] = baked.entry.info["cuts"]
    found = closure.compute([values[cut["value"]] for cut in cuts], fed)
    grids = by_matrices(base.spec, profile)
    for cut in cuts:
        own, wanted = found[values[cut["value"]]], in_order(grids[cut["grid"]], cut["axes"])
        largest = np.abs(grids[cut["grid"]]).max(axis=(0, 1, 2))
        allowed = in_order(np.broadcast_to(CLOSE * largest, grids[cut["grid"]].shape), cut["axes"])
        if not (np.abs(own.ravel() - wanted.ravel()) <= allowed.ravel()).all():
            where = f"{baked.name}: {cut['name']}"
            raise VerificationError(where, "the matrices times the points of a grid", "other numbers")
        fed[cut["name"]] = own
    return fed


def _bound(value: float) -> float:
    """Return a value with two digits: the rest is rounding."""
    return float(f"{value:.1e}")
