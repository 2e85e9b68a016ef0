"""Project through lenses: visible points, borderline ones, and what a moved camera may see.

**Rounding.** A graph computes coordinates, then the lens's formula, in its own precision. Coordinates are off by at
most the share of `spans` of what is added up for them. The formula is evaluated a second time with bounds on its
rounding (`lens.rounding`) wherever a point is near a border of the image, of the angle, or of the depth; a point is in
doubt if a border lies within the bound. Errors grow from the centre of an image to its border, so that points far from
all borders need no bound of their own; if any bound near a border is not small against what counts as near, points up
to twice as far get one, and if these are not small either, every point. Most points are settled from the corners of
blocks (`corners`): what is interpolated there is farther from borders than it may be wrong, and than twice the near.

**A camera that moves.** Within bounds its intrinsics give the pixel c + d + (1 + e)(p - c) in the place of p, for the
centre c, |e| at most the focal ratio and |d| at most the shift of the principal point: what is seen has p in a larger
rectangle R. Let W be the set of directions that the nominal lens maps into R. A camera turned by at most rho and
displaced by at most tau sees a point at x only if a direction of W is within alpha = rho + asin(tau / |x|) of x (the
argument of `pyramid`), that is if x is in W, or within alpha of its border. The border consists of what R's border
shows and of the lens's rim inside R; it is sampled, and the largest gap between samples is added to alpha. Where a
model goes by the formula alone, W is what that maps into R from anywhere, and cells of directions hold its border.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from specialize.calibration.lens import Lens, Rounded
from specialize.calibration.lens.stacked import alike, stacked
from specialize.visibility.blocks import Axes, settle_blocks
from specialize.visibility.corners import NEAR_PX, Corners
from specialize.visibility.grid import Bools, Floats, Ints, QueryGrid, VisibilityRule
from specialize.visibility.margins import holds, in_doubt, least, margins_of
from specialize.visibility.outline import border_by_formula, border_of
from specialize.visibility.projection import Room, checked_sizes
from specialize.visibility.pyramid import Deviation
from specialize.visibility.spans import ROUNDINGS, largest_coordinates, rounding_ratio

SURE = 1 / 2
"""Share of that which a bound may be, for points farther away to need none."""
SETTLED = 2.0
"""How far points of settled blocks are from borders at least, in units of what counts as near."""


@dataclass(frozen=True, slots=True, eq=False)
class Curved:
    """Cameras with lenses.

    Attributes:
        lenses: Of the network's images, one per camera.
        camera_from_lidar: (N, 4, 4) float64, m.
        size_px: (N, 2) int64, width and height of the network's images, padding included.
    """

    lenses: tuple[Lens, ...]
    camera_from_lidar: Floats
    size_px: Ints

    @classmethod
    def of(cls, lenses: tuple[Lens, ...], camera_from_lidar: npt.ArrayLike, size_px: npt.ArrayLike) -> Curved:
        """Return read-only copies."""
        poses = np.array(camera_from_lidar, np.float64)
        poses.flags.writeable = False
        return cls(lenses, poses, checked_sizes(size_px, len(lenses)))

    def lattice(self, grid: QueryGrid, rule: VisibilityRule) -> tuple[Bools, Ints]:
        """Return the points surely visible, and those in doubt."""
        axes = grid.axes()
        errors = [self._coordinate_errors(camera, grid, rule) for camera in range(len(self.lenses))]
        wide = [self._look(camera, axes, each, rule) for camera, each in enumerate(errors)]
        near, positions = [look.nearest() for look in wide], []
        for camera, (undecided, share) in enumerate(self._doubts(near, rule)):
            look = near[camera]
            if share > SURE:
                look = wide[camera]
                ((undecided, share),) = self._doubts([look], rule)
            at = tuple(each[undecided] for each in look.near_at)
            if share > SURE * SETTLED:
                every = np.stack(np.broadcast_arrays(*self._points(camera, grid)))
                look = replace(look, near=every.reshape(3, -1))
                at = np.unravel_index(np.flatnonzero(self._doubts([look], rule)[0][0]), every.shape[1:])
            look.inside[at] = False
            positions.append(np.stack([np.full(len(at[0]), camera), *at], axis=-1))
        return np.stack([look.inside for look in wide]), np.concatenate(positions).astype(np.int64)

    def decide(self, position: Ints, grid: QueryGrid, rule: VisibilityRule) -> Bools:
        """Return the verdict of the formula in float64."""
        axes = grid.axes()
        verdict = np.zeros(len(position), bool)
        for camera in np.unique(position[:, 0]):
            here = position[:, 0] == camera
            x, y, z = (axis[position[here, 3 - place]] for place, axis in enumerate(axes))
            points = self._moved(camera, x, y, z)
            verdict[here] = holds(margins_of(self.lenses[camera], self.size_px[camera], points, rule), rule)
        return verdict

    def places(self, grid: QueryGrid, rule: VisibilityRule) -> Floats:
        """Return the scaled pixels by the formula, finite everywhere; beyond the limit they mean nothing."""
        found = []
        for camera, lens in enumerate(self.lenses):
            with np.errstate(all="ignore"):
                u, v = lens.formula(*lens.entering(*self._points(camera, grid)))
            pixels = np.nan_to_num(np.stack([u, v]) - lens.pixel_centre, posinf=0.0, neginf=0.0)
            found.append(pixels / self.size_px[camera][:, None, None, None])
        return np.stack(found)

    def reached(self, camera: int, deviation: Deviation, grid: QueryGrid, rule: VisibilityRule) -> Bools:
        """Return what any camera within the bounds may see; see the module's argument."""
        points = np.stack(np.broadcast_arrays(*self._points(camera, grid)), axis=-1)  # (Z, Y, X, 3)
        distance = np.linalg.norm(points, axis=-1)
        shift = deviation.translation_m + float(np.linalg.norm(self._coordinate_errors(camera, grid, rule)))
        inside, away = self._away(camera, deviation, points, rule, self._rounding_px(camera, grid, rule))
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = deviation.rotation_rad + np.arcsin(np.minimum(shift / distance, 1.0))
        return np.asarray(inside | (away <= alpha) | (distance <= shift) | (alpha >= math.pi))

    def room(self, camera: int, points: Floats, grid: QueryGrid, rule: VisibilityRule) -> Room:
        """Return the least movement that brings a point into view; rounding is taken off."""
        pose = self.camera_from_lidar[camera]
        seen_from = points @ pose[:3, :3].T + pose[:3, 3]
        inside, away = self._away(camera, Deviation(), seen_from, rule, self._rounding_px(camera, grid, rule))
        if inside.any():
            return Room(0.0, 0.0)
        distance = np.linalg.norm(seen_from, axis=-1)
        error = float(np.linalg.norm(self._coordinate_errors(camera, grid, rule)))
        with np.errstate(divide="ignore", invalid="ignore"):
            turn = away - np.arcsin(np.minimum(error / distance, 1.0))
        shift = distance * np.sin(np.minimum(away, math.pi / 2)) - error
        return Room(max(0.0, float(turn.min())), max(0.0, float(shift.min())))

    def tables(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return `lidar2cam`, the names of the models, and their parameters under `lens_parameters/<name>`."""
        names = sorted({name for lens in self.lenses for name in lens.parameters})
        return {
            "lidar2cam": self.camera_from_lidar,
            "lens_model": np.array([lens.MODEL for lens in self.lenses]),
            "lens_limit_rad": np.array([lens.limit_rad for lens in self.lenses]),
        } | {
            f"lens_parameters/{name}": np.array([lens.parameters.get(name, np.nan) for lens in self.lenses])
            for name in names
        }

    def _points(self, camera: int, grid: QueryGrid) -> tuple[Floats, Floats, Floats]:
        x, y, z = grid.axes()
        return self._moved(camera, x, y[:, None], z[:, None, None])

    def _moved(self, camera: int, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Return points of the lidar frame in a camera's."""
        a, b, c = (
            row[0] * x + (row[1] * y + (row[2] * z + row[3])) for row in self.camera_from_lidar[camera][:3]
        )
        return a, b, c

    def _coordinate_errors(self, camera: int, grid: QueryGrid, rule: VisibilityRule) -> Floats:
        """Return (3,) how far a graph's coordinates in the camera's frame may be from exact ones, m."""
        moved = np.abs(self.camera_from_lidar[camera][:3])
        return np.asarray(moved @ largest_coordinates(grid) * rounding_ratio(rule))

    def _look(self, camera: int, axes: Axes, errors: Floats, rule: VisibilityRule) -> _Look:
        """Return what one camera sees by exact arithmetic, and the points that may be near a border."""
        x, y, z = axes
        lens, size = self.lenses[camera], self.size_px[camera]
        decides = Corners.of(lens, size, rule)
        inside, open_at = settle_blocks(axes, lambda *at: decides.at(*self._moved(camera, *at[:3]), at[3]))
        layer, row, column = open_at
        points = np.stack(self._moved(camera, x[column], y[row], z[layer]))  # (3, P)
        margins = margins_of(lens, size, points, rule)
        inside[open_at] = holds(margins, rule)
        distance = np.sqrt((points * points).sum(axis=0))
        away = np.abs(least(margins)) * np.minimum(1.0, distance)
        few = np.flatnonzero(away < SETTLED)
        at = tuple(each[few] for each in open_at)
        return _Look(lens, size, inside, points[:, few], errors, at, away[few])

    def _doubts(self, looks: Sequence[_Look], rule: VisibilityRule) -> list[tuple[Bools, float]]:
        """Return which points near borders rounding decides, and the largest bound by what counts as near, per look."""
        unit = ROUNDINGS / 12 * float(np.finfo(rule.dtype).eps) / 2
        groups: dict[Hashable, list[_Look]] = {}
        for look in looks:
            groups.setdefault(alike(look.lens), []).append(look)
        found: dict[int, tuple[Bools, float]] = {}
        for group in groups.values():
            counts = [look.near.shape[1] for look in group]
            lens = stacked([look.lens for look in group], counts)
            size, errors = (
                np.repeat(np.stack(each, axis=1), counts, axis=1)
                for each in ([look.size_px for look in group], [look.errors for look in group])
            )
            points = np.concatenate([look.near for look in group], axis=1)
            rounded = [Rounded(axis, error, unit) for axis, error in zip(points, errors, strict=True)]
            undecided, bound = in_doubt(margins_of(lens, size, rounded, rule))
            ends = np.cumsum(counts)[:-1]
            for look, each, most in zip(group, np.split(undecided, ends), np.split(bound, ends), strict=True):
                found[id(look)] = each, float(most.max(initial=0.0))
        return [found[id(look)] for look in looks]

    def _rounding_px(self, camera: int, grid: QueryGrid, rule: VisibilityRule) -> float:
        """Return how far pixels near a border may be off: twice the nominal bound, for cameras that moved."""
        look = self._look(camera, grid.axes(), self._coordinate_errors(camera, grid, rule), rule)
        ((_, share),) = self._doubts([look], rule)
        return NEAR_PX * max(SURE, 2 * share)

    def _away(
        self, camera: int, deviation: Deviation, points: Floats, rule: VisibilityRule, rounding_px: float
    ) -> tuple[Bools, Floats]:
        """Return which points (..., 3) of the camera's frame a widened image holds, and their angle from its border."""
        from scipy.spatial import cKDTree  # slow to import, and needed for tolerances only

        lens = self.lenses[camera]
        low, high = self._rectangle(camera, deviation, rounding_px)
        if rule.domain == "formula":
            with np.errstate(all="ignore"):
                entered = lens.entering(*np.moveaxis(points, -1, 0))
                pixels = np.stack(lens.formula(*entered), axis=-1) - lens.pixel_centre
                valid = lens.depth(*entered) > 0
            border, gap = border_by_formula(lens, low, high)
        else:
            pixels, valid = lens.project(points)
            border, gap = border_of(lens, low, high)
        with np.errstate(invalid="ignore"):
            inside = valid & ((pixels >= low) & (pixels <= high)).all(axis=-1)
        if not len(border):
            return inside, np.full(inside.shape, math.pi)
        with np.errstate(invalid="ignore"):
            unit = points / np.linalg.norm(points, axis=-1, keepdims=True)
        chord, _ = cKDTree(border).query(np.nan_to_num(unit).reshape(-1, 3))
        angle = 2 * np.arcsin(np.minimum(chord / 2, 1.0)).reshape(inside.shape)
        return inside, np.maximum(angle - gap, 0.0)

    def _rectangle(self, camera: int, deviation: Deviation, rounding_px: float) -> tuple[Floats, Floats]:
        """Return the corners of the nominal pixels that a camera within the bounds may show, rounding included."""
        lens, size = self.lenses[camera], self.size_px[camera].astype(np.float64)
        centre = np.array([lens.parameters["cx"], lens.parameters["cy"]]) - lens.pixel_centre
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for ratio in (-deviation.focal_ratio, deviation.focal_ratio):
            for shift in (-deviation.principal_point_px, deviation.principal_point_px):
                low = np.minimum(low, centre + (0.0 - centre - shift) / (1 + ratio))
                high = np.maximum(high, centre + (size - centre - shift) / (1 + ratio))
        return low - rounding_px, high + rounding_px


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What one camera sees by exact arithmetic.

    Attributes:
        lens: Of the camera.
        size_px: (2,) of its image.
        inside: (Z, Y, X) what is seen.
        near: (3, P) points in the camera's frame, m, that may be near a border.
        errors: (3,) how far coordinates may be off, m.
        near_at: (P,) positions of those points on z, y and x.
        away: (P,) how far they are from the nearest border, by what counts as near; less than `SETTLED`.
    """

    lens: Lens
    size_px: Ints
    inside: Bools
    near: Floats
    errors: Floats
    near_at: tuple[Ints, ...]
    away: Floats

    def nearest(self) -> _Look:
        """Return the same with those points alone that count as near."""
        few = np.flatnonzero(self.away < 1.0)
        at = tuple(each[few] for each in self.near_at)
        return replace(self, near=self.near[:, few], near_at=at, away=self.away[few])
