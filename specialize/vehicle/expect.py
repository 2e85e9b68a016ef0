"""Derive a contract from a build: what it expects of its vehicle's calibration."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from specialize.artifact import Build
from specialize.binding.envelope_file import read_supersets
from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.tolerance import Tolerance
from specialize.errors import InputError
from specialize.model.spec import ModelSpec, parse_spec
from specialize.vehicle.binary import raw_digest
from specialize.vehicle.contract import CAMERA, HAS_EGO, READS_APART, READS_EGO, Contract, Grid
from specialize.vehicle.frustum import DOWN, EGO, FRUSTUM, Frustum
from specialize.vehicle.lens_record import lens_records
from specialize.vehicle.packing import name_field, pack
from specialize.vehicle.scan import seen_pairs
from specialize.vehicle.twin import batch_of, judge
from specialize.vehicle.words import HAS_PINHOLE, HAS_PROJECTION, MOST_CAMERAS, MOST_GRIDS, Reason, State
from specialize.visibility.envelope import deviations
from specialize.visibility.pyramid import Deviation
from specialize.visibility.spans import OWN_ROUNDINGS, rounding_ratio

SPARE = Deviation(rotation_rad=1e-10, translation_m=1e-9, focal_ratio=1e-10, principal_point_px=1e-7)
"""What measuring in float64 may be off. A thousandth of what an envelope has to spare: it is widened by 24 float32
roundings of what is added up, and 16 are proven to be enough (`visibility/spans.py`)."""


def contract_of(
    build: Build, profile: CalibrationProfile, relink: bytes = b"", pairs: bool = True
) -> Contract:
    """Return what a build expects of a calibration.

    Args:
        build: The build.
        profile: The calibration that it was made for.
        relink: The program that makes tables.
        pairs: Whether an exact build's pairs are computed, which say how much changed and decide nothing.

    Raises:
        InputError: The build cannot be read, has names or numbers that a contract cannot hold, or takes raw images of
            lenses in another mode than `exact`.
    """
    manifest = build.manifest
    raw = next((camera.name for camera in profile.cameras if camera.is_raw), "")
    if raw and manifest.mode != "exact":
        hint = "the guard measures matrices; build in mode exact, or ask `specialize check` and `specialize table`"
        where = f"{profile.vehicle}: camera {raw!r}"
        raise InputError(where, f"a matrix, for mode {manifest.mode} on the vehicle", "a lens", hint)
    spec = parse_spec(manifest.spec, f"{build.folder}: spec of the manifest")
    if len(spec.grids) > MOST_GRIDS:
        raise InputError(spec.name, f"at most {MOST_GRIDS} grids", str(len(spec.grids)))
    known = profile.ego_from_lidar is not None
    ego = profile.ego_from_lidar.ravel() if profile.ego_from_lidar is not None else np.zeros(16)
    rule = spec.visibility_rule()
    bare = Contract(
        mode=manifest.mode,
        vehicle=name_field(manifest.vehicle, "vehicle"),
        build=raw_digest(manifest.digests.build),
        profile=raw_digest(manifest.digests.profile),
        cameras=_cameras(build, spec, profile),
        reads=_reads(spec, profile) + HAS_EGO * known,
        ego_from_lidar=ego,
        fan_in=_fan_in(build),
        min_depth=rule.min_depth,
        rounding=rounding_ratio(rule) + OWN_ROUNDINGS * 2.0**-53,
        grids=_grids(spec, manifest.mode),
        relink=relink,
        frustum=_frustum(spec, profile, relink),
        lenses=lens_records(profile.cameras, profile.vehicle),
    )
    if manifest.mode == "exact" and (raw or not pairs):  # pairs by matrices are not those of lenses
        return dataclasses.replace(bare, grids=())
    return dataclasses.replace(bare, grids=_filled(build, bare))


def state_of(build: Build, built: CalibrationProfile, today: CalibrationProfile) -> tuple[str, str]:
    """Return the guard's state for a calibration, and why it is unusable; both empty if no contract holds the build."""
    try:
        contract, packed = contract_of(build, built, pairs=False), pack(today)
    except InputError:  # a name that is too long, or too many cameras
        return "", ""
    verdict = judge(contract, batch_of(packed))
    reason = Reason(int(verdict.reason[0]))
    return State(int(verdict.state[0])).name, reason.name if reason else ""


def projections_of(contract: Contract) -> np.ndarray:
    """Return (1, N, 16), the projections that were built for."""
    return np.asarray(contract.cameras["image_from_lidar"])[None]


def _cameras(build: Build, spec: ModelSpec, profile: CalibrationProfile) -> np.ndarray:
    cameras = np.zeros(len(profile.cameras), CAMERA)
    today = pack(profile).cameras
    for name in ("name", "size_px", "intrinsic", "camera_from_lidar"):
        cameras[name] = today[name]
    cameras["has"] = (today["has"] & HAS_PINHOLE) | HAS_PROJECTION
    cameras["image_from_lidar"] = profile.image_from_lidar().reshape(-1, 16)
    for index, record in enumerate(cameras):
        image = spec.image_of(index)
        record["network_px"], record["scale"], record["crop_px"] = image.size_px, image.scale, image.crop_px
    cameras["allowed"] = _allowed(build, cameras["scale"], profile)
    return cameras


