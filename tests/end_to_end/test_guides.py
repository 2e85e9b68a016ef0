"""The commands of the guides work as they stand, page by page and in order; the few that cannot run here say why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from specialize.calibration.load import load_profile
from specialize.explain.demo import FILES
from specialize.files.resources import resource_dir
from tests.calibration.formats.recordings import drive, foxglove, write_mcap
from tests.calibration.formats.rigs import OTHER, real
from tests.cli.running import CAR42, CAR43, REPOSITORY
from tests.end_to_end.tiny_lift import write_lift
from tests.test_docs import IN_ORDER, RUNNABLE, shown_commands
from tools.notebooks import place

COMMANDS = shown_commands()
NOT_RUN = {
    "make ": "the repository's own targets, which CI runs; that they exist is tested",
    "bash .ci/run": "CI itself",
    "pip install ": "installs packages; `make install-size` does it in new environments",
    "python3 -m venv ": "as pip install",
    "source .venv/": "as pip install",
    "docker ": "needs a container runtime; `tests/tools/test_gate.py` runs what the image is made with",
    "g++ ": "tests/vehicle/test_examples.py runs it, with the runtimes' files in their places",
    "python tools/targets/": "vendors' compilers: gigabytes and hours, `make targets`",
    "export SPECIALIZE_STORE=s3": "needs a bucket; tests/store/test_remote.py has a server that speaks S3",
    **dict.fromkeys(
        [f"specialize fleet {name} s3://" for name in ("pack", "plan", "status")],
        "needs a bucket; tests/fleet has files behind URLs",
    ),
    "scp ": "needs a device",
    "ssh ": "as scp",
    "specialize tune build/car42 --rounds 3 --command": "as scp; tests/explain/test_tune.py has a program in its place",
    "skopeo ": "needs a registry of containers, and a tool for it",
    "oras ": "as skopeo",
    "specialize fleet build fleets/vans --engine dask": "needs a cluster; tests/fleet/test_executors.py makes one",
}
"""Beginning of commands that these tests do not run -> the reason."""


def small(place: Path) -> None:
    """Lay out what a reader of most guides has: a model that the project file names, and profiles."""
    (place / "calib_profiles").symlink_to(REPOSITORY / "calib_profiles")
    for name, source in FILES.items():
        shutil.copyfile(resource_dir(source) / name, place / name)
    for ending in (".onnx", ".model.yaml"):
        shutil.copyfile(place / f"encoder{ending}", place / f"my{ending}")


def built(place: Path) -> None:
    """Lay out the same, and a build of `car42` in its usual place."""
    small(place)
    shell(f"specialize build --calib {CAR42}", place)


def with_frames(place: Path) -> None:
    """Lay out frames for int8, and others that were held back."""
    small(place)
    for number, name in enumerate(("frames", "held_back")):
        images = np.random.default_rng(number).standard_normal((1, 6, 3, 480, 800)).astype(np.float32)
        (place / name).mkdir()
        np.savez(place / name / "000042.npz", img=images)


def with_photos(place: Path) -> None:
    """Lay out a profile and a build of the reader's own, and an image of each camera."""
    small(place)
    (place / "my_car.yaml").write_text(CAR42.read_text())
    shell("specialize build --calib my_car.yaml -o build/my_car", place)
    (place / "frames").mkdir()
    for name in load_profile(CAR42).camera_names():
        Image.new("RGB", (400, 225), "grey").save(place / "frames" / f"{name}.jpg")


def with_lift(place: Path) -> None:
    """Lay out a build, and one with tables of a model that pools points into cells."""
    built(place)
    model = write_lift(place / "lift")
    shell(f"specialize build --calib {CAR42} --model {model} --mode tables -o build/lift", place)


def whole(place: Path) -> None:
    """Lay out profiles alone: the page names built-in models."""
    (place / "calib_profiles").symlink_to(REPOSITORY / "calib_profiles")


