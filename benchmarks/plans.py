"""Measure the processor time of planning what rigs see on one large grid; write it beside the machine's name.

usage: python benchmarks/plans.py [--rounds N] [--results FOLDER]

Rigs are planned in turn, so that other work on the machine hits all of them, and each figure comes with its ratio to
the pinholes of car42. `fisheye6` is fisheye4 with two of its cameras a second time: as many cameras as car42 has.
`rational6` is car42 with a rational distortion of large numbers that cancel, as fits of eight coefficients find it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import RESULTS, commit, write_results  # noqa: E402  the checkout, not an installed package
from specialize.calibration.lens import lens_of  # noqa: E402  the checkout, not an installed package
from specialize.calibration.lens.kinds import matrix_parameters  # noqa: E402  the checkout, not an installed package
from specialize.calibration.load import load_profile  # noqa: E402  the checkout, not an installed package
from specialize.visibility.curved import Curved  # noqa: E402  the checkout, not an installed package
from specialize.visibility.grid import QueryGrid, VisibilityRule  # noqa: E402  the checkout, not an installed package
from specialize.visibility.plan import plan_of  # noqa: E402  the checkout, not an installed package
from specialize.visibility.projection import Projection  # noqa: E402  the checkout, not an installed package
from specialize.zoo import spec  # noqa: E402  the checkout, not an installed package

SCHEMA = "specialize/benchmarks-plans@1"
ROUNDS = 41
PINHOLES = "car42"
RIGS = {
    PINHOLES: "bevformer_tiny",
    "fisheye4": "bevformer_tiny_mei",
    "ftheta4": "bevformer_tiny_ftheta",
    "kitti360_like": "bevformer_tiny_mei",
}
"""Profiles, and the models that plan for them."""
RATIONAL = {"k1": -12.3, "k2": 51.0, "k3": -7.5, "k4": -12.1, "k5": 49.0, "k6": -5.0, "p1": 1e-4, "p2": 1e-4}
GRID = QueryGrid((200, 200), (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Processor time of one plan in milliseconds, and of the pinholes' plans how many that is."""

    cameras: int
    rounds: int
    median_ms: float
    lowest_ms: float
    times_pinholes: float


def main() -> None:
    """Measure every rig, print the figures, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    figures = measure(rigs(), chosen.rounds)
    for name, each in figures.items():
        print(f"{name:14} {each.cameras} cameras {each.median_ms:8.2f} ms {each.times_pinholes:6.2f} times")
    write(chosen.results, figures)


def rigs() -> dict[str, tuple[Projection, VisibilityRule]]:
    """Return the cameras of every rig as its model has them, and the model's rule."""
    found: dict[str, tuple[Projection, VisibilityRule]] = {}
    for name, model in RIGS.items():
        about, profile = spec(model), load_profile(ROOT / "calib_profiles" / f"{name}.yaml")
        found[name] = about.projection(profile), about.visibility_rule()
    four, rule = found["fisheye4"]
    assert isinstance(four, Curved)
    six = [0, 1, 2, 3, 0, 1]
    lenses = tuple(four.lenses[camera] for camera in six)
    fisheyes = Curved.of(lenses, four.camera_from_lidar[six], four.size_px[six])
    return found | {"fisheye6": (fisheyes, rule), "rational6": _rational()}


def _rational() -> tuple[Projection, VisibilityRule]:
    """Return the cameras of car42 with a rational distortion, and the rule of its model."""
    about, profile = spec(RIGS[PINHOLES]), load_profile(ROOT / "calib_profiles" / f"{PINHOLES}.yaml")
    lenses, poses = [], []
    for index, camera in enumerate(profile.cameras):
        pinhole, image = camera.as_pinhole(), about.image_of(index)
        lens = lens_of("brown_conrady", matrix_parameters(pinhole.intrinsic) | RATIONAL)
        lenses.append(lens.prepared(image.scale, image.crop_px))
        poses.append(pinhole.camera_from_lidar)
    sizes = about.sizes_px(len(lenses))
    return Curved.of(tuple(lenses), np.stack(poses), sizes), about.visibility_rule()


def measure(rigs: dict[str, tuple[Projection, VisibilityRule]], rounds: int) -> dict[str, Figure]:
    """Plan every rig once per round, after one unmeasured round."""
    spent: dict[str, list[float]] = {name: [] for name in rigs}
    for _ in range(rounds + 1):
        for name, (projection, rule) in rigs.items():
            start = time.process_time()
            plan_of(projection, GRID, rule)
            spent[name].append(1e3 * (time.process_time() - start))
    middle = {name: statistics.median(each[1:]) for name, each in spent.items()}
    return {
        name: Figure(
            cameras=len(np.asarray(rigs[name][0].size_px)),
            rounds=rounds,
            median_ms=round(middle[name], 3),
            lowest_ms=round(min(each[1:]), 3),
            times_pinholes=round(middle[name] / middle[PINHOLES], 2),
        )
        for name, each in spent.items()
    }


def write(folder: Path, figures: dict[str, Figure]) -> Path:
    """Write figures, grid, machine and version into `plans.json` of a folder."""
    grid = {"shape": GRID.shape, "range_m": GRID.range_m, "anchors": GRID.anchors}
    return write_results(folder / "plans.json", SCHEMA, figures, grid=grid, commit=commit())


if __name__ == "__main__":
    main()
