"""The lock: sorted text that says the same when read back, and refuses what is no lock."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from specialize.errors import InputError
from specialize.fleet.builds import FleetPlan
from specialize.fleet.lock import NAME, SCHEMA, lock_of, lock_text, parse_lock, read_lock, write_lock
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest
from tests.calibration import authored
from tests.fleet.fleets import FOREIGN, mixed_fleet, write_fleet, write_rig


def planned(folder: Path) -> FleetPlan:
    """Return the plan of a folder."""
    return plan_fleet(FleetRequest.of(folder=folder, model="bevformer_tiny", allow=FOREIGN), jobs=1)


def test_a_lock_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading a lock changes nothing but the spelling of paths."""
    mixed_fleet(tmp_path)
    lock = lock_of(planned(tmp_path))
    write_lock(lock, tmp_path / "fleet.lock")
    found = read_lock(tmp_path / "fleet.lock")
    assert lock_text(found, tmp_path) == (tmp_path / "fleet.lock").read_text()
    assert found.builds == lock.builds
    assert found.request.build.allow == FOREIGN
    assert [one.path.resolve() for one in found.vehicles.values()] == [
        lock.vehicles[name].path.resolve() for name in sorted(lock.vehicles)
    ]


def test_odd_names_survive(tmp_path: Path) -> None:
    """A vehicle's name and file with blanks, percent signs and other alphabets is written on one line and read back."""
    name = "Wagen 7 %20 \u8f66"
    write_rig(tmp_path / "a b", dataclasses.replace(authored.CAR42, vehicle="x")).rename(
        tmp_path / "a b" / "ä 1.yaml"
    )
    path = tmp_path / "a b" / "ä 1.yaml"
    path.write_text(path.read_text().replace("vehicle: x", f"vehicle: '{name}'"))
    lock = lock_of(planned(tmp_path))
    found = parse_lock(lock_text(lock, tmp_path), tmp_path / "fleet.lock")
    assert list(found.vehicles) == [name]
    assert found.vehicles[name].path.name == "ä 1.yaml"


def test_lines_are_sorted_and_one_change_is_few_lines(tmp_path: Path) -> None:
    """A new vehicle that needs no other build is one more line."""
    write_fleet(tmp_path, authored.CAR42, 5)
    before = lock_text(lock_of(planned(tmp_path)), tmp_path).splitlines()
    assert json.loads(before[0])["schema"] == SCHEMA
    names = [one["vehicle"] for one in map(json.loads, before) if "vehicle" in one]
    assert names == sorted(names)
    twin = dataclasses.replace(authored.assembled(authored.CAR42, "car_00002"), vehicle="twin")
    write_rig(tmp_path, twin)
    after = lock_text(lock_of(planned(tmp_path)), tmp_path).splitlines()
    assert len(set(after) - set(before)) == 1
    assert set(before) <= set(after)


def test_a_lock_knows_whom_a_build_serves(tmp_path: Path) -> None:
    """A lock lists the vehicles of a build in the order of their profiles."""
    mixed_fleet(tmp_path)
    plan = planned(tmp_path)
    lock = lock_of(plan)
    for build in plan.builds:
        assert lock.builds[build.key].vehicles == build.vehicles


def damaged(text: str, how: str) -> str:
    """Return a lock's text with one kind of damage."""
    lines = text.splitlines()
    return {
        "empty": "",
        "other version": text.replace("lock@2", "lock@9"),
        "cut line": text[:-20],
        "no request": "\n".join(line for line in lines if "request" not in line),
        "unknown option": text.replace('"seed": 0', '"sead": 0'),
        "odd option": text.replace('"seed": 0', '"seed": "x"'),
        "odd path": text.replace('"folder": "."', '"folder": 7'),
        "unknown mode": text.replace('"mode": "exact"', '"mode": "magic"'),
        "unknown key": text.replace('"plan":', '"plans":'),
        "another line": text + '{"car": "x"}',
        "no object": text + "[]",
        "deep": text + '{"car": ' + "[" * 100_000,
        "lost build": "\n".join(line for line in lines if "made_from" not in line),
        "lost vehicle": "\n".join(line for line in lines if '"vehicle": "car_00001"' not in line),
        "two of a vehicle": "\n".join([*lines, lines[-1]]),
        "odd length": text.replace('"lengths": [[', '"lengths": [["x", '),
    }[how]


