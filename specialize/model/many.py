"""What a model is fed of many vehicles at once: the arrays of one vehicle with an axis more, to the same bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.calibration.many import Alike
from specialize.calibration.off_many import is_bare
from specialize.model.kinds import KINDS, matrices_of
from specialize.model.spec import ModelSpec

Floats = npt.NDArray[np.float64]

_OF_FIRST = frozenset({"first2img", "img2first", "first2cam", "cam2first"})
_OF_LENS = frozenset({"lens_matrix", "network_lens_matrix"})
_OF_EGO = frozenset(name for name in KINDS if "ego" in name)
_OF_POSE = frozenset({"lidar2cam", "cam2lidar", "intrinsic", "inverse_intrinsic", "ego2cam", "cam2ego"}) | {
    "network_intrinsic", "inverse_network_intrinsic",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RigOfMany:
    """V vehicles as a model sees them; takes the place of a `Rig` for the kinds that `feeds_many` allows.

    Attributes:
        profile: The vehicles.
        network_from_raw: (N, 4, 4) image preparation per camera.
        network_from_lidar: (V, N, 4, 4) lidar points (m) to network pixels times depth.
    """

    profile: Alike
    network_from_raw: Floats
    network_from_lidar: Floats

    def intrinsic(self) -> Floats:
        """Return (V, N, 4, 4), camera points (m) to raw pixels times depth."""
        found = self.same(np.eye(4))
        found[..., :3, :3] = self.profile.intrinsic
        return found

    def camera_from_lidar(self) -> Floats:
        """Return (V, N, 4, 4), lidar points to camera points, m."""
        return self.profile.camera_from_lidar

    def ego_from_lidar(self) -> Floats:
        """Return (V, N, 4, 4), lidar points to vehicle points, m; the same for every camera."""
        pose = self.profile.ego_from_lidar
        assert pose is not None, "feeds_many is false without one"
        return self.same(pose[:, None])

    def image_aug(self) -> Floats:
        """Return (N, 4, 4), raw to network pixels: scale on the diagonal, minus crop in the last column."""
        matrix = self.network_from_raw.copy()
        matrix[:, :2, 3], matrix[:, :2, 2] = matrix[:, :2, 2], 0.0
        return matrix

    def same(self, matrix: npt.ArrayLike) -> Floats:
        """Return one (4, 4) matrix, or one per vehicle (V, 1, 4, 4), as that of every camera."""
        return np.broadcast_to(np.asarray(matrix, np.float64), self.network_from_lidar.shape).copy()


def feeds_many(spec: ModelSpec, vehicles: Alike) -> bool:
    """Whether `rig_of_many` and `arrays_of_many` can take the place of what a spec does vehicle by vehicle."""
    kinds = {spec.kind_of(name).kind for name in spec.calibration_inputs}
    bare = is_bare(vehicles)
    return not (
        spec.lens is not None
        or (spec.images and len(spec.images) != vehicles.cameras)
        or kinds - KINDS.keys()
        or kinds & (_OF_FIRST | _OF_LENS)
        or (kinds & _OF_EGO and vehicles.ego_from_lidar is None)
        or (kinds & _OF_POSE and bare)
    )


def rig_of_many(spec: ModelSpec, vehicles: Alike) -> RigOfMany:
    """Return V vehicles as a model sees them."""
    prepared = np.stack([spec.image_of(index).network_from_raw() for index in range(vehicles.cameras)])
    return RigOfMany(vehicles, prepared, prepared @ vehicles.image_from_lidar)


def arrays_of_many(spec: ModelSpec, rig: RigOfMany) -> dict[str, Floats]:
    """Return what every calibration input gets, by ONNX input name, (V, N, 4, 4)."""
    found = {}
    for name in spec.calibration_inputs:
        kind = spec.kind_of(name)
        matrices = matrices_of(kind.kind, kind.stride, rig)  # type: ignore[arg-type]  # it has what these kinds read
        found[name] = np.broadcast_to(matrices, rig.network_from_lidar.shape)
    return found
