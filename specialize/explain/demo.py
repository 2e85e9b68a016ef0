"""Demonstrate a build with files of this package alone: a small encoder and two vehicles; no torch, no download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from specialize.compiler.build import build
from specialize.files.atomic import write_file
from specialize.files.project import NAME
from specialize.files.resources import resource_dir
from specialize.request import BuildOutcome, BuildRequest
from specialize.text.progress import Say, quiet

PROFILE, OTHER, MODEL, SIDECAR = "car42.yaml", "car43.yaml", "encoder.onnx", "encoder.model.yaml"
FILES = {PROFILE: "calib_profiles", OTHER: "calib_profiles", MODEL: "demo", SIDECAR: "demo", NAME: "demo"}
"""File of the demo -> folder of this package's data that it is copied from."""

SEEDED = (
    "the demo's encoder has random weights made from seed 0, NOT trained ones: shapes, costs and equality are real, "
    "its outputs mean nothing"
)


@dataclass(frozen=True, slots=True)
class Demo:
    """What a demo left behind.

    Attributes:
        folder: Where its files are.
        outcome: Its build.
    """

    folder: Path
    outcome: BuildOutcome

    @property
    def other(self) -> Path:
        """Profile of the other vehicle, for which the build is stale."""
        return self.folder / OTHER


def demonstrate(folder: Path, measure: bool = True, say: Say = quiet) -> Demo:
    """Copy a model, its sidecar and two profiles to a folder, and build the model for the first vehicle.

    Files that are already there stay as they are, so that one can change them and repeat.

    Args:
        folder: Where to put them; created if needed.
        measure: Whether to time both models once.
        say: Told what is being done.

    Raises:
        SpecializeError: A file cannot be written, or one that was changed is wrong.
    """
    for name, source in FILES.items():
        if not (folder / name).exists():
            write_file(folder / name, (resource_dir(source) / name).read_bytes())
    calib, model = folder / PROFILE, str(folder / MODEL)
    output = folder / "build" / calib.stem
    return Demo(folder, build(BuildRequest(calib=calib, model=model, output=output, measure=measure), say))
