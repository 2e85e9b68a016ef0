"""`specialize vehicle`."""

from __future__ import annotations

import math
from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import emit
from specialize.cli.render_vehicle import (
    export_json,
    export_text,
    include_json,
    pack_json,
    pack_text,
    tool_json,
    tool_text,
)


@click.group()
def command() -> None:
    """Export the files that a build needs on the car."""


@command.command()
@options.build_argument
@click.option(
    "-o", "--output", type=options.FOLDER, required=True, help="Folder to write to, outside of the build."
)
@click.option(
    "--golden",
    is_flag=True,
    help="Run the models on two seeded frames and write golden.bin, for testing engines.",
)
@click.option(
    "--bevpool",
    is_flag=True,
    help="Make the five arrays of the BEVPoolV2 operator on the car instead of the engine's tables.",
)
@options.json_option
def export(build_dir: Path, output: Path, golden: bool, bevpool: bool, as_json: bool) -> None:
    """Write contract.bin and the guard's headers and sources to a folder for the car."""
    from specialize.vehicle.export import export_build

    data = export_json(export_build(build_dir, output, golden, bevpool))
    emit(data, export_text(data), as_json)


@command.command()
@options.calib_option
@click.option(
    "-o", "--output", type=options.ANY_PATH, required=True, help="File to write, usually today.bin."
)
@click.option("--time", "time_s", type=float, default=math.nan, help="Time of the check, in seconds.")
@click.option(
    "--valid-from", type=float, default=math.nan, help="Start of the calibration's validity, in seconds."
)
@click.option(
    "--valid-until", type=float, default=math.nan, help="End of the calibration's validity, in seconds."
)
@options.json_option
def pack(
    calib: Path, output: Path, time_s: float, valid_from: float, valid_until: float, as_json: bool
) -> None:
    """Write a profile as today.bin, which the guard reads without a YAML parser."""
    from specialize.calibration.load import load_profile
    from specialize.files.atomic import write_file
    from specialize.vehicle.packing import pack as pack_profile

    profile = load_profile(calib)
    packed = pack_profile(profile, time_s, (valid_from, valid_until)).to_bytes()
    write_file(output, packed)
    data = pack_json(calib, output, profile, len(packed))
    emit(data, pack_text(data), as_json)


@command.command()
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="Program or library to write.")
@click.option("--library", is_flag=True, help="Compile the C interface as a shared library instead.")
@options.json_option
def tool(output: Path, library: bool, as_json: bool) -> None:
    """Compile the program `guard` with this machine's C++ compiler, or with the one that CXX names."""
    from specialize.vehicle.toolchain import build_library, build_tool

    (build_library if library else build_tool)(output)
    data = tool_json(output, library)
    emit(data, tool_text(data), as_json)


@command.command("include-dir")
@options.json_option
def include(as_json: bool) -> None:
    """Print the include folder of the guard's headers, for a compiler's -I."""
    data = include_json()
    emit(data, data["include_dir"], as_json)
