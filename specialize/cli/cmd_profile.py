"""`specialize profile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from specialize.calibration.data_sheet import camera_from_text, data_sheet_text, lidar_from_text
from specialize.calibration.document import parse_document
from specialize.calibration.dump import dump_profile
from specialize.calibration.formats import FORMATS
from specialize.calibration.formats.importer import description_of, explained, options_of, read_format
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.undistort import undistorted
from specialize.cli import options
from specialize.cli.output import say
from specialize.cli.projects import FromProject
from specialize.cli.render_profile import check_sarif
from specialize.cli.results import emit
from specialize.cli.schemas.profiles import Checked, Format, Imported, ProfileFormats
from specialize.errors import InputError
from specialize.explain.plan import resolve_spec
from specialize.files.atomic import write_file
from specialize.model.spec import ModelSpec
from specialize.plausibility.fit import inspect_profile


@click.group()
def command() -> None:
    """Write, check, show or import a calibration profile."""


@command.command()
@click.argument("paths", metavar="PROFILE...", type=options.EXISTING, nargs=-1, required=True)
@click.option(
    "--model",
    shell_complete=options.complete_model,
    cls=FromProject,
    help="Built-in model or ONNX file that the profiles must fit.",
)
@options.model_spec_option
@click.option("--sarif", is_flag=True, help="Print the findings as SARIF 2.1.0, for code hosts.")
@options.json_option
def check(
    paths: tuple[Path, ...], model: str | None, model_spec: Path | None, sarif: bool, as_json: bool
) -> int:
    """Check profiles for common mistakes, and suggest how to correct them.

    Exits 1 if a profile is unusable. Warnings need a person's judgement.
    """
    spec = resolve_spec(model or "", model_spec) if model or model_spec else None
    files = tuple(_checked(path, spec) for path in paths)
    if sarif:
        click.echo(json.dumps(check_sarif(files), indent=2))
        return 0 if all(file.ok for file in files) else 1
    return emit("profile-check", files, as_json)


@command.command()
@click.argument("path", metavar="PROFILE", type=options.EXISTING)
@click.option(
    "--report", type=options.ANY_PATH, metavar="FILE", help="Also write an HTML page with pictures."
)
@click.option("--svg", type=options.ANY_PATH, metavar="FILE", help="Also write the top view as an SVG file.")
@options.mcap_option
@click.option(
    "--model",
    help="Built-in model or ONNX file whose queries are drawn in the report and the recording [default: points of the "
    "ground].",
)
@options.model_spec_option
@options.images_option
@options.json_option
def show(path: Path, as_json: bool, **given: Any) -> None:
    """Show the position, heading and field of view of a vehicle's cameras, and the ground that they see."""
    profile = load_profile(path)
    if any(value is not None for value in given.values()):
        _write_pictures(profile, given)
    emit("profile-show", profile, as_json, path)


@command.command("coverage")
@click.argument("path", metavar="PROFILE", type=options.EXISTING)
@options.model_option
@options.model_spec_option
@options.without_option
@click.option(
    "--missing",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="K",
    help="Also count what is left with up to K more cameras missing.",
)
@options.json_option
def show_coverage(
    path: Path, model: str, model_spec: Path | None, without: tuple[str, ...], missing: int, as_json: bool
) -> None:
    """Count what a rig sees of a model's cells, by distance, and with each camera missing.

    For a rig that is still designed: `specialize profile init` writes a profile from a data sheet.
    """
    from specialize.explain.coverage import coverage

    emit("profile-coverage", coverage(path, model, model_spec, without, missing), as_json)


