"""Show at each site that every row matters: its camera moves it, and it moves the outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from specialize.verify.conditioning import Bound
from specialize.verify.opened import Opened, SiteRows, rolled, rows_of
from specialize.verify.power import SitePower, influence

Arrays = Mapping[str, np.ndarray]


def site_powers(
    opened: Opened,
    sites: Sequence[SiteRows],
    feed: Arrays,
    swapped: Sequence[Arrays],
    bounds: Mapping[str, Bound],
    progress: Callable[[str], None],
) -> tuple[tuple[SitePower, ...], tuple[str, ...]]:
    """Return what is shown at each site, and which sites nothing can be shown at, in one line each.

    Args:
        opened: The original, or its head, open at the sites.
        sites: The sites.
        feed: Inputs of one frame.
        swapped: For each camera the features of which it has its neighbour's, by input name.
        bounds: What the comparison allows of each output.
        progress: Called before the runs.
    """
    fed = {**feed, **opened.feed}
    base = opened.runner.run(fed)
    usable, lines = _usable(opened, sites, base, len(swapped))
    changed = {number: np.zeros_like(sites[number].seen) for number in usable}
    for camera, features in enumerate(swapped if usable else ()):
        progress(f"camera {camera} at the sites")
        results = opened.runner.run({**fed, **features})
        for number, rows in usable.items():
            after = rows_of(results[opened.outputs[number]], len(rows))
            changed[number][camera] = np.any(rows != after, axis=1)
    found = []
    for number in usable:
        progress(f"shuffled rows of site {number}")
        name = opened.inputs[number]
        results = opened.runner.run({**fed, name: rolled(opened.feed[name], sites[number].seen.shape[1])})
        factors = influence("site", sites[number].where, base, results, bounds).outputs
        found.append(_power(sites[number], changed[number], factors))
    return tuple(found), lines


def _usable(
    opened: Opened, sites: Sequence[SiteRows], base: Arrays, cameras: int
) -> tuple[dict[int, np.ndarray], tuple[str, ...]]:
    """Return the results (Q, ...) of the sites that have rows by camera, and what is wrong with the others."""
    usable, lines = {}, []
    for number, site in enumerate(sites):
        rows = rows_of(base[opened.outputs[number]], site.seen.shape[1]) if number in opened.outputs else None
        if cameras < 2 or len(site.seen) != cameras:
            lines.append(f"single rows of site {site.where}: its rows are not by camera")
        elif rows is None:
            lines.append(f"single rows of site {site.where}: the original has no such result")
        else:
            usable[number] = rows
    return usable, tuple(lines)


def _power(site: SiteRows, changed: np.ndarray, factors: Mapping[str, float]) -> SitePower:
    return SitePower(
        where=site.where,
        pairs=int(site.seen.sum()),
        moved=int((changed & site.seen).sum()),
        elsewhere=int((changed & ~site.seen).sum()),
        outputs=factors,
    )
