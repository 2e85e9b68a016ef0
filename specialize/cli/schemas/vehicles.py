"""JSON of commands about calibrations."""

from __future__ import annotations

from typing import Literal

from specialize.artifact.manifest import Site
from specialize.cli.schemas.base import Output

Verdict = Literal["same", "other numbers", "other queries", "other cameras"]
BuildVerdict = Verdict | Literal["inside envelope", "outside envelope", "other table", "beyond capacity"]

GuardState = Literal["FRESH", "INSIDE", "RELINK", "STALE", "UNUSABLE"]


class ChangedQueries(Output, frozen=True, kw_only=True):
    """How the visible queries of one camera differ, over all grids of the model.

    Attributes:
        gained: Seen now, not before.
        lost: Seen before, not now.
        kept: Seen before and now.
    """

    gained: int
    lost: int
    kept: int


class MovedCamera(Output, frozen=True, kw_only=True):
    """How one camera differs.

    Attributes:
        name: Its name.
        rotation_mrad: Angle between both orientations.
        translation_mm: Distance between both places.
        focal_percent: Change of the focal length.
        principal_point_px: Shift of the principal point.
        shift_px_10m: Largest shift in the image of a point 10 m away; null if none is in view.
        shift_px_20m: The same 20 m away.
        resized: Whether the image size differs.
        lens_changed: Whether the lens model or its distortion differs.
        tolerance_changed: Whether the stated tolerance differs.
        time_offset_ms: Change of the time offset.
        same: Whether nothing differs.
        queries: Queries gained and lost; absent if the cameras themselves differ.
        outside: Queries beyond the envelope or the capacity of the build; absent without either.
    """

    name: str
    rotation_mrad: float
    translation_mm: float
    focal_percent: float
    principal_point_px: float
    shift_px_10m: float | None
    shift_px_20m: float | None
    resized: bool
    lens_changed: bool
    tolerance_changed: bool
    time_offset_ms: float
    same: bool
    queries: ChangedQueries | None = None
    outside: int | None = None


class CheckedVehicles(Output, frozen=True, kw_only=True):
    """Names of the vehicle that a build was made for, and of today's.

    Attributes:
        built: The build's.
        today: Today's.
    """

    built: str
    today: str


class CheckedDigests(Output, frozen=True, kw_only=True):
    """Digests of the calibration that a build was made for, and of today's.

    Attributes:
        built: The build's.
        today: Today's.
    """

    built: str
    today: str


class Check(Output, frozen=True, kw_only=True):
    """`specialize check --json`.

    Attributes:
        fresh: Whether the build may be used.
        build_dir: Folder of the build.
        calib: The profile of today.
        vehicles: Of both calibrations.
        next: Command that builds, or makes tables, for today's; words in capitals stand for files. Null if the build
            may be used.
        allowed: What was accepted with `--allow` when the build was made.
        digests: Of both calibrations.
        model: Name of the model.
        verdict: What differs.
        state: What the guard on the vehicle says of today's calibration; null if no contract can hold the build. FRESH:
            the model is fed the same numbers. INSIDE: inside the envelope. RELINK: other tables. STALE: build again.
            UNUSABLE: other cameras or sizes.
        reason: Why it is unusable, as in `vehicle.h`; null if it is not.
        cameras: What moved, camera by camera.
        added: Cameras that only today's has.
        removed: Cameras that only the build's has.
        reordered: Whether they stand in another order.
    """

    schema: Literal["specialize/check@1"]
    fresh: bool
    state: GuardState | None
    reason: str | None
    build_dir: str
    calib: str
    vehicles: CheckedVehicles
    next: str | None
    allowed: tuple[str, ...]
    digests: CheckedDigests
    model: str
    verdict: BuildVerdict
    cameras: tuple[MovedCamera, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reordered: bool


class NamedProfile(Output, frozen=True, kw_only=True):
    """A profile.

    Attributes:
        path: Its file.
        digest: Of its physical content.
    """

    path: str
    digest: str


class Diff(Output, frozen=True, kw_only=True):
    """`specialize diff --json`.

    Attributes:
        same: Whether both have the same digest.
        first: The first profile.
        second: The second profile.
        model: Name of the model whose queries are compared.
        verdict: What differs.
        cameras: What moved, camera by camera.
        added: Cameras that only the second has.
        removed: Cameras that only the first has.
        reordered: Whether they stand in another order.
    """

    schema: Literal["specialize/diff@1"]
    same: bool
    first: NamedProfile
    second: NamedProfile
    model: str
    verdict: Verdict
    cameras: tuple[MovedCamera, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reordered: bool


class PlanDigests(Output, frozen=True, kw_only=True):
    """What a plan is tied to.

    Attributes:
        profile: Digest of the calibration.
        plan: Digest of the visible sets.
    """

    profile: str
    plan: str


class Plan(Output, frozen=True, kw_only=True):
    """`specialize plan --json`.

    Attributes:
        output: The file of tables.
        model: Name of the model.
        vehicle: Name of the vehicle.
        digests: What the plan is tied to.
        sites: One entry per grid of the model.
        seen_by: Per grid, queries seen by 0, 1, 2, ... cameras.
        borderline: Per grid, points within rounding of an image border.
        without_content: Per camera, visible pairs whose pixels undistortion leaves without content.
        warnings: What a person should know about the calibration.
    """

    schema: Literal["specialize/plan@1"]
    output: str
    model: str
    vehicle: str
    digests: PlanDigests
    sites: tuple[Site, ...]
    seen_by: tuple[tuple[int, ...], ...]
    borderline: tuple[int, ...]
    without_content: tuple[int, ...]
    warnings: tuple[str, ...]


class VehicleExport(Output, frozen=True, kw_only=True):
    """`specialize vehicle export --json`.

    Attributes:
        build_dir: Folder of the build.
        output: Folder that was written.
        files: Size in bytes of every file in it.
        mode: How the build binds the calibration.
        relink: Whether the vehicle can make its own tables.
        golden: Who computed what the golden frame expects: the original model, or the build's own; null without one.
        notes: Why something is not there.
    """

    schema: Literal["specialize/vehicle-export@1"]
    build_dir: str
    output: str
    files: dict[str, int]
    mode: str
    relink: bool
    golden: Literal["original", "specialized"] | None
    notes: tuple[str, ...]


class VehiclePack(Output, frozen=True, kw_only=True):
    """`specialize vehicle pack --json`.

    Attributes:
        calib: The profile.
        output: File that was written.
        vehicle: Name of the vehicle.
        profile: Digest of the profile.
        cameras: Number of cameras.
        size: Bytes.
    """

    schema: Literal["specialize/vehicle-pack@1"]
    calib: str
    output: str
    vehicle: str
    profile: str
    cameras: int
    size: int


class VehicleTool(Output, frozen=True, kw_only=True):
    """`specialize vehicle tool --json`.

    Attributes:
        output: File that was compiled.
        source: What it was compiled from.
        compiler: With what.
        flags: With which flags.
    """

    schema: Literal["specialize/vehicle-tool@1"]
    output: str
    source: str
    compiler: str
    flags: tuple[str, ...]


class VehicleInclude(Output, frozen=True, kw_only=True):
    """`specialize vehicle include-dir --json`.

    Attributes:
        include_dir: Folder for a compiler's `-I`.
        sources: Files that can be compiled with it.
    """

    schema: Literal["specialize/vehicle-include@1"]
    include_dir: str
    sources: tuple[str, ...]
