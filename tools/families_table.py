"""The table of exports of published models, from their measured figures, and what in it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from specialize.costs.agreement import MARGIN
from specialize.evidence.costs import FormsReport
from specialize.text.record import from_json

MOST_DIFFERENCE = 1e-4
"""Of the largest value of an output: a build that differs by more is wrong."""
LEAST_TEETH = 10.0
"""How many times as much a build must differ from its original under another vehicle's calibration."""
DECLINED = "expected work that the calibration makes superfluous"

PREDICTED = "model_predicted_ns"
"""What is counted, as a time: the ratio that must not contradict the measured one."""
COUNTED = ("model_flops", "model_bytes", PREDICTED)
"""What the table gives ratios of, in this order, whatever order a file of results has."""

Json = Mapping[str, Any]


def of_draft(seen: Json, right: str) -> dict[str, Any]:
    """Return what a draft says: kinds that are certain or open, other open keys, and what is wrong in it.

    Args:
        seen: What `specialize inspect --json` printed, or its error.
        right: Text of the sidecar that a person decided.
    """
    if "error" in seen:
        return {"error": seen["error"]}
    draft, decided = yaml.safe_load(seen["sidecar"]), yaml.safe_load(right)
    kinds = draft.get("calibration_inputs") or {}
    wanted = {name: _entry(entry) for name, entry in decided["calibration_inputs"].items()}
    certain = {name: _entry(entry) for name, entry in kinds.items() if "GUESS" not in str(entry)}
    image = {key: value for key, value in draft["image"].items() if "GUESS" not in str(value)}
    wrong = [f"{name}: {entry}" for name, entry in certain.items() if wanted.get(name, entry) != entry]
    wrong += [
        f"image.{key}: {value}" for key, value in image.items() if decided["image"].get(key, value) != value
    ]
    if decided.get("grids") and not _same_grids(draft.get("grids") or [], decided["grids"]):
        wrong.append("grids")
    return {
        "certain": sorted(certain),
        "open": sorted(set(kinds) - set(certain)),
        "left_out": sorted(set(wanted) - set(kinds)),
        "open_image": [key for key in ("size_px", "scale", "crop_px") if key not in image],
        "grids": len(draft.get("grids") or []),
        "wrong": wrong,
        "obstacle": seen.get("obstacle", ""),
        "forms": sorted({form["form"] for form in seen.get("forms", [])}),
    }


def of_build(manifest: Json) -> dict[str, Any]:
    """Return the sites of a build and how many times less it counts, from its manifest or its error."""
    if "error" in manifest:
        return {"error": manifest["error"], "declined": DECLINED in manifest["error"]}
    forms = from_json(manifest["flops"], FormsReport).forms
    ratios = {}
    for key in COUNTED:
        first, last = forms["original"].known(key), forms["specialized"].known(key)
        ratios[key] = None if first is None or not last else round(first / last, 2)
    sites = manifest["sites"]
    cameras = [site for site in sites if site["kind"] == "camera"]
    return {
        "form": manifest["flops"].get("original", ""),
        "sites": len(cameras),
        "pairs": [
            sum(site["queries"] * len(site["cameras"]) for site in cameras),
            sum(site["rows_computed"] for site in cameras),
        ],
        "pooled": sum(site["rows_computed"] for site in sites if site["kind"] != "camera"),
        "counted": ratios,
        "reference": manifest["source"].get("reference", ""),
    }


def table(results: Mapping[str, Json]) -> str:
    """Return the table in Markdown, one row per export."""
    head = [
        "export",
        "form",
        "sites",
        "counted: FLOPs, bytes, predicted time",
        "measured",
        "peak memory",
        "draft",
        "own car",
        "another",
    ]
    rows = [[name, *_row(found)] for name, found in sorted(results.items())]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def troubles(results: Mapping[str, Json]) -> list[str]:
    """Return what is wrong with results, a line each."""
    return [f"{name}: {line}" for name, found in sorted(results.items()) for line in _troubles(found)]


