"""Make the tables of a vehicle: by the build's portable program, or by compiling a part of its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.artifact import Build
from specialize.artifact.place import require_outside
from specialize.artifact.tensors import read_tensors, tensors_bytes
from specialize.binding.borderline import borderline_pairs, borderline_points
from specialize.binding.outcome import EngineInput, TableOutcome
from specialize.binding.relink.program import Program
from specialize.binding.table_program import (
    OWN_TABLE,
    RELINK,
    linked,
    metadata_of,
    read_bevpool,
    read_link,
    require_cameras,
    table_options,
)
from specialize.binding.witnessed.disagreement import disagree
from specialize.binding.witnessed.pools import require_bevpool, require_pools
from specialize.binding.witnessed.tables import Recipe, TablesWitness
from specialize.calibration.load import load_profile
from specialize.calibration.off import without
from specialize.calibration.profile import CalibrationProfile
from specialize.files.atomic import write_file
from specialize.model.spec import ModelSpec, parse_spec
from specialize.plausibility.fit import look_over, require_fit, require_known_codes
from specialize.rows.capacity import Room
from specialize.rows.table_input import Table
from specialize.text.record import from_json
from specialize.witness.off import rig_without
from specialize.witness.rig import Rig, read_rig

Arrays = dict[str, npt.NDArray[np.generic]]


def make_table(
    build_dir: Path,
    calib: Path,
    output: Path,
    allow: tuple[str, ...] = (),
    bevpool: bool = False,
    off: tuple[str, ...] = (),
) -> TableOutcome:
    """Write the tables of a vehicle for a build's engine; no model is run.

    Args:
        build_dir: The build.
        calib: Profile of the vehicle.
        output: File to write.
        allow: Codes of findings that are let pass.
        bevpool: Whether to write the arrays of `BEVPoolV2` in the place of the tables.
        off: Cameras that are taken off.

    Raises:
        UsageError: The build has no tables, or not those that are asked for, or there is no such finding to allow.
        InputError: The build or the profile cannot be read, the calibration does not fit the model, or the output is
            inside the build.
        StaleError: The vehicle does not fit; says by how much.
        VerificationError: The tables are not those that the witness finds.
    """
    require_known_codes(allow)
    require_outside(
        output, build_dir, "a build keeps the tables of its own vehicle: choose a file outside of it"
    )
    build = Build.intact(build_dir)
    profile, rig = without(load_profile(calib), off), rig_without(read_rig(calib), off)
    spec = parse_spec(build.manifest.spec, f"{build_dir}: spec of the manifest")
    options = table_options(build)
    require_cameras(profile, build.manifest.cameras)
    fit = require_fit(profile, spec, (*allow, *_accepted(build, spec)), str(calib))
    link = None if "declined" in options["relink"] else read_link(build.file(RELINK))
    if bevpool:
        link = read_bevpool(build)
        contents = linked(link, profile, build.manifest.cameras)
        require_bevpool(contents, spec, rig)
    else:
        contents = _contents(build, spec, link, options, profile, rig)
        _require_shapes(contents, read_tensors(build.file(OWN_TABLE))[0])
    data = tensors_bytes(contents, metadata_of(profile, build.manifest.digests.build))
    write_file(output, data)
    return TableOutcome(
        output=output,
        build_dir=build_dir,
        vehicle=profile.vehicle,
        digests={"profile": profile.digest, "build": build.manifest.digests.build},
        size=len(data),
        tensors=_inputs(contents),
        warnings=fit.warnings,
        borderline=() if bevpool or link is None else borderline_pairs(link, spec, profile),
        borderline_points=() if link is None else borderline_points(link, spec, profile),
    )


def _inputs(contents: Arrays) -> dict[str, EngineInput]:
    return {name: EngineInput(dtype=array.dtype.name, shape=array.shape) for name, array in contents.items()}


def _accepted(build: Build, spec: ModelSpec) -> list[str]:
    """Return the errors that a person accepted of the build's own vehicle; what was allowed in vain is none of them."""
    allowed = build.manifest.allowed
    found = {finding.code for finding in look_over(build.calibration(), spec)} if allowed else set()
    return [code for code in allowed if code in found]


def _contents(
    build: Build,
    spec: ModelSpec,
    link: Program | None,
    options: Mapping[str, Any],
    profile: CalibrationProfile,
    rig: Rig,
) -> Arrays:
    """Return the tables of a vehicle, compared with the witness; without a portable program the graph makes them."""
    recipe = from_json(options["witness"], Recipe)
    if link is None or (spec.frustum is not None and not recipe.pools):
        # only the graph makes them, or shows which cells points reach
        from specialize.binding.table_inputs import program_of  # compiles a graph

        program = program_of(build)
        contents = program.contents(profile)
        program.compare(profile, rig, contents)
        return contents
    contents = linked(link, profile, build.manifest.cameras)
    tables = tuple(Table(entry["name"], tuple(entry["members"])) for entry in options["tables"])
    witness = TablesWitness(tables, from_json(options["rooms"], dict[str, Room]), spec, rig, contents)
    witness.require(recipe)
    require_pools(recipe.pools, spec, rig, contents)
    return contents


def _require_shapes(contents: Arrays, own: Arrays) -> None:
    """Require that tables have the shapes and types of the build's own, which are those of the engine's inputs.

    Raises:
        VerificationError: One has not, is missing or is too many.
    """
    for name in sorted(contents.keys() | own.keys()):
        wanted, found = (
            f"{each[name].dtype.name} {list(each[name].shape)}" if name in each else "no table"
            for each in (own, contents)
        )
        if wanted != found:
            disagree(name, f"{wanted}, which the engine takes", found)
