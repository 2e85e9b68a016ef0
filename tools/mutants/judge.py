"""What each seed must answer, computed once by the oracle, and how far a build is from it.

usage of a seed's folder: `model.onnx`, `model.model.yaml`, `vehicle.yaml`, `others/*.yaml` (of tables) and `seed.json`.
Nothing of the compiler is imported here.
"""

from __future__ import annotations

import json
import math
import pickle  # files of this tool alone, written a moment before
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tools.mutants import inside, oracle


@dataclass(frozen=True, slots=True)
class Case:
    """One run: what is fed, and what the user's model gives.

    Attributes:
        vehicle: Names the tables that it needs.
        feeds: Inputs by name.
        wanted: Outputs by name; none where only the pairs outside of an envelope are counted.
        seen: Of an envelope: the least and the most pairs (2, N, Q) that the calibration sees of the first grid.
    """

    vehicle: str
    feeds: oracle.Arrays
    wanted: oracle.Arrays
    seen: inside.Bools | None = None


@dataclass(frozen=True, slots=True)
class Seed:
    """One model, calibration and mode that mutants are built for.

    Attributes:
        folder: Where its files are.
        options: Keywords of the build request: mode, layout, align, tolerance, allow.
        bounds: The tolerance in radians, metres, pixels, seconds, by word.
        areas: Areas of the catalogue that it is tried first for.
    """

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)
    areas: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def mode(self) -> str:
        """Binding mode of the build."""
        return str(self.options.get("mode", "exact"))

    def others(self) -> list[Path]:
        """Return the further vehicles that tables are made for, or that an envelope covers."""
        return sorted((self.folder / "others").glob("*.yaml"))

    def beyond(self) -> list[Path]:
        """Return vehicles that need more room than tables have: they are refused, or their tables are right."""
        return sorted((self.folder / "beyond").glob("*.yaml"))


def read_seeds(folder: Path) -> list[Seed]:
    """Return the seeds in a folder, in order of their names."""
    found = []
    for path in sorted(folder.glob("*/seed.json")):
        data = json.loads(path.read_text())
        found.append(Seed(path.parent, data["options"], data["bounds"], tuple(data["areas"])))
    return found


def prepare(seed: Seed) -> float:
    """Compute what a seed must answer; return how wrong the oracle finds the answers of reversed cameras.

    That figure is the control that the oracle can fail: above 1.
    """
    model, sidecar = (
        seed.folder / "model.onnx",
        yaml.safe_load((seed.folder / "model.model.yaml").read_text()),
    )
    profiles = [seed.folder / "vehicle.yaml", *seed.others(), *seed.beyond()]
    vehicles = [(path.stem, oracle.read_vehicle(path)) for path in profiles]
    for name, vehicle in list(vehicles) if seed.mode == "envelope" else ():
        moved = inside.inside_tolerance(sidecar, vehicle, seed.bounds)
        vehicles += [(f"{name}/inside{number}", one) for number, one in enumerate(moved)]
    run = oracle.session(model)
    cases: list[Case] = []
    known: list[str] = []
    for name, vehicle in vehicles:
        own = oracle.calibration(model, sidecar, vehicle)
        known = list(own)
        for frame in oracle.frames(model, list(own)):
            feeds = {**own, **frame}
            seen = inside.counted(sidecar, vehicle) if seed.mode == "envelope" else None
            cases.append(Case(name, feeds, oracle.run(run, feeds), seen))
    if seed.options.get("count_outside"):
        cases.append(_outside(cases[0], model, sidecar, vehicles[0][1].backward()))
    (seed.folder / "cases.pickle").write_bytes(pickle.dumps(cases))
    first = cases[0]
    reversed_ = {name: _reversed(array) if name in known else array for name, array in first.feeds.items()}
    return oracle.ratio(oracle.run(run, reversed_), first.wanted)


def _outside(first: Case, model: Path, sidecar: dict[str, Any], vehicle: oracle.Vehicle) -> Case:
    """Return a run of which only the pairs outside of the envelope are counted."""
    feeds = {**first.feeds, **oracle.calibration(model, sidecar, vehicle)}
    return Case("outside", feeds, {}, inside.counted(sidecar, vehicle))


def _reversed(array: np.ndarray) -> np.ndarray:
    """Return an input whose first axis with more than one index, the cameras of matrices, is reversed."""
    axis = next((axis for axis, size in enumerate(array.shape) if size > 1), 0)
    return np.flip(array, axis=axis).copy()


def judge(seed: Seed, build: Path, tables: dict[str, Path]) -> float:
    """Return how far a build is from what the user's model gives, in units of what is allowed."""
    run, worst = oracle.session(build / "model.onnx"), 0.0
    covered = inside.read_pairs(build / "envelope.npz") if seed.mode == "envelope" else None
    refused = {path.stem for path in seed.beyond()} - tables.keys()
    for case in pickle.loads((seed.folder / "cases.pickle").read_bytes()):
        if case.vehicle in refused:
            continue
        given = oracle.read_table(tables[case.vehicle]) if seed.mode == "tables" else {}
        try:
            got = oracle.run(run, {**case.feeds, **given})
        except Exception:  # the runtime's own types: a build or a table that does not even run
            return math.inf
        worst = max(worst, oracle.ratio(got, case.wanted))
        if covered is not None and not _covers(case, covered, got):
            return math.inf
    return worst


def _covers(case: Case, covered: inside.Bools, got: oracle.Arrays) -> bool:
    """Return whether an envelope's file holds what a case sees, and its model counts what is outside."""
    assert case.seen is not None
    least, most = (int((seen & ~covered).sum()) for seen in case.seen)
    counted = "pairs_outside" not in got or least <= float(got["pairs_outside"][0]) <= most
    return counted and (case.vehicle == "outside" or least == 0)
