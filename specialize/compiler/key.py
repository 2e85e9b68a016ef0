"""Compute the key of a build, for the compiler and for a fleet's plan, which has no graph yet.

Both name the same inputs. A plan names its model by what the graph will be exported from, and by digests what an
envelope covers and tables hold; a worker compares the compiler's key with the one that the build in the store has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialize.artifact import BuildKey
from specialize.calibration.folder import load_profiles
from specialize.calibration.profile import CalibrationProfile
from specialize.digest import digest
from specialize.model.parts import OWN_LENS
from specialize.model.spec import ModelSpec
from specialize.request import BuildOptions, BuildRequest, Mode
from specialize.text.record import Record

if TYPE_CHECKING:
    from specialize.compiler.generic import GenericModel


class CalibrationName(Record, frozen=True, kw_only=True):
    """Digests that represent a calibration in a key.

    Attributes:
        vehicle: Name of the vehicle.
        profile: Digest of its profile.
        calibration: Digest of what the model is fed: not the profile's, which leaves out the vehicle's frame.
    """

    vehicle: str
    profile: str
    calibration: str


@dataclass(frozen=True, slots=True)
class ModelName:
    """Values that represent a model in a key: its name, digests of graph and weights or their sources, and sidecar."""

    name: str
    model: str
    spec: str


def calibration_name(profile: CalibrationProfile, spec: ModelSpec) -> CalibrationName:
    """Return the digests that represent a calibration fed to a model."""
    return CalibrationName(
        vehicle=profile.vehicle, profile=profile.digest, calibration=digest(_fed(profile, spec))
    )


def _fed(profile: CalibrationProfile, spec: ModelSpec) -> object:
    """Return what a calibration feeds a model; for projected points the numbers that they follow from.

    The last bit of a projected point is that of a machine's trigonometry, and a key must not depend on the machine.
    """
    if spec.lens is None or spec.lens.model != OWN_LENS:
        return spec.calibration_arrays(profile)
    rig = spec.rig(profile)
    lenses = [lens.content() for lens in rig.lenses(prepared=False)]
    return {"lenses": lenses, "poses": rig.camera_from_lidar(), "matrices": rig.network_from_lidar}


def model_name(name: str, model: str, spec: ModelSpec) -> ModelName:
    """Return the values that represent a model of this name and digest, with its sidecar."""
    return ModelName(name, model, digest(spec.to_text()))


def build_key(request: BuildRequest, profile: CalibrationProfile, generic: GenericModel) -> BuildKey:
    """Return the key of a build: everything that can change a byte of it."""
    return _key(
        request,
        calibration_name(profile, generic.spec),
        model_name(generic.name, generic.digest, generic.spec),
        request.mode,
        frames_name(request.frames_dir),
        tolerance=request.tolerance or "",
        capacity=request.capacity or "",
        envelope_over=tuple(profile.digest for profile in load_profiles(request.envelope_over)),
        count_outside=request.count_outside,
        capacity_over=tuple(profile.digest for profile in load_profiles(request.capacity_over)),
        allow_unchanged=request.allow_unchanged,
        keep_every_site=request.keep_every_site,
        bake_lenses=request.bake_lenses,
    )


def planned_key(
    options: BuildOptions,
    mode: Mode,
    served: Sequence[CalibrationName],
    model: ModelName,
    lengths: tuple[tuple[int, ...], ...],
    fan_in: int,
    tolerance: str = "",
    frames: str = "",
) -> BuildKey:
    """Return the key of a build that a plan knows: the calibrations that it serves, and how many rows it computes.

    Args:
        options: What the build is asked for.
        mode: How calibration is bound.
        served: The calibrations, the one that the build carries first.
        model: The model, by what its graph will be made from.
        lengths: Per grid, rows computed per camera.
        fan_in: For how many cameras that see one query tables have room.
        tolerance: What an envelope covers beyond these calibrations.
        frames: Digest of the frames of a folder; empty without.
    """
    bound: dict[str, Any] = {}
    if mode == "envelope":
        over = sorted({f"{one.profile} {one.calibration}" for one in served})
        bound = {"tolerance": tolerance, "envelope_over": tuple(over)}
    elif mode == "tables":
        bound = {"capacity": digest((lengths, fan_in))}
    return _key(options, served[0], model, mode, frames, **bound).identity()


def frames_name(folder: Path | None) -> str:
    """Return the digest of a folder of frames; empty without a folder."""
    if folder is None:
        return ""
    from specialize.precision.frames import frames_digest

    return frames_digest(folder)


def _key(
    options: BuildOptions, first: CalibrationName, model: ModelName, mode: Mode, frames: str, **bound: Any
) -> BuildKey:
    return BuildKey(
        **options.in_key(), vehicle=first.vehicle, profile=first.profile, calibration=first.calibration,
        name=model.name, model=model.model, spec=model.spec, mode=mode, frames_digest=frames, **bound,
    )  # fmt: skip
