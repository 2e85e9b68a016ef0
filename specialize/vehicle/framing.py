"""Make the golden frames of a build: seeded inputs, and the outputs that an engine must give, with tolerances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.binding import envelope_file
from specialize.binding.modes import Fed, fed_to
from specialize.binding.table_program import OWN_TABLE
from specialize.compiler.generic import PREPARED, kept_model
from specialize.errors import InputError, VerificationError
from specialize.files.scratch import temporary_folder
from specialize.model.spec import ModelSpec, parse_spec
from specialize.precision.loss import allowed, measurable
from specialize.store import open_store
from specialize.vehicle.binary import raw_digest
from specialize.vehicle.golden import MOST_AXES, MOST_NAME, TYPES, Array, Expected, Given, Golden
from specialize.vehicle.selftesting import difference, selftest
from specialize.vehicle.words import MOST_TENSORS, Reason
from specialize.verify import TensorInfo, Tolerance, make_frames, model_inputs, open_model
from specialize.verify.tolerance import allowed_by

SEEDS = (1, 2)
"""Of the two frames; the proof of a build uses 0."""

THREADS = 2

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """A golden frame, and what a user should know about it."""

    golden: Golden
    notes: tuple[str, ...]


def frame_build(build: Build) -> Framed:
    """Return two frames of a build.

    What is expected comes from the original model while the store has it, else from the build's own. Either way the
    build's own model is run on ONNX Runtime and must pass.

    Raises:
        InputError: The build is damaged, or has tensors that the file cannot hold, or losses that were measured on
            frames of a folder.
        VerificationError: The build's model gives other outputs than the original, or none that tell the frames apart.
    """
    tolerances = _tolerances(build)
    spec = parse_spec(build.manifest.spec, f"{build.folder}: spec of the manifest")
    own = _own_inputs(build)
    with temporary_folder("golden") as folder:
        feeds = [{**frame, **own} for frame in _frames(spec, own, _inputs(build))]
        gave = _run(measurable(build.model, folder), feeds)
    original, why = _original(build, spec)
    reference = "specialized" if original is None else "original"
    golden = _golden(build, feeds, original or gave, tolerances, reference)
    _require_passed(build, golden, gave)
    return Framed(golden, (*((why,) if why else ()), *_require_told_apart(build, golden, tolerances)))


def _tolerances(build: Build) -> dict[str, Tolerance]:
    """Return the tolerance of every output: that of the proof, or the loss of a conversion."""
    precision = build.manifest.precision
    if precision is None and build.manifest.verify.at is not None:
        return build.manifest.verify.at.tolerances
    if precision is None:
        return {name: output.tolerance for name, output in build.manifest.verify.outputs.items()}
    if precision.frames_digest:
        hint = (
            "build without --frames-dir: golden frames are seeded noise, so the loss must be "
            "measured on seeded noise"
        )
        raise InputError(str(build.folder), "a loss measured on seeded frames", precision.frames_text, hint)
    return {name: allowed(loss) for name, loss in precision.outputs.items()}


def _own_inputs(build: Build) -> Arrays:
    """Return what the build's model is fed beside the frames: the build's tables, or its calibration."""
    if build.manifest.mode == "tables":
        return read_tensors(build.file(OWN_TABLE))[0]
    return envelope_file.read_cases(build.folder)[0] if build.manifest.mode == "envelope" else {}


def _inputs(build: Build) -> dict[str, TensorInfo]:
    return {each.name: TensorInfo(each.shape, each.dtype) for each in build.manifest.inputs}


def _frames(spec: ModelSpec, own: Arrays, inputs: Mapping[str, TensorInfo]) -> list[dict[str, np.ndarray]]:
    """Return both frames; a switch with two values, such as that for history, takes the second one first."""
    free = {name: info for name, info in inputs.items() if name not in own}
    rules = {name: rule for name, rule in spec.inputs.items() if name in free}
    return [make_frames(free, rules, seed, 2)[1 - place] for place, seed in enumerate(SEEDS)]


def _original(build: Build, spec: ModelSpec) -> tuple[list[Arrays] | None, str]:
    """Return what the original gives for both frames, or why it was not asked."""
    power = build.manifest.power
    if power is not None and any(output.unsettled for output in power.outputs.values()):
        return (
            None,
            "the expected outputs of the golden frame are those of the build's own model: the "
            "original gives two values",
        )
    store = open_store()
    generic = kept_model(build.manifest.source, spec, store)
    if generic is None or generic.digest != build.manifest.digests.model:
        return (
            None,
            "the expected outputs of the golden frame are those of the build's own model: the "
            "original is not in the store",
        )
    with generic.unpacked(store) as parts:
        fed: Fed = fed_to(build, spec, parts / PREPARED)
        path = generic.reference(parts)
        frames = _frames(spec, fed.cases[0], model_inputs(path, fed.cases[0]))
        gave = _run(path, [{**frame, **fed.cases[0]} for frame in frames])
        return [{**fed.extra_outputs, **outputs} for outputs in gave], ""


def _run(path: Path, feeds: list[dict[str, np.ndarray]]) -> list[Arrays]:
    runner = open_model(path, "onnxruntime", THREADS)
    return [runner.run(feed) for feed in feeds]


def _golden(
    build: Build,
    feeds: list[dict[str, np.ndarray]],
    expected: list[Arrays],
    tolerances: Mapping[str, Tolerance],
    reference: str,
) -> Golden:
    manifest = build.manifest
    given = tuple(
        Given(name=each.name, frames=(feeds[0][each.name], feeds[1][each.name])) for each in manifest.inputs
    )
    outputs = tuple(
        _expected(each.name, (expected[0][each.name], expected[1][each.name]), tolerances.get(each.name))
        for each in manifest.outputs
    )
    _require_held(build, (*given, *outputs))
    return Golden(
        build=raw_digest(manifest.digests.build),
        profile=raw_digest(manifest.digests.profile),
        reference=reference,
        seeds=SEEDS,
        inputs=given,
        outputs=outputs,
    )


def _expected(name: str, frames: tuple[Array, Array], given: Tolerance | None) -> Expected:
    """Return one output; without a tolerance its values must be equal."""
    tolerance = given or Tolerance(0.0, 0.0)
    first, second = (allowed_by(tolerance, array).astype(np.float32) for array in frames)
    return Expected(
        name=name,
        frames=frames,
        allowed=(first, second),
        may_differ=int(tolerance.mismatches * frames[0].size),
        nonfinite=tolerance.nonfinite,
        rtol=tolerance.rtol,
        atol=tolerance.atol,
    )


def _require_held(build: Build, tensors: tuple[Given | Expected, ...]) -> None:
    """Refuse what the file cannot hold.

    Raises:
        InputError: There are too many tensors, or one has a type, rank or name that is none of the file.
    """
    place = f"{build.folder}: golden frame"
    if len(tensors) > MOST_TENSORS:
        raise InputError(place, f"at most {MOST_TENSORS} inputs and outputs", str(len(tensors)))
    for each in tensors:
        dtype, rank, length = each.frames[0].dtype.name, each.frames[0].ndim, len(each.name.encode())
        if dtype not in TYPES or rank > MOST_AXES or not 0 < length <= MOST_NAME:
            expected = f"a type of {', '.join(TYPES)}, at most {MOST_AXES} axes, a name of {MOST_NAME} bytes"
            raise InputError(
                f"{place}: {each.name[:80]!r}", expected, f"{dtype}, {rank} axes, {length} bytes"
            )


def _require_passed(build: Build, golden: Golden, gave: list[Arrays]) -> None:
    """Require that the build's own model passes.

    Raises:
        VerificationError: It does not.
    """
    answers = iter(gave)
    found = selftest(golden, lambda inputs: next(answers))
    if found.reason is not Reason.OK:
        place = f"{build.folder}: golden frame: output {found.output!r}[{found.index}], frame {found.frame}"
        hint = "specialize verify BUILD compares more frames"
        raise VerificationError(
            place, f"{found.expected:.9g}", f"{found.found:.9g} ({found.beyond} values)", hint
        )


def _require_told_apart(build: Build, golden: Golden, tolerances: Mapping[str, Tolerance]) -> tuple[str, ...]:
    """Require that an output tells the frames apart; return which others do not.

    Raises:
        VerificationError: None does.
    """
    same = [output.name for output in golden.outputs if _is_same(output)]
    if len(same) == len(golden.outputs):
        hint = "an engine that ignores its inputs would pass; check `inputs` of the sidecar"
        raise VerificationError(
            f"{build.folder}: golden frame", "outputs that differ between two frames", "none", hint
        )
    told = [
        name for name in same if name in tolerances
    ]  # the others are outputs of the build alone, always alike
    return tuple(f"output {name!r} is the same for both golden frames, so it is a weak test" for name in told)


def _is_same(output: Expected) -> bool:
    """Return whether either frame passes for the other one."""
    swapped = replace(output, allowed=(output.allowed[1], output.allowed[0]))
    return difference(output, 0, output.frames[1]) is None or difference(swapped, 0, output.frames[1]) is None
