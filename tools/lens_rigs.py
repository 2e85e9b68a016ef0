"""Plan the example rigs with lenses, and write what specialization leaves of them: docs/lens-rigs.json and the guide.

usage: python tools/lens_rigs.py    # `make lens-rigs`

Only plans are made, so that no figure depends on the machine. Ghosts are points that a model counts as visible whose
mask tests the denominator of the MEI formula alone, as published ones do, and that no lens can see.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from specialize import zoo  # noqa: E402  the checkout, not an installed package
from specialize.calibration.load import load_profile  # noqa: E402  the checkout, not an installed package
from specialize.model.parts import LensSpec  # noqa: E402  the checkout, not an installed package
from specialize.model.visible import visible_sets  # noqa: E402  the checkout, not an installed package

FIGURES = ROOT / "docs" / "lens-rigs.json"
GUIDE = ROOT / "docs" / "guides" / "lenses.md"
BEGIN, END = "<!-- table of rigs: made by `make lens-rigs` -->\n", "<!-- end of the table -->\n"
SCHEMA = "specialize/lens-rigs@1"
RIGS = {
    "car42": ("bevformer_tiny", "six pinholes"),
    "kitti360_like": ("bevformer_tiny_mei", "two pinholes, two MEI"),
    "fisheye4": ("bevformer_tiny_mei", "four MEI fisheyes"),
    "ftheta4": ("bevformer_tiny_ftheta", "four f-theta fisheyes"),
}
"""Profiles, with the model that each is planned for and what it has."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One rig.

    Attributes:
        model: Model that it is planned for.
        cameras: What it has.
        queries: Queries of the model, Q.
        visible: Per camera, queries that it sees.
        ragged: How many times fewer pairs are computed if each camera has its own length.
        padded: The same if all have that of the longest.
        ghosts: Per camera, share of the visible points that no lens can see, if a MEI mask tests the denominator alone.
    """

    model: str
    cameras: str
    queries: int
    visible: dict[str, int]
    ragged: float
    padded: float
    ghosts: dict[str, float] = {}


def figures() -> dict[str, Figure]:
    """Return the figures of every rig."""
    found = {}
    for rig, (model, cameras) in RIGS.items():
        spec, profile = zoo.spec(model), load_profile(ROOT / "calib_profiles" / f"{rig}.yaml")
        (plan,) = visible_sets(spec, profile)
        dense, names = plan.seen.size, profile.camera_names()
        ghosts: dict[str, float] = {}
        if spec.lens is not None and spec.lens.model == "mei":
            formula = msgspec.structs.replace(spec, lens=LensSpec(model="mei", domain="formula"))
            (wide,) = visible_sets(formula, profile)
            counted, true = (each.points_seen() for each in (wide, plan))
            shares = 1 - (counted & true).sum(axis=(1, 2)) / np.maximum(counted.sum(axis=(1, 2)), 1)
            ghosts = {name: round(float(share), 3) for name, share in zip(names, shares, strict=True)}
        found[rig] = Figure(
            model=model,
            cameras=cameras,
            queries=plan.grid.queries,
            visible=dict(zip(names, map(int, plan.lengths), strict=True)),
            ragged=round(dense / plan.pairs, 2),
            padded=round(dense / (plan.longest * len(names)), 2),
            ghosts=ghosts,
        )
    return found


def figures_text(found: dict[str, Figure]) -> str:
    """Return the JSON of figures."""
    data = {"schema": SCHEMA, "rigs": msgspec.to_builtins(found)}
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"


def table(found: dict[str, Figure]) -> str:
    """Return figures as a table of Markdown."""
    lines = [
        "| rig | cameras | fewer pairs, ragged | padded | widest camera sees | ghosts by the denominator |"
    ]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for rig, each in found.items():
        most = max(each.visible.values()) / each.queries
        worst = max(each.ghosts.values(), default=0.0)
        ghosts = f"up to {100 * worst:.0f} % of a camera's points" if worst else "none"
        lines.append(
            f"| `{rig}` | {each.cameras} | {each.ragged:.2f}x | {each.padded:.2f}x | {100 * most:.0f} % | {ghosts} |"
        )
    return "\n".join(lines) + "\n"


def with_table(text: str, made: str) -> str:
    """Return a page with the table between its marks."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + made + END + rest.split(END, 1)[1]


def main() -> None:
    """Write the figures and the table."""
    found: dict[str, Any] = figures()
    FIGURES.write_text(figures_text(found))
    GUIDE.write_text(with_table(GUIDE.read_text(), table(found)))
    print(table(found), end="")


if __name__ == "__main__":
    main()
