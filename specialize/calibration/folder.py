"""Load several profiles from files and folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError

SUFFIXES = (".yaml", ".yml")


def profile_files(places: Iterable[Path]) -> tuple[Path, ...]:
    """Return the named profile files and those in the named folders, sorted within each folder.

    Raises:
        InputError: A folder has no profile.
    """
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue
        inside = sorted(path for path in place.iterdir() if path.suffix in SUFFIXES)
        if not inside:
            raise InputError(str(place), "profiles, *.yaml", "none in this folder")
        found.extend(inside)
    return tuple(found)


def load_profiles(places: Iterable[Path]) -> tuple[CalibrationProfile, ...]:
    """Return the profiles in files and folders.

    Raises:
        InputError: A file is no profile, or a folder has none.
    """
    return tuple(load_profile(path) for path in profile_files(places))
