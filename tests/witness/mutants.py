"""Mutants of the compiler's geometry that both sides of a numeric comparison share, applied by monkeypatching."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from specialize.binding import envelope_file, make_tables
from specialize.binding.table_inputs import Program
from specialize.calibration.profile import CalibrationProfile
from specialize.model.parts import ImagePrep
from specialize.model.spec import ModelSpec
from specialize.passes import superset
from specialize.passes.externalize import Array
from specialize.visibility import envelope
from specialize.visibility.pyramid import Deviation

Mutant = Callable[[pytest.MonkeyPatch], None]


def swapped_cameras(patch: pytest.MonkeyPatch) -> None:
    """Swap the first two cameras of every projection."""
    honest = ModelSpec.network_from_lidar

    def swapped(self: ModelSpec, profile: CalibrationProfile) -> np.ndarray:
        matrices = honest(self, profile)
        return matrices[[1, 0, *range(2, len(matrices))]]

    patch.setattr(ModelSpec, "network_from_lidar", swapped)


def half_a_pixel(patch: pytest.MonkeyPatch) -> None:
    """Move the network's image by half a pixel."""
    _image(patch, lambda matrix: matrix + 0.5 * (np.arange(16).reshape(4, 4) == 2))


def one_percent(patch: pytest.MonkeyPatch) -> None:
    """Scale the network's image by one percent."""
    _image(patch, lambda matrix: np.diag([1.01, 1.01, 1.0, 1.0]) @ matrix)


def _image(patch: pytest.MonkeyPatch, change: Callable[[np.ndarray], np.ndarray]) -> None:
    honest = ImagePrep.network_from_raw
    patch.setattr(ImagePrep, "network_from_raw", lambda self: change(honest(self)))


def _allowed(**factors: float) -> Mutant:
    """Return a mutant that multiplies what a tolerance allows."""

    def mutate(patch: pytest.MonkeyPatch) -> None:
        honest = envelope.deviation_of

        def less(*arguments: object) -> Deviation:
            made = honest(*arguments)  # type: ignore[arg-type]
            changed = {name: getattr(made, name) * factor for name, factor in factors.items()}
            return dataclasses.replace(made, **changed)

        patch.setattr(envelope, "deviation_of", less)

    return mutate


half_rotation = _allowed(rotation_rad=0.5)
no_translation = _allowed(translation_m=0.0)
no_principal_point = _allowed(principal_point_px=0.0)


def no_yaw_rate(patch: pytest.MonkeyPatch) -> None:
    """Forget that the vehicle turns between lidar and exposure."""
    honest = envelope.deviation_of

    def still(bounds: object, *rest: float) -> Deviation:
        return honest(dataclasses.replace(bounds, yaw_rate_degps=0.0), *rest)  # type: ignore[type-var]

    patch.setattr(envelope, "deviation_of", still)


def _tampered(patch: pytest.MonkeyPatch, change: Callable[[dict[str, Array]], None]) -> None:
    """Change the tables of vehicles other than the build's own in place, whichever program makes them."""
    honest, portable = Program.contents, make_tables.linked

    def contents(self: Program, profile: CalibrationProfile) -> dict[str, Array]:
        return changed(honest(self, profile), profile)

    def linked(program: Any, profile: CalibrationProfile, cameras: tuple[str, ...]) -> dict[str, Array]:
        return changed(portable(program, profile, cameras), profile)

    def changed(given: dict[str, Array], profile: CalibrationProfile) -> dict[str, Array]:
        made = {name: array.copy() for name, array in given.items()}
        if profile.vehicle != "car42":
            change(made)
        return made

    patch.setattr(Program, "contents", contents)
    patch.setattr(make_tables, "linked", linked)


def swapped_entries(kind: str) -> Mutant:
    """Return a mutant that swaps two entries of a table of vehicles other than the build's own."""

    def change(made: dict[str, Array]) -> None:
        (name,) = (name for name in made if name.startswith(f"table.{kind}"))
        flat = made[name].reshape(-1)
        first, second = 0, 2 + int(np.flatnonzero(flat[2:] != flat[0])[0])  # of another query
        flat[[first, second]] = flat[[second, first]]

    def mutate(patch: pytest.MonkeyPatch) -> None:
        _tampered(patch, change)

    return mutate


def no_portable_program(patch: pytest.MonkeyPatch) -> None:
    """Let the graph make the tables of a build whose portable program would make them."""
    honest = make_tables.table_options
    patch.setattr(
        make_tables, "table_options", lambda build: {**honest(build), "relink": {"declined": "by a test"}}
    )


def one_more_slot(patch: pytest.MonkeyPatch) -> None:
    """Give other vehicles' sums a slot more than the engine has, per query of a grid of 6 x 8."""

    def change(made: dict[str, Array]) -> None:
        (name,) = (name for name in made if name.startswith("table.sum"))
        slots = made[name].reshape(48, -1)
        none = np.full((48, 1), slots.max(), slots.dtype)
        made[name] = np.concatenate([slots, none], axis=1).ravel()

    _tampered(patch, change)


def moved_outside(patch: pytest.MonkeyPatch) -> None:
    """Move a place that is in use, of a point outside the image, by a tenth of the image in other vehicles' tables."""

    def change(made: dict[str, Array]) -> None:
        (name,) = (name for name in made if name.startswith("table.values"))
        (sums,) = (made[name].ravel() for name in made if name.startswith("table.sum"))
        places = made[name].reshape(int(sums.max()), -1)  # a view; the number of all places stands for none
        used = np.unique(sums[sums < len(places)])
        place, column = np.unravel_index(np.abs(places[used]).argmax(), places[used].shape)
        places[used[place], column] *= 1.1

    _tampered(patch, change)


def rolled_file(patch: pytest.MonkeyPatch) -> None:
    """Write the pairs of the next camera into the file of an envelope."""
    honest = envelope_file.envelope_file
    patch.setattr(
        envelope_file,
        "envelope_file",
        lambda supersets, cases: honest([np.roll(pairs, 1, axis=0) for pairs in supersets], cases),
    )


def nothing_counted(patch: pytest.MonkeyPatch) -> None:
    """Count no pair outside of an envelope, wherever cameras look."""
    honest = superset._count_outside
    patch.setattr(
        superset,
        "_count_outside",
        lambda graph, mask, restricted, pairs: honest(graph, mask, restricted, np.ones_like(pairs)),
    )


def transposed(patch: pytest.MonkeyPatch) -> None:
    """Transpose the rotating part of every projection."""
    honest = ModelSpec.network_from_lidar

    def turned(self: ModelSpec, profile: CalibrationProfile) -> np.ndarray:
        matrices = honest(self, profile).copy()
        matrices[:, :2, :2] = matrices[:, :2, :2].swapaxes(1, 2)
        return matrices

    patch.setattr(ModelSpec, "network_from_lidar", turned)
