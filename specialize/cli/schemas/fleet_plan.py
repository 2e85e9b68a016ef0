"""JSON of `fleet plan`: its request laid flat, and sums over what each build has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specialize.fleet import builds
from specialize.fleet.builds import CameraRoom, FleetKind, KindServed
from specialize.fleet.footprints import Member
from specialize.fleet.load import Failed
from specialize.fleet.request import PlanMode
from specialize.request import Mode, Precision
from specialize.text.record import Record


class PlannedBuild(Record, frozen=True, kw_only=True):
    """One build of a plan.

    Attributes:
        key: Digest of all that it will be made from; its name in the store.
        mode: How calibration is bound.
        cameras: Names of the cameras, in order.
        vehicles: Names of the vehicles that it serves, those with cameras off among them.
        pairs: Pairs of camera and query that it computes.
        overhead: Largest share of these that a vehicle does not need: pairs / its own - 1.
        lengths: Pairs per camera, over all grids.
        grids: Pairs per camera, grid by grid.
        fan_in: Most cameras that see one query.
        members: The vehicles, with what each adds.
        headroom: One entry per camera; empty where any change needs another build.
        headroom_over: Number of vehicles that `headroom` was looked up for.
        kinds: How many vehicles of each kind it serves.
    """

    key: str
    mode: Mode
    cameras: tuple[str, ...]
    vehicles: tuple[str, ...]
    pairs: int
    overhead: float
    lengths: tuple[int, ...]
    grids: tuple[tuple[int, ...], ...]
    fan_in: int
    members: Sequence[Member]
    headroom: tuple[CameraRoom, ...]
    headroom_over: int
    kinds: tuple[KindServed, ...]


class FleetPlan(Record, frozen=True, kw_only=True):
    """`specialize fleet plan --json`.

    Attributes:
        folder: Folder of the profiles.
        model: Name of the model.
        mode: Mode asked for.
        target: Toolchain that the builds are lowered for.
        attention: How deformable attention is written; empty for the target's own form.
        precision: `float32`, `fp16` or `int8`.
        max_overhead: Share of pairs that a vehicle may compute beyond its own.
        subsets: How many cameras may be missing; each rig with so many off is a further member of a build.
        vehicles: How many.
        at_least: No plan has fewer builds.
        kinds: The kinds of vehicles, the one with most of them first.
        seconds: Wall time.
        lock: File that holds the plan; null with `--dry-run`.
        builds: In the order of their first vehicles.
        failed: Profiles that cannot be used, and why.
    """

    folder: Path
    model: str
    mode: PlanMode
    target: str
    attention: str
    precision: Precision
    max_overhead: float
    subsets: int
    vehicles: int
    at_least: int
    kinds: tuple[FleetKind, ...]
    seconds: float
    lock: Path | None
    builds: tuple[PlannedBuild, ...]
    failed: tuple[Failed, ...]


def planned(plan: builds.FleetPlan, lock: Path | None) -> FleetPlan:
    """Return what `fleet plan --json` says of a plan, and of the lock that holds it."""
    asked = plan.request.build
    return FleetPlan(
        folder=plan.request.folder, model=plan.model, mode=plan.request.mode, target=asked.target,
        attention=asked.attention, precision=asked.precision, max_overhead=plan.request.max_overhead,
        subsets=plan.request.subsets,
        vehicles=plan.vehicles, at_least=plan.at_least, kinds=plan.kinds, seconds=round(plan.seconds, 3), lock=lock,
        builds=tuple(map(_build, plan.builds)), failed=plan.failed,
    )  # fmt: skip


def _build(build: builds.PlannedBuild) -> PlannedBuild:
    return PlannedBuild(
        key=build.key, mode=build.mode, cameras=build.cameras, vehicles=build.vehicles, pairs=build.pairs,
        overhead=round(build.overhead, 6), lengths=tuple(map(sum, zip(*build.lengths, strict=True))),
        grids=build.lengths, fan_in=build.fan_in, members=build.members,
        headroom=build.room, headroom_over=build.room_over, kinds=build.kinds,
    )  # fmt: skip
