"""Prove a build whole, or at its sites if the store has what an earlier build recorded."""

from __future__ import annotations

from pathlib import Path

import msgspec

from specialize.artifact import BuildKey
from specialize.compiler.prove import THREADS, prove_equal
from specialize.compiler.recordings import KIND, family_of, find_recording, keep_recording
from specialize.compiler.specialize import Compilation
from specialize.errors import DeclinedError, InputError, VerificationError
from specialize.evidence.comparison import VerifyReport
from specialize.files.scratch import work_folder
from specialize.request import BuildRequest
from specialize.store import Store, open_store
from specialize.text.progress import Say
from specialize.verify import make_frames, model_inputs
from specialize.verify.at_sites import Kept, prove_at_sites
from specialize.verify.recording import Pair, record


def proven(
    request: BuildRequest, compiled: Compilation, candidate: Path, key: BuildKey, say: Say
) -> VerifyReport:
    """Return the comparison of the specialized model with the original, whole or at its sites.

    Args:
        request: What was asked for.
        compiled: The compilation.
        candidate: The specialized model as it was written, in a form that ONNX Runtime runs.
        key: Key of the build.
        say: Says what is done.

    Raises:
        InputError: A proof at the sites was asked for, and nothing was recorded.
        DeclinedError: It was asked for, and the build differs elsewhere from the one that was recorded.
        VerificationError: The models differ, or the comparison could not have failed.
    """
    if request.mode != "exact":
        return prove_equal(request, compiled, candidate, say)
    store, pair, why = open_store(), _pair(compiled, candidate), ""
    kept = None
    if request.proof != "whole":
        kept, why = _found(store, key, request)
    if kept is not None:
        say(f"verifying at the sites, with what was recorded for {kept.about.vehicle}")
        report, why = _at_sites(pair, kept, request)
        if report is not None:
            return report
    if why:
        say(f"verifying the whole: {why}")
    report = prove_equal(request, compiled, candidate, say)
    if why:
        report = msgspec.structs.replace(
            report, notes=(*report.notes, f"proven whole, not at the sites: {why}")
        )
    if request.record and kept is None and _is_missing(store, key):
        report = _recorded(request, compiled, pair, key, report, store, say)
    return report


def _pair(compiled: Compilation, candidate: Path) -> Pair:
    fed = compiled.binding.fed.cases[0]
    return Pair(original=compiled.original, specialized=candidate, calibration=fed, threads=THREADS)


def _found(store: Store, key: BuildKey, request: BuildRequest) -> tuple[Kept | None, str]:
    """Return what was recorded for builds such as this one, and why it cannot be used.

    Raises:
        InputError: It was asked for, and there is none, or it is damaged.
    """
    try:
        kept = find_recording(store, family_of(key))
    except InputError as error:
        if request.proof == "sites":
            raise
        return None, str(error)
    if kept is None and request.proof == "sites":
        hint = "build one vehicle with --record first, with the same options and this version of specialize"
        raise InputError("--proof sites", f"a recording in store {store.root}", "none for such builds", hint)
    return kept, ""


def _is_missing(store: Store, key: BuildKey) -> bool:
    """Return whether nothing is recorded for builds such as this one, or nothing that can be used."""
    try:
        kept = find_recording(store, family_of(key))
        return kept is None or not dict(kept.arrays)  # all of them are read
    except InputError:
        return True


def _at_sites(pair: Pair, kept: Kept, request: BuildRequest) -> tuple[VerifyReport | None, str]:
    """Return the comparison at the sites; none where only a whole proof can tell, and why.

    Raises:
        DeclinedError: A proof at the sites was asked for, and it cannot be made.
        VerificationError: It was asked for, and a value differs.
    """
    try:
        report = prove_at_sites(pair, kept)
    except (DeclinedError, InputError, VerificationError) as error:
        if request.proof == "sites":
            raise
        return None, str(error)
    if request.proof == "sites":
        report.require_passed()
    if report.passed:
        return report, ""
    wrong = [name for name, output in report.outputs.items() if not output.passed]
    return None, "; ".join((*report.problems, *(f"value {name!r} differs" for name in wrong)))


def _recorded(
    request: BuildRequest, compiled: Compilation, pair: Pair, key: BuildKey, report: VerifyReport, store: Store,
    say: Say,
) -> VerifyReport:  # fmt: skip
    """Leave in the store what later builds are proven with; return the report, with a note if there is nothing."""
    say("recording what further vehicles are verified with")
    spec, number = compiled.generic.spec, request.frames - 1
    free = {
        name: info for name, info in model_inputs(compiled.original).items() if name not in pair.calibration
    }
    frame = make_frames(free, spec.inputs, request.seed, request.frames)[number]
    switches = [name for name, rule in spec.inputs.items() if rule.values]
    with work_folder(store.scratch(), KIND) as folder:
        try:
            recording = record(pair, frame, number, compiled.binding.fed.turned, folder, switches)
        except Exception as error:  # a runtime has types of its own, and may take a model but not its parts
            return msgspec.structs.replace(report, notes=(*report.notes, f"nothing recorded: {error}"))
        tolerances = {name: output.tolerance for name, output in report.outputs.items()}
        about = msgspec.structs.replace(
            recording.about, vehicle=compiled.profile.vehicle, tolerances=tolerances
        )
        keep_recording(store, key, recording, about)
    return report
