"""Judge the values of one build: what its cameras see, and what its graph computes from the calibration."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specialize.calibration.lint.findings import Finding
from specialize.calibration.off import cameras_off
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.plausibility.masks import SiteMask, judge_masks
from specialize.plausibility.record import CameraSight, Plausibility, shares
from specialize.plausibility.values import Sight, image_findings, see_points, values_findings


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgement of the values of a build.

    Attributes:
        record: Entry for the manifest.
        findings: Findings that need the graph; those about profile and sidecar are made earlier.
    """

    record: Plausibility
    findings: tuple[Finding, ...]


def judge_build(
    spec: ModelSpec,
    profile: CalibrationProfile,
    sites: Sequence[SiteMask],
    inputs: Mapping[str, tuple[int, ...]],
    mode: str,
) -> Judged:
    """Judge what a graph is fed and the masks that it computes.

    Args:
        spec: The model.
        profile: The calibration.
        sites: Rows that the graph keeps under the calibration.
        inputs: Shape by name of each input that remains at run time.
        mode: How the calibration is bound.
    """
    sight, off = see_points(spec, profile), cameras_off(profile)
    fed = {
        name: np.asarray(array, np.float64)
        for name, array in spec.calibration_arrays(profile).items()
        if array.shape[1:] == (4, 4)
    }
    masks = judge_masks(sites, spec, sight, fed, mode)
    findings = (*image_findings(spec, inputs), *masks.findings)
    doubts = dict.fromkeys(one.code for one in (*values_findings(sight, off), *findings))
    record = Plausibility(
        cameras=_cameras(sight, off),
        masks=masks.masks,
        pooled=masks.pooled,
        doubts=tuple(doubts),
        not_compared=masks.not_compared,
    )
    return Judged(record, findings)


def _cameras(sight: Sight, off: Collection[str]) -> tuple[CameraSight, ...]:
    """Return the visible shares of each camera, those that are off excepted."""
    found = []
    for index, name in enumerate(sight.cameras):
        if name in off:
            continue
        lens, network = sight.lens[index], sight.network[index]
        both = float((lens & network).sum())
        part, inside = both / max(float(lens.sum()), 1.0), both / max(float(network.sum()), 1.0)
        of_lens, of_network, outside = shares([float(lens.mean()), part, 1.0 - inside])
        grids = shares([float(grid[index]) for grid in sight.grids])
        found.append(CameraSight(name=name, lens=of_lens, network=of_network, outside=outside, grids=grids))
    return tuple(found)