DAMAGES = (
    "empty", "other version", "cut line", "no request", "unknown option", "odd option", "odd path", "unknown mode",
    "unknown key", "another line", "no object", "deep", "lost build", "lost vehicle", "two of a vehicle", "odd length",
)  # fmt: skip


@pytest.fixture(scope="module")
def exact_lock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the text of the lock of two vehicles."""
    folder = tmp_path_factory.mktemp("fleet")
    write_fleet(folder, authored.CAR42, 2)
    request = FleetRequest.of(folder=folder, model="bevformer_tiny", mode="exact")
    return lock_text(lock_of(plan_fleet(request, jobs=1)), folder)


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_is_an_error(tmp_path: Path, exact_lock: str, how: str) -> None:
    """A damaged lock is refused with its path, never half believed."""
    parse_lock(exact_lock, tmp_path / "fleet.lock")
    assert damaged(exact_lock, how) != exact_lock
    with pytest.raises(InputError, match=r"fleet\.lock"):
        parse_lock(damaged(exact_lock, how), tmp_path / "fleet.lock")


def test_a_missing_lock_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a lock the error names the command that makes one."""
    with pytest.raises(InputError, match="specialize fleet plan"):
        read_lock(tmp_path / "fleet.lock")


FIRST = """\
schema specialize/fleet-lock@1
compiler 0.1.0
request model=models/tiny.onnx checkpoint= model_spec=a%20b.yaml layout=padded align=8 seed=3 frames=1 folder=cars \
mode=auto max_overhead=0.01 tolerance=rotation=2mrad spare=0.0{later}
spec sha256:aa
source seed%203
build sha256:b1 exact for=Wagen%20%E4 pairs=0 lengths=
build sha256:b2 tables for=z pairs=10 lengths=1,2;3,4
vehicle Wagen%20%E8%BD%A6 cars/1%20.yaml sha256:p1 - sha256:c1 sha256:b1
vehicle a cars/a.yaml sha256:p2 sha256:v2 sha256:c2 sha256:b2
vehicle z cars/z.yaml sha256:p3 sha256:v3 sha256:c3 sha256:b2
"""


def test_a_lock_of_the_first_version_is_read(tmp_path: Path) -> None:
    """Words between blanks mean what they meant, and are written as lines of the present version."""
    lock = parse_lock(FIRST.format(later=" precision=int8 allow=raw-size,view-share"), tmp_path / NAME)
    asked = lock.request.build
    assert (lock.request.folder, lock.request.max_overhead) == (tmp_path / "cars", 0.01)
    assert (asked.model, asked.model_spec) == (str(tmp_path / "models/tiny.onnx"), tmp_path / "a b.yaml")
    assert (asked.checkpoint, asked.align, asked.precision) == (None, 8, "int8")
    assert (asked.allow, lock.source) == (("raw-size", "view-share"), "seed 3")
    assert {key: build.vehicles for key, build in lock.builds.items()} == {
        "sha256:b1": ("Wagen \u8f66",), "sha256:b2": ("z", "a"),
    }  # fmt: skip
    assert lock.builds["sha256:b2"].lengths == ((1, 2), (3, 4))
    assert lock.vehicles["Wagen \u8f66"].plan == ""
    assert parse_lock(lock_text(lock, tmp_path), tmp_path / NAME) == lock
    with pytest.raises(InputError, match=r"fleet\.lock: line 6"):
        parse_lock(FIRST.format(later="").replace("pairs=0", "pairs=x"), tmp_path / NAME)


def test_what_a_lock_does_not_say_was_not_asked_for(tmp_path: Path, exact_lock: str) -> None:
    """Options that came later are missing in older locks, of both versions, and are then those without options."""
    for text in (FIRST.format(later=""), exact_lock.replace('"precision": "float32", ', "")):
        found = parse_lock(text, tmp_path / NAME).request
        assert (found.build.attention, found.build.precision, found.build.frames_dir) == ("", "float32", None)
