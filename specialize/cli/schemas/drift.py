"""JSON of how two calibrations differ: the difference is one, and two commands name its sides in their own words."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from specialize.calibration.delta import CameraDelta
from specialize.request import DriftOutcome, QueryChange
from specialize.text.record import Record

Verdict = Literal["same", "other numbers", "other queries", "other cameras"]
BuildVerdict = Verdict | Literal["inside envelope", "outside envelope", "other table", "beyond capacity"]

GuardState = Literal["FRESH", "INSIDE", "RELINK", "STALE", "UNUSABLE"]


@dataclass(frozen=True, slots=True)
class MovedCamera(CameraDelta):
    """How one camera differs.

    Attributes:
        queries: Queries gained and lost; absent if the cameras themselves differ.
        outside: Queries beyond the envelope or the capacity of the build; absent without either.
    """

    queries: QueryChange | msgspec.UnsetType = msgspec.UNSET
    outside: int | msgspec.UnsetType = msgspec.UNSET


class BuiltAndToday(Record, frozen=True, kw_only=True):
    """Something of the calibration that a build was made for, and of today's.

    Attributes:
        built: The build's.
        today: Today's.
    """

    built: str
    today: str


class NamedProfile(Record, frozen=True, kw_only=True):
    """A profile.

    Attributes:
        path: Its file.
        digest: Of its physical content.
    """

    path: Path
    digest: str


class Drift(Record, frozen=True, kw_only=True):
    """How two calibrations differ.

    Attributes:
        model: Name of the model whose queries are compared.
        cameras: What moved, camera by camera.
        added: Cameras that only the second has, which is today's.
        removed: Cameras that only the first has, which is the build's.
        reordered: Whether they stand in another order.
        switched_off: Cameras that are off in the second and not in the first.
        switched_on: Cameras that are off in the first and not in the second.
    """

    model: str
    cameras: tuple[MovedCamera, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reordered: bool
    switched_off: tuple[str, ...]
    switched_on: tuple[str, ...]


class Check(Drift, frozen=True, kw_only=True):
    """`specialize check --json`.

    Attributes:
        fresh: Whether the build may be used.
        state: What the guard on the vehicle says of today's calibration; null if no contract can hold the build. FRESH:
            the model is fed the same numbers. INSIDE: inside the envelope. RELINK: other tables. STALE: build again.
            UNUSABLE: other cameras or sizes.
        reason: Why it is unusable, as in `vehicle.h`; null if it is not.
        build_dir: Folder of the build.
        calib: The profile of today.
        vehicles: Names of both vehicles.
        next: Command that builds, or makes tables, for today's; words in capitals stand for files. Null if the build
            may be used.
        allowed: What was accepted with `--allow` when the build was made.
        digests: Of both calibrations.
        verdict: What differs.
    """

    fresh: bool
    state: GuardState | None
    reason: str | None
    build_dir: Path
    calib: Path
    vehicles: BuiltAndToday
    next: str | None
    allowed: tuple[str, ...]
    digests: BuiltAndToday
    verdict: BuildVerdict


class Diff(Drift, frozen=True, kw_only=True):
    """`specialize diff --json`.

    Attributes:
        same: Whether both have the same digest.
        first: The first profile.
        second: The second profile.
        verdict: What differs.
    """

    same: bool
    first: NamedProfile
    second: NamedProfile
    verdict: Verdict


def checked(outcome: DriftOutcome) -> Check:
    """Return what `specialize check --json` prints."""
    return Check(
        fresh=outcome.fresh,
        state=cast(GuardState | None, outcome.state or None),
        reason=outcome.reason or None,
        build_dir=outcome.before,
        calib=outcome.after,
        vehicles=BuiltAndToday(built=outcome.vehicles[0], today=outcome.vehicles[1]),
        next=None if outcome.fresh else outcome.next_command().text or None,
        allowed=outcome.allowed,
        digests=BuiltAndToday(built=outcome.digests[0], today=outcome.digests[1]),
        **_difference(outcome),
    )


def differing(outcome: DriftOutcome) -> Diff:
    """Return what `specialize diff --json` prints."""
    first, second = outcome.digests
    return Diff(
        same=outcome.fresh,
        first=NamedProfile(path=outcome.before, digest=first),
        second=NamedProfile(path=outcome.after, digest=second),
        **_difference(outcome),
    )


def _difference(outcome: DriftOutcome) -> dict[str, Any]:
    delta = outcome.delta
    return {
        "model": outcome.model,
        "verdict": outcome.verdict,
        "cameras": tuple(_moved(outcome, place) for place in range(len(delta.cameras))),
        "added": delta.added,
        "removed": delta.removed,
        "reordered": delta.reordered,
        "switched_off": outcome.switched(to=1),
        "switched_on": outcome.switched(to=0),
    }


def _moved(outcome: DriftOutcome, place: int) -> MovedCamera:
    camera = outcome.delta.cameras[place]
    return MovedCamera(
        **{field.name: getattr(camera, field.name) for field in fields(CameraDelta)},
        queries=outcome.queries[place] if outcome.queries else msgspec.UNSET,
        outside=outcome.outside[place] if outcome.outside else msgspec.UNSET,
    )
