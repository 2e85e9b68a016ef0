"""JSON of commands about calibration profiles: of each file its findings, of each camera where it is and looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from specialize.calibration.camera import Camera
from specialize.calibration.lint.findings import Finding
from specialize.calibration.pose import Matrix, centre_m, inverse, product
from specialize.calibration.profile import CalibrationProfile
from specialize.text.record import Record


class Placed(Record, frozen=True, kw_only=True):
    """Where a camera is and looks in the vehicle: x forward, y left, z up.

    Attributes:
        heading_deg: To the left.
        pitch_deg: Upwards.
        centre_m: Where it is.
    """

    heading_deg: float
    pitch_deg: float
    centre_m: tuple[float, float, float]


class ShownCamera(Placed, frozen=True, kw_only=True):
    """One camera of a profile, in the lidar's frame.

    Attributes:
        name: Its name.
        size_px: Width and height.
        focal_px: Horizontal and vertical.
        heading_deg: From the lidar's x axis to its y axis.
        fov_deg: Horizontal field of view.
        in_vehicle: The same in the vehicle; null if the profile does not say where its lidar is.
        distortion: Model of its distortion, if it has one.
        lens: Model of its lens, if the profile gives one.
        time_offset_s: Of its images.
        tolerance: What the profile states.
    """

    name: str
    size_px: tuple[int, int]
    focal_px: tuple[float, float]
    fov_deg: float
    in_vehicle: Placed | None
    distortion: str | None
    lens: str | None
    time_offset_s: float
    tolerance: dict[str, float]


class ProfileShow(Record, frozen=True, kw_only=True):
    """`specialize profile show --json`, and `specialize inspect PROFILE --json`.

    Attributes:
        path: The file.
        vehicle: Name of the vehicle.
        digest: Of its physical content.
        cameras: The cameras, in order.
    """

    path: Path
    vehicle: str
    digest: str
    cameras: tuple[ShownCamera, ...]


class CheckedFile(Record, frozen=True, kw_only=True):
    """One profile that was looked over.

    Attributes:
        path: The file.
        ok: Whether it can be used.
        vehicle: Name of the vehicle; empty if it cannot be read.
        digest: Of its physical content; empty likewise.
        cameras: Number of cameras.
        findings: What looks like a blunder.
        error: Why it cannot be read.
    """

    path: Path
    ok: bool
    vehicle: str
    digest: str
    cameras: int
    findings: tuple[Finding, ...]
    error: str


class ProfileCheck(Record, frozen=True, kw_only=True):
    """`specialize profile check --json`.

    Attributes:
        ok: Whether every file can be used.
        files: One entry per file.
    """

    ok: bool
    files: tuple[CheckedFile, ...]


class ProfileImport(CheckedFile, frozen=True, kw_only=True):
    """`specialize profile import --json`.

    Attributes:
        path: The profile that was written.
        format: Format that it was converted from.
        source: Where it came from.
    """

    format: str
    source: Path


class ProfileInit(CheckedFile, frozen=True, kw_only=True):
    """`specialize profile init --json`.

    Attributes:
        path: The profile that was written.
        error: Empty: what cannot be used is not written.
    """


class ProfileUndistort(ProfileInit, frozen=True, kw_only=True):
    """`specialize profile undistort --json`.

    Attributes:
        path: The profile that was written.
        error: Empty: what cannot be used is not written.
    """


class Format(Record, frozen=True, kw_only=True):
    """A format.

    Attributes:
        description: What its importer says about frames and traps.
        options: Its options with their defaults.
        explained: What its options mean; a required one says so.
    """

    description: str
    options: dict[str, str | int | bool]
    explained: dict[str, str]


class ProfileFormats(Record, frozen=True, kw_only=True):
    """`specialize profile formats --json`.

    Attributes:
        formats: Name -> what is known about it.
    """

    formats: dict[str, Format]


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one file: its profile and what is suspicious about it, or why it could not be read."""

    path: Path
    profile: CalibrationProfile | None = None
    findings: tuple[Finding, ...] = ()
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether a model can work with it."""
        return self.profile is not None and all(found.severity != "error" for found in self.findings)


@dataclass(frozen=True, slots=True)
class Imported:
    """A profile made from another format: where it came from, and how it looks."""

    format: str
    source: Path
    result: Checked


def checked(files: Sequence[Checked]) -> ProfileCheck:
    """Return what `specialize profile check --json` prints."""
    return ProfileCheck(ok=all(file.ok for file in files), files=tuple(map(checked_file, files)))


def checked_file(file: Checked) -> CheckedFile:
    """Return what became of one file."""
    known = file.profile
    return CheckedFile(
        path=file.path,
        ok=file.ok,
        vehicle=known.vehicle if known else "",
        digest=known.digest if known else "",
        cameras=len(known.cameras) if known else 0,
        findings=file.findings,
        error=file.error,
    )


def written(made: Checked) -> ProfileInit:
    """Return what `specialize profile init --json` prints."""
    return ProfileInit(**structs.asdict(checked_file(made)))


def flattened(made: Checked) -> ProfileUndistort:
    """Return what `specialize profile undistort --json` prints."""
    return ProfileUndistort(**structs.asdict(checked_file(made)))


def imported(found: Imported) -> ProfileImport:
    """Return what `specialize profile import --json` prints."""
    return ProfileImport(
        format=found.format, source=found.source, **structs.asdict(checked_file(found.result))
    )


def shown(profile: CalibrationProfile, path: Path) -> ProfileShow:
    """Return what `specialize profile show --json` prints."""
    cameras = tuple(shown_camera(camera, profile.ego_from_lidar) for camera in profile.cameras)
    return ProfileShow(path=path, vehicle=profile.vehicle, digest=profile.digest, cameras=cameras)


def shown_camera(camera: Camera, ego_from_lidar: Matrix | None) -> ShownCamera:
    """Return where a camera is and what it sees; `ego_from_lidar` (4, 4) is where the lidar is, if that is known."""
    pinhole = camera.as_pinhole()
    pose = pinhole.camera_from_lidar
    return ShownCamera(
        name=camera.name,
        size_px=(camera.width_px, camera.height_px),
        focal_px=(round(float(pinhole.intrinsic[0, 0]), 3), round(float(pinhole.intrinsic[1, 1]), 3)),
        fov_deg=round(math.degrees(camera.width_rad()), 3),
        in_vehicle=None if ego_from_lidar is None else _placed(product(pose, inverse(ego_from_lidar))),
        distortion=camera.distortion.model if camera.distortion else None,
        lens=camera.lens.MODEL if camera.lens else None,
        time_offset_s=camera.time_offset_s,
        tolerance=camera.tolerance.to_json(),
        **structs.asdict(_placed(pose)),
    )


def _placed(camera_from: Matrix) -> Placed:
    """Return where a camera is and looks, in the frame that its (4, 4) pose is from."""
    x, y, z = (float(value) for value in camera_from[2, :3])  # the viewing direction
    across, along, up = (round(float(value), 4) + 0.0 for value in centre_m(camera_from))
    return Placed(
        heading_deg=round(math.degrees(math.atan2(y, x)), 3) + 0.0,
        pitch_deg=round(math.degrees(math.asin(min(1.0, max(-1.0, z)))), 3) + 0.0,
        centre_m=(across, along, up),
    )
