"""The catalogue of mutants fits the code, its tool changes what is loaded, and the judge shares no code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from tests.architecture import imports
from tests.cli.running import REPOSITORY
from tools.mutants import inside, oracle, page
from tools.mutants.catalogue import Mutant, read_catalogue, stale
from tools.mutants.outcome import Outcome, Try

MUTANTS = read_catalogue()
LEAST = 150


def test_every_entry_fits_the_code() -> None:
    """The old text of each stands once in its file, and the new one changes what the file does."""
    assert stale(MUTANTS) == []


def test_there_are_many_of_every_area() -> None:
    """Mutants of the checks themselves are not counted."""
    areas = {one.area for one in MUTANTS}
    assert {"graph", "rows", "passes", "modes", "visibility", "model", "calibration", "tables"} <= areas
    assert sum(not one.killed_by for one in MUTANTS) >= LEAST


def test_an_entry_that_does_not_fit_is_told() -> None:
    """A text that stands nowhere, one that stands twice, and one that changes nothing are errors."""
    lost, twice, same = (
        Mutant(name, "rows", "rows/capacity.py", old, new, "nothing")
        for name, old, new in (
            ("lost", "no such text", "x"),
            ("twice", "int", "float"),
            ("same", "wanted > lengths", "wanted  >  lengths"),
        )
    )
    told = "\n".join(stale([lost, twice, same, lost]))
    assert "lost: expected 'no such text' once in rows/capacity.py, got it 0 times" in told
    assert "twice: expected 'int' once" in told
    assert "same: expected a change of what rows/capacity.py does, got none" in told
    assert "lost: expected a name of its own" in told


def test_tests_that_kill_mutants_of_checks_exist() -> None:
    """Each names a function of a file of tests."""
    for one in MUTANTS:
        if one.killed_by:
            file, _, test = one.killed_by.partition("::")
            assert f"def {test.partition('[')[0]}(" in (REPOSITORY / file).read_text(), one.name


def test_a_mutant_changes_what_is_loaded() -> None:
    """In a process of its own the changed module is loaded, and no file is written."""
    code = (
        "from tools.mutants.catalogue import Mutant, install\n"
        "one = Mutant('two', 'rows', 'rows/arrange.py', '// self.align) * self.align', '// self.align) * 7', '')\n"
        "before = one.path.read_text()\n"
        "install(one)\n"
        "import numpy as np\n"
        "from specialize.rows.arrange import Packing\n"
        "assert one.path.read_text() == before\n"
        "print(int(Packing(align=2).lengths(np.array([3]))[0]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ran.stdout == "14\n", ran.stderr


@pytest.mark.parametrize("file", ["inside.py", "judge.py", "oracle.py"])
def test_the_judge_shares_no_code(file: str) -> None:
    """It imports nothing of the package, nor of anything that does."""
    names = [name for _, name in imports(REPOSITORY / "tools" / "mutants" / file)]
    assert names
    ours = [name for name in names if name.partition(".")[0] in ("specialize", "tests", "tools")]
    assert set(ours) <= {"tools.mutants.inside", "tools.mutants.oracle"}


def test_the_judge_tells_a_wrong_answer() -> None:
    """A difference of a thousandth of the scale is ten times what is allowed; other shapes and NaN are infinite."""
    wanted = {"out": np.array([[100.0, 0.0], [1.0, -3.0]], np.float32)}
    assert oracle.ratio(wanted, wanted) == 0.0
    off = {"out": wanted["out"] + np.array([[0.0, 0.1], [0.0, 0.0]], np.float32)}
    assert oracle.ratio(off, wanted) == pytest.approx(10.0, rel=1e-3)
    assert oracle.ratio({"out": wanted["out"][:1]}, wanted) == np.inf
    assert oracle.ratio({"out": wanted["out"] * np.nan}, wanted) == np.inf


def test_the_judge_moves_cameras_by_what_is_allowed() -> None:
    """A camera turned by its bound is that far from where it was; a displaced one has another centre."""
    vehicle = oracle.read_vehicle(REPOSITORY / "calib_profiles" / "car42.yaml")
    still = {name: np.zeros(3) for name in ("rotation", "translation", "yaw", "speed")}
    still |= {"focal": np.zeros(2), "principal_point": np.zeros(2)}
    bounds = {"rotation": 0.02, "translation": 0.5}
    turned = inside.moved(vehicle, bounds, {**still, "rotation": np.array([0.0, 1.0, 0.0])})
    apart = turned.camera_from_lidar[0, :3, :3] @ vehicle.camera_from_lidar[0, :3, :3].T
    assert np.arccos((np.trace(apart) - 1) / 2) == pytest.approx(0.02)
    shifted = inside.moved(vehicle, bounds, {**still, "translation": np.array([1.0, 0.0, 0.0])})
    centres = [np.linalg.inv(one.camera_from_lidar[2])[:3, 3] for one in (vehicle, shifted)]
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["car42", "car43", "fisheye4"])
def test_the_oracle_reads_what_seeds_are_written_from(tmp_path: Path, name: str) -> None:
    """A profile as we write it has the poses that the compiler reads, by code of the oracle's own."""
    profile = load_profile(REPOSITORY / "calib_profiles" / f"{name}.yaml")
    path = tmp_path / "vehicle.yaml"
    path.write_text(dump_profile(profile))
    read = oracle.read_vehicle(path)
    wanted = np.stack([camera.camera_from_lidar for camera in profile.cameras])
    np.testing.assert_allclose(read.camera_from_lidar, wanted, atol=1e-9)


