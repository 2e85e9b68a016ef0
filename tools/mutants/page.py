"""What a campaign found, as JSON and as a page for people; the page has no figure that is not in the JSON.

usage: python tools/mutants/page.py    # writes docs/concepts/mutants.md from docs/mutants.json
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from tools.mutants.catalogue import read_catalogue  # noqa: E402
from tools.mutants.outcome import Outcome  # noqa: E402

FIGURES = ROOT / "docs" / "mutants.json"
AT_SITES = ROOT / "docs" / "mutants-at-sites.json"
PAGE = ROOT / "docs" / "concepts" / "mutants.md"
ARGUMENTS = Path(__file__).with_name("survivors.yaml")
SCHEMA = "specialize/mutants@1"
TOP = Path(__file__).with_name("page.md")


def to_json(
    outcomes: Sequence[Outcome], control: Outcome, reversed_: Mapping[str, float], *, every: bool
) -> str:
    """Return what a campaign found: the seeds with their controls, and every mutant."""
    right = {each.seed: each.ratio for each in control.tries}
    seeds = {
        name: {"unmutated": float(f"{right[name]:.3g}"), "reversed_cameras": float(f"{ratio:.3g}")}
        for name, ratio in reversed_.items()
    }
    data = {
        "schema": SCHEMA,
        "every_seed": every,
        "seeds": seeds,
        "mutants": [_entry(one) for one in outcomes],
    }
    return json.dumps(data, indent=1) + "\n"


def merged(earlier: Mapping[str, Any], later: Mapping[str, Any], *, further: bool = False) -> str:
    """Return a campaign and a later run of some of its mutants as one: what ran again counts.

    Args:
        earlier: The campaign.
        later: The run.
        further: Whether the run was one over new seeds alone, whose number adds to those before.
    """
    again = {entry["name"] for entry in later["mutants"]}
    if further:
        before = {entry["name"]: entry["seeds"] for entry in earlier["mutants"]}
        for entry in later["mutants"]:
            entry["seeds"] = [
                a + b for a, b in zip(entry["seeds"], before.get(entry["name"], (0, 0)), strict=True)
            ]
    order = [one.name for one in read_catalogue()]
    entries = [entry for entry in earlier["mutants"] if entry["name"] in order and entry["name"] not in again]
    entries += later["mutants"]
    data = {
        **later,
        "seeds": {**earlier["seeds"], **later["seeds"]},
        "mutants": sorted(entries, key=lambda entry: order.index(entry["name"])),
    }
    return json.dumps(data, indent=1) + "\n"


def _entry(outcome: Outcome) -> dict[str, object]:
    assert outcome.mutant is not None
    decisive = next((one for one in outcome.tries if one.verdict == outcome.verdict), None)
    entry: dict[str, object] = {
        "name": outcome.mutant.name,
        "area": outcome.mutant.area,
        "verdict": outcome.verdict,
        "seeds": [len(outcome.tries), outcome.callers],
    }
    if decisive is not None and outcome.verdict in ("killed", "escaped"):
        entry |= {
            "seed": decisive.seed,
            "check": decisive.check,
            "message": decisive.message.partition("\n")[0],
        }
        entry |= {"ratio": float(f"{decisive.ratio:.3g}")} if outcome.verdict == "escaped" else {}
    return entry


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return totals and the names of those that were not killed."""
    counts = Counter(one.verdict for one in outcomes)
    lines = [f"{len(outcomes)} mutants: {dict(counts)}"]
    lines += [
        f"{one.verdict}: {one.mutant.name}" for one in outcomes if one.mutant and one.verdict != "killed"
    ]
    return "\n".join(lines)


def render(data: Mapping[str, Any], arguments: Mapping[str, str]) -> str:
    """Return the page."""
    entries, catalogue = data["mutants"], {one.name: one for one in read_catalogue()}
    entries = [entry for entry in entries if entry["name"] in catalogue]
    counts = Counter(entry["verdict"] for entry in entries)
    parts = [TOP.read_text(), "## What was found\n", _totals(entries, counts), _checks(entries)]
    parts.append("## Proofs at the sites\n")
    parts.append(_at_sites(json.loads(AT_SITES.read_text())))
    parts.append("## Survivors\n")
    parts.append(_survivors(entries, catalogue, arguments))
    parts.append(_open(entries))
    parts.append("## Seeds\n")
    parts.append(_seeds(data))
    parts.append("## Mutants of the checks themselves\n")
    parts.append(_of_checks())
    return "\n".join(parts)


