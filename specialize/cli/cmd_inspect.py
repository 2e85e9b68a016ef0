"""`specialize inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.calibration.load import load_profile
from specialize.cli import options
from specialize.cli.projects import FromProject
from specialize.cli.results import emit
from specialize.errors import UsageError


@click.command()
@click.argument("path", metavar="BUILD|MODEL.onnx|PROFILE", type=options.PROFILES)
@options.model_spec_option
@click.option(
    "--calib",
    cls=FromProject,
    type=options.EXISTING,
    help="For a model: the calibration to specialize for [default: a packaged rig].",
)
@click.option("--graph", is_flag=True, help="For a build: draw its largest site before and after.")
@click.option(
    "--target",
    shell_complete=options.complete_target,
    help="For a build or a model: show how this toolchain handles every node.",
)
@click.option(
    "--save-draft",
    type=options.ANY_PATH,
    help="For a model: write the draft of its sidecar to this new file.",
)
@click.option(
    "--take-guesses",
    is_flag=True,
    help="With --save-draft: write the likeliest value of what the draft cannot know. Every build warns of them.",
)
@options.json_option
def command(
    path: Path,
    model_spec: Path | None,
    calib: Path | None,
    graph: bool,
    target: str | None,
    save_draft: Path | None,
    take_guesses: bool,
    as_json: bool,
) -> None:
    """Describe a build, a model or a profile.

    For a model: its calibration inputs, its operators, the sites that can be specialized, what every pass does
    or why it declines, and a draft of its sidecar.
    """
    if save_draft is not None and (graph or target is not None or path.suffix != ".onnx"):
        raise UsageError("--save-draft", "a model alone, whose sidecar is drafted", str(path))
    if take_guesses and save_draft is None:
        raise UsageError(
            "--take-guesses", "--save-draft, which names the file of the draft", "no --save-draft"
        )
    if graph:
        return _graph(path, as_json)
    if target is not None:
        return _conformance(path, target, as_json)
    if path.is_dir():
        return _build(path, as_json)
    if path.suffix == ".onnx":
        return _model(path, model_spec, calib, (save_draft, take_guesses), as_json)
    return _profile(path, as_json)


def _build(path: Path, as_json: bool) -> None:
    from specialize.artifact import Build

    emit("inspect-build", Build.intact(path), as_json)


def _graph(path: Path, as_json: bool) -> None:
    from specialize.artifact import Build

    emit("graph", Build.intact(path), as_json)


def _conformance(path: Path, target: str, as_json: bool) -> None:
    from specialize.artifact import Build
    from specialize.targets.conformance import check_file

    report = check_file(Build.intact(path).model if path.is_dir() else path, target)
    emit("conformance", report, as_json)


def _profile(path: Path, as_json: bool) -> None:
    emit("profile-show", load_profile(path), as_json, path)


def _model(
    path: Path, model_spec: Path | None, calib: Path | None, drafting: tuple[Path | None, bool], as_json: bool
) -> None:
    from specialize.explain.inspect import inspect_model, save_draft

    found = inspect_model(path, model_spec, calib)
    draft, take_guesses = drafting
    if draft is not None:
        save_draft(found, draft, take_guesses)
    emit("inspect-model", found, as_json, draft, take_guesses)
