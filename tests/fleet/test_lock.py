"""The lock: sorted text that says the same when read back, and refuses what is no lock."""

from __future__ import annotations

import dataclasses
import re
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
    assert before[0] == f"schema {SCHEMA}"
    names = [line.split()[1] for line in before if line.startswith("vehicle")]
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
        "other version": text.replace("lock@1", "lock@9"),
        "cut line": text[:-20],
        "no request": "\n".join(line for line in lines if not line.startswith("request")),
        "unknown mode": text.replace(" tables for", " magic for"),
        "lost build": "\n".join(line for line in lines if not line.startswith("build")),
        "odd length": text.replace("lengths=", "lengths=x"),
    }[how]


@pytest.mark.parametrize(
    "how", ["empty", "other version", "cut line", "no request", "unknown mode", "lost build", "odd length"]
)
def test_damage_is_an_error(tmp_path: Path, how: str) -> None:
    """A damaged lock is refused with its path, never half believed."""
    write_fleet(tmp_path, authored.CAR42, 2)
    text = lock_text(lock_of(planned(tmp_path)), tmp_path)
    with pytest.raises(InputError, match=r"fleet\.lock"):
        parse_lock(damaged(text, how), tmp_path / "fleet.lock")


def test_a_missing_lock_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a lock the error names the command that makes one."""
    with pytest.raises(InputError, match="specialize fleet plan"):
        read_lock(tmp_path / "fleet.lock")


def test_a_lock_of_before_targets_is_read(tmp_path: Path) -> None:
    """What an older lock does not say was not asked for."""
    write_fleet(tmp_path, authored.CAR42, 1)
    text = lock_text(lock_of(planned(tmp_path)), tmp_path)
    older = re.sub(r" (attention|precision|frames_dir)=\S*", "", text)
    assert older != text
    found = parse_lock(older, tmp_path / NAME).request
    assert (found.build.attention, found.build.precision, found.build.frames_dir) == ("", "float32", None)
