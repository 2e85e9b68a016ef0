"""Tables by the portable program of a build: what needs numpy alone, and is done on workstation and vehicle alike."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.artifact import Build
from specialize.binding.capacity_file import explain
from specialize.binding.relink.kinds import calibration_of
from specialize.binding.relink.places import DoesNotFitError
from specialize.binding.relink.program import Program, parse_program
from specialize.binding.relink.run import run
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, StaleError, UsageError
from specialize.files.atomic import explained
from specialize.files.regular import read_regular
from specialize.rows.capacity import NoRoomError

PROGRAM, RELINK, GRAPH, BEVPOOL = "tables.onnx", "relink.bin", "relink.onnx", "bevpool.bin"
OWN_TABLE = "table.safetensors"
SCHEMA = "specialize/table@1"

Array = npt.NDArray[np.generic]


def read_link(path: Path) -> Program:
    """Return a build's portable program.

    Raises:
        InputError: The file is none.
    """
    with explained(path):
        data = read_regular(path)
    try:
        return parse_program(data)
    except (ValueError, struct.error) as error:
        raise InputError(str(path), "a program that makes tables", str(error), "build again") from error


def read_bevpool(build: Build) -> Program:
    """Return what makes the arrays of `BEVPoolV2` for a build.

    Raises:
        UsageError: The build has no tables, or makes no such arrays; says why.
        InputError: The file is damaged.
    """
    said = table_options(build)["relink"]
    if "bevpool" not in said:
        why = said.get("no_bevpool") or said.get("declined") or "it was built before there were any"
        hint = "they are made for a model that pools once, with a `frustum` in its sidecar"
        raise UsageError("--bevpool", "a build that makes the arrays of BEVPoolV2", f"none: {why}", hint)
    return read_link(build.file(BEVPOOL))


def linked(program: Program, profile: CalibrationProfile, cameras: tuple[str, ...]) -> dict[str, Array]:
    """Return the tables of one vehicle.

    Raises:
        InputError: The program cannot be run.
        StaleError: The vehicle has other cameras, or does not fit; says by how much.
    """
    require_cameras(profile, cameras)
    try:
        return run(program, calibration_of(profile))
    except DoesNotFitError as error:
        short = NoRoomError(error.what, error.wanted, error.kept)
        raise explain(short, profile.vehicle, cameras, error.size) from error
    except (IndexError, KeyError, MemoryError, OverflowError, TypeError, ValueError) as error:
        found = str(error) or type(error).__name__
        raise InputError(RELINK, "a program that makes tables", found, "build again") from error


def require_cameras(profile: CalibrationProfile, cameras: tuple[str, ...]) -> None:
    """Refuse a vehicle with other cameras than the engine's.

    Raises:
        StaleError: Names or order differ.
    """
    if profile.camera_names() != cameras:
        found = ", ".join(profile.camera_names())
        raise StaleError(profile.vehicle, f"the cameras {', '.join(cameras)}", found)


def metadata_of(profile: CalibrationProfile, build: str) -> dict[str, str]:
    """Return what a table file says about itself."""
    return {
        "schema": SCHEMA,
        "vehicle": profile.vehicle,
        "profile_digest": profile.digest,
        "build_digest": build,
    }


def require_table(path: Path, metadata: Mapping[str, str], build: Build) -> None:
    """Refuse a table that was made for another build.

    Raises:
        InputError: It was, or it does not say.
    """
    if metadata.get("schema") != SCHEMA or metadata.get("build_digest") != build.manifest.digests.build:
        hint = "make it with `specialize table --for` this build"
        raise InputError(str(path), "a table of this build", str(metadata.get("build_digest")), hint)


def table_options(build: Build) -> Mapping[str, Any]:
    """Return what the manifest of a build says about tables.

    Raises:
        UsageError: The build has no tables.
    """
    manifest = build.manifest
    options: Mapping[str, Any] = manifest.options.get("tables", {})
    if manifest.mode != "tables" or not options:
        hint = "specialize build --mode tables makes one"
        raise UsageError(str(build.folder), "a build with tables", f"one of mode {manifest.mode}", hint)
    return options