def direction(ratio: float | None) -> int:
    """Return 1 if a ratio of before over after says less, -1 if more, 0 if neither or nothing."""
    if ratio is None or 1 / MARGIN <= ratio <= MARGIN:
        return 0
    return 1 if ratio > 1.0 else -1


def _troubles(found: Json) -> list[str]:
    draft, build, runs = found["draft"], found["build"], found.get("runs", {})
    lines = [f"inspect: {draft['error']}"] if "error" in draft else []
    lines += [f"draft says {each}" for each in draft.get("wrong", [])]
    if "error" in build:
        return lines if build["declined"] else [*lines, f"build: {build['error']}"]
    if "error" in runs:
        return [*lines, f"runs: {runs['error']}"]
    if not runs["difference"] <= MOST_DIFFERENCE:
        lines.append(f"differs by {runs['difference']:.1e}")
    elif not float(runs["difference_other"]) >= LEAST_TEETH * runs["difference"]:
        lines.append("another vehicle makes no difference")
    predicted = build["counted"].get(PREDICTED)
    if direction(predicted) * direction(runs["ratio"]) < 0:
        lines.append(f"predicted {predicted:.2f}x, measured {runs['ratio']:.2f}x")
    return lines


def _row(found: Json) -> list[str]:
    build, runs = found["build"], found.get("runs", {})
    form = build.get("form") or ", ".join(found["draft"].get("forms", [])) or "no site"
    if "error" in build:
        told = "declined: next to nothing to fold" if build["declined"] else f"refused: {build['error'][:60]}"
        return [form, told, "-", "-", "-", _draft(found["draft"]), "-", "-"]
    if "error" in runs:
        return [form, _sites(build), _counted(build), "-", "-", _draft(found["draft"]), "-", "-"]
    times, peaks = runs["milliseconds"], runs["peak_mib"]
    return [
        form,
        _sites(build),
        _counted(build),
        f"{runs['ratio']:.2f}x ({times['original']:g} to {times['specialized']:g} ms)",
        f"{peaks['original']:,} to {peaks['specialized']:,} MiB",
        _draft(found["draft"]),
        f"{runs['difference']:.1e}",
        "does not run" if runs["difference_other"] == "inf" else f"{runs['difference_other']:.1e}",
    ]


def _sites(build: Json) -> str:
    dense, computed = build["pairs"]
    parts = []
    if build["sites"]:
        parts.append(f"{build['sites']}: {computed:,} of {dense:,} pairs ({dense / max(computed, 1):.2f}x)")
    if build["pooled"]:
        parts.append(f"{build['pooled']:,} points pooled")
    return "; ".join(parts) or "none: what depends on the calibration is constant"


def _counted(build: Json) -> str:
    ratios = (build["counted"].get(key) for key in COUNTED)
    return ", ".join("-" if ratio is None else f"{ratio:.2f}x" for ratio in ratios)


def _draft(draft: Json) -> str:
    if "error" in draft:
        return f"none: {draft['error'][:60]}"
    opened = [*draft["open"], *draft["open_image"]]
    parts = [
        f"WRONG: {', '.join(draft['wrong'])}" if draft["wrong"] else "right",
        f"open: {', '.join(opened)}" if opened else "",
        f"left out: {', '.join(draft['left_out'])}" if draft["left_out"] else "",
    ]
    return "; ".join(part for part in parts if part)


def _entry(entry: Any) -> str:
    """Return an entry of `calibration_inputs` in one spelling."""
    if isinstance(entry, Mapping):
        return ", ".join(f"{key} {entry[key]}" if key != "kind" else str(entry[key]) for key in sorted(entry))
    return str(entry)


def _same_grids(drafted: list[Json], wanted: list[Json]) -> bool:
    def plain(grid: Json) -> tuple[object, ...]:
        shape, anchors = tuple(grid["shape"]), int(grid.get("anchors", 1))
        return (
            shape,
            tuple(round(float(end), 2) for end in grid["range_m"]),
            anchors,
            str(grid.get("order", "")),
        )

    return [plain(grid) for grid in drafted] == [plain(grid) for grid in wanted]
