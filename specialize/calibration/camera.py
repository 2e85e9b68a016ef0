"""Define one camera of a vehicle: image size, lens, and the projection of lidar points into its image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from specialize.calibration import checks
from specialize.calibration.lens import Lens
from specialize.calibration.pose import Matrix, Pinhole, decompose, intrinsic_4x4, product
from specialize.calibration.tolerance import EXACT, Tolerance
from specialize.errors import InputError, closest

# Number of coefficients of each lens model, in the order of its name or of OpenCV.
DISTORTION_MODELS = {
    "radial": 3,  # k1, k2, k3
    "radtan": 4,  # k1, k2, p1, p2
    "plumb_bob": 5,  # k1, k2, p1, p2, k3
    "rational_polynomial": 8,  # k1, k2, p1, p2, k3, k4, k5, k6
    "thin_prism": 12,  # rational_polynomial, then s1, s2, s3, s4
    "equidistant": 4,  # k1, k2, k3, k4 of a fisheye (Kannala-Brandt)
    "fov": 1,  # w
}


MOST_PX = 1 << 16
"""Width or height beyond that of any sensor: a slip of the pen, or a file made to hurt."""


@dataclass(frozen=True, slots=True)
class Distortion:
    """Lens model by name with its coefficients; `DISTORTION_MODELS` gives their number.

    Models see undistorted images; the coefficients say which raw images this calibration undistorts.
    """

    model: str
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the model's name and the number of coefficients.

        Raises:
            InputError: The model is unknown, or a coefficient is missing or not finite.
        """
        if self.model not in DISTORTION_MODELS:
            raise InputError(
                "distortion.model",
                "a known lens model",
                repr(self.model),
                closest(self.model, DISTORTION_MODELS),
            )
        count = DISTORTION_MODELS[self.model]
        if len(self.coefficients) != count:
            raise InputError(
                "distortion.coefficients", f"{count} numbers for {self.model}", str(len(self.coefficients))
            )
        if not all(math.isfinite(value) for value in self.coefficients):
            raise InputError("distortion.coefficients", "finite numbers", str(list(self.coefficients)))


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One camera: name, raw image size, and its matrices, checked once and read-only.

    Use `pinhole` or `projective` to make one.

    Attributes:
        name: Unique on the vehicle.
        width_px: Width of the raw image.
        height_px: Height of the raw image.
        image_from_lidar: (4, 4) float64, lidar points in m to raw pixels times depth (`lidar2img`).
        intrinsic: (3, 3) float64 in px; None where only `lidar2img` is known.
        camera_from_lidar: (4, 4) float64, m; camera axes x right, y down, z forward; None likewise.
        distortion: Lens model of the raw image, or None.
        lens: The whole lens of the raw image, or None; then there is no `distortion`.
        lens_size_px: Width and height of the image of the lens; of the raw image without it.
        is_raw: Whether the model is given the lens's own images, and not undistorted ones; then the intrinsic is that
            of the pinhole that agrees with the lens around its axis.
        time_offset_s: Exposure after the lidar's reference time; negative is before it.
        tolerance: How far the camera may be from this calibration.
    """

    name: str
    width_px: int
    height_px: int
    image_from_lidar: Matrix
    intrinsic: Matrix | None = None
    camera_from_lidar: Matrix | None = None
    distortion: Distortion | None = None
    lens: Lens | None = None
    lens_size_px: tuple[int, int] | None = None
    is_raw: bool = False
    time_offset_s: float = 0.0
    tolerance: Tolerance = EXACT

    def __post_init__(self) -> None:
        """Check everything and keep read-only copies.

        Raises:
            InputError: A value cannot belong to a real camera.
        """
        where = f"camera {self.name!r}"
        if not self.name or self.name != self.name.strip():
            raise InputError(where, "a name without leading or trailing blanks", repr(self.name))
        checks.printable(self.name, where)
        for key in ("width_px", "height_px"):
            if not 1 <= getattr(self, key) <= MOST_PX:
                found = str(getattr(self, key))
                raise InputError(f"{where}: {key}", f"a number from 1 to {MOST_PX:,} px", found)
        if self.lens is not None and self.distortion is not None:
            raise InputError(where, "a lens or a distortion", "both", "a lens has its own distortion")
        if (self.intrinsic is None) != (self.camera_from_lidar is None):
            raise InputError(where, "both intrinsic and camera_from_lidar, or neither", "one of them")
        if not math.isfinite(self.time_offset_s):
            raise InputError(f"{where}: time_offset_s", "a finite number", repr(self.time_offset_s))
        keep = object.__setattr__
        keep(self, "image_from_lidar", checks.projection(self.image_from_lidar, f"{where}: image_from_lidar"))
        if self.intrinsic is not None and self.camera_from_lidar is not None:
            keep(self, "intrinsic", checks.pinhole_intrinsic(self.intrinsic, f"{where}: intrinsic"))
            pose = checks.rigid_pose(self.camera_from_lidar, f"{where}: camera_from_lidar")
            keep(self, "camera_from_lidar", pose)

    @classmethod
    def pinhole(
        cls,
        name: str,
        size_px: tuple[int, int],
        intrinsic: ArrayLike,
        camera_from_lidar: ArrayLike,
        *,
        distortion: Distortion | None = None,
        lens: Lens | None = None,
        lens_size_px: tuple[int, int] | None = None,
        is_raw: bool = False,
        time_offset_s: float = 0.0,
        tolerance: Tolerance = EXACT,
    ) -> Camera:
        """Make a camera from an intrinsic (3, 3) in px and a pose (4, 4) in m."""
        return cls(
            name,
            *size_px,
            product(
                intrinsic_4x4(np.asarray(intrinsic, np.float64)), np.asarray(camera_from_lidar, np.float64)
            ),
            intrinsic=np.asarray(intrinsic, np.float64),
            camera_from_lidar=np.asarray(camera_from_lidar, np.float64),
            distortion=distortion,
            lens=lens,
            lens_size_px=lens_size_px,
            is_raw=is_raw,
            time_offset_s=time_offset_s,
            tolerance=tolerance,
        )

    @classmethod
    def through(
        cls,
        name: str,
        size_px: tuple[int, int],
        lens: Lens,
        camera_from_lidar: ArrayLike,
        *,
        time_offset_s: float = 0.0,
        tolerance: Tolerance = EXACT,
    ) -> Camera:
        """Make a camera from a lens, if the model is given its raw images, and a pose (4, 4) in m."""
        return cls.pinhole(
            name, size_px, lens.central(), camera_from_lidar,
            lens=lens, is_raw=True, time_offset_s=time_offset_s, tolerance=tolerance,
        )  # fmt: skip

    @classmethod
    def projective(
        cls,
        name: str,
        size_px: tuple[int, int],
        image_from_lidar: ArrayLike,
        *,
        distortion: Distortion | None = None,
        time_offset_s: float = 0.0,
        tolerance: Tolerance = EXACT,
    ) -> Camera:
        """Make a camera from a bare `lidar2img` (4, 4)."""
        return cls(
            name,
            *size_px,
            np.asarray(image_from_lidar, np.float64),
            distortion=distortion,
            time_offset_s=time_offset_s,
            tolerance=tolerance,
        )

    def as_pinhole(self) -> Pinhole:
        """Return intrinsic and pose, derived from `lidar2img` if they were not given."""
        if self.intrinsic is None or self.camera_from_lidar is None:
            return decompose(self.image_from_lidar)
        return Pinhole(self.intrinsic, self.camera_from_lidar)

    def width_rad(self) -> float:
        """Return the angle between the rays of the first and the last image column, at the height of the axis."""
        if self.is_raw and self.lens is not None:
            return self.lens.width_rad(self.width_px)
        intrinsic = self.as_pinhole().intrinsic
        focal, centre = float(intrinsic[0, 0]), float(intrinsic[0, 2])
        return math.atan2(centre, focal) + math.atan2(self.width_px - centre, focal)

    def project(self, points_m: ArrayLike, nearest_m: float = 0.0) -> tuple[Matrix, NDArray[np.bool_]]:
        """Project points of the lidar frame into the images that the model is given.

        Args:
            points_m: (..., 3) in m.
            nearest_m: Minimum depth along the axis, exclusive; a raw lens also sees points beside and behind it.

        Returns:
            Pixels (..., 2), NaN for invisible points; and (...) whether there is a pixel, inside the image or not.
        """
        points = np.asarray(points_m, np.float64)
        if self.is_raw and self.lens is not None and self.camera_from_lidar is not None:
            return self.lens.project(
                points @ self.camera_from_lidar[:3, :3].T + self.camera_from_lidar[:3, 3]
            )
        projected = points @ self.image_from_lidar[:3, :3].T + self.image_from_lidar[:3, 3]
        valid = projected[..., 2] > nearest_m
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = projected[..., :2] / projected[..., 2:]
        return np.where(valid[..., None], pixels, np.nan), valid

    def content(self) -> dict[str, object]:
        """Return the content for a digest: the matrices as given, and everything else that is physical."""
        matrices: dict[str, object] = {"image_from_lidar": self.image_from_lidar}
        if self.intrinsic is not None:
            matrices = {"intrinsic": self.intrinsic, "camera_from_lidar": self.camera_from_lidar}
        if self.is_raw:
            matrices = {"camera_from_lidar": self.camera_from_lidar}
        if self.lens is not None:
            matrices |= {
                "lens": self.lens.content() | ({"size_px": size} if (size := self.lens_size_px) else {})
            }
        lens = self.distortion and {
            "model": self.distortion.model,
            "coefficients": self.distortion.coefficients,
        }
        return {
            "name": self.name,
            "size_px": (self.width_px, self.height_px),
            **matrices,
            "distortion": lens,
            "time_offset_s": self.time_offset_s,
            "tolerance": self.tolerance.to_json(),
        }
