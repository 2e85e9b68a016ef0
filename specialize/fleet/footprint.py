"""What one vehicle makes a build compute, and what several of them make it compute together.

A footprint is a *cover*, an array that a space knows how to join and to measure:

- `EnvelopeSpace`: the visible pairs as packed bits, joined by OR. Measured by counting bits.
- `TablesSpace`: the number of visible queries per camera, joined by the larger. What is seen does not matter,
  only how much: tables say what.

Joining is monotone in both: more vehicles never need fewer rows.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from specialize.binding.envelope import reach_of
from specialize.calibration.off import off_name, without
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.tolerance import Tolerance
from specialize.fleet.vehicle import Vehicle, identify
from specialize.model.spec import ModelSpec
from specialize.model.visible import plans_digest, visible_sets
from specialize.plausibility.fit import require_fit
from specialize.request import Layout
from specialize.visibility.plan import VisibilityPlan

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Cover = NDArray[np.generic]

WORD = 64


@dataclass(frozen=True, slots=True)
class Packing:
    """How rows are laid out; decides what a cover costs.

    Attributes:
        layout: `ragged` computes each camera's own length, `padded` the longest for every camera.
        align: Lengths are rounded up to a multiple of this.
    """

    layout: Layout = "ragged"
    align: int = 1

    def lengths(self, visible: Ints) -> Ints:
        """Return the rows computed per camera (..., G, N) for visible queries (..., G, N) of G grids."""
        longest = visible.max(axis=-1, keepdims=True) if self.layout == "padded" else visible
        return np.broadcast_to(-(-longest // self.align) * self.align, visible.shape)

    def rows(self, visible: Ints) -> Ints:
        """Return the rows computed in total, (...,)."""
        return np.asarray(self.lengths(visible).sum(axis=(-2, -1)))


class Space(Protocol):
    """How covers join and what they measure."""

    def join(self, first: Cover, second: Cover) -> Cover:
        """Return the cover of both."""

    def visible(self, cover: Cover) -> Ints:
        """Return (..., G, N): queries per grid and camera that a build for covers (..., ...) keeps."""

    def holds(self, cover: Cover, others: Cover) -> Bools:
        """Return which of V covers (V, ...) add nothing to one."""


@dataclass(frozen=True, slots=True)
class EnvelopeSpace:
    """Covers are (N, W) uint64, the pairs of each camera as bits, every grid beginning a new word.

    Attributes:
        starts: First word of each grid.
    """

    starts: tuple[int, ...]

    def join(self, first: Cover, second: Cover) -> Cover:
        """Return the union of two sets of pairs."""
        return np.bitwise_or(first, second)

    def visible(self, cover: Cover) -> Ints:
        """Count the pairs of each grid and camera."""
        counts = np.bitwise_count(cover)  # (..., N, W)
        ends = (*self.starts[1:], counts.shape[-1])
        parts = [
            counts[..., start:end].sum(axis=-1, dtype=np.int64)
            for start, end in zip(self.starts, ends, strict=True)
        ]
        return np.stack(parts, axis=-2)  # (..., G, N)

    def holds(self, cover: Cover, others: Cover) -> Bools:
        """Return which sets of pairs are within one."""
        beyond = np.bitwise_and(others.view(np.uint64), np.bitwise_not(cover.view(np.uint64)))
        return np.asarray(np.logical_not(beyond.any(axis=(-2, -1))))


@dataclass(frozen=True, slots=True)
class TablesSpace:
    """Covers are (G, N) int64, the most queries of each camera.

    Attributes:
        spare: Share of further rows in every capacity, for calibrations to come.
    """

    spare: float = 0.0

    def join(self, first: Cover, second: Cover) -> Cover:
        """Return the larger number of each camera."""
        return np.maximum(first, second)

    def visible(self, cover: Cover) -> Ints:
        """Return the capacities."""
        wanted = np.asarray(cover, np.float64) * (1 + self.spare)
        return np.asarray(np.ceil(wanted - 1e-6), np.int64)  # 100 and 10 % are 110, not 110.00000000000001

    def holds(self, cover: Cover, others: Cover) -> Bools:
        """Return which numbers are no larger."""
        return np.asarray(np.less_equal(others, cover).all(axis=(-2, -1)))


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """What one vehicle makes a build compute.

    Attributes:
        vehicle: Which one.
        cameras: Names of its cameras, in order.
        own: (G, N) queries that each camera sees, by exact arithmetic: what its own build would compute.
        reach: (G, N) queries that each camera may see: rounding, and a tolerance if one was asked for.
        fan_in: Most cameras that see one query.
        bits: The reach as the cover of `EnvelopeSpace`; None where only numbers are wanted.
    """

    vehicle: Vehicle
    cameras: tuple[str, ...]
    own: Ints
    reach: Ints
    fan_in: int
    bits: Cover | None


@dataclass(frozen=True, slots=True)
class Survey:
    """Finds a vehicle's footprint for one model; runs in other processes.

    Attributes:
        spec: The model.
        with_bits: Whether the pairs themselves are wanted.
        certified: Whether the reach covers a tolerance.
        tolerance: That tolerance; None takes each camera's own.
    """

    spec: ModelSpec
    with_bits: bool
    certified: bool = False
    tolerance: Tolerance | None = None

    def __call__(self, path: Path, profile: CalibrationProfile, missing: tuple[str, ...] = ()) -> Footprint:
        """Return the footprint of one vehicle; `missing` are cameras that were taken off for it."""
        plans = visible_sets(self.spec, profile)
        reach = [self._reach(plan, profile) for plan in plans]  # per grid (N, Q)
        count = len(profile.cameras)
        return Footprint(
            vehicle=identify(path, profile, self.spec, plans_digest(plans) if plans else "", missing),
            cameras=profile.camera_names(),
            own=np.array([plan.lengths for plan in plans], np.int64).reshape(-1, count),
            reach=np.array([kept.sum(axis=1) for kept in reach], np.int64).reshape(-1, count),
            fan_in=max((int(kept.sum(axis=0).max()) for kept in reach), default=0),
            bits=np.concatenate([pack(kept) for kept in reach], axis=1) if self.with_bits else None,
        )

    def _reach(self, plan: VisibilityPlan, profile: CalibrationProfile) -> NDArray[np.bool_]:
        return reach_of(plan, profile, self.spec, self.tolerance) if self.certified else plan.superset


@dataclass(frozen=True, slots=True)
class Admission:
    """Surveys the vehicles whose calibration fits the model; runs in other processes.

    Attributes:
        survey: What is looked for.
        allow: Codes of errors about a calibration in spite of which it is taken.
    """

    survey: Survey
    allow: tuple[str, ...] = ()

    def __call__(self, path: Path, profile: CalibrationProfile) -> Footprint:
        """Return the footprint of one vehicle.

        Raises:
            InputError: Its calibration does not fit the model.
        """
        require_fit(profile, self.survey.spec, self.allow, profile.vehicle)
        return self.survey(path, profile)

    def without(self, path: Path, profile: CalibrationProfile, missing: tuple[str, ...]) -> Footprint:
        """Return the footprint of one vehicle with cameras off, in numbers only.

        Raises:
            InputError: Its calibration then does not fit the model, or a camera cannot be taken off.
        """
        left, name = without(profile, missing), off_name(profile.vehicle, missing)
        require_fit(left, self.survey.spec, self.allow, name)
        return self.numbers()(path, left, missing)

    def numbers(self) -> Survey:
        """Return the survey that does not look for the pairs themselves."""
        return dataclasses.replace(self.survey, with_bits=False)


def pack(pairs: Bools) -> NDArray[np.uint64]:
    """Return (N, W) words that hold (N, Q) bits, eight bits to a byte, first bit first."""
    return words_of(np.packbits(pairs, axis=1))


def words_of(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return (..., W) words that hold (..., B) bytes."""
    words = -(-bits.shape[-1] * 8 // WORD)
    packed = np.zeros((*bits.shape[:-1], words * WORD // 8), np.uint8)
    packed[..., : bits.shape[-1]] = bits
    return packed.view(np.uint64)


def envelope_space(spec: ModelSpec) -> EnvelopeSpace:
    """Return the space of a model's pairs."""
    words = [-(-grid.grid().queries // WORD) for grid in spec.grids]
    return EnvelopeSpace(tuple(sum(words[:index]) for index in range(len(words))))