def _allowed(build: Build, scales: np.ndarray, profile: CalibrationProfile) -> np.ndarray:
    """Return (N, 4) bounds as the guard compares them: 8 sin^2(angle / 2), metres, ratio, raw pixels; -1 for none."""
    allowed = np.full((len(scales), 4), -1.0)
    if build.manifest.mode != "envelope":
        return allowed
    written: Mapping[str, float] | None = build.manifest.options["envelope"]["tolerance"]
    tolerance = None if written is None else Tolerance(**written)
    for row, scale, bounds in zip(allowed, scales, deviations(profile, scales, tolerance), strict=True):
        if bounds == Deviation():
            continue
        angle = min(bounds.rotation_rad + SPARE.rotation_rad, math.pi)
        row[:] = (
            8 * math.sin(angle / 2) ** 2,
            bounds.translation_m + SPARE.translation_m,
            bounds.focal_ratio + SPARE.focal_ratio,
            bounds.principal_point_px / scale + SPARE.principal_point_px,
        )
    return allowed


def _reads(spec: ModelSpec, profile: CalibrationProfile) -> int:
    """Return what a model reads beyond projections, by asking for its inputs without it."""
    cameras = tuple(
        Camera.projective(camera.name, (camera.width_px, camera.height_px), camera.image_from_lidar)
        for camera in profile.cameras
    )
    without = {
        READS_APART: CalibrationProfile(profile.vehicle, cameras, profile.ego_from_lidar),
        READS_EGO: CalibrationProfile(profile.vehicle, profile.cameras, None),
    }
    return sum(bit for bit, probe in without.items() if not _feeds(spec, probe))


def _feeds(spec: ModelSpec, profile: CalibrationProfile) -> bool:
    try:
        spec.calibration_arrays(profile)
    except InputError:
        return False
    return True


def _fan_in(build: Build) -> int:
    """Return how many cameras may see one query; as many as there can be where nothing limits that."""
    if build.manifest.mode != "tables":
        return 0
    limit = _capacity(build)["cameras_per_query"]
    return MOST_CAMERAS if limit is None else int(limit)


def _capacity(build: Build) -> Mapping[str, Any]:
    options: Mapping[str, Any] = build.manifest.options["tables"]
    found: Mapping[str, Any] = options["capacity"]
    return found


def _grids(spec: ModelSpec, mode: str) -> tuple[Grid, ...]:
    """Return the grids of a contract; none if one has an order of its own, which a contract cannot hold.

    Of an exact build they say how much changed and decide nothing; other modes refuse such grids when they build.
    """
    if mode == "exact" and not all(each.grid().is_usual for each in spec.grids):
        return ()
    found = []
    for each in spec.grids:
        grid = each.grid()
        x0, y0, z0, x1, y1, z1 = grid.range_m
        largest = [max(abs(a), abs(b), b - a) for a, b in ((x0, x1), (y0, y1), (z0, z1))]
        found.append(Grid(axes=grid.axes(), order=grid.axes_order, largest=np.array(largest)))
    return tuple(found)


def _filled(build: Build, bare: Contract) -> tuple[Grid, ...]:
    """Return the grids with the pairs that are computed, or with the rows that there is room for."""
    if bare.mode == "tables":
        return tuple(
            dataclasses.replace(grid, lengths=None if lengths is None else np.array(lengths, np.uint32))
            for grid, lengths in zip(bare.grids, _capacity(build)["lengths"], strict=True)
        )
    if bare.mode == "envelope":
        pairs = read_supersets(build.folder)
    else:
        pairs = tuple(seen_pairs(bare, grid, projections_of(bare))[0] for grid in bare.grids)
    return tuple(dataclasses.replace(grid, pairs=each) for grid, each in zip(bare.grids, pairs, strict=True))


def _frustum(spec: ModelSpec, profile: CalibrationProfile, relink: bytes) -> Frustum | None:
    """Return what a model lifts; None if its program does not add that to cells in one known way."""
    if not relink or spec.frustum is None:
        return None
    from specialize.binding.borderline import cells_of  # a check of a build needs none of these
    from specialize.binding.relink.landing import SHARE, edges_px, land
    from specialize.binding.relink.places import DoesNotFitError
    from specialize.binding.relink.program import parse_program

    landed = land(spec, profile)
    if landed is None:
        return None
    try:
        if cells_of(parse_program(relink), spec, profile, landed) is None:
            return None
    except DoesNotFitError:
        return None
    record = np.zeros((), FRUSTUM)
    for name in ("shape", "cells", "depth_m", "range_m"):
        record[name] = getattr(spec.frustum, name)
    record["u_px"], record["v_px"] = edges_px(spec, spec.frustum)
    record["how"] = EGO * (spec.frustum.frame == "ego") + DOWN * (spec.frustum.cut == "down")
    record["rounding"] = SHARE
    return Frustum(record)