@command.command()
@click.option("--vehicle", required=True, help="Name of the vehicle.")
@click.option(
    "--camera",
    "cameras",
    multiple=True,
    required=True,
    metavar="NAME=WxH,...",
    help="A camera, in the order of the model: NAME=1920x1080,fov_deg=65 or focal_px=1500, then its position and "
    "heading: x_m, y_m, z_m, yaw_deg (left), pitch_deg (down), roll_deg, each 0 by default.",
)
@click.option(
    "--lidar",
    default="",
    metavar="KEY=VALUE,...",
    help="Pose of the lidar on the vehicle: x_m, y_m, z_m, yaw_deg, pitch_deg, roll_deg. For a lidar whose x "
    "points right: yaw_deg=-90.",
)
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="Profile to write.")
@options.json_option
def init(vehicle: str, cameras: tuple[str, ...], lidar: str, output: Path, as_json: bool) -> None:
    """Write a commented profile from a data sheet's fields of view and mounts.

    The vehicle's frame is x forward, y left, z up. Lenses are ideal; replace them by measured ones before use on
    a car.
    """
    text = data_sheet_text(vehicle, [camera_from_text(one) for one in cameras], lidar_from_text(lidar))
    profile = parse_profile(parse_document(text, str(output)), str(output))
    if output.exists():
        raise InputError(str(output), "a new file", "one that is there", "name another one with -o")
    write_file(output, text)
    emit("profile-init", Checked(output, profile, inspect_profile(profile)), as_json)


@command.command()
@click.argument("path", metavar="PROFILE", type=options.EXISTING)
@click.option(
    "--alpha",
    type=float,
    help="As OpenCV's getOptimalNewCameraMatrix: 0 leaves no black, 1 keeps everything.",
)
@click.option(
    "--balance", type=float, help="As OpenCV's fisheye.estimateNewCameraMatrixForUndistortRectify: 0 to 1."
)
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="Profile to write.")
@options.json_option
def undistort(path: Path, alpha: float | None, balance: float | None, output: Path, as_json: bool) -> None:
    """Write the profile of undistorted images: for every camera with a lens the intrinsic that OpenCV would choose."""
    profile = undistorted(load_profile(path), alpha=alpha, balance=balance)
    write_file(output, dump_profile(profile))
    emit("profile-undistort", Checked(output, profile, inspect_profile(profile)), as_json)


@command.command("import")
@click.argument("format_name", metavar="FORMAT", type=click.Choice(sorted(FORMATS)))
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path, exists=True))
@options.format_options
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="Profile to write.")
@options.json_option
def import_profile(format_name: str, path: Path, given: tuple[str, ...], output: Path, as_json: bool) -> int:
    """Convert a calibration from another format to a profile, and check it.

    `specialize profile formats FORMAT` describes a format's frames, pitfalls and options; they are given as
    `-O NAME=VALUE`, such as `-O lidar=lidar_top -O cameras=FRONT,LEFT,REAR -O rectified=false`. Exits 1 if no model
    can use what was imported.
    """
    profile = read_format(format_name, path, options.pairs(given))
    write_file(output, dump_profile(profile))
    imported = Imported(format_name, path, Checked(output, profile, inspect_profile(profile)))
    return emit("profile-import", imported, as_json)


@command.command()
@click.argument("name", metavar="[FORMAT]", required=False, type=click.Choice(sorted(FORMATS)))
@options.json_option
def formats(name: str | None, as_json: bool) -> None:
    """List the formats that can be imported, or describe one's frames, pitfalls and options."""
    chosen = [name] if name else sorted(FORMATS)
    known = {
        one: Format(description=description_of(one), options=options_of(one), explained=explained(one))
        for one in chosen
    }
    emit("profile-formats", ProfileFormats(formats=known), as_json, name)


def _write_pictures(profile: CalibrationProfile, given: dict[str, Any]) -> None:
    from specialize.explain.show import Shown, write_pictures

    for written in write_pictures(profile, Shown(**given)):
        say(f"written: {written}")


def _checked(path: Path, spec: ModelSpec | None) -> Checked:
    try:
        profile = load_profile(path)
        return Checked(path, profile, inspect_profile(profile, spec))
    except InputError as error:
        return Checked(path, error=str(error))
