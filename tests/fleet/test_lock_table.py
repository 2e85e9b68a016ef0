"""The lock of a fleet that is a table: builds as lines, vehicles in a table beside it, always a pair."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from specialize.calibration.table import place_of
from specialize.errors import InputError
from specialize.fleet import lock as lock_module
from specialize.fleet.build import register
from specialize.fleet.builds import FleetBuild
from specialize.fleet.lock import FleetLock, default_lock, lock_of, read_lock, read_outline, write_lock
from specialize.fleet.packing import pack_fleet
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest
from specialize.fleet.retention import builds_named, table_key
from specialize.store import Store
from tests.calibration import authored
from tests.fleet.fleets import write_fleet


def packed(folder: Path, count: int = 3) -> Path:
    """Pack a fleet of cars into a table and return it."""
    write_fleet(folder / "cars", authored.CAR42, count)
    pack_fleet([folder / "cars"], folder / "cars.parquet")
    return folder / "cars.parquet"


def locked(folder: Path, count: int = 3) -> Path:
    """Plan a fleet that is a table and return its lock."""
    table = packed(folder, count)
    write_lock(lock_of(plan_fleet(FleetRequest.of(folder=table, mode="tables"), jobs=1)), default_lock(table))
    return default_lock(table)


def tables_of(place: Path) -> list[Path]:
    """Return the tables of locks in a folder."""
    return sorted(place.parent.glob("*.lock-*.parquet"))


def lines_of(place: Path) -> list[dict[str, object]]:
    """Return the lines of a lock."""
    return [json.loads(line) for line in place.read_text().splitlines()]


def test_builds_are_lines_and_vehicles_a_table(tmp_path: Path) -> None:
    """The text is as short for a million; digests of the table and numbers of vehicles are in it, paths are not."""
    place = locked(tmp_path)
    build, last = lines_of(place)[-2:]
    assert (build["vehicles"], last["vehicles"], len(lines_of(place))) == (3, 3, 4)
    (table,) = tables_of(place)
    assert last["table"] == table.name
    assert table.name == f"cars.lock-{str(last['digest'])[7:19]}.parquet"
    assert parquet.read_table(table).column("vehicle").to_pylist() == ["car_00001", "car_00002", "car_00003"]


def test_both_forms_say_the_same(tmp_path: Path) -> None:
    """A lock with lines, written for the same plan, has the same builds, members and digests."""
    table = packed(tmp_path, 5)
    lock = lock_of(plan_fleet(FleetRequest.of(folder=table, mode="exact"), jobs=1))
    write_lock(lock, tmp_path / "tabled" / "a.lock")
    write_lock(dataclasses.replace(lock, tabled=False), tmp_path / "lines" / "a.lock")
    tabled, lines = read_lock(tmp_path / "tabled" / "a.lock"), read_lock(tmp_path / "lines" / "a.lock")
    assert [tables_of(tmp_path / each / "a.lock") != [] for each in ("tabled", "lines")] == [True, False]

    def told(found: FleetLock) -> list[tuple[FleetBuild, list[tuple[str, ...]]]]:
        return [
            (
                dataclasses.replace(build, members=()),
                [(one.vehicle, one.profile, one.plan, one.calibration) for one in build.members],
            )
            for build in found.builds.values()
        ]

    assert (
        told(tabled)
        == told(lines)
        == told(dataclasses.replace(lock, builds=dict(sorted(lock.builds.items()))))
    )
    assert [one.path.resolve() for one in tabled.vehicles.values()] == [
        place_of(table, name) for name in tabled.vehicles
    ]


def test_the_same_plan_is_the_same_bytes(tmp_path: Path) -> None:
    """Written twice, and read and written again, text and table do not change, and one table is left."""
    place = locked(tmp_path)
    before = place.read_bytes(), tables_of(place)[0].read_bytes()
    write_lock(read_lock(place), place)
    assert (place.read_bytes(), tables_of(place)[0].read_bytes()) == before
    assert len(tables_of(place)) == 1


def test_a_new_plan_takes_the_old_table_with_it(tmp_path: Path) -> None:
    """A new car is another table and few changed lines; a lock with lines leaves no table behind."""
    place = locked(tmp_path)
    before, old = place.read_text().splitlines(), tables_of(place)
    (tmp_path / "other.lock-0123456789ab.parquet").write_bytes(b"of another lock")
    locked(tmp_path, 4)
    assert len(set(place.read_text().splitlines()) - set(before)) <= 2
    assert len(tables_of(place)) == 2 and old[0] not in tables_of(place)
    write_lock(dataclasses.replace(read_lock(place), tabled=False), place)
    assert [one.name for one in tables_of(place)] == ["other.lock-0123456789ab.parquet"]


def cut(place: Path, table: Path) -> None:
    """Cut the end off the table."""
    table.write_bytes(table.read_bytes()[:-9])


def flip(place: Path, table: Path) -> None:
    """Flip one bit of the table."""
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)


def lose(place: Path, table: Path) -> None:
    """Remove the table."""
    table.unlink()


def edit(**changes: object) -> Callable[[Path, Path], None]:
    """Change values in the line of the table."""

    def change(place: Path, table: Path) -> None:
        *others, last = lines_of(place)
        place.write_text("".join(json.dumps(line) + "\n" for line in (*others, last | changes)))

    return change


def miscount(place: Path, table: Path) -> None:
    """Say that a build serves more vehicles than it does."""
    place.write_text(place.read_text().replace('"vehicles": 3}\n{"table"', '"vehicles": 4}\n{"table"'))


def swap(place: Path, table: Path) -> None:
    """Put the profiles in place of the vehicles, with their digest in the lock."""
    from specialize.digest import digest_file

    table.write_bytes((place.parent / "cars.parquet").read_bytes())
    edit(digest=digest_file(table))(place, table)


def add_line(place: Path, table: Path) -> None:
    """Name a vehicle in a line as well."""
    build = str(lines_of(place)[-2]["build"])
    more = dict.fromkeys(("vehicle", "path", "profile", "plan", "calibration"), "x") | {"build": build}
    place.write_text(place.read_text() + json.dumps(more))


DAMAGES: list[tuple[Callable[[Path, Path], None], str]] = [
    (cut, r"lock-.*parquet: expected sha256:.*restore it, or plan the fleet again"),
    (flip, r"lock-.*parquet: expected sha256:.*restore it, or plan the fleet again"),
    (lose, r"lock-.*parquet: expected the vehicles of .*cars\.lock, got no such file"),
    (edit(digest="sha256:" + 64 * "0"), "expected sha256:0000"),
    (edit(vehicles=4), "expected 4 vehicles, got 3"),
    (edit(table="../cars.lock-000000000000.parquet"), "the name of a table beside it"),
    (edit(more=1), "unknown field `more`"),
    (miscount, "as many vehicles for each build as its line says"),
    (swap, "a table 'specialize/fleet-lock-vehicles@1'"),
    (add_line, "vehicles as lines or in a table, got both"),
]


@pytest.mark.parametrize(("damage", "text"), DAMAGES)
def test_damage_is_one_clear_error(tmp_path: Path, damage: Callable[[Path, Path], None], text: str) -> None:
    """A table that is not the one of the lock is refused whole, and the error names it."""
    place = locked(tmp_path)
    read_lock(place)
    damage(place, tables_of(place)[0])
    with pytest.raises(InputError, match=f"(?s){text}"):
        read_lock(place)


def test_a_write_that_ends_half_way_leaves_the_old_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the lock cannot follow its table, the old lock and its table are as they were; the next write tidies up."""
    place = locked(tmp_path)
    before = read_lock(place)

    def fail(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(lock_module, "write_file", fail)
        with pytest.raises(OSError, match="killed"):
            locked(tmp_path, 4)
    assert len(tables_of(place)) == 2
    assert read_lock(place) == before
    locked(tmp_path, 4)
    assert len(tables_of(place)) == 1
    assert len(read_lock(place).vehicles) == 4


def test_a_lock_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has the old text when the old table goes reads the new pair."""
    place = locked(tmp_path)
    text, read = place.read_text(), lock_module._text
    locked(tmp_path, 4)
    texts = iter([text])
    monkeypatch.setattr(lock_module, "_text", lambda path: next(texts, None) or read(path))
    assert len(read_lock(place).vehicles) == 4


def test_what_a_lock_with_a_table_names_is_kept(tmp_path: Path, store_dir: Path) -> None:
    """Collection keeps builds and tables of its vehicles, also when lock and table are gone from their folder."""
    place = locked(tmp_path)
    store = Store(store_dir)
    register(store, *read_outline(place)[:1], place, read_outline(place)[1])
    lock = read_lock(place)
    named = set(lock.builds) | {
        table_key(key, one) for key, build in lock.builds.items() for one in build.members
    }
    assert builds_named(store) == named
    for path in (place, *tables_of(place)):
        path.unlink()
    assert builds_named(store) == named
