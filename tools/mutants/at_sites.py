"""Build mutants again with proofs at the sites: does a proof that runs less detect less?

usage: python tools/mutants/at_sites.py [--work FOLDER] [--jobs N] [--only NAME ...] [--write FILE]

Of every seed in mode exact, the unmutated compiler builds a first vehicle, whose cameras are turned and shifted, and
records. Every mutant of `docs/mutants.json` that the comparison with the original detected on such a seed then builds
the seed's own vehicle with `--proof sites`, with that recording. It is *detected* if the build ends in an error, and
*missed* if it succeeds and the oracle finds its result wrong. The exit code is 1 if one is missed, or if the unmutated
compiler's build is not accepted although the seed can be cut.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from tools.mutants import campaign, judge, runs  # noqa: E402
from tools.mutants.catalogue import Mutant, install, read_catalogue  # noqa: E402

FIGURES = ROOT / "docs" / "mutants-at-sites.json"
SCHEMA = "specialize/mutants-at-sites@1"
TURN_RAD, SHIFT_M = 0.01, 0.02
CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Found:
    """One mutant on one seed, proven at its sites.

    Attributes:
        name: The mutant; `control` for the unmutated compiler.
        seed: The seed.
        verdict: `detected`, `missed` or `right`.
        by: `elsewhere` if nodes or weights outside the sites differ, `values` if a value at a site does, `before` if
            the build ended before it was compared.
        message: The first line of the error.
    """

    name: str
    seed: str
    verdict: str
    by: str = ""
    message: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "mutants-at-sites", help="for files")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time")
    parser.add_argument("--only", nargs="*", default=(), help="names of mutants to run")
    parser.add_argument("--write", type=Path, help="JSON file for the outcome")
    given = parser.parse_args(arguments)
    known = json.loads((ROOT / "docs" / "mutants.json").read_text())["mutants"]
    wanted = {one["name"]: one["seed"] for one in known if by_comparison(one)}
    seeds = {one.name: one for one in campaign.make_seeds(given.work / "seeds") if one.mode == "exact"}
    used = sorted({seed for seed in wanted.values() if seed in seeds})
    for name in used:
        campaign.prepared(seeds[name])
    importers = runs.preload()
    pairs: list[tuple[Mutant | None, judge.Seed]] = [(None, seeds[name]) for name in used]
    made = list(run(pairs, given.work, given.jobs, importers, first=True))
    cut = {one.seed for one in made if one.verdict == "right"}
    mutants = [one for one in read_catalogue() if wanted.get(one.name) in cut]
    mutants = [one for one in mutants if not given.only or one.name in given.only]
    chosen: list[tuple[Mutant | None, judge.Seed]] = [(one, seeds[wanted[one.name]]) for one in mutants]
    found = [*made, *run(chosen, given.work, given.jobs, importers, first=False)]
    if given.write:
        given.write.write_text(to_json(found))
    for one in found:
        print(f"{one.name} on {one.seed}: {one.verdict} {one.by} {one.message[:120]!r}")
    return int(any(one.verdict == "missed" for one in found) or not cut)


def by_comparison(entry: dict[str, Any]) -> bool:
    """Return whether the comparison with the original, and no other check, ended the build of a mutant."""
    message = str(entry.get("message", ""))
    return entry.get("check") == "VerificationError" and not message.startswith(("witness", "envelope"))


def to_json(found: Sequence[Found]) -> str:
    """Return the outcome as JSON, mutants in the order of the catalogue."""
    data = {
        "schema": SCHEMA,
        "seeds": [asdict(one) for one in found if one.name == CONTROL],
        "mutants": [asdict(one) for one in found if one.name != CONTROL],
    }
    return json.dumps(data, indent=1) + "\n"


def run(
    pairs: Sequence[tuple[Mutant | None, judge.Seed]], work: Path, jobs: int, importers: dict[str, set[str]],
    *, first: bool,
) -> Iterator[Found]:  # fmt: skip
    """Build pairs of a mutant and a seed, each in a process of its own, and yield what became of each in order.

    Args:
        pairs: Mutants, or none for the unmutated compiler, with their seeds.
        work: Where files are kept.
        jobs: How many at the same time.
        importers: By module, which modules import it.
        first: Whether the first vehicle is built before, which records.
    """
    waiting, running = list(enumerate(pairs))[::-1], {}
    done: dict[int, Found] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, (mutant, seed) = waiting.pop()
            home = work / "runs" / f"{number}-{seed.name}"
            shutil.rmtree(home, ignore_errors=True)
            (home / "tmp").mkdir(parents=True)
            child = os.fork()
            if child == 0:
                runs.isolated(
                    home, lambda m=mutant, s=seed, h=home: _one(m, s, h, work, importers, first=first)
                )
            running[child] = (number, home, mutant, seed)
        child, status = os.wait()
        number, home, mutant, seed = running.pop(child)
        path = home / "found.json"
        name = mutant.name if mutant else CONTROL
        crashed = Found(name, seed.name, "detected", "before", f"ends with status {status}")
        done[number] = Found(**json.loads(path.read_text())) if path.exists() else crashed
        shutil.rmtree(home, ignore_errors=True)
    yield from (done[number] for number in sorted(done))


def _one(
    mutant: Mutant | None, seed: judge.Seed, home: Path, work: Path, importers: dict[str, set[str]],
    *, first: bool,
) -> None:  # fmt: skip
    """Build a seed, after the first vehicle or with what that one recorded, and write down what became of it."""
    recorded = work / "recorded" / seed.name
    os.environ["SPECIALIZE_STORE"] = str(home / "store")
    if first:
        first_vehicle(seed, home, recorded)
    else:
        shutil.copytree(recorded, home / "store")
    if mutant is not None:
        runs.forget(importers.get(mutant.module, {mutant.module}))
        install(mutant)
    found = _built(mutant.name if mutant else CONTROL, seed, home)
    (home / "found.json").write_text(json.dumps(asdict(found)))


def first_vehicle(seed: judge.Seed, home: Path, recorded: Path) -> None:
    """Build the first vehicle of a seed, and keep what it records without the prepared model of this compiler."""
    from specialize.calibration.dump import dump_profile
    from specialize.calibration.load import load_profile
    from specialize.compiler.build import build
    from specialize.request import BuildRequest
    from specialize.store import open_store
    from specialize.visibility.perturb import at_the_edge
    from specialize.visibility.pyramid import Deviation

    profile = load_profile(seed.folder / "vehicle.yaml")
    bounds = [Deviation(rotation_rad=TURN_RAD, translation_m=SHIFT_M)] * len(profile.cameras)
    (moved,) = at_the_edge(profile, bounds, 1)
    path = home / "first.yaml"
    path.write_text(dump_profile(moved))
    model = str(seed.folder / "model.onnx")
    build(BuildRequest(calib=path, model=model, output=home / "first", frames=2, record=True, **seed.options))
    shutil.rmtree(recorded, ignore_errors=True)
    shutil.copytree(open_store().root, recorded)
    shutil.rmtree(recorded / "entries" / "export", ignore_errors=True)


def _built(name: str, seed: judge.Seed, home: Path) -> Found:
    from specialize.compiler.build import build
    from specialize.request import BuildRequest

    folder = home / "build"
    calib, model = seed.folder / "vehicle.yaml", str(seed.folder / "model.onnx")
    try:
        build(BuildRequest(calib=calib, model=model, output=folder, frames=2, proof="sites", **seed.options))
    except Exception as error:
        text = str(error).partition("\n")[0].replace(f"{home}/", "")
        elsewhere = text.startswith("proof at the sites")
        kind = (
            "elsewhere"
            if elsewhere
            else "values"
            if text.startswith(("output", "verification"))
            else "before"
        )
        return Found(name, seed.name, "detected", kind, text[:300])
    wrong = judge.judge(seed, folder, {}) > 1
    return Found(name, seed.name, "missed" if wrong else "right")


if __name__ == "__main__":
    sys.exit(main())
