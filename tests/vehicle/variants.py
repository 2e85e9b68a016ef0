"""Contracts of every mode, of models that read more, with lenses, and of grids numbered otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from specialize.vehicle.contract import HAS_EGO, READS_APART, READS_EGO, Contract
from specialize.vehicle.words import LENS_BYTES


def variants(contracts: Mapping[str, Contract]) -> list[Contract]:
    """Return the contracts of all modes, and each for models that read more than projections."""
    every = HAS_EGO | READS_EGO
    reads = (HAS_EGO, HAS_EGO, HAS_EGO | READS_APART, every | READS_APART)
    found = [dataclasses.replace(each, reads=bits) for each in contracts.values() for bits in reads]
    return [behind_lenses(ordered(each, number), number) for number, each in enumerate(found)]


def behind_lenses(contract: Contract, number: int) -> Contract:
    """Return a contract that knows the lenses of its cameras, for every third number; one of them has none."""
    if number % 3:
        return contract
    lenses = np.random.default_rng(number).integers(
        256, size=(len(contract.cameras), LENS_BYTES), dtype=np.uint8
    )
    lenses[1] = 0
    return dataclasses.replace(contract, lenses=lenses)


def ordered(contract: Contract, number: int) -> Contract:
    """Return a contract whose grid is numbered in another order, for every second number; queries stay as many."""
    (grid,) = contract.grids
    orders = {2: ("xy", "yx"), 3: ("xyz", "yxz")}[len(grid.order)]
    return dataclasses.replace(contract, grids=(dataclasses.replace(grid, order=orders[number // 2 % 2]),))
