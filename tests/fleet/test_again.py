"""The command that `fleet status` proposes plans a fleet as its lock was planned."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from specialize.cli.cmd_fleet import plan
from specialize.fleet.request import FleetRequest
from specialize.fleet.status import fleet_status
from specialize.request import BuildOptions
from tests.cli.running import run_here
from tests.fleet.test_build import locked


@pytest.mark.parametrize(
    "asked",
    [
        {"mode": "exact"},
        {"mode": "tables", "spare": 0.123456789, "max_overhead": 0.5, "subsets": 1, "align": 8},
        {"mode": "envelope", "tolerance": "rotation=3mrad", "target": "axera", "attention": "decomposed"},
        {"mode": "auto", "allow": ("camera-pitch", "view-share"), "layout": "padded", "proof": "whole"},
    ],
    ids=lambda asked: asked["mode"],
)
def test_the_command_makes_the_same_lock(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str], asked: dict[str, Any]
) -> None:
    """The lock that it writes has the bytes of the one that is there, wherever that lies."""
    mode, options = asked["mode"], {name: value for name, value in asked.items() if name != "mode"}
    lock = locked(tmp_path, mode, **options)
    before, elsewhere = lock.read_bytes(), lock.with_name("elsewhere.lock")
    lock.rename(elsewhere)
    words = shlex.split(fleet_status(lock.parent, elsewhere).again)
    elsewhere.unlink()
    assert run_here(capsys, *words[1:]).code == 0
    assert elsewhere.read_bytes() == before


def test_every_option_of_a_lock_is_one_of_the_command() -> None:
    """What a lock records can be asked for by the name that the command gives it."""
    known = {option for each in plan.params for option in each.opts}
    names = {part.name for kind in (BuildOptions, FleetRequest) for part in fields(kind)}
    for name in names - {"folder", "build"}:
        assert f"--{name.replace('_', '-')}" in known, name
