"""Implement the guard in numpy: the same decisions as `guard.hpp`, to the bit, for many calibrations at once.

It is written from the same definitions with the same order of operations, but shares no code. The `check` command uses
it; the tests compare both on millions of calibrations. B calibrations, N cameras, Q queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.vehicle.contract import HAS_EGO, READS_APART, READS_EGO, Contract
from specialize.vehicle.measure import Floats, cross, dot, moved, shape_of
from specialize.vehicle.scan import count_pairs
from specialize.vehicle.today import Records, Today
from specialize.vehicle.words import HAS_PINHOLE, HAS_PROJECTION, LENS_BYTES, Reason, State

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DEPTH_RATIO = 1e-3
LARGEST_NUMBER = 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Calibrations of equally many cameras.

    Attributes:
        cameras: (B, N) records of `today.CAMERA`.
        has_ego: (B,) whether the lidar's pose on the vehicle is known.
        ego_from_lidar: (B, 16).
        times_s: (B, 3) time of the check, begin and end of validity; NaN where unknown.
        lenses: (B, N, LENS_BYTES) what is known of the cameras' lenses; None for no lens anywhere.
    """

    cameras: Records
    has_ego: Bools
    ego_from_lidar: Floats
    times_s: Floats
    lenses: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """The answers, one per calibration; the fields are those of `specialize_verdict`."""

    state: Ints
    reason: Ints
    camera: Ints
    pairs: Ints
    camera_pairs: Ints
    rotation_mrad: Floats
    translation_mm: Floats
    focal_percent: Floats
    centre_px: Floats


def batch_of(today: Today) -> Batch:
    """Return one calibration as a batch."""
    known = today.ego_from_lidar is not None
    ego = today.ego_from_lidar if today.ego_from_lidar is not None else np.zeros(16)
    times = np.array([[today.time_s, *today.valid_s]])
    lenses = None if today.lenses is None else today.lenses[None]
    return Batch(today.cameras[None], np.array([known]), np.asarray(ego)[None], times, lenses)


def judge(contract: Contract, batch: Batch) -> Verdicts:
    """Judge calibrations."""
    with np.errstate(all="ignore"):
        reason, camera, projections = _refusals(contract, batch)
        return _decide(contract, batch, reason, camera, projections)


def _refusals(contract: Contract, batch: Batch) -> tuple[Ints, Ints, Floats]:
    """Return why each calibration is unusable and for which camera, and the projections (B, N, 16) of the others."""
    size, count = batch.cameras.shape
    time, begin, end = batch.times_s.T
    reason, camera = np.zeros(size, np.int64), np.full(size, -1)
    reason[(time < begin) | (time > end)] = Reason.NOT_VALID_NOW
    if count != len(contract.cameras):
        reason[reason == 0] = Reason.CAMERA_COUNT
        return reason, camera, np.zeros((size, count, 16))
    wrong, projections = _wrong_cameras(contract, batch.cameras)
    first = (wrong != 0).argmax(axis=1)
    refused = (reason == 0) & (wrong != 0).any(axis=1)
    reason[refused] = wrong[refused, first[refused]]
    camera[refused] = first[refused]
    if contract.reads & READS_EGO:
        numbers = _wrong_numbers(batch.ego_from_lidar)
        pose = _first(numbers, _wrong_pose(batch.ego_from_lidar))
        wrong_ego = np.where(batch.has_ego, pose, Reason.NO_EGO_POSE)
        reason = np.where(reason == 0, wrong_ego, reason)
    return reason, camera, projections


def _wrong_cameras(contract: Contract, cameras: Records) -> tuple[Ints, Floats]:
    """Return the first thing wrong with each camera (B, N), and the projections (B, N, 16)."""
    expected = contract.cameras
    known = np.isin(cameras["name"], expected["name"])
    renamed = np.where(known, Reason.CAMERA_ORDER, Reason.CAMERA_NAME)
    names = np.where(cameras["name"] == expected["name"], 0, renamed)
    sizes = np.where((cameras["size_px"] == expected["size_px"]).all(axis=-1), 0, Reason.IMAGE_SIZE)
    pinhole, given = (cameras["has"] & HAS_PINHOLE) != 0, (cameras["has"] & HAS_PROJECTION) != 0
    lacking = ~pinhole if contract.reads & READS_APART else ~(pinhole | given)
    k, pose, projection = cameras["intrinsic"], cameras["camera_from_lidar"], cameras["image_from_lidar"]
    apart = _first(_wrong_numbers(k), _wrong_numbers(pose), _wrong_intrinsic(k), _wrong_pose(pose))
    composed = _product(k, pose)
    rows = composed[..., :12].reshape(*composed.shape[:-1], 3, 4)
    lengths = np.sqrt(dot(rows, rows)) + np.abs(rows[..., 3])
    differ = ~(np.abs(projection[..., :12] - composed[..., :12]) <= 1e-6 * np.repeat(lengths, 4, axis=-1))
    whole = _first(
        _wrong_numbers(projection),
        np.where(_is_last_row(projection[..., 12:]), 0, Reason.NOT_A_POSE),
        np.where(pinhole & differ.any(axis=-1), Reason.CONTRADICTION, 0),
    )
    projections = np.where(given[..., None], projection, composed)
    wrong = _first(
        names,
        sizes,
        np.where(lacking, Reason.INCOMPLETE, 0),
        np.where(pinhole, apart, 0),
        np.where(given, whole, 0),
        _wrong_volume(projections),
    )
    return wrong, projections


def _first(*reasons: Ints) -> Ints:
    """Return the first reason that is not 0, elementwise."""
    found = reasons[0]
    for other in reasons[1:]:
        found = np.where(found == 0, other, found)
    return found


