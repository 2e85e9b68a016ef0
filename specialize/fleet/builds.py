"""The builds of a fleet: one record from the plan through the lock and the worker to what became of it.

`FleetBuild` is what a lock keeps. A plan adds what sharing costs (`PlannedBuild`), a worker what happened
(`BuiltBuild`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from specialize.fleet.load import Failed
from specialize.fleet.request import FleetRequest
from specialize.fleet.vehicle import Vehicle
from specialize.request import Mode

Status = Literal["built", "reused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetBuild:
    """One build of a fleet.

    Attributes:
        key: Digest of all that it is made from; its name in the store.
        mode: How calibration is bound.
        made_from: The vehicle whose profile the build carries: the first one, or of tables the first of those whose
            queries are seen by most cameras, because that is what a graph has to have room for.
        members: The vehicles that it serves, in the order of their profiles.
        lengths: Per grid, rows computed per camera.
    """

    key: str
    mode: Mode
    made_from: str
    members: tuple[Vehicle, ...]
    lengths: tuple[tuple[int, ...], ...]

    @property
    def pairs(self) -> int:
        """Rows that it computes."""
        return sum(map(sum, self.lengths))

    @property
    def vehicles(self) -> tuple[str, ...]:
        """Names of the vehicles that it serves."""
        return tuple(member.vehicle for member in self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Vehicle):
    """A vehicle in a planned build.

    Attributes:
        pairs: Rows that its own exact build would compute.
        adds: Rows that it adds to the build, its members counted in the order of their profiles.
    """

    pairs: int
    adds: int


def member_of(vehicle: Vehicle, pairs: int, adds: int) -> Member:
    """Return a vehicle as a member of a planned build."""
    return Member(**_values(vehicle, Vehicle), pairs=pairs, adds=adds)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRoom:
    """What one camera may move until some vehicle needs another build.

    Attributes:
        camera: Its name.
        rotation_mrad: By turning alone; None where no finite number is known.
        translation_mm: By shifting alone; None likewise.
        queries: Queries that the neediest vehicle may gain, where their number decides.
    """

    camera: str
    rotation_mrad: float | None
    translation_mm: float | None
    queries: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBuild(FleetBuild):
    """One build of a plan, with what it costs.

    Attributes:
        members: The vehicles that it serves, with what each adds.
        cameras: Names of the cameras, in order.
        overhead: The largest share of its rows that a member does not need: `pairs / its own - 1`.
        fan_in: Most cameras that see one query, over the members.
        room: One entry per camera; empty where any change needs another build.
        room_over: Number of members that `room` was computed for.
    """

    members: tuple[Member, ...]
    cameras: tuple[str, ...]
    overhead: float
    fan_in: int
    room: tuple[CameraRoom, ...] = ()
    room_over: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """The builds of a fleet.

    Attributes:
        request: What was asked for.
        model: Name of the model.
        spec: Digest of what is known about the model.
        source: What names its weights: digest of a checkpoint or ONNX file, or the seed.
        builds: In the order of their first members.
        at_least: No plan in these modes, for this overhead, has fewer builds.
        failed: Profiles that could not be used; they are not in the plan.
        seconds: Wall time.
    """

    request: FleetRequest
    model: str
    spec: str
    source: str
    builds: tuple[PlannedBuild, ...]
    at_least: int
    failed: tuple[Failed, ...]
    seconds: float

    @property
    def vehicles(self) -> int:
        """Number of vehicles in the plan."""
        return sum(len(build.members) for build in self.builds)


def locked(build: FleetBuild) -> FleetBuild:
    """Return a build as a lock keeps it: the vehicle whose profile it carries first, the others by their files."""
    members = [Vehicle(**_values(one, Vehicle)) for one in build.members]
    members.sort(key=lambda one: (one.vehicle != build.made_from, str(one.path)))
    return FleetBuild(**_values(build, FleetBuild) | {"members": tuple(members)})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBuild(FleetBuild):
    """One build of a lock, with what became of it.

    Attributes:
        status: `built`, `reused` or `failed`.
        reason: Why it failed; empty otherwise.
        exit_code: What the failure is worth to a command line; 0 otherwise.
        seconds: Wall time.
        own_bytes: What it added to the store: all but weights that other builds share.
        unserved: Vehicles without tables, and why.
        tables: Number of vehicles whose tables are in the store.
        folder: Where it was laid out, if it was.
    """

    status: Status
    reason: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    own_bytes: int = 0
    unserved: tuple[tuple[str, str], ...] = ()
    tables: int = 0
    folder: Path | None = None


def done(build: FleetBuild, status: Status, seconds: float = 0.0) -> BuiltBuild:
    """Return a build with what became of it."""
    return BuiltBuild(**_values(build, FleetBuild), status=status, seconds=seconds)


def failed(build: FleetBuild, reason: str, exit_code: int = 1, seconds: float = 0.0) -> BuiltBuild:
    """Return a build that could not be made."""
    built = done(build, "failed", seconds)
    return replace(built, reason=reason, exit_code=exit_code)


def _values(value: Any, kind: type[Any]) -> dict[str, Any]:
    """Return the values of the fields that a kind of record has."""
    return {part.name: getattr(value, part.name) for part in fields(kind)}


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
