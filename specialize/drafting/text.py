"""Write the text of a drafted sidecar: certain entries as they are, others as GUESS, left-out ones as comments."""

from __future__ import annotations

import json
from collections.abc import Sequence

from specialize.drafting.entries import Entry
from specialize.drafting.grids import Place
from specialize.drafting.image import ImageDraft
from specialize.model.sidecar import GUESS
from specialize.model.spec import SCHEMA

_CAMERAS = "the order of training, so that a rig in another order is detected; [] if any order will do"


def sidecar_text(
    name: str,
    image: ImageDraft,
    entries: Sequence[Entry],
    places: Sequence[Place],
    cameras: Sequence[str],
    frustum: Sequence[str] = (),
) -> str:
    """Return a sidecar that can be saved; `build` rejects it until a person has replaced every GUESS."""
    prep = image.prep
    lines = [
        f"schema: {SCHEMA}",
        f"name: {_quoted(name)}",
        "image:",
        f"  size_px: {_marked(image.size_sure)}{list(prep.size_px)}  # {image.size_from}",
        f"  scale: {_marked(image.scale_sure)}{prep.scale:g}  # {image.scale_from}",
        f"  crop_px: {_marked(image.scale_sure)}{list(prep.crop_px)}",
        *(
            [f"  raw_size_px: {_marked(image.scale_sure)}{list(prep.raw_size_px)}"]
            if prep.raw_size_px
            else []
        ),
    ]
    kept = [entry for entry in entries if entry.kinds]
    lines += ["calibration_inputs:" if kept else "calibration_inputs: {}"]
    lines += [f"  {_quoted(entry.name)}: {entry_text(entry)}  # {entry.comment}" for entry in kept]
    lines += [f"  # left out: {entry.name} {entry.comment}" for entry in entries if not entry.kinds]
    grids = [place.grid for place in places if place.grid is not None]
    lines += ["grids:"] if grids else []
    for grid in grids:
        anchors = f", anchors: {grid.anchors}" if grid.anchors != 1 else ""
        order = f", order: {grid.order}" if grid.order else ""
        lines.append(f"  - {{shape: {list(grid.shape)}, range_m: {list(grid.range_m)}{anchors}{order}}}")
    lines += [f"  # left out: a grid: {place.reason}" for place in places if place.grid is None]
    lines += frustum
    if cameras:
        names = ", ".join(_quoted(each) for each in cameras)
        lines.append(f"cameras: {GUESS} [{names}]  # {_CAMERAS}")
    return "\n".join("".join(each if each.isprintable() else "?" for each in line) for line in lines) + "\n"


def entry_text(entry: Entry) -> str:
    """Return an entry of `calibration_inputs`."""
    kinds = entry.kinds[0] if entry.sure else f"{GUESS} {' or '.join(entry.kinds)}"
    return kinds if entry.repeat == 1 else f"{{kind: {kinds}, repeat: {entry.repeat}}}"


def _marked(sure: bool) -> str:
    return "" if sure else f"{GUESS} "


def _quoted(name: str) -> str:
    """Return a name as YAML: plain if it is a word."""
    return name if name.replace("_", "").isalnum() and not name.isdigit() else json.dumps(name)
