"""Judge millions of random calibrations with both guards, and write what they say and whether it is right.

usage: python tools/guard_evidence.py [--count N] [--kept FILE] [--results FOLDER]

Contracts are those of a tiny model in every mode, for models that read more than projections, with lenses, and with
grids that are numbered otherwise; calibrations are the contract's own with one or two changes of `tests/vehicle/rigs`.
Four things are counted that must not be: calibrations of which the guards differ in any field; `FRESH` ones whose
numbers are not those of the build; usable ones with a number that is not finite; and `INSIDE` ones, of a sample, for
which the model's own graph computes a pair that the build leaves out. None of the last three asks a guard.

A batch has a number and follows from it, so with --kept an interrupted run goes on where it stood, and a larger N adds
to it. Figures go to `guard.json`. The exit code is 1 if anything was counted that must not be.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import RESULTS, machine  # noqa: E402  the checkout
from specialize.files.atomic import write_file  # noqa: E402  the checkout
from specialize.files.scratch import temporary_folder  # noqa: E402  the checkout
from specialize.vehicle import measure, scan, twin  # noqa: E402  the checkout
from specialize.vehicle.contract import READS_APART, READS_EGO, Contract  # noqa: E402  the checkout
from specialize.vehicle.toolchain import FLAGS, include_dir  # noqa: E402  the checkout
from specialize.vehicle.twin import Batch, Verdicts  # noqa: E402  the checkout
from specialize.vehicle.words import HAS_PINHOLE, HAS_PROJECTION, Reason, State  # noqa: E402  the checkout
from tests.vehicle import compiling, judging, rigs  # noqa: E402  the checkout
from tests.vehicle.building import build_modes, contracts_of  # noqa: E402  the checkout
from tests.vehicle.graph_masks import graph_masks  # noqa: E402  the checkout
from tests.vehicle.variants import variants  # noqa: E402  the checkout

SCHEMA = "specialize/guard-evidence@1"
BATCH, SAMPLE, SEED = 10_000, 60, 20_000
WRONG = ("differ", "false_fresh", "not_finite", "false_inside")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """What judges: the guard in C++, contracts, and builds whose graph is asked."""

    library: ctypes.CDLL
    builds: Mapping[str, Path]
    contracts: tuple[Contract, ...]

    def batch(self, number: int) -> Counter[str]:
        """Return how often each state and reason occurred, what was wrong, and how many graphs were asked."""
        contract = self.contracts[number % len(self.contracts)]
        batch = rigs.random_batch(contract, BATCH, np.random.default_rng((SEED, number)))
        verdicts, differ = judging.differences(self.library, contract, batch)
        counts = Counter(judging.tally(verdicts))
        counts["differ"] = len(np.unique(np.concatenate(list(differ.values()))))
        counts["false_fresh"] = int((~same_numbers(contract, batch)[verdicts.state == State.FRESH]).sum())
        counts["not_finite"] = int((odd(batch) & (verdicts.state != State.UNUSABLE)).sum())
        counts.update(self._inside(contract, batch, verdicts))
        return counts

    def _inside(self, contract: Contract, batch: Batch, verdicts: Verdicts) -> dict[str, int]:
        """Ask the graph about calibrations called inside, where the contract numbers queries as the graph does."""
        if contract.mode != "envelope" or contract.grids[0].order != "yx":
            return {}
        inside = np.flatnonzero(verdicts.state == State.INSIDE)
        chosen = inside[np.linspace(0, len(inside) - 1, min(SAMPLE, len(inside))).astype(int)]
        masks = graph_masks(self.builds, batch, chosen)
        return {
            "graphs": len(chosen),
            "false_inside": sum(bool((mask & ~contract.grids[0].pairs).any()) for mask in masks),  # type: ignore[operator]
        }


def same_numbers(contract: Contract, batch: Batch) -> np.ndarray:
    """Return which calibrations (B,) have the contract's numbers; a projection that is composed may round."""
    cameras, built = batch.cameras, contract.cameras
    given = (cameras["has"] & HAS_PROJECTION) != 0
    wide = np.zeros((*cameras.shape, 4, 4))
    wide[..., :3, :3], wide[..., 3, 3] = cameras["intrinsic"].reshape(*cameras.shape, 3, 3), 1.0
    with np.errstate(all="ignore"):
        composed = (wide @ cameras["camera_from_lidar"].reshape(*cameras.shape, 4, 4)).reshape(
            *cameras.shape, 16
        )
        close = np.isclose(composed, built["image_from_lidar"], rtol=1e-13, atol=1e-9)
    equal = cameras["image_from_lidar"] == built["image_from_lidar"]
    same = np.where(given[..., None], equal, close).all(axis=-1)
    if contract.reads & READS_APART:
        for name in ("intrinsic", "camera_from_lidar"):
            same &= (cameras[name] == built[name]).all(axis=-1)
    for name in ("name", "size_px"):
        alike = cameras[name] == built[name]
        same &= alike if alike.ndim == 2 else alike.all(axis=-1)
    if contract.lenses is not None:
        assert batch.lenses is not None
        same &= (batch.lenses == contract.lenses).all(axis=-1)
    whole = same.all(axis=-1)
    if contract.reads & READS_EGO:
        whole &= batch.has_ego & (batch.ego_from_lidar == contract.ego_from_lidar).all(axis=-1)
    return np.asarray(whole)


