"""JSON of commands about the vehicles of a fleet: imported, compared, and how they stand."""

from __future__ import annotations

from typing import Literal

from specialize.cli.schemas.base import Output


class NotUsed(Output, frozen=True, kw_only=True):
    """A file that could not be used.

    Attributes:
        path: The file.
        reason: Why.
    """

    path: str
    reason: str


class Rule(Output, frozen=True, kw_only=True):
    """A rule that a profile breaks.

    Attributes:
        code: Name of the rule.
        severity: How grave it is.
    """

    code: str
    severity: Literal["error", "warning", "note"]


class ImportedVehicle(Output, frozen=True, kw_only=True):
    """A vehicle whose profile was written.

    Attributes:
        vehicle: Its name.
        source: What was imported.
        path: Its profile.
        findings: Every rule that it breaks, once; `specialize profile check` says where and how to mend it.
    """

    vehicle: str
    source: str
    path: str
    findings: tuple[Rule, ...]


class FleetImport(Output, frozen=True, kw_only=True):
    """`specialize fleet import --json`.

    Attributes:
        format: Name of the format.
        folder: Folder of the profiles.
        seconds: Wall time.
        vehicles: Those that were written, in the order of their sources.
        failed: Sources that could not be imported, and why.
    """

    schema: Literal["specialize/fleet-import@1"]
    format: str
    folder: str
    seconds: float
    vehicles: tuple[ImportedVehicle, ...]
    failed: tuple[NotUsed, ...]


class Limits(Output, frozen=True, kw_only=True):
    """From where on a camera is an outlier; null where its vehicles are too few.

    Attributes:
        rotation_mrad: Turned.
        translation_mm: Shifted.
        focal_percent: Focal length.
        principal_point_px: Principal point.
    """

    rotation_mrad: float | None
    translation_mm: float | None
    focal_percent: float | None
    principal_point_px: float | None


class CameraLimits(Output, frozen=True, kw_only=True):
    """A camera of a kind.

    Attributes:
        name: Its name.
        limits: From where on it is an outlier.
    """

    name: str
    limits: Limits


class FleetGroup(Output, frozen=True, kw_only=True):
    """Vehicles of one kind: the same cameras, at nearly the same places.

    Attributes:
        kind: Its number, from 1.
        vehicles: How many.
        median: Digest of their median calibration.
        cameras: In order.
    """

    kind: int
    vehicles: int
    median: str
    cameras: tuple[CameraLimits, ...]


class CameraDistance(Output, frozen=True, kw_only=True, omit_defaults=True):
    """How far one camera is from the median; null where there is no such number.

    Attributes:
        name: Its name.
        rotation_mrad: Turned.
        translation_mm: Shifted.
        focal_percent: Focal length.
        principal_point_px: Principal point.
        shift_px_10m: Largest movement in the image of a point at 10 m.
        shift_px_20m: Largest movement in the image of a point at 20 m.
        gained: Queries that it sees and the median's camera does not; with `--model` only.
        lost: Queries that the median's camera sees and it does not; with `--model` only.
    """

    name: str
    rotation_mrad: float | None
    translation_mm: float | None
    focal_percent: float | None
    principal_point_px: float | None
    shift_px_10m: float | None
    shift_px_20m: float | None
    gained: float | None = None
    lost: float | None = None


class VehicleDistance(Output, frozen=True, kw_only=True):
    """How far one vehicle is from the median of its kind.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        profile: Digest of its profile.
        group: Place of its kind in `groups`.
        cameras: In order.
    """

    vehicle: str
    path: str
    profile: str
    group: int
    cameras: tuple[CameraDistance, ...]


class Outlier(Output, frozen=True, kw_only=True):
    """A camera that is an outlier.

    Attributes:
        vehicle: Whose it is.
        path: Its profile.
        camera: Its name.
        quantity: In what; the last part is the unit.
        value: Distance from the median.
        limit: What is allowed.
        kind: Number of the vehicle's kind.
        text: The same as a sentence.
    """

    vehicle: str
    path: str
    camera: str
    quantity: str
    value: float | None
    limit: float | None
    kind: int
    text: str


class FleetDiff(Output, frozen=True, kw_only=True):
    """`specialize fleet diff --json`.

    Attributes:
        folder: Folder of the profiles.
        model: Name of the model whose queries are counted; empty without `--model`.
        vehicles: How many.
        seconds: Wall time.
        kinds: How many kinds of vehicles there are.
        groups: The kinds, the one with most vehicles first.
        matrix: Every vehicle against the median of its kind, camera by camera.
        outliers: Cameras that are outliers, the farthest first.
        failed: Profiles that cannot be used, and why.
    """

    schema: Literal["specialize/fleet-diff@1"]
    folder: str
    model: str
    vehicles: int
    seconds: float
    kinds: int
    groups: tuple[FleetGroup, ...]
    matrix: tuple[VehicleDistance, ...]
    outliers: tuple[Outlier, ...]
    failed: tuple[NotUsed, ...]


class VehicleState(Output, frozen=True, kw_only=True):
    """How one vehicle stands.

    Attributes:
        vehicle: Its name.
        state: Whether its build is right for today's profile.
        reason: Why, unless it is fresh and unchanged.
    """

    vehicle: str
    state: Literal["fresh", "stale", "missing", "damaged", "unused"]
    reason: str


class FleetStatus(Output, frozen=True, kw_only=True):
    """`specialize fleet status --json`.

    Attributes:
        folder: Folder of the profiles.
        lock: File that holds the plan.
        ok: Whether every vehicle is served.
        fresh: Vehicles whose build is right.
        stale: Vehicles that have moved on.
        missing: Vehicles without a build.
        damaged: Vehicles whose build or tables in the store are not what was written.
        unused: Vehicles of the plan without a profile.
        vehicles: Sorted by name.
        failed: Profiles that cannot be used, and why.
    """

    schema: Literal["specialize/fleet-status@1"]
    folder: str
    lock: str
    ok: bool
    fresh: int
    stale: int
    missing: int
    damaged: int
    unused: int
    vehicles: tuple[VehicleState, ...]
    failed: tuple[NotUsed, ...]
