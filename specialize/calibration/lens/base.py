"""Define what all lenses share: parameters by name, a formula, and the angle beyond which nothing is visible."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from specialize.calibration.lens.windshield import Windshield
from specialize.errors import InputError, closest

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TINY = float(np.finfo(np.float64).tiny)
LARGEST = 1e9
"""Beyond this a parameter is a mistake: a focal length has thousands of pixels."""

RIM = 1e-7
"""How far inside the limit, as a share of it, the rim is drawn."""


class Lens(ABC):
    """One lens: immutable, compared by `content`.

    Args:
        parameters: By name, as the model's class lists them; what is left out is the model's default.
        max_angle_rad: Angle from the axis at and beyond which nothing is visible; the model has a limit of its own,
            and the lesser of both counts.
        pixel_centre: Where the parameters count the centre of a pixel: at 0 or 0.5 of it.
        windshield: What bends rays before the lens.

    Raises:
        InputError: A parameter is missing, unknown, not finite, or describes no lens.
    """

    MODEL: ClassVar[str]
    REQUIRED: ClassVar[tuple[str, ...]]
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType({})
    IN_PIXELS: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """Parameters whose unit has this power of a pixel; they follow when an image is scaled."""
    IS_ROUND: ClassVar[bool] = True
    """Whether the limit is an angle from the axis, and not around another one."""
    GOES_ON: ClassVar[bool] = True
    """Whether the formula has no poles but where its depth is 0, also beyond the limit."""

    def __init__(
        self,
        parameters: Mapping[str, float],
        *,
        max_angle_rad: float | None = None,
        pixel_centre: float = 0.0,
        windshield: Windshield | None = None,
    ) -> None:
        """Check the parameters."""
        given = {name: float(value) for name, value in parameters.items()}
        known = (*self.REQUIRED, *self.OPTIONAL)
        for name, value in given.items():
            if name not in known:
                raise self.error(f"parameters of {self.MODEL}", repr(name), closest(name, known))
            if not math.isfinite(value) or abs(value) > LARGEST:
                raise self.error(f"a finite number below {LARGEST:g}", repr(value), at=name)
        missing = [name for name in self.REQUIRED if name not in given]
        if missing:
            raise self.error(f"parameters {', '.join(self.REQUIRED)}", f"no {', '.join(missing)}")
        if max_angle_rad is not None and not 0 < max_angle_rad <= math.pi:
            raise InputError("lens.max_angle_rad", "an angle above 0, at most pi", repr(max_angle_rad))
        if pixel_centre not in (0.0, 0.5):
            raise InputError("lens.pixel_centre", "0 or 0.5", repr(pixel_centre))
        self.parameters = MappingProxyType(dict(self.OPTIONAL) | given)
        self.max_angle_rad, self.pixel_centre, self.windshield = (
            max_angle_rad,
            float(pixel_centre),
            windshield,
        )
        self.check()
        if not self.limit_rad > 0:
            raise self.error("a lens that sees ahead", "one whose image folds back at its centre")

    def __eq__(self, other: object) -> bool:
        """Whether another lens has the same model and numbers."""
        return isinstance(other, Lens) and self.content() == other.content()

    def __hash__(self) -> int:
        """Return the hash of model and parameters."""
        return hash((self.MODEL, *self.parameters.values()))

    @classmethod
    def error(cls, expected: str, found: str, hint: str = "", at: str = "") -> InputError:
        """Return the error of a parameter, or of all."""
        return InputError(f"lens.parameters{at and '.' + at}", expected, found, hint)

    def check(self) -> None:
        """Check what only this model knows of its parameters.

        Raises:
            InputError: They describe no lens.
        """
        for name in ("fx", "fy"):
            if name in self.parameters and self.parameters[name] <= 0:
                raise self.error("a focal length above 0 px", f"{self.parameters[name]:g}", at=name)

    @abstractmethod
    def formula(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return columns and rows by the model's formula alone; beyond the limit they mean nothing."""

    @abstractmethod
    def rays(self, u: Floats, v: Floats) -> Floats:
        """Return unit rays (..., 3) of pixels, NaN for pixels without a ray."""

    @abstractmethod
    def own_limit_rad(self) -> float:
        """Return the angle at which the formula ends or folds back, at most pi."""

    def depth(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return what the formula divides by, in metres: models take a point for visible where it is positive."""
        return np.sqrt(x * x + y * y + z * z)

    def angle_rad(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the angle that the limit is about: from the axis, 0 to pi."""
        return np.arctan2(np.sqrt(x * x + y * y), z)

    @cached_property
    def model_limit_rad(self) -> float:
        """The angle at which the formula ends or folds back, computed once."""
        return self.own_limit_rad()

    @property
    def limit_rad(self) -> float:
        """The angle at and beyond which nothing is visible."""
        own = self.model_limit_rad
        return own if self.max_angle_rad is None else min(own, self.max_angle_rad)

    def project(self, points: npt.ArrayLike) -> tuple[Floats, Bools]:
        """Return where points land in the raw image.

        Args:
            points: (..., 3) in the camera's frame, m.

        Returns:
            Pixels (..., 2), NaN where nothing is seen; and (...) whether there is a pixel, inside the image or not.
        """
        x, y, z = self.entering(*np.moveaxis(np.asarray(points, np.float64), -1, 0))
        with np.errstate(all="ignore"):
            u, v = self.formula(x, y, z)
            valid = self.angle_rad(x, y, z) < self.limit_rad
            valid &= (self.depth(x, y, z) > 0) & np.isfinite(u) & np.isfinite(v)
        pixels = np.stack([u, v], axis=-1) - self.pixel_centre
        return np.where(valid[..., None], pixels, np.nan), valid

    def unproject(self, pixels: npt.ArrayLike) -> tuple[Floats, Bools]:
        """Return where pixels look.

        Solved by a safeguarded Newton iteration where no formula does: the ray's own pixel is within 1e-9 px.

        Args:
            pixels: (..., 2).

        Returns:
            Unit rays (..., 3) in the camera's frame, NaN where there is none; and (...) whether there is one.
        """
        u, v = np.moveaxis(np.asarray(pixels, np.float64) + self.pixel_centre, -1, 0)
        with np.errstate(all="ignore"):
            rays = self.outside(self.rays(u, v))
            again, valid = self.project(rays)
            wanted = np.asarray(pixels, np.float64)
            valid &= (np.abs(again - wanted) <= 1e-9 * np.maximum(1.0, np.abs(wanted))).all(axis=-1)
        return np.where(valid[..., None], rays, np.nan), valid

    def entering(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Return points, or rays, as they enter the lens behind the windshield."""
        return (x, y, z) if self.windshield is None else self.windshield.after(x, y, z)

    def prepared(self, scale: float, crop_px: tuple[float, float] = (0.0, 0.0)) -> Lens:
        """Return the lens of an image that was scaled, and cropped at the left and top afterwards."""
        moved = {
            name: value * scale ** self.IN_PIXELS.get(name, 0) for name, value in self.parameters.items()
        }
        shift = self.pixel_centre * (
            1 - scale
        )  # raw coordinates count centres at 0, whatever the parameters do
        moved["cx"], moved["cy"] = moved["cx"] + shift - crop_px[0], moved["cy"] + shift - crop_px[1]
        return self.like(moved)

    def centred(self, at: float) -> Lens:
        """Return the same lens with parameters that count the centre of a pixel at 0 or 0.5, as a model's graph does.

        What `project` returns counts like the parameters then.
        """
        moved = dict(self.parameters)
        for name in ("cx", "cy"):
            moved[name] += at - self.pixel_centre
        return type(self)(moved, max_angle_rad=self.max_angle_rad, windshield=self.windshield)

    def refocused(self, focal_ratio: tuple[float, float], centre_px: tuple[float, float]) -> Lens:
        """Return a lens whose image is (1 + ratio) times as large around its centre, which has moved.

        Lenses without a focal length per axis follow the first ratio on both.
        """
        grown = {
            name: value * (1 + focal_ratio[0]) ** self.IN_PIXELS.get(name, 0)
            for name, value in self.parameters.items()
        }
        if "fy" in grown:
            grown["fy"] = self.parameters["fy"] * (1 + focal_ratio[1])
        for name, shift in zip(("cx", "cy"), centre_px, strict=True):
            grown[name] = self.parameters[name] + shift
        return self.like(grown)

    def like(self, parameters: Mapping[str, float]) -> Lens:
        """Return a lens of this model with other parameters."""
        return self.like_model(type(self), parameters)

    def like_model(self, model: type[Lens], parameters: Mapping[str, float]) -> Lens:
        """Return a lens of another model, with the same given limit, pixel centre and windshield."""
        return model(
            parameters,
            max_angle_rad=self.max_angle_rad,
            pixel_centre=self.pixel_centre,
            windshield=self.windshield,
        )

    def matrix(self) -> Floats:
        """Return the (3, 3) intrinsic of the parameters: focal lengths, skew and centre, px."""
        p = self.parameters
        return np.array([[p["fx"], p["skew"], p["cx"]], [0.0, p["fy"], p["cy"]], [0.0, 0.0, 1.0]])

    def outside(self, rays: Floats) -> Floats:
        """Return the rays (..., 3) before the windshield that enter the lens as these."""
        return rays if self.windshield is None else self.windshield.before(rays)

    def rim(self, count: int) -> Floats:
        """Return unit rays (count, 3) before the windshield that enter just inside the limit, in order around it."""
        around = np.linspace(0.0, 2 * math.pi, count)
        angle = np.full(count, self.limit_rad * (1 - RIM))
        sine = np.sin(angle)
        return self.outside(np.stack([sine * np.cos(around), sine * np.sin(around), np.cos(angle)], axis=-1))

    def central(self) -> Floats:
        """Return the (3, 3) intrinsic of the pinhole that agrees with the lens around its axis, raw px.

        Columns that slant are left out: an intrinsic has rows that slant, and nothing else.
        """
        found = self.matrix()
        found[1, 0] = 0.0
        found[:2, :2] /= float(self.depth(np.zeros(1), np.zeros(1), np.ones(1))[0])
        found[:2, 2] -= self.pixel_centre
        return found

    def width_rad(self, width_px: int) -> float:
        """Return the angle between what the first and the last column of an image show, at the height of the axis."""
        row = self.parameters["cy"] - self.pixel_centre
        rays, valid = self.unproject(np.array([[0.0, row], [float(width_px), row]]))
        sides = np.where(valid, np.arctan2(np.abs(rays[:, 0]), rays[:, 2]), self.limit_rad)
        return float(sides.sum())

    def content(self) -> dict[str, object]:
        """Return everything physical, for digests and files."""
        found: dict[str, object] = {"model": self.MODEL, "parameters": dict(self.parameters)}
        if self.max_angle_rad is not None:
            found["max_angle_rad"] = self.max_angle_rad
        if self.pixel_centre:
            found["pixel_centre"] = self.pixel_centre
        return found | ({} if self.windshield is None else {"windshield": self.windshield.content()})
