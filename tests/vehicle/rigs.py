"""Random calibrations around the one of a contract: moved, at the edge of the tolerance, damaged in every way known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from specialize.vehicle.contract import Contract
from specialize.vehicle.today import CAMERA
from specialize.vehicle.twin import Batch

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
NUMBERS = ("intrinsic", "camera_from_lidar", "image_from_lidar")
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, 1e10, -1.0, 5e-324, 1e-9, 1.0])


def random_batch(contract: Contract, size: int, random: np.random.Generator) -> Batch:
    """Return calibrations, each with one or two of `CHANGES` made to the contract's own."""
    cameras = nominal(contract, size)
    batch = Batch(
        cameras,
        random.random(size) < 0.9,
        np.repeat(contract.ego_from_lidar[None], size, axis=0),
        np.full((size, 3), np.nan),
        None if contract.lenses is None else np.repeat(contract.lenses[None], size, axis=0),
    )
    with np.errstate(all="ignore"):
        _change(batch, size, random)
    return batch


def _change(batch: Batch, size: int, random: np.random.Generator) -> None:
    for share in (1.0, 0.3):
        chosen = random.integers(len(CHANGES), size=size)
        changed = random.random(size) < share
        for number, change in enumerate(CHANGES):
            rows = np.flatnonzero(changed & (chosen == number))
            if len(rows):
                change(batch, rows, random)


def nominal(contract: Contract, size: int) -> npt.NDArray[np.void]:
    """Return (size, N) records of the contract's own calibration."""
    one = np.zeros(len(contract.cameras), CAMERA)
    for name in ("name", "size_px", "has", *NUMBERS):
        one[name] = contract.cameras[name]
    return np.repeat(one[None], size, axis=0)


