"""`specialize build`."""

from __future__ import annotations

from typing import Any

import click

from specialize.cli import options
from specialize.cli.output import say, warn
from specialize.cli.projects import FromProject
from specialize.cli.results import emit
from specialize.request import MODES, BuildRequest


@click.command()
@options.calib_option
@options.without_option
@options.model_option
@options.checkpoint_option
@options.model_spec_option
@options.target_option
@options.attention_option
@click.option(
    "--mode",
    cls=FromProject,
    type=click.Choice(MODES),
    default="exact",
    show_default=True,
    help="How to bind the calibration: as a constant, as an input within a tolerance, or as lookup tables.",
)
@options.layout_option
@options.align_option
@click.option(
    "-o", "--output", type=options.FOLDER, help="Folder to write the build to [default: build/<vehicle>]."
)
@click.option(
    "--replace", is_flag=True, help="Replace the build in this folder even if it is of another model."
)
@options.seed_option
@options.frames_option
@click.option(
    "--tolerance",
    cls=FromProject,
    help="Tolerance of an envelope: rotation=0.5deg,translation=3cm,... [default: the profile's].",
)
@click.option(
    "--envelope-over",
    type=options.PROFILES,
    multiple=True,
    help="Additional profiles that the envelope must cover: a file or a folder; repeatable.",
)
@click.option(
    "--count-outside", is_flag=True, help="Add an output that counts visible pairs outside the envelope."
)
@click.option(
    "--capacity",
    cls=FromProject,
    help="Capacity of the tables: auto, one number, or one number per camera [default: auto].",
)
@click.option(
    "--capacity-over",
    type=options.PROFILES,
    multiple=True,
    help="Additional profiles that the tables must have room for: a file or a folder; repeatable.",
)
@click.option(
    "--allow-unchanged", is_flag=True, help="Build the model even if there is nothing to specialize in it."
)
@options.bake_option
@options.every_site_option
@options.proof_option
@click.option(
    "--record", is_flag=True, help="Keep in the store what further vehicles are verified with at the sites."
)
@options.measure_option
@options.tune_option
@options.allow_in_build_option
@options.precision_option
@options.frames_dir_option
@options.json_option
def command(as_json: bool, **given: Any) -> None:
    """Specialize a model for one vehicle's calibration.

    Binds the calibration, keeps only the rows that the cameras see, verifies that the outputs are the same,
    and writes the model with its manifest.
    """
    from specialize.compiler.build import build

    outcome = build(BuildRequest(**given), say)
    warn((*outcome.manifest.warnings, *outcome.warnings))
    emit("build", outcome, as_json)
