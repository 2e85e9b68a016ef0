"""JSON of commands about the builds of a fleet: planned and made."""

from __future__ import annotations

from typing import Literal

from specialize.cli.schemas.base import Output
from specialize.cli.schemas.fleets import NotUsed

Mode = Literal["exact", "envelope", "tables"]


class FleetMember(Output, frozen=True, kw_only=True):
    """A vehicle in a build.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        profile: Digest of its profile.
        plan: Digest of its visible sets.
        pairs: What its own exact build would compute.
        adds: What it adds to the build, the vehicles before it being there.
    """

    vehicle: str
    path: str
    profile: str
    plan: str
    pairs: int
    adds: int


class Headroom(Output, frozen=True, kw_only=True):
    """How far one camera may move until some vehicle needs another build.

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


class PlannedBuild(Output, frozen=True, kw_only=True):
    """One build of a plan.

    Attributes:
        key: Digest of all that it will be made from; its name in the store.
        mode: How calibration is bound.
        cameras: Names of the cameras, in order.
        vehicles: Names of the vehicles that it serves.
        pairs: Pairs of camera and query that it computes.
        overhead: Largest share of these that a vehicle does not need: pairs / its own - 1.
        lengths: Pairs per camera, over all grids.
        grids: Pairs per camera, grid by grid.
        fan_in: Most cameras that see one query.
        members: The vehicles, with what each adds.
        headroom: One entry per camera; empty where any change needs another build.
        headroom_over: Number of vehicles that `headroom` was looked up for.
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
    members: tuple[FleetMember, ...]
    headroom: tuple[Headroom, ...]
    headroom_over: int


class FleetPlan(Output, frozen=True, kw_only=True):
    """`specialize fleet plan --json`.

    Attributes:
        folder: Folder of the profiles.
        model: Name of the model.
        mode: Mode asked for.
        target: Toolchain that the builds are lowered for.
        attention: How deformable attention is written; empty for the target's own form.
        precision: `float32`, `fp16` or `int8`.
        max_overhead: Share of pairs that a vehicle may compute beyond its own.
        vehicles: How many.
        at_least: No plan has fewer builds.
        seconds: Wall time.
        lock: File that holds the plan; null with `--dry-run`.
        builds: In the order of their first vehicles.
        failed: Profiles that cannot be used, and why.
    """

    schema: Literal["specialize/fleet-plan@1"]
    folder: str
    model: str
    mode: Literal["auto", "exact", "envelope", "tables"]
    target: str
    attention: str
    precision: Literal["float32", "fp16", "int8"]
    max_overhead: float
    vehicles: int
    at_least: int
    seconds: float
    lock: str | None
    builds: tuple[PlannedBuild, ...]
    failed: tuple[NotUsed, ...]


class BuiltBuild(Output, frozen=True, kw_only=True):
    """What became of one build.

    Attributes:
        key: Its name in the store.
        mode: How calibration is bound.
        vehicles: Names of the vehicles that it serves.
        status: Made now, there already, or not made.
        reason: Why it failed; empty otherwise.
        seconds: Wall time.
        own_bytes: What it added to the store beyond what others share.
        tables: Number of vehicles whose tables are in the store.
        folder: Where it was laid out; null without `-o`.
    """

    key: str
    mode: Mode
    vehicles: tuple[str, ...]
    status: Literal["built", "reused", "failed"]
    reason: str
    seconds: float
    own_bytes: int
    tables: int
    folder: str | None


class LeftOut(Output, frozen=True, kw_only=True):
    """A vehicle without a build.

    Attributes:
        vehicle: Its name.
        reason: Why: its profile is not the one of the lock, or it does not fit its tables.
    """

    vehicle: str
    reason: str


class FleetBuild(Output, frozen=True, kw_only=True):
    """`specialize fleet build --json`.

    Attributes:
        lock: File that holds the plan.
        store: Where the builds are kept.
        seconds: Wall time.
        ok: Whether every build is there and every vehicle served.
        builds: What became of each, in the order of their first vehicles.
        left_out: Vehicles without a build.
    """

    schema: Literal["specialize/fleet-build@1"]
    lock: str
    store: str
    seconds: float
    ok: bool
    builds: tuple[BuiltBuild, ...]
    left_out: tuple[LeftOut, ...]