def test_the_worst_try_is_the_verdict() -> None:
    """A mutant that one seed kills and another one lets through has escaped."""
    killed, escaped, survived = (Try("seed", word) for word in ("killed", "escaped", "survived"))
    assert Outcome(None, [killed, escaped, survived]).verdict == "escaped"
    assert Outcome(None, [survived, killed]).verdict == "killed"
    assert Outcome(None, [survived], callers=1).verdict == "survived"
    assert Outcome(None, [survived], callers=2).verdict == "open"


def test_what_ran_again_takes_the_place_of_what_was_found() -> None:
    """Entries of an earlier run stay unless their mutants ran again or left the catalogue."""
    first, second = (one.name for one in MUTANTS[:2])
    old = {
        "seeds": {"a": 1},
        "mutants": [{"name": second, "x": 0}, {"name": first, "x": 0}, {"name": "gone"}],
    }
    new = {"schema": 1, "seeds": {"b": 2}, "mutants": [{"name": first, "x": 1}]}
    assert json.loads(page.merged(old, new)) == {
        "schema": 1,
        "seeds": {"a": 1, "b": 2},
        "mutants": [{"name": first, "x": 1}, {"name": second, "x": 0}],
    }


def test_new_seeds_add_to_those_of_before() -> None:
    """What a mutant survived before counts on where it was run with further seeds alone."""
    name = MUTANTS[0].name
    old, new = ({"seeds": {}, "mutants": [{"name": name, "seeds": seeds}]} for seeds in ([4, 4], [1, 2]))
    found = json.loads(page.merged(old, new, further=True))
    assert found["mutants"] == [{"name": name, "seeds": [5, 6]}]


def test_the_page_is_what_was_measured() -> None:
    """The page is written from the figures; nothing escaped, and every survivor is argued."""
    data = json.loads(page.FIGURES.read_text())
    arguments = page.read_arguments()
    assert page.PAGE.read_text() == page.render(data, arguments)
    survivors = {entry["name"] for entry in data["mutants"] if entry["verdict"] == "survived"}
    assert survivors == set(arguments)
    assert not [entry["name"] for entry in data["mutants"] if entry["verdict"] == "escaped"]
    assert len(data["mutants"]) >= LEAST


def test_the_oracle_could_fail() -> None:
    """On every seed the unmutated build is right, and the user's model with its cameras reversed is wrong."""
    for name, figures in json.loads(page.FIGURES.read_text())["seeds"].items():
        assert figures["unmutated"] < 0.1 < 10 < figures["reversed_cameras"], name