def odd(batch: Batch) -> np.ndarray:
    """Return which calibrations (B,) give a number that is not finite."""
    found = np.zeros(len(batch.cameras), np.bool_)
    fields = {"intrinsic": HAS_PINHOLE, "camera_from_lidar": HAS_PINHOLE, "image_from_lidar": HAS_PROJECTION}
    for name, bit in fields.items():
        given = (batch.cameras["has"] & bit) != 0
        found |= (given & ~np.isfinite(batch.cameras[name]).all(axis=-1)).any(axis=-1)
    return found


def judges_of(contracts: Mapping[str, Contract]) -> str:
    """Return a digest of contracts and of what judges: headers, flags, numpy's twin, and the random calibrations.

    The build's digest and its program do not count: they change with the compiler, and judging reads neither.
    """
    alike = [dataclasses.replace(each, build=bytes(32), relink=b"") for each in contracts.values()]
    hashed = hashlib.sha256(b"".join(each.to_bytes() for each in alike))
    hashed.update(repr((FLAGS, BATCH, SAMPLE, SEED)).encode())
    sources = [Path(str(module.__file__)) for module in (twin, scan, measure, rigs)]
    for path in (*sorted((include_dir() / "specialize").iterdir()), *sources):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def judge_all(judges: Judges, key: str, count: int, kept: Path | None) -> Counter[str]:
    """Return the sums of all batches; every finished one is kept."""
    done: dict[str, dict[str, int]] = {}
    if kept is not None and kept.is_file():
        said = json.loads(kept.read_text())
        done = said["batches"] if said["judges"] == key else {}
    for number in range(-(-count // BATCH)):
        if str(number) not in done:
            done[str(number)] = dict(judges.batch(number))
            if kept is not None and (number % 10 == 9 or number + 1 == -(-count // BATCH)):
                write_file(kept, json.dumps({"judges": key, "batches": done}) + "\n")
    return sum((Counter(batch) for batch in done.values()), Counter())


def commit() -> str | None:
    """Return the commit of the checkout; None without one."""
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or None


def figures(counts: Counter[str], key: str) -> dict[str, object]:
    """Return what is written."""
    states = {state.name: counts[state.name] for state in State}
    return {
        "schema": SCHEMA,
        "machine": machine(),
        "commit": commit(),
        "judges": key,
        "calibrations": sum(states.values()),
        "states": states,
        "reasons": {reason.name: counts[reason.name] for reason in Reason if counts[reason.name]},
        "graphs": counts["graphs"],
        "wrong": {name: counts[name] for name in WRONG},
    }


def main() -> int:
    """Judge and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--kept", type=Path, help="file in which finished batches are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    with temporary_folder("guard") as room:
        builds = build_modes(room)
        contracts = contracts_of(builds)
        source = compiling.HERE / "judge_many.cpp"
        library = ctypes.CDLL(str(compiling.compiled(source, room / "libmany.so", "-shared", "-fPIC")))
        key = judges_of(contracts)
        judges = Judges(library, builds, tuple(variants(contracts)))
        if given.kept:
            given.kept.parent.mkdir(parents=True, exist_ok=True)
        said = figures(judge_all(judges, key, given.count, given.kept), key)
    path = given.results / "guard.json"
    write_file(path, json.dumps(said, indent=1) + "\n")
    print(path, json.dumps(said))
    wrong = said["wrong"]
    assert isinstance(wrong, dict)
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
