"""Fleets that leave an assembly line, written as profiles."""

from __future__ import annotations

from pathlib import Path

from specialize.calibration.document import parse_document
from specialize.calibration.load import parse_profile
from specialize.calibration.profile import CalibrationProfile
from tests.calibration import authored

Rig = authored.Rig


def write_fleet(folder: Path, rig: Rig, count: int, word: str = "car") -> list[Path]:
    """Write `count` vehicles of one kind, each off by its own assembly error; return their profiles."""
    return [
        write_rig(folder, authored.assembled(rig, f"{word}_{number:05}")) for number in range(1, count + 1)
    ]


def write_rig(folder: Path, rig: Rig) -> Path:
    """Write one vehicle."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{rig.vehicle}.yaml"
    path.write_text(authored.by_sensor_pose(rig))
    return path


def profile_of(rig: Rig) -> CalibrationProfile:
    """Return one vehicle's profile without a file."""
    return parse_profile(parse_document(authored.by_sensor_pose(rig), rig.vehicle), rig.vehicle)


# What is wrong with the four-camera car for a model of six cameras, and must be allowed to plan it all the same.
FOREIGN = ("camera-order", "raw-size", "view-share")


def mixed_fleet(folder: Path, cars: int = 6, vans: int = 3) -> Path:
    """Write cars, vans and a four-camera car (see `FOREIGN`); return the folder."""
    write_fleet(folder / "cars", authored.CAR42, cars, "car")
    write_fleet(folder / "vans", authored.VAN, vans, "van")
    write_rig(folder, authored.WIDE4)
    return folder
