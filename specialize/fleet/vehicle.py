"""One vehicle of a fleet: which profile it has, and digests by which plans, locks and stores know its calibration."""

from __future__ import annotations

from pathlib import Path

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
    """

    path: Path
    plan: str

    @property
    def numbers(self) -> tuple[str, str]:
        """What two vehicles of one calibration agree in, and one vehicle on two days."""
        return self.profile, self.calibration


def identify(path: Path, profile: CalibrationProfile, spec: ModelSpec, plan: str = "") -> Vehicle:
    """Return the vehicle of a profile, as a model knows it."""
    name = calibration_name(profile, spec)
    return Vehicle(
        vehicle=name.vehicle, path=path, profile=name.profile, plan=plan, calibration=name.calibration
    )
