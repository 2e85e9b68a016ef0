"""Draw what every camera computes, before and after: docs/pairs.svg, the picture of README.md.

The cells are those of one attention of a built-in model for a profile, seen from above with the front up.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specialize.calibration.load import load_profile
from specialize.explain.plan import resolve_spec
from specialize.model.visible import visible_sets
from specialize.visibility.plan import VisibilityPlan

REPOSITORY = Path(__file__).parents[1]
PICTURE = REPOSITORY / "docs" / "pairs.svg"
MODEL, CALIB = "bevformer_tiny", "calib_profiles/car42.yaml"

SIDE, GAP, LEFT, TOP = 118, 16, 24, 62
"""Pixels: of a map, between two of them, and of the margins."""


def spans(mask: npt.NDArray[np.bool_], side: int) -> str:
    """Return the path of all cells of a map that are seen: a rectangle for each run of cells of a row.

    Args:
        mask: (rows, columns), the rear row first.
        side: Pixels of the map.
    """
    rows, columns = mask.shape
    high, wide = side / rows, side / columns
    parts = []
    for row, cells in enumerate(mask[::-1]):
        column = 0
        for seen, run in groupby(cells.tolist()):
            length = len(list(run))
            if seen:
                parts.append(
                    f"M{column * wide:g} {row * high:g}h{length * wide:g}v{high:g}h-{length * wide:g}z"
                )
            column += length
    return "".join(parts)


def maps(names: tuple[str, ...], masks: npt.NDArray[np.bool_], top: int, kind: str) -> str:
    """Return one row of maps, with the number of cells below each."""
    parts = []
    for number, (name, mask) in enumerate(zip(names, masks, strict=True)):
        label = name.removeprefix("CAM_").replace("_", " ").lower()
        parts.append(
            f'<g transform="translate({LEFT + number * (SIDE + GAP)} {top})">'
            f'<rect class="none" width="{SIDE}" height="{SIDE}"/>'
            f'<path class="{kind}" d="{spans(mask, SIDE)}"/>'
            f'<text class="small" x="{SIDE / 2:g}" y="{SIDE + 16}">{label}: {np.count_nonzero(mask):,}</text></g>'
        )
    return "\n".join(parts)


def picture(names: tuple[str, ...], plan: VisibilityPlan) -> str:
    """Return the drawing of a plan: all queries of every camera above, those that it sees below."""
    rows, columns = plan.grid.shape[-2:]
    seen = plan.seen.reshape(len(names), rows, columns)
    padded = np.ones_like(seen)
    width = 2 * LEFT + len(names) * (SIDE + GAP) - GAP
    second = TOP + SIDE + 78
    said = (
        f"Zero-padded: {padded.sum():,} pairs of camera and query. "
        f"Specialized: the {plan.pairs:,} that cameras see."
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {second + SIDE + 34}" \
font-family="system-ui, sans-serif" font-size="15" role="img" aria-label="{said}">
<style>.none{{fill:#eef2f6}}.before{{fill:#c4cbd3}}.after{{fill:#0072b2}}text{{fill:#1f2933}}\
.small{{font-size:12px;fill:#52606d;text-anchor:middle}}</style>
<rect width="100%" height="100%" rx="8" fill="#fff"/>
<text x="{LEFT}" y="{TOP - 22}">Shipped today: every camera computes every query, \
<tspan font-weight="bold">{padded.sum():,}</tspan> rows in every layer</text>
{maps(names, padded, TOP, "before")}
<text x="{LEFT}" y="{second - 22}">Specialized for this car: each camera computes what it sees, \
<tspan font-weight="bold">{plan.pairs:,}</tspan> rows, with equal outputs</text>
{maps(names, seen, second, "after")}
</svg>
"""


def drawn() -> str:
    """Return the picture of the model and the profile that README.md speaks of."""
    profile = load_profile(REPOSITORY / CALIB)
    (plan,) = visible_sets(resolve_spec(MODEL, None), profile)
    return picture(profile.camera_names(), plan)


def main() -> None:
    """Write the picture."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    PICTURE.write_text(drawn(), encoding="utf-8")


if __name__ == "__main__":
    main()
