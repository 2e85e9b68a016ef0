"""What became of a fleet's builds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBuild:
    """What became of one build.

    Attributes:
        key: Its name in the store.
        mode: How calibration is bound.
        vehicles: Names of the vehicles that it serves.
        status: `built`, `reused` or `failed`.
        reason: Why it failed; empty otherwise.
        exit_code: What the failure is worth to a command line; 0 otherwise.
        seconds: Wall time.
        own_bytes: What it added to the store: all but weights that other builds share.
        unserved: Vehicles without tables, and why.
        tables: Number of vehicles whose tables are in the store.
        folder: Where it was laid out, if it was.
    """

    key: str
    mode: str
    vehicles: tuple[str, ...]
    status: str
    reason: str
    exit_code: int
    seconds: float = 0.0
    own_bytes: int = 0
    unserved: tuple[tuple[str, str], ...] = ()
    tables: int = 0
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetBuilt:
    """What became of a fleet.

    Attributes:
        lock: The lock that was carried out.
        store: Where the builds are.
        builds: In the order of their first vehicles.
        left_out: Vehicles without a build, and why: their profile is not the one of the lock, or they do not fit.
        seconds: Wall time.
    """

    lock: Path
    store: str
    builds: tuple[BuiltBuild, ...]
    left_out: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """The gravest exit code of any build; 1 if a vehicle was left out."""
        return max([build.exit_code for build in self.builds] + [1 if self.left_out else 0])
