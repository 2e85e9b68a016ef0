"""The tables of a plan, written reproducibly."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from specialize.visibility.grid import QueryGrid
from specialize.visibility.npz import plan_tables, write_npz, write_plan
from specialize.visibility.plan import VisibilityPlan, plan_visibility
from tests import strategies
from tests.cli.running import REPOSITORY


def tiny_plan() -> VisibilityPlan:
    """Return the plan of a ring of six cameras over 50x50 pillars."""
    rig = strategies.ring()
    return plan_visibility(
        rig.image_from_lidar, rig.size_px, QueryGrid((50, 50), (-51.2, -51.2, -5, 51.2, 51.2, 3), 4)
    )


def test_tables_are_read_back_by_numpy(tmp_path: Path) -> None:
    """`numpy.load` gives every table back, without pickle, and they describe the plan."""
    plan = tiny_plan()
    write_plan(plan, tmp_path / "plan.npz", align=16)
    with np.load(tmp_path / "plan.npz", allow_pickle=False) as read:
        tables = dict(read)
    for key, table in plan_tables(plan, align=16).items():
        assert (tables[key] == table).all(), key
        assert tables[key].dtype == table.dtype, key
    assert tables["indexes"].shape[1] == -(-plan.longest // 16) * 16 > plan.longest
    assert tables["lengths"].tolist() == plan.lengths.tolist()
    assert (tables["bev_mask"].any(-1) == tables["seen"]).all()
    assert tables["reference_points_cam"].shape == (6, 2500, 4, 2)
    assert str(tables["digest"]) == plan.digest


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the clock nor the file's name is in the file."""
    write_plan(tiny_plan(), tmp_path / "one.npz")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_plan(tiny_plan(), tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.npz", "two.npz"]
    with zipfile.ZipFile(tmp_path / "one.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_several_sites_share_a_file(tmp_path: Path) -> None:
    """Plans of several sites stand under their names."""
    write_plan({"near": tiny_plan(), "far": tiny_plan()}, tmp_path / "plan.npz")
    with np.load(tmp_path / "plan.npz") as read:
        assert (read["near/indexes"] == read["far/indexes"]).all()


def test_a_failing_write_leaves_nothing(tmp_path: Path) -> None:
    """A table that cannot be written leaves neither the file nor a temporary one."""
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        write_npz({"a": np.array([object()])}, tmp_path / "plan.npz")
    assert list(tmp_path.iterdir()) == []


@given(strategies.rigs(), strategies.grids())
def test_tables_rebuild_the_mask(rig: strategies.Rig, grid: QueryGrid) -> None:
    """The used slots of the index sets scatter back to exactly the visible pairs."""
    tables = plan_tables(plan_visibility(rig.image_from_lidar, rig.size_px, grid))
    rebuilt = np.zeros((len(rig), grid.queries), bool)
    for row, ids, length in zip(rebuilt, tables["indexes"], tables["lengths"], strict=True):
        row[ids[:length]] = True
    assert (rebuilt == tables["seen"]).all()
    assert (tables["count"] == rebuilt.sum(axis=0)).all()


def test_every_key_is_documented() -> None:
    """Name and type of each array stand in the reference, and nothing else does."""
    page = (REPOSITORY / "docs" / "reference" / "plan.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| (\w+) \|", page, re.MULTILINE))
    made = {
        key: "str" if table.dtype.kind == "U" else table.dtype.name
        for key, table in plan_tables(tiny_plan()).items()
    }
    assert told == made
