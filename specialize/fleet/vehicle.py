"""One vehicle of a fleet: which profile it has, and digests by which plans, locks and stores know its calibration."""

from __future__ import annotations

from pathlib import Path

from specialize.calibration.load import load_profile
from specialize.calibration.off import off_name, without
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.key import CalibrationName, calibration_name
from specialize.model.spec import ModelSpec


class Vehicle(CalibrationName, frozen=True, kw_only=True):
    """One vehicle.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        profile: Digest of its profile.
        plan: Digest of its visible sets; empty for a model without grids, and where they were not computed.
        calibration: Digest of what the model is fed: not the profile's, which leaves out the vehicle's frame.
        without: Cameras that are off; all digests are those of the vehicle without them.
    """

    path: Path
    plan: str
    without: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, str]:
        """What two vehicles of one calibration agree in, and one vehicle on two days."""
        return self.profile, self.calibration


def identify(
    path: Path, profile: CalibrationProfile, spec: ModelSpec, plan: str = "", missing: tuple[str, ...] = ()
) -> Vehicle:
    """Return the vehicle of a profile, as a model knows it; `missing` are cameras that were taken off for it."""
    name = calibration_name(profile, spec)
    return Vehicle(
        vehicle=off_name(name.vehicle, missing), path=path, profile=name.profile, plan=plan,
        calibration=name.calibration, without=missing,
    )  # fmt: skip


def whole_name(name: str, missing: tuple[str, ...]) -> str:
    """Return the name of the whole vehicle, given that of its rig with cameras off."""
    return name.removesuffix(off_name("", missing))


def load_without(path: Path, missing: tuple[str, ...]) -> CalibrationProfile:
    """Return the profile at a path with cameras off.

    Raises:
        SpecializeError: It cannot be used, or has not these cameras.
    """
    return without(load_profile(path), missing)
