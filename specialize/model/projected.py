"""Project the points of a grid into every camera, for models that are given them in the place of matrices.

A point is given as columns and rows times depth, and the depth, in network pixels. By a matrix these are its product
with the point. Through a lens the depth is the distance from the camera, and the product follows from the pixel; a
point that the lens does not see has the depth -1 and lies `FAR` images away from the image, so that nothing is sampled
there, whether the model holds the depth from below or divides by it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specialize.errors import InputError
from specialize.model.kinds import Floats, Rig

FAR = 16.0
"""How many images away from the image a point is that is not seen."""
LETTERS = "nqd"


def check_axes(axes: str, grid: int, wanted: bool) -> None:
    """Reject axes of another kind, or that do not name cameras, queries, anchors and components once each.

    Raises:
        InputError: They do.
    """
    if not wanted:
        if axes or grid:
            raise InputError("axes", "`grid` and `axes` for the kind projected, and for no other", repr(axes))
        return
    if sorted(axes.replace("4", "3")) != sorted(LETTERS + "3") or grid < 0:
        raise InputError(
            "axes", "n, q, d and 3 or 4, in the order of the input, and a grid from 0", repr(axes)
        )


def projected(rig: Rig, points: Floats, sizes_px: npt.NDArray[np.generic], through_lenses: bool) -> Floats:
    """Return (N, Q, D, 4) points as every camera projects them, network pixels times depth, depth, and 1.

    Args:
        rig: The vehicle, as the model sees it.
        points: (Q, D, 3) in the lidar frame, m.
        sizes_px: (N, 2) width and height of the network's images.
        through_lenses: Whether cameras whose raw images the model is given project through their lenses.
    """
    whole = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)  # (Q, D, 4)
    found: Floats = np.einsum("nij,qdj->nqdi", rig.network_from_lidar, whole)
    found[..., 3] = 1.0
    raw = [index for index, camera in enumerate(rig.profile.cameras) if through_lenses and camera.is_raw]
    lenses, poses = (rig.lenses(prepared=True), rig.camera_from_lidar()) if raw else ((), ())
    for index in raw:
        inside = points @ poses[index][:3, :3].T + poses[index][:3, 3]  # (Q, D, 3)
        pixels, valid = lenses[index].project(inside)
        distance = np.linalg.norm(inside, axis=-1)
        found[index, ..., :2] = np.where(
            valid[..., None], pixels * distance[..., None], FAR * np.asarray(sizes_px[index], np.float64)
        )
        found[index, ..., 2] = np.where(valid, distance, -1.0)
    return found


def in_order(points: Floats, axes: str) -> Floats:
    """Return points (N, Q, D, 4) with their axes, and as many components, as an input has them."""
    components = int(next(letter for letter in axes if letter.isdigit()))
    named = LETTERS + str(components)
    return np.ascontiguousarray(points[..., :components].transpose([named.index(letter) for letter in axes]))
