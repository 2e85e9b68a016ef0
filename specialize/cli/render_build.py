"""Render the outcome of a build as text, with the most important number first."""

from __future__ import annotations

from typing import Any

from specialize.artifact.manifest import Manifest, Site
from specialize.digest import short
from specialize.report.baked import baked_parts, cut_line
from specialize.report.costs import costs_table, exchanged
from specialize.report.proof import power_lines, precision_parts, proof
from specialize.report.times import measured_parts
from specialize.report.tuning import chosen_line
from specialize.request import BuildOutcome
from specialize.text.document import Document, Table, table
from specialize.text.terminal import command
from specialize.text.units import count, percent, times

TARGET = "target"
"""Name of the notes that say what a toolchain does with the nodes."""


def build_text(outcome: BuildOutcome) -> Document:
    """Return what `specialize build` shows."""
    manifest = outcome.manifest
    seconds = sum(outcome.seconds.values())
    state = "up to date" if outcome.up_to_date else f"built in {seconds:.1f} s"
    return (
        f"{outcome.build_dir}: {state}\n{title(manifest)}",
        "\n".join([headline(manifest.sites), *_reasons(manifest)]),
        *baked_parts(manifest.baked),
        *mode_lines(manifest.options),
        *sites_tables(manifest.sites),
        *([costs_table(manifest.flops)] if manifest.flops.forms else []),
        *([chosen_line(outcome.tuning)] if outcome.tuning else []),
        *measured_parts(outcome.measured),
        *([_stages(outcome.seconds)] if outcome.seconds else []),
        *_conformance(outcome),
        *precision_parts(manifest.precision),
        "\n".join(
            [
                f"{proof(manifest.verify)}{_when(manifest)}",
                *([cut_line(manifest.baked)] if manifest.baked else []),
                manifest.witness.line(),
                *power_lines(manifest.power),
                manifest.plausibility.line(),
                ties(manifest),
            ]
        ),
        "\n".join(_next(outcome)),
    )


def _next(outcome: BuildOutcome) -> list[str]:
    """Return the commands that come next; the vehicle compares lenses, and measures only matrices."""
    folder = outcome.build_dir
    lines = [f"next: specialize check {command(folder, '--calib', folder / 'profile.yaml')}"]
    measured = outcome.manifest.mode != "exact"
    through = measured and any(line.startswith("lens:") for line in outcome.manifest.spec.splitlines())
    return lines if through else [*lines, f"      specialize vehicle export {command(folder)} -o car"]


def _conformance(outcome: BuildOutcome) -> list[str]:
    """Return what the toolchain does with the nodes; a converted build has notes of both models, many the same."""
    target = outcome.manifest.target
    lines = dict.fromkeys(
        f"{target}: {note.reason}" for note in outcome.manifest.passes if note.name == TARGET
    )
    if not lines:
        return []
    return [
        "\n".join(
            [*lines, f"node by node: specialize inspect {command(outcome.build_dir, '--target', target)}"]
        )
    ]


def title(manifest: Manifest) -> str:
    """Return which model was built for which vehicle, and how."""
    align = f", lengths in multiples of {manifest.align}" if manifest.align > 1 else ""
    how = f"{manifest.mode}, {manifest.layout}{align}"
    attention = f", {manifest.options['attention']}" if "attention" in manifest.options else ""
    precision = f", {manifest.precision.name}" if manifest.precision is not None else ""
    return f"{manifest.model} for {manifest.vehicle} ({how}; {manifest.target}{attention}{precision})"


def headline(sites: tuple[Site, ...]) -> str:
    """Return the one number that matters: how many pairs are left, and how many rows are pooled."""
    seen, pooled = (
        [site for site in sites if _by_camera(site)],
        [site for site in sites if not _by_camera(site)],
    )
    dense = sum(site.queries * len(site.cameras) for site in seen)
    computed = sum(site.rows_computed for site in seen)
    lines = []
    if dense and not computed:
        lines.append("no camera sees any query: no camera-query pair is computed")
    elif computed > dense:
        lines.append(
            f"no fewer camera-query pairs: {computed:,} are computed for {dense:,}, padding included"
        )
    elif dense:
        ratio = times(dense / computed)
        lines.append(f"{ratio} fewer camera-query pairs: {computed:,} of {dense:,} are computed")
    lines += [
        f"{site.rows_computed:,} rows are pooled into {site.queries:,}; no other is computed"
        for site in pooled
    ]
    return (
        "\n".join(lines)
        or "no camera attends to queries here: what depends on the calibration alone is now constant"
    )


