"""JSON of commands about calibration profiles: shown, looked over, imported."""

from __future__ import annotations

from typing import Literal

from specialize.cli.schemas.base import JsonObject, Output


class Placed(Output, frozen=True, kw_only=True):
    """Where a camera is and looks in the vehicle: x forward, y left, z up.

    Attributes:
        heading_deg: To the left.
        pitch_deg: Upwards.
        centre_m: Where it is.
    """

    heading_deg: float
    pitch_deg: float
    centre_m: tuple[float, float, float]


class ShownCamera(Output, frozen=True, kw_only=True):
    """One camera of a profile, in the lidar's frame.

    Attributes:
        name: Its name.
        size_px: Width and height.
        focal_px: Horizontal and vertical.
        heading_deg: From the lidar's x axis to its y axis.
        pitch_deg: Upwards.
        fov_deg: Horizontal field of view.
        centre_m: Where it is.
        in_vehicle: The same in the vehicle; null if the profile does not say where its lidar is.
        distortion: Model of its distortion, if it has one.
        lens: Model of its lens, if the profile gives one.
        time_offset_s: Of its images.
        tolerance: What the profile states.
    """

    name: str
    size_px: tuple[int, int]
    focal_px: tuple[float, float]
    heading_deg: float
    pitch_deg: float
    fov_deg: float
    centre_m: tuple[float, float, float]
    in_vehicle: Placed | None
    distortion: str | None
    lens: str | None
    time_offset_s: float
    tolerance: dict[str, float]


class ProfileShow(Output, frozen=True, kw_only=True):
    """`specialize profile show --json`, and `specialize inspect PROFILE --json`.

    Attributes:
        path: The file.
        vehicle: Name of the vehicle.
        digest: Of its physical content.
        cameras: The cameras, in order.
    """

    schema: Literal["specialize/profile-show@1"]
    path: str
    vehicle: str
    digest: str
    cameras: tuple[ShownCamera, ...]


class Finding(Output, frozen=True, kw_only=True):
    """Something that looks like a blunder.

    Attributes:
        code: Which blunder.
        severity: `error` or `warning`.
        camera: Where; empty for the whole rig.
        message: What was found.
        mend: What to do.
        cause: Code of the finding that explains this one; its own where nothing else does.
    """

    code: str
    severity: str
    camera: str
    message: str
    mend: str
    cause: str


class CheckedFile(Output, frozen=True, kw_only=True):
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

    path: str
    ok: bool
    vehicle: str
    digest: str
    cameras: int
    findings: tuple[Finding, ...]
    error: str


class ProfileCheck(Output, frozen=True, kw_only=True):
    """`specialize profile check --json`.

    Attributes:
        ok: Whether every file can be used.
        files: One entry per file.
    """

    schema: Literal["specialize/profile-check@1"]
    ok: bool
    files: tuple[CheckedFile, ...]


class ProfileImport(CheckedFile, frozen=True, kw_only=True):
    """`specialize profile import --json`.

    Attributes:
        path: The profile that was written.
        ok: Whether it can be used.
        vehicle: Name of the vehicle; empty if it could not be read.
        digest: Of its physical content; empty likewise.
        cameras: Number of cameras.
        findings: What looks like a blunder.
        error: Why it could not be read.
        format: Format that it was converted from.
        source: Where it came from.
    """

    schema: Literal["specialize/profile-import@1"]
    format: str
    source: str


class ProfileInit(CheckedFile, frozen=True, kw_only=True):
    """`specialize profile init --json`.

    Attributes:
        path: The profile that was written.
        ok: Whether it can be used.
        vehicle: Name of the vehicle.
        digest: Of its physical content.
        cameras: Number of cameras.
        findings: What looks like a blunder.
        error: Empty: what cannot be used is not written.
    """

    schema: Literal["specialize/profile-init@1"]


class ProfileFormats(Output, frozen=True, kw_only=True):
    """`specialize profile formats --json`.

    Attributes:
        formats: Name -> `description`, and `options` with their defaults.
    """

    schema: Literal["specialize/profile-formats@1"]
    formats: dict[str, JsonObject]