def _totals(entries: Sequence[Mapping[str, Any]], counts: Counter[str]) -> str:
    rows = [
        "| area | mutants | killed | survived | open | escaped |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for area in sorted({entry["area"] for entry in entries}):
        own = Counter(entry["verdict"] for entry in entries if entry["area"] == area)
        rows.append(_row(area, own))
    rows.append(_row("**all**", counts))
    every = sum(not one.killed_by for one in read_catalogue())
    if every > len(entries):
        rows.append(
            f"\nThese are {len(entries)} of the {every} mutants of the catalogue; the others have not been run yet."
        )
    return "\n".join(rows) + "\n"


def _row(area: str, counts: Counter[str]) -> str:
    words = ("killed", "survived", "open", "escaped")
    return f"| {area} | {counts.total()} | " + " | ".join(str(counts[word]) for word in words) + " |"


def _checks(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return by what kind of error mutants are killed first."""
    kinds = Counter(_kind(entry) for entry in entries if entry["verdict"] == "killed")
    rows = ["| killed first by | mutants |", "| --- | ---: |"]
    rows += [f"| {kind} | {count} |" for kind, count in kinds.most_common()]
    return "\n".join(rows) + "\n"


def _kind(entry: Mapping[str, Any]) -> str:
    """Return in words what ended a build."""
    check, message = entry["check"], entry["message"]
    if check == "VerificationError":
        if message.startswith("witness"):
            return "the witness"
        return (
            "the graph's mask against the envelope"
            if message.startswith("envelope")
            else "the comparison with the original"
        )
    words = {
        "InputError": "a check of inputs, shapes, places or plausibility",
        "DeclinedError": "nothing to specialize any more",
        "StaleError": "a vehicle that does not fit the build",
        "InternalError": "tables of the part against those of the whole",
    }
    return words.get(check, "a crash of the compiler")


def _at_sites(data: Mapping[str, Any]) -> str:
    """Return what became of mutants that the comparison kills, in builds that are proven at their sites."""
    cut = sum(one["verdict"] == "right" for one in data["seeds"])
    counts = Counter((one["verdict"], one["by"]) for one in data["mutants"])
    words = {
        ("detected", "values"): "a value at a site differs",
        ("detected", "elsewhere"): "nodes or weights outside the sites are not those of the first build",
        ("detected", "before"): "the build ends before it is compared, or the model does not run",
        ("right", ""): "the build is right: in today's code the mutant does nothing on this seed",
        ("missed", ""): "**accepted although it is wrong**",
    }
    names = [one["name"] for one in data["mutants"] if one["verdict"] == "right"]
    rows = [
        "A further vehicle is proven [at its sites](proof.md#a-further-vehicle-the-proof-at-the-sites). "
        "Does that detect less?",
        "The unmutated compiler builds a first vehicle of each seed in mode `exact`, and records; the mutated one then "
        "builds the seed's own vehicle with `--proof sites`.",
        f"These are the {len(data['mutants'])} mutants that the comparison with the original kills first on the {cut} "
        f"of {len(data['seeds'])} such seeds that can be recorded.",
        "The other seeds record nothing, because their cameras cannot be turned, or because so few points are so "
        "little moved by that; their vehicles are proven whole.",
        "",
        "| what happened | mutants |",
        "| --- | ---: |",
        *(f"| {text} | {counts[key]} |" for key, text in words.items()),
    ]
    rows += [f"\nRight: {', '.join(names)}."] if names else []
    return "\n".join(rows) + "\n"


def _survivors(
    entries: Sequence[Mapping[str, Any]], catalogue: Mapping[str, Any], arguments: Mapping[str, str]
) -> str:
    rows = ["| mutant | what it changes | seeds | why no answer is wrong |", "| --- | --- | ---: | --- |"]
    for entry in entries:
        if entry["verdict"] == "survived":
            one = catalogue[entry["name"]]
            built, callers = entry["seeds"]
            told = arguments.get(one.name, "not argued yet")
            rows.append(f"| {one.name} | `{one.file}`: {one.breaks} | {built} of {callers} | {told} |")
    return "\n".join(rows) + "\n"


def _open(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return which mutants are not finished."""
    found = [
        f"{one['name']} ({one['seeds'][0]} of {one['seeds'][1]})"
        for one in entries
        if one["verdict"] == "open"
    ]
    if not found:
        return "Every mutant was built until a seed killed it or none was left.\n"
    return f"Open, with the seeds that they survived so far: {', '.join(found)}.\n"


def _seeds(data: Mapping[str, Any]) -> str:
    how = (
        "Every mutant was built for every seed."
        if data["every_seed"]
        else "A mutant is built for one seed after another until one kills it; survivors were built for all."
    )
    rows = [
        how,
        "Both figures are in units of the tolerance: the unmutated build is far below 1, and the user's own model with "
        "its cameras reversed is far above.",
        "",
        "| seed | unmutated build | reversed cameras |",
        "| --- | ---: | ---: |",
    ]
    for name, figures in data["seeds"].items():
        rows.append(f"| {name} | {figures['unmutated']:.2g} | {figures['reversed_cameras']:.2g} |")
    return "\n".join(rows) + "\n"


def _of_checks() -> str:
    rows = [
        "Builds cannot judge a change of the verifier, of the witness, or of what plans a fleet and tells its state: "
        "under a weaker check correct builds still pass.",
        "For each of these a test must fail; `python tools/mutants/checkers.py` runs them.",
        "",
        "| mutant | what it changes | killed by |",
        "| --- | --- | --- |",
    ]
    for one in read_catalogue():
        if one.killed_by:
            rows.append(f"| {one.name} | `{one.file}`: {one.breaks} | `{one.killed_by}` |")
    return "\n".join(rows) + "\n"


def read_arguments() -> dict[str, str]:
    """Return why each survivor is none to worry about, by its name."""
    return {str(name): str(text) for name, text in (yaml.safe_load(ARGUMENTS.read_text()) or {}).items()}


def main() -> int:
    """Write the page."""
    PAGE.write_text(render(json.loads(FIGURES.read_text()), read_arguments()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