def _wrong_numbers(values: Floats) -> Ints:
    finite = np.isfinite(values).all(axis=-1)
    small = (np.abs(values) <= LARGEST_NUMBER).all(axis=-1)
    return np.where(finite, np.where(small, 0, Reason.OUT_OF_RANGE), Reason.NOT_FINITE)


def _is_last_row(row: Floats) -> Bools:
    unit = np.zeros(row.shape[-1])
    unit[-1] = 1.0
    return np.asarray((np.abs(row - unit) <= 1e-9).all(axis=-1))


def _wrong_intrinsic(k: Floats) -> Ints:
    upper = (np.abs(k[..., 3]) <= 1e-9 * k[..., 4]) & _is_last_row(k[..., 6:9])
    fine = (k[..., 0] > 0) & (k[..., 4] > 0) & upper
    return np.where(k[..., 0] == 0, Reason.NOT_CALIBRATED, np.where(fine, 0, Reason.FOCAL_LENGTH))


def _wrong_pose(pose: Floats) -> Ints:
    fine = _is_last_row(pose[..., 12:])
    rows = [pose[..., 4 * i : 4 * i + 3] for i in range(3)]
    for i in range(3):
        for j in range(i, 3):
            fine = fine & (np.abs(dot(rows[i], rows[j]) - float(i == j)) <= 5e-4)
    return np.where(fine, _wrong_volume(pose), Reason.NOT_A_POSE)


def _wrong_volume(m: Floats) -> Ints:
    p, q, d = m[..., 0:3], m[..., 4:7], m[..., 8:11]
    volume = dot(p, cross(q, d))
    room = (np.sqrt(dot(p, p)) * np.sqrt(dot(q, q))) * np.sqrt(dot(d, d))
    flat = ~(np.abs(volume) > 1e-9 * room)
    return np.where(flat, Reason.SINGULAR, np.where(volume < 0, Reason.MIRRORED, 0))


def _product(k: Floats, pose: Floats) -> Floats:
    """Return intrinsic x pose, (..., 16), summed in order."""
    rows = [
        (k[..., 3 * row, None] * pose[..., 0:4] + k[..., 3 * row + 1, None] * pose[..., 4:8])
        + k[..., 3 * row + 2, None] * pose[..., 8:12]
        for row in range(3)
    ]
    return np.concatenate([*rows, pose[..., 12:16]], axis=-1)


def _same(contract: Contract, cameras: Records, projections: Floats) -> Bools:
    """Return whether every camera (B, N) has the numbers that were built for."""
    built = contract.cameras
    same = (projections == built["image_from_lidar"]).all(axis=-1)
    both = (cameras["has"] & built["has"] & HAS_PINHOLE) != 0
    apart = (cameras["intrinsic"] == built["intrinsic"]).all(axis=-1)
    apart &= (cameras["camera_from_lidar"] == built["camera_from_lidar"]).all(axis=-1)
    return np.asarray((same & (~both | apart)).all(axis=-1))


def _other_lens(contract: Contract, batch: Batch) -> Ints:
    """Return the first camera (B,) that has another lens than was built for; -1 for none."""
    size, count = batch.cameras.shape
    if (batch.lenses is None and contract.lenses is None) or count != len(contract.cameras):
        return np.full(size, -1)
    none = np.zeros((count, LENS_BYTES), np.uint8)
    built, today = (none if each is None else each for each in (contract.lenses, batch.lenses))
    differ = np.not_equal(np.broadcast_to(today, (size, count, LENS_BYTES)), built)
    other = np.asarray(differ.any(axis=-1), np.bool_)  # (B, N)
    return np.where(other.any(axis=1), other.argmax(axis=1), -1)


def _decide(contract: Contract, batch: Batch, reason: Ints, camera: Ints, projections: Floats) -> Verdicts:
    size, usable = len(reason), reason == 0
    other = np.where(usable, _other_lens(contract, batch), -1)
    camera = np.where(other >= 0, other, camera)
    state = np.where(usable, State.STALE, State.UNUSABLE).astype(np.int64)
    pairs, own = np.zeros(size, np.int64), np.zeros(size, np.int64)
    numbers = np.zeros((4, size))
    ego = np.ones(size, np.bool_)
    if contract.reads & READS_EGO and contract.reads & HAS_EGO:
        ego = (batch.ego_from_lidar == contract.ego_from_lidar).all(axis=-1)
    usable &= other < 0
    if usable.any():
        usable[usable] &= ~(_same(contract, batch.cameras[usable], projections[usable]) & ego[usable])
        state[(reason == 0) & (other < 0) & ~usable] = State.FRESH
    chosen = np.flatnonzero(usable)
    if len(chosen):
        moves = moved(shape_of(contract.cameras["image_from_lidar"]), shape_of(projections[chosen]))
        allowed = moves.within(contract.cameras["allowed"], DEPTH_RATIO) & ego[chosen]
        if contract.mode != "envelope":
            allowed[:] = False
        counts, crowded = count_pairs(contract, projections[chosen][~allowed])
        per_camera = np.zeros((len(chosen), len(contract.cameras)), np.int64)
        per_camera[~allowed] = counts
        total = per_camera.sum(axis=1)
        total[~allowed] += crowded
        worst = np.lexsort((-moves.turn, -per_camera), axis=1)[:, 0]
        each = np.arange(len(chosen))
        camera[chosen], pairs[chosen], own[chosen] = worst, total, per_camera[each, worst]
        numbers[:, chosen] = moves.numbers(each, worst)
        if contract.mode == "envelope":
            state[chosen[(total == 0) & ego[chosen]]] = State.INSIDE
        if contract.mode == "tables":
            state[chosen[total == 0]] = State.RELINK
    return Verdicts(state, reason, camera, pairs, own, *numbers)
