"""What a fleet's plan says: which builds, for whom, at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from specialize.artifact import BuildKey
from specialize.binding.capacity import LEAST_FAN_IN
from specialize.digest import digest
from specialize.errors import UsageError
from specialize.fleet.load import Failed
from specialize.plausibility.fit import require_known_codes
from specialize.precision import noise_warning
from specialize.request import BuildOptions, Mode, require_choice

PlanMode = Literal["auto", "exact", "envelope", "tables"]
PLAN_MODES: tuple[str, ...] = get_args(PlanMode)

OWN_TOLERANCE = "profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRequest(BuildOptions):
    """What a fleet's builds shall be.

    Attributes:
        folder: The fleet's profiles.
        mode: How calibration is bound; `auto` takes what needs fewest builds.
        max_overhead: Share of further rows that a vehicle puts up with; 0.05 is 5 %.
        tolerance: What an envelope covers beyond today's calibrations: nothing if empty, each profile's own
            tolerance if `profile`, else `rotation=0.5deg,...` for all.
        spare: Share of further rows in the capacities of tables, for calibrations to come.
    """

    folder: Path
    mode: PlanMode = "auto"
    max_overhead: float = 0.05
    tolerance: str = ""
    spare: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no plan can mean.

        Raises:
            UsageError: An option has a value that does not exist.
        """
        require_choice("--mode", self.mode, PLAN_MODES)
        BuildOptions.__post_init__(self)
        require_known_codes(self.allow)
        for name, share in (("--max-overhead", self.max_overhead), ("--spare", self.spare)):
            if not 0 <= share < 10:
                raise UsageError(name, "a share such as 5% or 0.05", repr(share))

    def warnings(self) -> tuple[str, ...]:
        """Return what to know before any of the builds drives a car."""
        noise = self.precision != "float32" and self.frames_dir is None
        return (noise_warning(self.precision),) if noise else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One vehicle in a build.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        profile: Digest of its profile.
        plan: Digest of its visible sets.
        calibration: Digest of what the model is fed.
        pairs: Rows that its own exact build would compute.
        adds: Rows that it adds to the build, its members counted in the order of their profiles.
    """

    vehicle: str
    path: Path
    profile: str
    plan: str
    calibration: str
    pairs: int
    adds: int


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
class PlannedBuild:
    """One build of a plan.

    Attributes:
        key: Digest of all that it will be made from; its name in the store.
        mode: How calibration is bound.
        made_from: The vehicle whose profile the build carries: the first one, or of tables the first of those whose
            queries are seen by most cameras, because that is what a graph has to have room for.
        cameras: Names of the cameras, in order.
        members: The vehicles that it serves, in the order of their profiles.
        pairs: Rows that it computes.
        overhead: The largest share of these that a member does not need: `pairs / its own - 1`.
        lengths: Per grid, rows computed per camera.
        fan_in: Most cameras that see one query, over the members.
        room: One entry per camera; empty where any change needs another build.
        room_over: Number of members that `room` was computed for.
    """

    key: str
    mode: Mode
    made_from: str
    cameras: tuple[str, ...]
    members: tuple[Member, ...]
    pairs: int
    overhead: float
    lengths: tuple[tuple[int, ...], ...]
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


def planned_key(
    request: FleetRequest, spec: str, source: str, mode: Mode, members: tuple[Member, ...],
    lengths: tuple[tuple[int, ...], ...], fan_in: int, frames: str = "",
) -> str:  # fmt: skip
    """Return the digest of everything that a planned build is for: that of its build key, as far as a plan knows it.

    The model is named by its source, because its graph is not made yet. An engine with tables is for a capacity,
    whichever vehicle it was made with.

    Args:
        request: What the builds are asked for.
        spec: Digest of the model's sidecar.
        source: What names the model's weights.
        mode: How calibration is bound.
        members: The vehicles of the build, the one that names it first.
        lengths: Per grid, rows computed per camera.
        fan_in: Most cameras that see one query, over the members.
        frames: Digest of the frames of a folder; empty without.
    """
    first = members[0]
    calibrations = sorted({f"{member.profile} {member.calibration}" for member in members})
    key = BuildKey(
        **request.in_key(),
        vehicle=first.vehicle,
        profile=first.profile,
        calibration=first.calibration,
        model=source,
        name=Path(request.model).stem,
        spec=spec,
        mode=mode,
        frames_digest=frames,
        tolerance=request.tolerance if mode == "envelope" else "",
        envelope_over=tuple(calibrations) if mode == "envelope" else (),
        capacity=digest((lengths, max(LEAST_FAN_IN, fan_in))) if mode == "tables" else "",
    )
    return (key.of_any_vehicle() if mode == "tables" else key).digest()
