"""`specialize vehicle`."""

from __future__ import annotations

import math
from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.results import emit


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

    emit("vehicle-export", export_build(build_dir, output, golden, bevpool), as_json)


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
    from specialize.vehicle.packing import write_packed

    emit("vehicle-pack", write_packed(calib, output, time_s, (valid_from, valid_until)), as_json)


@command.command()
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="Program or library to write.")
@click.option("--library", is_flag=True, help="Compile the C interface as a shared library instead.")
@options.json_option
def tool(output: Path, library: bool, as_json: bool) -> None:
    """Compile the program `guard` with this machine's C++ compiler, or with the one that CXX names."""
    from specialize.vehicle.toolchain import build_library, build_tool

    emit("vehicle-tool", (build_library if library else build_tool)(output), as_json)


@command.command("include-dir")
@options.json_option
def include(as_json: bool) -> None:
    """Print the include folder of the guard's headers, for a compiler's -I."""
    from specialize.vehicle.toolchain import headers

    emit("vehicle-include", headers(), as_json)
