"""The guard in C++ and the one in numpy decide alike, and neither calls a wrong calibration fresh or inside."""

from __future__ import annotations

import ctypes
import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from specialize.vehicle.contract import Contract
from specialize.vehicle.twin import Batch, judge
from specialize.vehicle.words import LENS_BYTES, Reason, State
from tests.vehicle import judging, rigs
from tests.vehicle.graph_masks import graph_masks, projection_of
from tests.vehicle.variants import variants

IN_A_CALIBRATION = {reason.name for reason in Reason if 0 < reason < 32}
BATCH = 10_000


def run(library: ctypes.CDLL, contracts: Mapping[str, Contract], count: int, seed: int) -> Counter[str]:
    """Compare both guards on random calibrations; return what they said."""
    random, found = np.random.default_rng(seed), Counter[str]()
    choices = variants(contracts)
    for number in range(count // BATCH):
        contract = choices[number % len(choices)]
        found += judging.tally(judging.compare(library, contract, rigs.random_batch(contract, BATCH, random)))
    return found


def test_twins_agree(many: ctypes.CDLL, contracts: Mapping[str, Contract]) -> None:
    """On 100,000 calibrations of all kinds both say the same, and every state and reason occurs."""
    found = run(many, contracts, 120_000, seed=1)
    assert found.keys() == {state.name for state in State} | (IN_A_CALIBRATION - {"CAMERA_COUNT"})


def test_a_difference_would_be_seen(many: ctypes.CDLL, contracts: Mapping[str, Contract]) -> None:
    """A guard that is given one pair more, or another tolerance, answers otherwise: the comparison can fail."""
    batch = rigs.random_batch(contracts["exact"], 2000, np.random.default_rng(3))
    (grid,) = contracts["exact"].grids
    assert grid.pairs is not None
    pairs = grid.pairs.copy()
    pairs[3, 17] ^= True
    other = dataclasses.replace(contracts["exact"], grids=(dataclasses.replace(grid, pairs=pairs),))
    theirs = judging.judge_native(many, other.to_bytes(), batch)
    assert (judge(contracts["exact"], batch).pairs != theirs["pairs"]).any()
    wider = contracts["envelope"].cameras.copy()
    wider["allowed"] *= 50
    batch = rigs.random_batch(contracts["envelope"], 2000, np.random.default_rng(4))
    other = dataclasses.replace(contracts["envelope"], cameras=wider)
    theirs = judging.judge_native(many, other.to_bytes(), batch)
    assert (judge(contracts["envelope"], batch).state != theirs["state"]).any()


def test_another_number_of_cameras(many: ctypes.CDLL, contracts: Mapping[str, Contract]) -> None:
    """A rig with a camera more or less is unusable for any build."""
    for contract in contracts.values():
        batch = rigs.random_batch(contract, 10, np.random.default_rng(4))
        for count in (1, 5, 7):
            cameras = np.ascontiguousarray(np.resize(batch.cameras, (10, count)))
            said = judging.compare(many, contract, dataclasses.replace(batch, cameras=cameras))
            assert set(said.reason) <= {Reason.CAMERA_COUNT, Reason.NOT_VALID_NOW}


def inside_by_the_graph(
    builds: Mapping[str, Path], contracts: Mapping[str, Contract], count: int, seed: int
) -> int:
    """Require that the graph's own masks of calibrations judged inside lie inside; return how many were computed."""
    contract = contracts["envelope"]
    (grid,) = contract.grids
    assert grid.pairs is not None
    batch = rigs.random_batch(contract, 8 * count, np.random.default_rng(seed))
    chosen = np.flatnonzero(judge(contract, batch).state <= State.INSIDE)[:count]
    for mask in graph_masks(builds, batch, chosen):
        assert not (mask & ~grid.pairs).any()
    return len(chosen)


def test_inside_is_inside(builds: Mapping[str, Path], contracts: Mapping[str, Contract]) -> None:
    """What is called inside shows, by the model's own graph, nothing outside the envelope."""
    assert inside_by_the_graph(builds, contracts, 300, seed=5) == 300


def test_outside_is_noticed_by_the_graph_too(
    builds: Mapping[str, Path], contracts: Mapping[str, Contract]
) -> None:
    """Among calibrations called stale the graph finds pairs outside, so the comparison can fail."""
    contract = contracts["envelope"]
    batch = rigs.random_batch(contract, 2000, np.random.default_rng(7))
    chosen = np.flatnonzero(judge(contract, batch).state == State.STALE)[:100]
    outside = [(mask & ~contract.grids[0].pairs).any() for mask in graph_masks(builds, batch, chosen)]  # type: ignore[operator]
    assert sum(outside) > 50


def test_fresh_feeds_the_same_bits(contracts: Mapping[str, Contract]) -> None:
    """What is called fresh gives the model exactly the numbers of the build, whatever form it was given in."""
    for contract in contracts.values():
        batch = rigs.random_batch(contract, 4000, np.random.default_rng(8))
        fresh = np.flatnonzero(judge(contract, batch).state == State.FRESH)
        assert len(fresh) > 100
        built = contract.cameras["image_from_lidar"].reshape(-1, 4, 4)
        for index in fresh:
            for record, expected in zip(batch.cameras[index], built, strict=True):
                if record["has"] & 2:
                    assert (record["image_from_lidar"].reshape(4, 4) == expected).all()
                else:
                    np.testing.assert_allclose(projection_of(record), expected, rtol=1e-13, atol=1e-9)


@pytest.mark.parametrize("mode", ["exact", "envelope", "tables"])
def test_another_lens_is_stale_and_named(
    many: ctypes.CDLL, contracts: Mapping[str, Contract], mode: str
) -> None:
    """Any bit of any lens, a lens that is gone, and one that is new: stale in every mode, with the camera."""
    lenses = np.random.default_rng(1).integers(
        256, size=(len(contracts[mode].cameras), LENS_BYTES), dtype=np.uint8
    )
    known = dataclasses.replace(contracts[mode], lenses=lenses)
    bits = np.repeat(lenses[None], LENS_BYTES, axis=0)
    bits[np.arange(LENS_BYTES), np.arange(LENS_BYTES) % len(lenses), np.arange(LENS_BYTES)] ^= 1
    one = rigs.nominal(known, LENS_BYTES)
    ego = np.repeat(known.ego_from_lidar[None], LENS_BYTES, axis=0)
    batch = Batch(one, np.ones(LENS_BYTES, bool), ego, np.full((LENS_BYTES, 3), np.nan), bits)
    found = judging.compare(many, known, batch)
    assert (found.state == State.STALE).all() and (found.reason == 0).all()
    assert (found.camera == np.arange(LENS_BYTES) % len(lenses)).all()
    same = dataclasses.replace(batch, lenses=np.repeat(lenses[None], LENS_BYTES, axis=0))
    assert (judging.compare(many, known, same).state == State.FRESH).all()
    without = dataclasses.replace(batch, lenses=None)
    for contract, today in ((known, without), (contracts[mode], same)):
        gone = judging.compare(many, contract, today)
        assert (gone.state == State.STALE).all() and (gone.camera == 0).all()
