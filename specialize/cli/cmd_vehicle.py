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
    """What a build needs on the car: contract, guard, tables."""


@command.command()
@options.build_argument
@click.option(
    "-o", "--output", type=options.FOLDER, required=True, help="Folder to write, outside of the build."
)
@click.option(
    "--golden",
    is_flag=True,
    help="Run the models on two seeded frames and write golden.bin, to test engines with.",
)
@click.option(
    "--bevpool",
    is_flag=True,
    help="The car makes the five arrays of the operator BEVPoolV2 instead of the engine's tables.",
)
@options.json_option
def export(build_dir: Path, output: Path, golden: bool, bevpool: bool, as_json: bool) -> None:
    """Write contract.bin, the guard's headers and sources into a folder for the car."""
    from specialize.vehicle.export import export_build

    data = export_json(export_build(build_dir, output, golden, bevpool))
    emit(data, export_text(data), as_json)


@command.command()
@options.calib_option
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="File to write, today.bin.")
@click.option("--time", "time_s", type=float, default=math.nan, help="Time of the check, seconds.")
@click.option(
    "--valid-from", type=float, default=math.nan, help="The calibration is valid from then on, seconds."
)
@click.option(
    "--valid-until", type=float, default=math.nan, help="The calibration is valid until then, seconds."
)
@options.json_option
def pack(
    calib: Path, output: Path, time_s: float, valid_from: float, valid_until: float, as_json: bool
) -> None:
    """Write a profile as today.bin, which the guard reads without YAML."""
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
@click.option("--library", is_flag=True, help="Compile the C interface to a shared library instead.")
@options.json_option
def tool(output: Path, library: bool, as_json: bool) -> None:
    """Compile the program `guard` with the C++ compiler of this machine, or the one that CXX names."""
    from specialize.vehicle.toolchain import build_library, build_tool

    (build_library if library else build_tool)(output)
    data = tool_json(output, library)
    emit(data, tool_text(data), as_json)


@command.command("include-dir")
@options.json_option
def include(as_json: bool) -> None:
    """Print the folder of the guard's headers, for a compiler's -I."""
    data = include_json()
    emit(data, data["include_dir"], as_json)
