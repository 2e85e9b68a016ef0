"""Tune a build: time equal formulations of its attention on a runtime, and say how to build with the quickest."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from specialize.artifact import Build
from specialize.artifact.build import MODEL
from specialize.artifact.manifest import Manifest
from specialize.binding.modes import fed_to
from specialize.compiler.bake import original_of
from specialize.compiler.command import rebuild
from specialize.compiler.generic import PREPARED
from specialize.compiler.tuning import Runs, Tuned, candidates, tune
from specialize.errors import InputError
from specialize.evidence.tuned import Tuning
from specialize.lowering.formulations import GRID_SAMPLE, POINTS_FIRST
from specialize.model.spec import parse_spec
from specialize.store import open_store
from specialize.targets import target
from specialize.text.progress import Say
from specialize.text.terminal import CommandLine

RECOGNISED = (GRID_SAMPLE, POINTS_FIRST)
"""Forms of a build that are read as attention again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOutcome:
    """What a tuning found, and the command that makes the build with it; without words if it stays as it is."""

    tuning: Tuning
    command: CommandLine


def tune_build(build_dir: Path, runs: Runs, say: Say) -> TuneOutcome:
    """Time the formulations of a build's attention, or return what the store knows of its sizes.

    Raises:
        InputError: The build is damaged, not in float32, or in a form that is not read as attention.
        UsageError: Its target leaves nothing to choose.
        DeclinedError: It has no attention that is recognised.
    """
    made = Build.intact(build_dir)
    manifest = made.manifest
    precision = manifest.key.get("precision", "float32")
    if precision != "float32":
        hint = "build without --precision, and tune that build"
        raise InputError(str(build_dir), "a build in float32", f"--precision {precision}", hint)
    candidates(manifest.target, runs.here)  # before a model is looked for
    _require_readable(build_dir, manifest)
    spec = parse_spec(manifest.spec, f"{build_dir}: spec")
    with original_of(made, spec, say) as (parts, _):
        shutil.copytree(build_dir, parts / "build")
        model = Tuned(
            path=parts / "build" / MODEL, name=manifest.model, vehicle=manifest.vehicle, target=manifest.target,
            sites=len(manifest.sites), spec=spec, fed=fed_to(made, spec, parts / PREPARED).cases[0],
        )  # fmt: skip
        tuning = tune(model, runs, open_store(), say)
    return TuneOutcome(tuning=tuning, command=_again(made, tuning))


def _require_readable(build_dir: Path, manifest: Manifest) -> None:
    """Require that the attention of a build is in a form that is read as attention again."""
    own, given = target(manifest.target).TOOLCHAIN.form, manifest.key.get("attention", "")
    if given in ("", GRID_SAMPLE) and (given or own) in RECOGNISED:
        return
    how = "without --attention" if own in RECOGNISED else f"with --attention {GRID_SAMPLE}"
    hint = f"build {how}, and tune that build"
    raise InputError(
        str(build_dir), "a build whose attention can be read", f"one written as {given or own}", hint
    )


def _again(made: Build, tuning: Tuning) -> CommandLine:
    """Return the command that makes a build again in the chosen formulation; none if it is in that already."""
    if tuning.option() == made.manifest.key.get("attention", ""):
        return CommandLine(())
    manifest = msgspec.structs.replace(made.manifest, key=made.manifest.key | {"attention": tuning.option()})
    return rebuild(manifest, made.folder / "profile.yaml", manifest.vehicle, made.folder)
