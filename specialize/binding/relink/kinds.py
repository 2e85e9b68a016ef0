"""The calibration's inputs as instructions: from intrinsics and poses to the shape and frame of a model's input.

The same matrices as `model.kinds`, composed in float64 with products that are summed in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from specialize.binding.relink.assemble import FLOAT64, Assembler, Draft, NotPortableError, size_of
from specialize.binding.relink.program import INPUTS
from specialize.binding.relink.run import Calibration
from specialize.binding.relink.strides import contiguous
from specialize.calibration.profile import CalibrationProfile
from specialize.model.kinds import KINDS, matrices_of, trailing
from specialize.model.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Sources:
    """What a program starts from, (N, 4, 4) each.

    Attributes:
        assembler: The program in the making; its first arrays are the other four.
        projection: Lidar points in metres to raw pixels times depth.
        intrinsic: Camera points to raw pixels times depth.
        camera: Lidar points to camera points.
        ego: Lidar points to vehicle points, the same for every camera.
        prepared: Raw to network pixels, constant.
    """

    assembler: Assembler
    projection: Draft
    intrinsic: Draft
    camera: Draft
    ego: Draft
    prepared: Draft

    def product(self, a: Draft, b: Draft) -> Draft:
        """Return a @ b."""
        return self.assembler.matmul(a, b)

    def inverse(self, a: Draft) -> Draft:
        """Return the inverse."""
        return self.assembler.inverse(a)

    def network(self) -> Draft:
        """Return lidar points to network pixels times depth."""
        return self.product(self.prepared, self.projection)


_MADE: Mapping[str, Callable[[Sources], Draft]] = {
    "lidar2img": Sources.network,
    "img2lidar": lambda of: of.inverse(of.network()),
    "ego2img": lambda of: of.product(of.network(), of.inverse(of.ego)),
    "img2ego": lambda of: of.inverse(of.product(of.network(), of.inverse(of.ego))),
    "lidar2raw": lambda of: of.projection,
    "raw2lidar": lambda of: of.inverse(of.projection),
    "lidar2cam": lambda of: of.camera,
    "cam2lidar": lambda of: of.inverse(of.camera),
    "ego2cam": lambda of: of.product(of.camera, of.inverse(of.ego)),
    "cam2ego": lambda of: of.product(of.ego, of.inverse(of.camera)),
    "intrinsic": lambda of: of.intrinsic,
    "inverse_intrinsic": lambda of: of.inverse(of.intrinsic),
    "network_intrinsic": lambda of: of.product(of.prepared, of.intrinsic),
    "inverse_network_intrinsic": lambda of: of.inverse(of.product(of.prepared, of.intrinsic)),
    "lidar2ego": lambda of: of.ego,
    "ego2lidar": lambda of: of.inverse(of.ego),
}
_FIXED = ("image_aug", "inverse_image_aug", "raw2network", "network2raw", "identity")
"""Kinds that depend on the model alone."""


def sources_of(assembler: Assembler, spec: ModelSpec, cameras: int) -> Sources:
    """Return what a program starts from; the assembler is new."""
    drafts = [
        assembler.new(FLOAT64, (cameras, 4, 4) if number < 3 else (4, 4)) for number in range(len(INPUTS))
    ]
    prepared = np.stack([spec.image_of(index).network_from_raw() for index in range(cameras)])
    ego = assembler.expand(assembler.reshape(drafts[3], (1, 4, 4)), (cameras, 4, 4))
    projection, intrinsic, camera, _ = drafts
    return Sources(assembler, projection, intrinsic, camera, ego, assembler.constant(prepared))


def input_of(
    sources: Sources,
    spec: ModelSpec,
    name: str,
    shape: tuple[int, ...],
    dtype: int,
    profile: CalibrationProfile,
) -> Draft:
    """Return a calibration input in its shape and type.

    Args:
        sources: What the program starts from.
        spec: The model.
        name: The input.
        shape: Its shape.
        dtype: Number of its type.
        profile: Any vehicle, for kinds that depend on the model alone.

    Raises:
        NotPortableError: Its kind or its shape has no instructions.
    """
    assembler, kind = sources.assembler, spec.kind_of(name)
    if getattr(kind, "repeat", 1) != 1:
        raise NotPortableError(f"input {name!r}, which holds each matrix several times")
    if kind.kind in _FIXED:
        whole = assembler.constant(matrices_of(kind.kind, kind.stride, spec.rig(profile)))
    elif kind.kind in _MADE:
        whole = _strided(sources, _MADE[kind.kind](sources), kind.kind, kind.stride)
    else:
        raise NotPortableError(f"a calibration input of kind {kind.kind}")
    return assembler.reshape(assembler.cast(_cut(assembler, whole, shape, kind.kind), dtype), shape)


def _strided(sources: Sources, whole: Draft, kind: str, stride: float) -> Draft:
    if stride == 1.0:
        return whole
    smaller = np.broadcast_to(np.diag([1 / stride, 1 / stride, 1.0, 1.0]), whole.shape)
    if KINDS[kind].pixels == "result":
        return sources.product(sources.assembler.constant(smaller), whole)
    return sources.product(whole, sources.assembler.constant(np.linalg.inv(smaller)))


def _cut(assembler: Assembler, whole: Draft, shape: tuple[int, ...], kind: str) -> Draft:
    """Return the rows and columns, or the translation, that an input of a shape holds."""
    form, strides = trailing(shape), contiguous(whole.shape)
    lead = int(np.prod(shape, dtype=np.int64)) // int(np.prod(form, dtype=np.int64))
    if not form or lead not in (1, whole.shape[0]) or (lead == 1 < whole.shape[0] and not KINDS[kind].shared):
        raise NotPortableError(f"an input of shape {list(shape)}")
    if form == (3,):
        return assembler.copy(whole, (lead, 3), (strides[0], strides[1]), offset=3)
    if form == (4, 4) and lead == whole.shape[0]:
        return whole
    cut = assembler.copy(whole, (lead, *form), strides)
    assert size_of(cut) == lead * form[0] * form[1]
    return cut


def calibration_of(profile: CalibrationProfile) -> Calibration:
    """Return a profile as a program reads it."""
    count = len(profile.cameras)
    intrinsic, pose = np.zeros((count, 4, 4)), np.zeros((count, 4, 4))
    for index, camera in enumerate(profile.cameras):
        if camera.intrinsic is not None and camera.camera_from_lidar is not None:
            intrinsic[index, :3, :3], intrinsic[index, 3, 3] = camera.intrinsic, 1.0
            pose[index] = camera.camera_from_lidar
    ego = np.zeros((4, 4)) if profile.ego_from_lidar is None else profile.ego_from_lidar
    return Calibration(profile.image_from_lidar(), intrinsic, pose, ego)
