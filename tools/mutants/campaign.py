"""Run the compiler with every mutant of the catalogue, and say which mutants its own checks kill.

usage: python tools/mutants/campaign.py [--work FOLDER] [--jobs N] [--only WORD ...] [--seed NAME ...] [--every-seed]
                                        [--write FILE [--onto FILE]]

A mutant is *killed* if a build or a table ends in an error, *survives* if all end well and the oracle finds every
answer right, and *escapes* if one ends well and the oracle finds its answer wrong. The exit code is 1 if one escapes.
What a campaign that was broken off has found about the same sources is taken over.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from tools.mutants import judge, page, runs  # noqa: E402
from tools.mutants.catalogue import PACKAGE, Mutant, read_catalogue, stale  # noqa: E402
from tools.mutants.outcome import Outcome, Try  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "mutants", help="where files are kept")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time")
    parser.add_argument("--only", nargs="*", default=(), help="names, areas or files of mutants to run")
    parser.add_argument("--seed", nargs="*", default=(), help="new seeds, tried beside those of --onto")
    parser.add_argument("--every-seed", action="store_true", help="go on after a mutant is killed")
    parser.add_argument("--write", type=Path, help="JSON file for the outcome")
    parser.add_argument("--onto", type=Path, help="earlier outcome that takes what --only runs again")
    given = parser.parse_args(arguments)
    mutants = [one for one in read_catalogue() if not one.killed_by]
    wrong = stale(mutants)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 2
    if given.only:
        mutants = [one for one in mutants if {one.name, one.area, one.file} & set(given.only)]
    seeds = make_seeds(given.work / "seeds")
    if given.seed:
        seeds = [seed for seed in seeds if seed.name in given.seed]
    controls = {seed.name: prepared(seed) for seed in seeds}
    importers = runs.preload()
    control, calls = runs.run_control(seeds, given.work)
    if not sound(control, controls):
        print(
            "error: expected the unmutated compiler to be right, and the oracle able to fail", file=sys.stderr
        )
        return 2
    log = given.work / f"outcomes-{_sources(every=given.every_seed)}.jsonl"
    known = _known(log)
    waiting = in_turn([one for one in mutants if one.name not in known])
    for outcome in runs.run_mutants(
        waiting, seeds, given.work, given.jobs, calls, importers, every=given.every_seed
    ):
        assert outcome.mutant is not None
        known[outcome.mutant.name] = outcome.tries
        with log.open("a") as file:
            file.write(json.dumps([outcome.mutant.name, [asdict(one) for one in outcome.tries]]) + "\n")
        print(told(outcome), flush=True)
    outcomes = [Outcome(one, known[one.name], len(runs.seeds_for(one, seeds, calls))) for one in mutants]
    if given.write:
        found = page.to_json(outcomes, control, controls, every=given.every_seed)
        if given.onto:
            found = page.merged(
                json.loads(given.onto.read_text()), json.loads(found), further=bool(given.seed)
            )
        given.write.write_text(found)
    print(page.summary(outcomes))
    return int(any(one.verdict == "escaped" for one in outcomes))


def in_turn(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Return mutants of each area in turn, so that a campaign that is broken off has seen something of all."""
    counts: Counter[str] = Counter()
    ranked = []
    for one in mutants:
        counts[one.area] += 1
        ranked.append((counts[one.area], one))
    return [one for _, one in sorted(ranked, key=lambda each: each[0])]


def make_seeds(folder: Path) -> list[judge.Seed]:
    """Export the seeds in a process of their own: this one stays without torch."""
    shutil.rmtree(folder, ignore_errors=True)
    code = (
        "import pathlib, sys; from tools.mutants import seeds; seeds.write_seeds(pathlib.Path(sys.argv[1]))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True, env=env)
    return judge.read_seeds(folder)


def prepared(seed: judge.Seed) -> float:
    """Prepare a seed in a process of its own, so that no session of this one is forked; return its control.

    Raises:
        SystemExit: The oracle cannot answer for it.
    """
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(write, json.dumps(judge.prepare(seed)).encode())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    if not text:
        raise SystemExit(f"error: expected an oracle that answers for seed {seed.name}, got what is above")
    return float(json.loads(text))


def sound(control: Outcome, controls: dict[str, float]) -> bool:
    """Tell how the controls ended; return whether the unmutated builds are right and reversed cameras wrong."""
    for one in control.tries:
        print(
            f"control {one.seed}: {one.verdict} {one.ratio:.3g} {one.message[:300]}; "
            f"cameras reversed: {controls.get(one.seed, 0.0):.3g}",
            flush=True,
        )
    return (
        control.verdict == "survived" and len(control.tries) == len(controls) and min(controls.values()) > 1
    )


def told(outcome: Outcome) -> str:
    """Return a line about a mutant."""
    name = outcome.mutant.name if outcome.mutant else "control"
    if not outcome.tries:
        return f"{name}: survived (no seed calls it)"
    last = outcome.tries[-1]
    seeds = f"{len(outcome.tries)} seeds, {last.seed}"
    return f"{name}: {outcome.verdict} ({seeds}: {last.check} {last.message[:160]!r} {last.ratio:.3g})"


def _sources(*, every: bool) -> str:
    """Return a digest of the compiler and of this tool."""
    paths = sorted([*PACKAGE.rglob("*.py"), *Path(__file__).parent.rglob("*.py")])
    texts = [f"{path.relative_to(ROOT)}\0{path.read_text()}" for path in paths]
    catalogue = [f"{one}" for one in read_catalogue()]
    return hashlib.sha256("\0".join([*texts, *catalogue, str(every)]).encode()).hexdigest()[:16]


def _known(log: Path) -> dict[str, list[Try]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return {name: [Try(**one) for one in tries] for name, tries in map(json.loads, lines)}


if __name__ == "__main__":
    sys.exit(main())