def exported(place: Path) -> None:
    """Lay out calibrations of two vehicles as another program would have written them."""
    whole(place)
    (place / "exports").mkdir()
    for path in (CAR42, CAR43):
        matrices = {"lidar2img": load_profile(path).image_from_lidar().tolist()}
        (place / "exports" / f"{path.stem}.json").write_text(json.dumps(matrices))


def recorded(place: Path) -> None:
    """Lay out a recording of a real rig, three cameras of which have short names."""
    rig = real(OTHER)
    names = {"CAM_FRONT": "front", "CAM_FRONT_LEFT": "left", "CAM_BACK": "rear"}
    cameras = tuple(replace(one, name=names.get(one.name, one.name)) for one in rig.cameras)
    write_mcap(place / "drive.mcap", foxglove(drive(replace(rig, cameras=cameras))))


QUICK: dict[str, Callable[[Path], None]] = {
    "README.md": whole,
    "docs/guides/degraded.md": small,
    "docs/guides/modes.md": small,
    "docs/guides/precision.md": with_frames,
    "docs/guides/signing.md": built,
    "docs/guides/targets.md": built,
    "docs/guides/vehicle.md": with_lift,
    "docs/guides/pictures.md": with_photos,
    "docs/reference/formats.md": recorded,
}
"""Page -> what its reader has already; the model is a small one, from the project file."""

SLOW = {
    "docs/guides/getting-started.md": whole,
    "docs/guides/lenses.md": whole,
    "docs/guides/fleet.md": exported,
}
"""The same for pages that build whole detectors; `docs/guides/tutorial.md` has a test of its own."""

TUTORIAL = "docs/guides/tutorial.md"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as a terminal does, and require that it ends as its page says: 0, or 3 where something may differ."""
    command, _, remark = line.partition("  #")
    own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": own},
        capture_output=True,
        text=True,
        check=False,
    )
    differs = "exits 3" in remark or command.startswith(
        ("specialize check", "specialize diff", "specialize fleet status")
    )
    assert run.returncode in ((0, 3) if differs else (0,)), f"{line}\n{run.stdout}\n{run.stderr}"
    return run


def follow(page: str, prepare: Callable[[Path], None], folder: Path) -> None:
    """Run the commands of a page in order, in a folder with what its reader has."""
    with place(folder):
        prepare(folder)
        for document, line, _ in COMMANDS:
            if document == page and not line.startswith(tuple(NOT_RUN)):
                shell(line, folder)


@pytest.mark.parametrize("page", QUICK)
def test_a_guide_can_be_followed(page: str, tmp_path: Path, store_dir: Path) -> None:
    """Every command of the page ends as the page says."""
    follow(page, QUICK[page], tmp_path)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", SLOW)
def test_a_guide_to_whole_detectors_can_be_followed(
    page: str, tmp_path: Path, shared_store_dir: Path
) -> None:
    """Every command of the page ends as the page says."""
    follow(page, SLOW[page], tmp_path)


def test_every_command_is_run_or_says_why_not() -> None:
    """A command is run by a test of its page, or alone by `tests/test_docs.py`, or is on the list with a reason."""
    pages = {*QUICK, *SLOW, *IN_ORDER, TUTORIAL}
    alone = tuple(f"specialize {name}" for name in RUNNABLE)
    left = [
        f"{document}: {line}"
        for document, line, _ in COMMANDS
        if document not in pages and not line.startswith((*alone, *NOT_RUN))
    ]
    assert left == []
    lines = [line for _, line, _ in COMMANDS]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)] == []


def test_make_has_the_targets_that_pages_name() -> None:
    """`make X` in a document is a target of the Makefile."""
    text = (REPOSITORY / "Makefile").read_text()
    named = {line.split()[1] for _, line, _ in COMMANDS if line.startswith("make ")}
    assert named and {name for name in named if f"\n{name}:" not in text} == set()


def test_a_command_that_fails_fails_the_test(tmp_path: Path) -> None:
    """Also one that differs where the page does not say so."""
    shell("exit 3  # exits 3", tmp_path)
    for line in ("exit 1", "exit 3", "exit 1  # exits 3"):
        with pytest.raises(AssertionError, match="exit"):
            shell(line, tmp_path)
