"""The guard in C++ and the one in numpy decide alike, and neither calls a wrong calibration fresh or inside."""

from __future__ import annotations

import ctypes
import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from specialize.binding.modes import _trials
from specialize.graph.closure import Closure
from specialize.graph.io import read_graph
from specialize.model.visible import visible_sets
from specialize.passes.masks import find_masks
from specialize.vehicle.contract import HAS_EGO, READS_APART, READS_EGO, Contract
from specialize.vehicle.twin import Batch, judge
from specialize.vehicle.words import LENS_BYTES, Reason, State
from tests.end_to_end.tiny_model import SPEC
from tests.vehicle import judging, rigs

IN_A_CALIBRATION = {reason.name for reason in Reason if 0 < reason < 32}
BATCH = 10_000


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


@pytest.mark.slow
@pytest.mark.parametrize("million", range(10))
def test_twins_agree_by_the_million(
    many: ctypes.CDLL, contracts: Mapping[str, Contract], million: int
) -> None:
    """On ten million calibrations both say the same."""
    found = run(many, contracts, 1_000_000, seed=100 + million)
    assert min(found[state.name] for state in State) > 5_000


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


def graph_masks(builds: Mapping[str, Path], batch: Batch, chosen: np.ndarray) -> list[np.ndarray]:
    """Return the masks (N, Q) that the model's own graph computes for some calibrations of a batch."""
    from specialize.artifact import Build

    model = read_graph(builds["envelope"].parent / "model" / "tiny.onnx")
    assert isinstance(model, ir.Model)
    closure = Closure(model, SPEC.calibration_inputs)
    profile = Build.open(builds["exact"]).calibration()
    masks = find_masks(closure, _trials(model, SPEC, profile, visible_sets(SPEC, profile)))
    (value, mask), *_ = masks.items()
    scale = SPEC.image.network_from_raw()
    found = []
    for index in chosen:
        records = batch.cameras[index]
        matrices = np.stack([scale @ _projection(record) for record in records]).astype(np.float32)[None]
        (array,) = closure.compute([value], {"lidar2img": matrices}).values()
        found.append(mask.pairs(array))
    return found


def _projection(record: np.void) -> np.ndarray:
    if record["has"] & 2:
        return np.asarray(record["image_from_lidar"]).reshape(4, 4)
    wide = np.eye(4)
    wide[:3, :3] = record["intrinsic"].reshape(3, 3)
    return np.asarray(wide @ record["camera_from_lidar"].reshape(4, 4))


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


@pytest.mark.slow
def test_inside_is_inside_for_thousands(
    builds: Mapping[str, Path], contracts: Mapping[str, Contract]
) -> None:
    """As above, for 10,000 calibrations."""
    assert inside_by_the_graph(builds, contracts, 10_000, seed=6) == 10_000


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
                    np.testing.assert_allclose(_projection(record), expected, rtol=1e-13, atol=1e-9)


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