def _reasons(manifest: Manifest) -> list[str]:
    """Return why no rows were dropped, and what fell away instead, if none were."""
    if manifest.sites:
        return []
    pooled = [note for note in manifest.passes if note.name == "lower_pool" and note.applied]
    told = {note.where for note in pooled}
    declined = [note for note in manifest.passes if note.name == "compact" and not note.applied]
    notes = [*pooled, *(note for note in declined if note.where not in told)]
    gone = exchanged(manifest.flops)
    return [*([gone] if gone else []), *(f"  {note.where}: {note.reason}" for note in notes)]


def mode_lines(options: dict[str, Any]) -> list[str]:
    """Return what the binding mode costs, in one line each."""
    if "tables" in options:
        return [_capacity_line(options["tables"]["capacity"])]
    envelope = options.get("envelope")
    if envelope is None:
        return []
    pairs, exact = sum(envelope["pairs"]), sum(envelope["exact_pairs"])
    more = f"{percent(envelope['overhead'], 1)} more than the {exact:,} of this calibration"
    return [f"envelope: {pairs:,} pairs may ever be seen, {more}"]


def _capacity_line(capacity: dict[str, Any]) -> str:
    rows, own = capacity["rows"], capacity["own_rows"]
    more = f"{percent(rows / own - 1, 1)} more than the {own:,} of this calibration" if own else "none needed"
    most = [
        f"{capacity[key]:,} {what}"
        for key, what in (("cameras_per_query", "cameras per query"), ("rows_per_cell", "rows per cell"))
        if capacity[key] is not None
    ]
    room = f"room for {rows:,} rows, {more}, and {' and '.join(most)}"
    return f"tables: {capacity['bytes']:,} bytes per vehicle; {room}"


def sites_tables(sites: tuple[Site, ...]) -> list[Table]:
    """Return how many queries each camera sees, a table for each set of cameras; equal sites share a column."""
    rigs: dict[tuple[str, ...], dict[Site, list[int]]] = {}
    for index, site in enumerate(sites):
        if _by_camera(site):
            names = tuple(camera.name for camera in site.cameras)
            rigs.setdefault(names, {}).setdefault(site, []).append(index)
    return [_sites_table(names, groups) for names, groups in rigs.items()]


def _sites_table(names: tuple[str, ...], groups: dict[Site, list[int]]) -> Table:
    heads = (head for numbers in groups.values() for head in (_named(numbers), "share"))
    counts = {name: [site.cameras[row].visible for site in groups] for row, name in enumerate(names)}
    counts["all cameras"] = [site.pairs for site in groups]
    counts["rows computed"] = [site.rows_computed for site in groups]
    rows = (
        (
            label,
            *(cell for site, rows in zip(groups, each, strict=True) for cell in _seen(rows, site.queries)),
        )
        for label, each in counts.items()
    )
    return table("camera", *heads, rows=rows)


def _by_camera(site: Site) -> bool:
    """Return whether the rows of a site are pairs of camera and query, and not points that are pooled."""
    return site.kind == "camera"


def _when(manifest: Manifest) -> str:
    return "" if manifest.precision is None else f", before it was converted to {manifest.precision.name}"


def ties(manifest: Manifest) -> str:
    """Return the digests in one line."""
    digests = manifest.digests
    named = {"profile": digests.profile, "plan": digests.plan, "model": digests.model, "build": digests.build}
    return "digests: " + ", ".join(f"{name} {short(value)}" for name, value in named.items())


def _named(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"site {numbers[0]}"
    return (
        f"sites {numbers[0]}-{numbers[-1]}"
        if numbers == list(range(numbers[0], numbers[-1] + 1))
        else "sites"
    )


def _seen(rows: int, queries: int) -> tuple[str, str]:
    return count(rows), percent(rows / queries, 1)


def _stages(seconds: dict[str, float]) -> str:
    return "seconds: " + ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
