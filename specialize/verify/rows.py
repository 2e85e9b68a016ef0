"""Show at each site that every row matters: its camera moves it, and it moves the outputs.

The results of the sites under a change of one camera are passed to the rest of the model, which shows the effect of
that camera on the outputs. The whole model would show the same, except that here sites read noise instead of each
other's results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from specialize.evidence.power import Influence, SitePower
from specialize.verify.conditioning import Bound
from specialize.verify.opened import Opened, SiteRows, rolled, rows_of
from specialize.verify.power import influence, movements, site_power

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Seen:
    """What opened sites show.

    Attributes:
        sites: What is shown at each site.
        lines: Which sites nothing can be shown at, in one line each.
        cameras: What the features of each camera do to the outputs through the sites, by the camera's name; empty where
            features reach the outputs in another way too.
    """

    sites: tuple[SitePower, ...] = ()
    lines: tuple[str, ...] = ()
    cameras: Mapping[str, Influence] = field(default_factory=dict)


def see(
    opened: Opened,
    sites: Sequence[SiteRows],
    feed: Arrays,
    swapped: Mapping[str, Arrays],
    bounds: Mapping[str, Bound],
    progress: Callable[[str], None],
) -> Seen:
    """Return what opened sites show.

    Args:
        opened: The original, or its head, open at the sites.
        sites: The sites.
        feed: Inputs of one frame.
        swapped: For each camera, by name, the features of which it has its neighbour's, by input name.
        bounds: What the comparison allows of each output.
        progress: Called before the runs.
    """
    results = opened.rows.run({**feed, **opened.feed})
    usable, lines = _usable(opened, sites, results, len(swapped))
    if not usable:
        return Seen((), lines)
    changed = {number: np.zeros_like(sites[number].seen) for number in usable}
    names = next(iter(swapped.values()), {}).keys()
    alone = names.isdisjoint(opened.rest.inputs)
    base = opened.rest.run({**feed, **opened.passed(results)}) if alone else {}
    cameras = {}
    for index, camera in enumerate(swapped):
        progress(f"camera {camera} at the sites")
        moved = opened.rows.run({**feed, **opened.feed, **swapped[camera]})
        for number, rows in usable.items():
            after = rows_of(moved[opened.outputs[number]], len(rows))
            changed[number][index] = np.any(rows != after, axis=1)
        if alone:
            outputs = opened.rest.run({**feed, **opened.passed(moved)})
            cameras[camera] = influence("camera", camera, base, outputs, bounds)
        del moved, after  # those of a large model, while the next camera's are made
    factors = _shuffled(opened, sites, feed, usable, bounds, progress)
    powers = (_power(sites[number], changed[number], factors[number]) for number in usable)
    return Seen(tuple(powers), lines, cameras)


def _shuffled(
    opened: Opened,
    sites: Sequence[SiteRows],
    feed: Arrays,
    usable: Iterable[int],
    bounds: Mapping[str, Bound],
    progress: Callable[[str], None],
) -> dict[int, dict[str, float]]:
    """Return what each site's result does to each output if every row has the values of the one before."""
    fed = {**feed, **opened.feed}
    base = opened.rest.run(fed)
    factors = {}
    for number in usable:
        progress(f"shuffled rows of site {number}")
        name, rows = opened.inputs[number], sites[number].seen.shape[1]
        outputs = opened.rest.run({**fed, name: rolled(opened.feed[name], rows)})
        factors[number] = movements(base, outputs, bounds)
    return factors


def _usable(
    opened: Opened, sites: Sequence[SiteRows], base: Arrays, cameras: int
) -> tuple[dict[int, np.ndarray], tuple[str, ...]]:
    """Return the results (Q, ...) of the sites that have rows by camera, and what is wrong with the others."""
    usable, lines = {}, []
    for number, site in enumerate(sites):
        rows = rows_of(base[opened.outputs[number]], site.seen.shape[1]) if number in opened.outputs else None
        if cameras < 2 or len(site.seen) != cameras:
            lines.append(f"single rows of site {site.where}: its rows are not ordered by camera")
        elif rows is None:
            lines.append(f"single rows of site {site.where}: the original has no such result")
        else:
            usable[number] = rows
    return usable, tuple(lines)


def _power(site: SiteRows, changed: np.ndarray, factors: dict[str, float]) -> SitePower:
    return site_power(
        where=site.where,
        pairs=int(site.seen.sum()),
        moved=int((changed & site.seen).sum()),
        elsewhere=int((changed & ~site.seen).sum()),
        outputs=factors,
    )
