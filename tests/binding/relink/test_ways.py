"""The ways in which a table may be made are found wherever one of its sites is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from specialize.binding.relink.assemble import Assembler
from specialize.binding.relink.pool_ways import PoolMaker
from specialize.binding.relink.share import Share
from specialize.binding.relink.ways import Pools, ways_of
from specialize.rows.capacity import Room
from specialize.rows.table_input import Table


def test_any_member_says_where_rows_stand() -> None:
    """A part of a model has few of the sites that share a table: one that it has is looked at."""
    share = cast(Share, SimpleNamespace(masks={0: SimpleNamespace(sizes=(2, 100, 4))}, assembler=Assembler()))
    pools = Pools(PoolMaker(share), {})
    rooms = {"site_4": Room(slots=((8, 16),), sums=())}
    here, elsewhere = "specialize/site_4/rows0", "specialize/site_12/rows0"
    keys = [way.key for way in ways_of(Table("table.rows0", (elsewhere, here)), share, rooms, 24, pools)]
    assert ("query", 0, "slot", 0) in keys
    assert keys == [way.key for way in ways_of(Table("table.rows0", (here,)), share, rooms, 24, pools)]
    assert not list(ways_of(Table("table.rows0", (elsewhere,)), share, rooms, 24, pools))
