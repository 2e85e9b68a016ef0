"""The builds of a fleet: one record from the plan through the lock and the worker to what became of it.

`FleetBuild` is what a lock keeps and a task holds. A plan adds what sharing costs (`PlannedBuild`); a worker returns
what happened (`BuiltBuild`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec import structs

from specialize.fleet.footprints import Member, Members, names_of
from specialize.fleet.load import Failed
from specialize.fleet.request import FleetRequest
from specialize.fleet.vehicle import Vehicle
from specialize.request import Mode
from specialize.text.record import Record

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
    members: Sequence[Vehicle]
    lengths: tuple[tuple[int, ...], ...]

    @property
    def pairs(self) -> int:
        """Rows that it computes."""
        return sum(map(sum, self.lengths))

    @property
    def vehicles(self) -> tuple[str, ...]:
        """Names of the vehicles that it serves."""
        return names_of(self.members)


class FleetKind(Record, frozen=True, kw_only=True):
    """One kind of vehicles of a fleet.

    Attributes:
        kind: Its number, from 1, the kind with most vehicles first.
        vehicles: How many vehicles of the plan are of it.
        first: The first of them.
        cameras: Names of their cameras.
    """

    kind: int
    vehicles: int
    first: str
    cameras: tuple[str, ...]


class KindServed(Record, frozen=True, kw_only=True):
    """How many vehicles of one kind a build serves.

    Attributes:
        kind: Number of the kind.
        vehicles: How many of its vehicles.
    """

    kind: int
    vehicles: int


class CameraRoom(Record, frozen=True, kw_only=True):
    """What one camera may move until some vehicle needs another build.

    Attributes:
        camera: Its name.
        rotation_mrad: By turning alone; null where no finite number is known.
        translation_mm: By shifting alone; null likewise.
        queries: Queries that the neediest vehicle may gain, in mode `tables`.
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
        kinds: The kinds of its members.
    """

    members: Sequence[Member]
    cameras: tuple[str, ...]
    overhead: float
    fan_in: int
    room: tuple[CameraRoom, ...] = ()
    room_over: int = 0
    kinds: tuple[KindServed, ...] = ()


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
        kinds: The kinds of its vehicles, the one with most of them first.
        failed: Profiles that could not be used; they are not in the plan.
        seconds: Wall time.
    """

    request: FleetRequest
    model: str
    spec: str
    source: str
    builds: tuple[PlannedBuild, ...]
    at_least: int
    kinds: tuple[FleetKind, ...]
    failed: tuple[Failed, ...]
    seconds: float

    @property
    def vehicles(self) -> int:
        """Number of vehicles in the plan."""
        return sum(kind.vehicles for kind in self.kinds)

    @property
    def rigs(self) -> int:
        """Number of rigs in the plan: of vehicles, and of vehicles with cameras off."""
        return sum(len(build.members) for build in self.builds)


def locked(build: FleetBuild) -> FleetBuild:
    """Return a build as a lock keeps it: the vehicle whose profile it carries first, the others by their files."""
    if isinstance(build.members, Members):
        members: Sequence[Vehicle] = build.members.served(build.made_from)
    else:
        members = served_in_order(build.members, build.made_from)
    return FleetBuild(
        key=build.key, mode=build.mode, made_from=build.made_from, members=members, lengths=build.lengths
    )


def served_in_order(members: Iterable[Vehicle], made_from: str) -> tuple[Vehicle, ...]:
    """Return the vehicles of a build as a lock has them: that whose profile it carries first, others by their files."""
    return tuple(sorted(members, key=lambda one: (one.vehicle != made_from, str(one.path), one.vehicle)))


class LeftOut(Record, frozen=True, order=True):
    """A vehicle without a build.

    Attributes:
        vehicle: Its name.
        reason: Why: its profile is not the one of the lock, or it does not fit its tables.
    """

    vehicle: str
    reason: str


class BuiltBuild(Record, frozen=True, kw_only=True):
    """What became of one build.

    Attributes:
        key: Its name in the store.
        mode: How calibration is bound.
        vehicles: Names of the vehicles that it serves.
        status: Made now, there already, or not made.
        reason: Why it failed; empty otherwise.
        exit_code: What the failure is worth to a command line; 0 otherwise.
        seconds: Wall time.
        own_bytes: What it added to the store beyond what others share.
        tables: Number of vehicles whose tables are in the store.
        unserved: Vehicles without tables, and why.
        folder: Where it was laid out; null without `-o`.
        proof: Whether it was proven `whole` or at its `sites`; empty if it failed.
    """

    key: str
    mode: Mode
    vehicles: tuple[str, ...]
    status: Status
    reason: str
    exit_code: int
    seconds: float
    own_bytes: int
    tables: int
    unserved: tuple[LeftOut, ...]
    folder: Path | None
    proof: str = ""


def done(build: FleetBuild, status: Status, seconds: float = 0.0) -> BuiltBuild:
    """Return what became of a build that is in the store."""
    return BuiltBuild(
        key=build.key, mode=build.mode, vehicles=build.vehicles, status=status, reason="", exit_code=0,
        seconds=round(seconds, 3), own_bytes=0, tables=0, unserved=(), folder=None,
    )  # fmt: skip


def failed(build: FleetBuild, reason: str, exit_code: int = 1, seconds: float = 0.0) -> BuiltBuild:
    """Return what became of a build that could not be made."""
    return structs.replace(done(build, "failed", seconds), reason=reason, exit_code=exit_code)


class FleetBuilt(Record, frozen=True, kw_only=True):
    """`specialize fleet build --json`.

    Attributes:
        lock: File that holds the plan.
        store: Where the builds are kept.
        seconds: Wall time.
        ok: Whether every build is there and every vehicle served.
        builds: What became of each, in the order of their first vehicles.
        left_out: Vehicles without a build.
    """

    lock: Path
    store: str
    seconds: float
    ok: bool
    builds: tuple[BuiltBuild, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def exit_code(self) -> int:
        """The gravest exit code of any build; 1 if a vehicle was left out."""
        return max([build.exit_code for build in self.builds] + [0 if self.ok else 1])
