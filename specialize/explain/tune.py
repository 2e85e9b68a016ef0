"""Tune a build: time equal formulations of its attention on a runtime, and say how to build with the quickest."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from specialize.artifact import Build
from specialize.artifact.build import MODEL
from specialize.binding.modes import fed_to
from specialize.compiler.bake import original_of
from specialize.compiler.command import rebuild
from specialize.compiler.generic import PREPARED
from specialize.compiler.tuning import Runs, Tuned, candidates, tune
from specialize.errors import InputError
from specialize.evidence.tuned import Tuning
from specialize.model.spec import parse_spec
from specialize.store import open_store
from specialize.text.progress import Say
from specialize.text.terminal import CommandLine


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOutcome:
    """What a tuning found, and the command that makes the build with it; without words if it stays as it is."""

    tuning: Tuning
    command: CommandLine


def tune_build(build_dir: Path, runs: Runs, say: Say) -> TuneOutcome:
    """Time the formulations of a build's attention, or return what the store knows of its sizes.

    Raises:
        InputError: The build is damaged, or is not in its target's own form and float32.
        UsageError: Its target leaves nothing to choose.
        DeclinedError: It has no attention that is recognised.
    """
    made = Build.intact(build_dir)
    manifest = made.manifest
    for option, usual in (("attention", ""), ("precision", "float32")):
        value = manifest.key.get(option, usual)
        if value != usual:
            hint = f"build without --{option}, and tune that build"
            raise InputError(
                str(build_dir), "a build in float32 in its target's own form", f"--{option} {value}", hint
            )
    candidates(manifest.target, "" if runs.command else runs.runtime)  # before a model is looked for
    spec = parse_spec(manifest.spec, f"{build_dir}: spec")
    with original_of(made, spec, say) as (parts, _):
        shutil.copytree(build_dir, parts / "build")
        model = Tuned(
            path=parts / "build" / MODEL, name=manifest.model, vehicle=manifest.vehicle, target=manifest.target,
            sites=len(manifest.sites), spec=spec, fed=fed_to(made, spec, parts / PREPARED).cases[0],
        )  # fmt: skip
        tuning = tune(model, runs, open_store(), say)
    return TuneOutcome(tuning=tuning, command=_again(made, tuning))


def _again(made: Build, tuning: Tuning) -> CommandLine:
    """Return the command that makes a build again in the chosen formulation."""
    if not tuning.option():
        return CommandLine(())
    manifest = msgspec.structs.replace(made.manifest, key=made.manifest.key | {"attention": tuning.option()})
    return rebuild(manifest, made.folder / "profile.yaml", manifest.vehicle, made.folder)