def _nothing(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Leave the contract's own calibration."""
    del batch, rows, random


def _last_bit(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Change the last bit of one number."""
    for name in random.choice(NUMBERS, 2):
        camera, place = _places(batch, rows, name, random)
        values = batch.cameras[name]
        values[rows, camera, place] = np.nextafter(
            values[rows, camera, place], random.choice([-np.inf, np.inf])
        )


def _odd(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Write NaN, infinity, zero or another odd number over one number."""
    name = str(random.choice(NUMBERS))
    camera, place = _places(batch, rows, name, random)
    batch.cameras[name][rows, camera, place] = random.choice(ODD, len(rows))


def _zeros(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Write zeros over a whole matrix, as an unfilled message has them."""
    name = str(random.choice(NUMBERS))
    camera, _ = _places(batch, rows, name, random)
    batch.cameras[name][rows, camera] = 0.0


def _swapped(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Swap two cameras; sometimes their numbers alone."""
    count = batch.cameras.shape[1]
    a, b = random.integers(count, size=(2, len(rows)))
    before = batch.cameras[rows, a].copy()
    batch.cameras[rows, a] = batch.cameras[rows, b]
    batch.cameras[rows, b] = before
    if random.random() < 0.5:
        for each in (a, b):
            batch.cameras["name"][rows, each] = nominal_names(batch)[each]


def nominal_names(batch: Batch) -> npt.NDArray[np.bytes_]:
    """Return the names that the cameras had before anything was changed."""
    names, counts = np.unique(batch.cameras["name"], axis=0, return_counts=True)
    return np.asarray(names[counts.argmax()])


def _renamed(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Give one camera an unknown name, or an unknown beginning of one."""
    camera, _ = _places(batch, rows, "intrinsic", random)
    batch.cameras["name"][rows, camera] = random.choice(
        np.array([b"CAM", b"CAM_FRONT_X", b"x" * 63]), len(rows)
    )


def _resized(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Give one camera another image size."""
    camera, _ = _places(batch, rows, "intrinsic", random)
    batch.cameras["size_px"][rows, camera, random.integers(2)] += np.uint32(random.integers(1, 3))


def _other_form(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Give intrinsic and pose, the projection, all or nothing."""
    batch.cameras["has"][rows] = random.integers(4, size=(len(rows), 1))


def _moved(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Move every camera by a share of the tolerance, from a billionth of it to ten times as much."""
    share = 10 ** random.uniform(-9, 1, (len(rows), 1))
    _move(batch, rows, random.uniform(-1, 1, (len(rows), 4)) * share, random)


def _at_the_edge(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Move every camera in one way by the tolerance, give or take what rounding may hide."""
    sign = random.choice([-1.0, 1.0], (len(rows), 1))
    off = 1 + sign * 10 ** random.uniform(-16, -6, (len(rows), 1)) * random.integers(0, 2, (len(rows), 1))
    _move(batch, rows, np.eye(4)[random.integers(4, size=len(rows))] * off, random)


def _far(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Move every camera far away."""
    _move(batch, rows, random.uniform(-1, 1, (len(rows), 4)) * [300.0, 100.0, 20.0, 100.0], random)


def _timed(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """State times, in and outside of their validity, or some of them."""
    batch.times_s[rows] = random.choice(np.array([0.0, 1.0, 2.0, np.nan]), (len(rows), 3))


def _ego(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Change the lidar's pose on the vehicle."""
    batch.ego_from_lidar[rows, random.integers(16)] += random.choice([1e-16, 1e-3, 1.0, np.nan])


def _lens(batch: Batch, rows: Rows, random: np.random.Generator) -> None:
    """Change one bit of what is known of one camera's lens, where it has one."""
    if batch.lenses is not None:
        camera, _ = _places(batch, rows, "intrinsic", random)
        place = random.integers(batch.lenses.shape[-1], size=len(rows))
        batch.lenses[rows, camera, place] ^= np.uint8(1) << random.integers(8, size=len(rows), dtype=np.uint8)


CHANGES: tuple[Callable[[Batch, Rows, np.random.Generator], None], ...] = (
    _nothing, _last_bit, _odd, _zeros, _swapped, _renamed, _resized, _other_form, _moved, _at_the_edge, _far,
    _timed, _ego, _lens,
)  # fmt: skip


def _places(
    batch: Batch, rows: Rows, name: str, random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    cameras, width = batch.cameras.shape[1], batch.cameras[name].shape[-1]
    return random.integers(cameras, size=len(rows)), random.integers(width, size=len(rows))


def _move(batch: Batch, rows: Rows, shares: Floats, random: np.random.Generator) -> None:
    """Turn, displace and refocus every camera by shares (R, 4) of half a degree, 3 cm, 0.5 % and 2 px."""
    cameras = batch.cameras[rows]
    shape = cameras.shape
    axis = random.standard_normal((*shape, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    turn = rotations(axis, np.radians(0.5) * shares[:, 0, None])
    pose = cameras["camera_from_lidar"].reshape(*shape, 4, 4).copy()
    way = random.standard_normal((*shape, 3))
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    pose[..., :3, 3] -= np.einsum(
        "...ij,...j->...i", pose[..., :3, :3], way * 0.03 * shares[:, 1, None, None]
    )
    pose[..., :3, :] = turn @ pose[..., :3, :]
    k = cameras["intrinsic"].reshape(*shape, 3, 3).copy()
    k[..., 0, 0] *= 1 + 0.005 * shares[:, 2, None]
    k[..., 1, 1] *= 1 + 0.005 * shares[:, 2, None]
    k[..., 0, 2] += 2.0 * shares[:, 3, None]
    wide = np.zeros((*shape, 4, 4))
    wide[..., :3, :3], wide[..., 3, 3] = k, 1.0
    batch.cameras["intrinsic"][rows] = k.reshape(*shape, 9)
    batch.cameras["camera_from_lidar"][rows] = pose.reshape(*shape, 16)
    batch.cameras["image_from_lidar"][rows] = (wide @ pose).reshape(*shape, 16)


def rotations(axis: Floats, angle: Floats) -> Floats:
    """Return (..., 3, 3) rotations about unit axes (..., 3)."""
    x, y, z = np.moveaxis(axis, -1, 0)
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    sine, cosine = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.asarray(np.eye(3) + sine * skew + (1 - cosine) * (skew @ skew))
