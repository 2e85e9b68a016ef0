"""Load several profiles from files, folders and tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import Vehicles, is_table
from specialize.errors import InputError

SUFFIXES = (".yaml", ".yml")


def profile_files(places: Iterable[Path]) -> tuple[Path, ...]:
    """Return the named profile files, those in the named folders, sorted within each, and the rows of named tables.

    Raises:
        InputError: A folder or a table has no profile.
        UsageError: There is a table, and pyarrow is not installed.
    """
    found: list[Path] = []
    for place in places:
        if is_table(place):
            found.extend(Vehicles(place))
            continue
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
