"""The core of the ROS 2 node, fed with plain messages: what it knows, and what it does when they change."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from specialize.vehicle.export import export_build
from specialize.vehicle.policy import Action
from tests.cli.running import CAR42, CAR43, REPOSITORY
from tests.vehicle import compiling

OK, WARN, ERROR, STALE = range(4)  # levels of diagnostic_msgs/DiagnosticStatus
UNKNOWN = (STALE, False, Action.FAIL)


@dataclass(frozen=True)
class Said:
    """One line of the core: its level, whether the calibration is known, what to do, and why."""

    level: int
    known: bool
    action: int
    message: str

    @property
    def verdict(self) -> tuple[int, bool, int]:
        """All but the message."""
        return self.level, self.known, self.action


@dataclass
class Core:
    """Collects messages and lets the core see them in order."""

    program: Path
    contract: Path
    watch: tuple[int, int] = (1, 1)
    rectified: bool = False
    lines: list[str] = field(default_factory=list)

    def info(
        self, camera: int, of: Mapping[str, Any], binning: int = 0, roi: int = 0, shift_px: float = 0.0
    ) -> None:
        """Send a CameraInfo."""
        k = [value for row in of["intrinsic"] for value in row]
        k[2] += shift_px
        width, height = of["size_px"]
        self.lines.append(f"info {camera} {of['name']} {width} {height} {binning} {roi} {_words(k)}")

    def transform(self, parent: str, child: str, pose: Mapping[str, Any]) -> None:
        """Send a static transform."""
        w, x, y, z = pose["rotation_wxyz"]
        self.lines.append(f"tf {parent} {child} {_words(pose['translation_m'])} {_words([x, y, z, w])}")

    def transforms(self, car: Mapping[str, Any]) -> None:
        """Send all of a car."""
        self.transform("base_link", "lidar_top", car["lidar2ego"])
        for camera in car["cameras"]:
            self.transform("base_link", camera["name"], camera["sensor2ego"])

    def infos(self, car: Mapping[str, Any]) -> None:
        """Send the CameraInfo of every camera."""
        for number, camera in enumerate(car["cameras"]):
            self.info(number, camera)

    def check(self) -> None:
        """Ask for the status."""
        self.lines.append("check")

    def relink(self) -> None:
        """Call the service."""
        self.lines.append("relink")

    def run(self) -> list[Said]:
        """Return what the core says of every check and service call."""
        words = [str(self.program), str(self.contract), "lidar_top", *map(str, self.watch)]
        ran = subprocess.run(
            words + ["rectified"] * self.rectified,
            input="\n".join(self.lines), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        parts = [line.split("|", 3) for line in ran.stdout.splitlines()]
        return [Said(int(part[0]), part[1] == "1", int(part[2]), part[3]) for part in parts]


def _words(numbers: Sequence[float]) -> str:
    return " ".join(f"{number!r}" for number in numbers)


def car(path: Path) -> dict[str, Any]:
    """Return a profile as the file spells it: poses as quaternions and metres."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what drives the core, with both sanitizers on."""
    path = tmp_path_factory.mktemp("core") / "drive_core"
    flags = [
        "-std=c++17",
        "-ffp-contract=off",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        *compiling.SANITIZED,
    ]
    folders = ["-I", str(compiling.include_dir()), "-I", str(REPOSITORY / "examples" / "ros2")]
    command = [compiling.gxx(), *flags, *folders, str(compiling.HERE / "drive_core.cpp"), "-o", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return path


@pytest.fixture(scope="module")
def exported(builds: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the contracts of builds by mode, programs for tables included."""
    folder = tmp_path_factory.mktemp("exported")
    for mode in ("exact", "envelope", "tables"):
        export_build(builds[mode], folder / mode)
    return {mode: folder / mode / "contract.bin" for mode in ("exact", "envelope", "tables")}


def test_what_is_missing_is_not_fresh(program: Path, exported: Mapping[str, Path]) -> None:
    """Before every camera and every transform has come the answer is "not yet known", and the engine is not to run."""
    core, today = Core(program, exported["envelope"]), car(CAR42)
    core.check()
    for number, camera in enumerate(today["cameras"][:-1]):
        core.info(number, camera)
    core.check()
    core.transforms(today)
    core.check()
    core.info(5, today["cameras"][5])
    core.check()
    nothing, no_transforms, no_camera, complete = core.run()
    assert [each.verdict for each in (nothing, no_transforms, no_camera)] == [UNKNOWN] * 3
    assert nothing.message == "not yet known: no CameraInfo of CAM_FRONT"
    assert no_transforms.message == "not yet known: no transform between lidar_top and CAM_FRONT"
    assert no_camera.message == f"not yet known: no CameraInfo of {today['cameras'][5]['name']}"
    assert complete.verdict == (OK, True, Action.RUN)
    assert complete.message.startswith("INSIDE")


def test_a_late_transform_is_waited_for(program: Path, exported: Mapping[str, Path]) -> None:
    """The lidar's own transform, or one in the middle of a chain, may come last; a circle is no answer."""
    core, today = Core(program, exported["envelope"]), car(CAR42)
    core.infos(today)
    core.transforms(today)
    still = {"rotation_wxyz": [1.0, 0.0, 0.0, 0.0], "translation_m": [0.0, 0.0, 0.0]}
    core.transform("mount", today["cameras"][3]["name"], today["cameras"][3]["sensor2ego"])
    core.check()
    core.transform("base_link", "mount", still)
    core.check()
    core.transform("lidar_top", "base_link", still)
    core.check()
    waiting, complete, circle = core.run()
    assert waiting.verdict == circle.verdict == UNKNOWN
    assert complete.verdict == (OK, True, Action.RUN)
    assert "circle" in circle.message


def test_a_camera_info_that_changes_is_seen(program: Path, exported: Mapping[str, Path]) -> None:
    """Nothing is latched: the message after the first one counts, and so does the one that takes it back."""
    core, today = Core(program, exported["envelope"]), car(CAR42)
    core.transforms(today)
    core.infos(today)
    core.check()
    core.info(2, today["cameras"][2], shift_px=500.0)
    core.check()
    core.info(2, today["cameras"][2])
    core.check()
    before, after, again = core.run()
    assert before.verdict == again.verdict == (OK, True, Action.RUN)
    assert after.verdict == (WARN, True, Action.FALL_BACK)
    assert after.message == "STALE CAM_FRONT_LEFT"


def test_a_transform_that_changes_is_seen(program: Path, exported: Mapping[str, Path]) -> None:
    """A camera that now looks where its neighbour does makes the build stale."""
    core, today = Core(program, exported["envelope"]), car(CAR42)
    core.infos(today)
    core.transforms(today)
    core.check()
    core.transform("base_link", "CAM_FRONT", today["cameras"][1]["sensor2ego"])
    core.check()
    before, after = core.run()
    assert (before.level, after.message) == (OK, "STALE CAM_FRONT")


def test_one_bad_check_of_many_changes_nothing(program: Path, exported: Mapping[str, Path]) -> None:
    """Two of three checks must agree, as the policy of the library says."""
    core, today = Core(program, exported["envelope"], watch=(2, 3)), car(CAR42)
    core.transforms(today)
    core.infos(today)
    core.check()
    core.info(2, today["cameras"][2], shift_px=500.0)
    core.check()
    core.check()
    said = core.run()
    assert [each.action for each in said] == [Action.RUN, Action.RUN, Action.FALL_BACK]
    assert said[1].message == "STALE CAM_FRONT_LEFT"


def test_tables_are_made_once(program: Path, exported: Mapping[str, Path]) -> None:
    """Another car asks for tables; with them it runs, until its calibration changes again."""
    core, other = Core(program, exported["tables"]), car(CAR43)
    core.relink()
    core.transforms(other)
    core.infos(other)
    core.check()
    core.relink()
    core.check()
    core.info(0, other["cameras"][0], shift_px=0.25)
    core.check()
    early, asks, made, runs, again = core.run()
    assert early.level != OK
    assert (asks.verdict, asks.message[:6]) == ((WARN, True, Action.RELINK), "RELINK")
    assert made.level == OK
    assert runs.verdict == (OK, True, Action.RUN)
    assert runs.message.endswith("tables were made for it")
    assert again.action == Action.RELINK


def test_a_build_without_tables_makes_none(program: Path, exported: Mapping[str, Path]) -> None:
    """The service reports it, and a build in mode exact is stale for poses that were composed again."""
    core, today = Core(program, exported["exact"]), car(CAR42)
    core.transforms(today)
    core.infos(today)
    core.relink()
    core.check()
    refused, stale = core.run()
    assert refused.level != OK
    assert stale.message.startswith("STALE")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"binning": 2}, "another image size"),
        ({"roi": 800}, "another image size"),
        ({"shift_px": 1e12}, "a number above 1e9"),
    ],
)
def test_what_cannot_be_right_is_an_error(
    program: Path, exported: Mapping[str, Path], change: dict[str, Any], reason: str
) -> None:
    """Binned images, a region of interest and absurd numbers are unusable, and said so."""
    core, today = Core(program, exported["envelope"]), car(CAR42)
    core.transforms(today)
    core.infos(today)
    core.info(1, today["cameras"][1], **change)
    core.check()
    (said,) = core.run()
    assert (said.verdict, reason in said.message) == ((ERROR, True, Action.FAIL), True)


def test_a_camera_that_was_never_calibrated_is_an_error(program: Path, exported: Mapping[str, Path]) -> None:
    """ROS writes zeros into K of such a camera."""
    core, today = Core(program, exported["tables"]), car(CAR42)
    core.transforms(today)
    core.infos(today)
    core.info(4, {**today["cameras"][4], "intrinsic": [[0.0] * 3] * 3})
    core.check()
    (said,) = core.run()
    assert "never calibrated" in said.message
    assert said.action == Action.FAIL


def test_rectified_images_have_their_own_matrix(program: Path, exported: Mapping[str, Path]) -> None:
    """Where the engine is fed rectified images P counts, and K does not."""
    core, today = Core(program, exported["envelope"], rectified=True), car(CAR42)
    core.transforms(today)
    core.infos(today)
    core.check()
    (said,) = core.run()
    assert said.verdict == (OK, True, Action.RUN)
