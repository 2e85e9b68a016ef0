"""Find visible pairs without content: pixels of undistorted images that are outside the raw image."""

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
    cameras = enumerate(profile.cameras)
    undistorted = [
        index for index, camera in cameras if not camera.is_raw and raw_lens_of(camera) is not None
    ]
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
