"""Find what undistortion does to pairs: pixels without content that it adds, and visible queries that it cuts away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialize.calibration.lint.lens import raw_lens_of, with_content
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.visibility.plan import VisibilityPlan


def pairs_without_content(
    spec: ModelSpec, profile: CalibrationProfile, plans: Sequence[VisibilityPlan]
) -> tuple[int, ...]:
    """Return per camera the visible pairs none of whose visible points has a pixel that the lens shows.

    A model that is given undistorted images samples black there; only another undistortion can change that.
    """
    found = np.zeros(len(profile.cameras), np.int64)
    undistorted = _undistorted(profile)
    for plan in plans if undistorted else ():
        places, seen = plan.reference_points(), plan.points_seen()  # (N, Q, D, 2), (N, Q, D)
        for index in undistorted:
            image = spec.image_of(index)
            network = places[index][seen[index]] * plan.size_px[index]
            raw = (network + np.array(image.crop_px)) / image.scale
            shown = np.zeros(seen[index].shape, bool)
            shown[seen[index]] = with_content(profile.cameras[index], raw)
            found[index] += int((plan.seen[index] & ~shown.any(axis=-1)).sum())
    return tuple(int(pairs) for pairs in found)


def pairs_cut_away(profile: CalibrationProfile, plans: Sequence[VisibilityPlan]) -> tuple[int, ...]:
    """Return per camera the pairs that its raw image shows, and the undistorted and prepared one does not.

    A point counts for a raw image if its pixel is inside; of a lens that is not known whole, nothing counts.
    """
    found = np.zeros(len(profile.cameras), np.int64)
    for plan in plans:
        points = plan.grid.points()  # (Q, D, 3)
        for index in _undistorted(profile):
            camera = profile.cameras[index]
            lens, pose = raw_lens_of(camera), camera.camera_from_lidar
            assert lens is not None and pose is not None
            pixels, valid = lens.project(points @ pose[:3, :3].T + pose[:3, 3])
            size = np.array(camera.lens_size_px or (camera.width_px, camera.height_px))
            with np.errstate(invalid="ignore"):
                shown = valid & ((pixels > -0.5) & (pixels < size - 0.5)).all(axis=-1)
            found[index] += int((shown.any(axis=-1) & ~plan.superset[index]).sum())
    return tuple(int(pairs) for pairs in found)


def _undistorted(profile: CalibrationProfile) -> list[int]:
    """Return the cameras whose undistorted images the model is given, and whose lens is known."""
    cameras = enumerate(profile.cameras)
    return [index for index, camera in cameras if not camera.is_raw and raw_lens_of(camera) is not None]
