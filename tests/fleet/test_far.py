"""Fleets behind URLs: read, planned and written as those of this machine are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.table import Vehicles
from specialize.errors import InputError, UsageError
from specialize.files import far
from specialize.fleet.differences import fleet_diff
from specialize.fleet.load import fleet_files
from specialize.fleet.lock import default_lock, lock_of, read_lock, write_lock
from specialize.fleet.packing import pack_fleet, unpack_fleet
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest
from specialize.fleet.status import fleet_status
from specialize.fleet.tasks import work_of
from tests.calibration import authored
from tests.cli.running import run_here
from tests.end_to_end.tiny_model import write_tiny
from tests.fleet.fleets import write_fleet


@pytest.fixture(params=["memory://fleets", "file://{}"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder behind a URL, with a fleet of three cars in `cars`, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    far._fetched.cache_clear()
    write_fleet(tmp_path / "cars", authored.CAR42, 3)
    url = request.param.format(tmp_path / "far")
    fsspec.filesystem(url.partition(":")[0]).put(str(tmp_path / "cars"), f"{url}/cars", recursive=True)
    yield Path(url)
    fsspec.filesystem("memory").store.clear()
    far._fetched.cache_clear()


def test_urls_are_paths() -> None:
    """A path of a URL gives the URL back, with a file below it; a path of this machine is none."""
    for url in ("s3://fleets/a/b.parquet", "memory://a/b", "file:///tmp/x", "gs://fleets"):
        assert far.is_far(Path(url))
        assert far.url_of(Path(url)) == url
        assert far.url_of(Path(url) / "car 1.yaml") == f"{url}/car 1.yaml"
    assert not any(far.is_far(Path(text)) for text in ("a/b", "/a:/b", "", ".", "C/x", "S3:/x"))


def test_a_folder_and_a_table_behind_urls_are_fleets(home: Path, tmp_path: Path) -> None:
    """Packed from there to there, compared, shown and unpacked: the digests are those of the files."""
    digests = [load_profile(path).digest for path in sorted((tmp_path / "cars").iterdir())]
    assert [path.name for path in fleet_files(home / "cars")] == [
        f"car_0000{number}.yaml" for number in (1, 2, 3)
    ]
    packed = pack_fleet([home / "cars"], home / "cars.parquet")
    assert (packed.vehicles, packed.bytes > 1000) == (3, True)
    assert [load_profile(path).digest for path in Vehicles(home / "cars.parquet")] == digests
    assert load_profile(home / "cars" / "car_00002.yaml").digest == digests[1]
    assert len(fleet_diff(home / "cars.parquet").vehicles) == 3
    assert unpack_fleet(home / "cars.parquet", tmp_path / "back").vehicles == 3
    pack_fleet([tmp_path / "cars"], tmp_path / "near.parquet")
    assert far.near(home / "cars.parquet").read_bytes() == (tmp_path / "near.parquet").read_bytes()


def test_what_changed_is_fetched_again(home: Path, tmp_path: Path) -> None:
    """A process reads one state of a table; the next one reads that of its own time, and keeps no other."""
    table = home / "cars.parquet"
    pack_fleet([home / "cars"], table)
    first = far.near(table)
    assert far.near(table) == first
    (tmp_path / "cars" / "car_00003.yaml").unlink()
    pack_fleet([tmp_path / "cars"], table)
    assert len(Vehicles(table)) == 2
    assert not first.exists()


@pytest.mark.parametrize("name", ["cars.parquet", "cars"])
def test_the_lock_of_a_far_fleet_is_here(
    home: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in the current folder and names the fleet by its URL, from which its profiles are read."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    pack_fleet([home / "cars"], home / "cars.parquet")
    fleet = home / name
    assert default_lock(fleet) == Path("cars.lock")
    model = write_tiny(tmp_path / "model")
    lock = tmp_path / "cars.lock"
    write_lock(
        lock_of(plan_fleet(FleetRequest.of(folder=fleet, model=str(model), mode="exact"), jobs=1)), lock
    )
    asked = json.loads(lock.read_text().splitlines()[1])["request"]
    assert asked["folder"] == far.url_of(fleet)
    found = read_lock(lock)
    assert found.request.folder == fleet
    assert [far.is_far(one.path) for one in found.vehicles.values()] == [True] * 3
    assert fleet_status(fleet, lock).missing == 3
    work = work_of(found, str(tmp_path / "store"))
    assert not work.left_out and len(work.tasks) == 3


def test_what_is_not_there_is_told(home: Path) -> None:
    """No folder, no table, no file: the error names the URL."""
    with pytest.raises(InputError, match="none"):
        fleet_files(home / "vans")
    with pytest.raises(InputError, match=r"://.*vans\.yaml: expected a file, got no such file"):
        load_profile(home / "vans.yaml")
    with pytest.raises(InputError, match="no such file"):
        far.near(home / "vans.parquet")


def test_what_cannot_be_sent_is_told_and_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks while a table is sent leaves no table."""
    pack_fleet([home / "cars"], home / "cars.parquet")
    files, _ = far.file_system(far.url_of(home))

    def fail(*_: object, **__: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(type(files), "mv", fail)
    with pytest.raises(InputError, match="gone"):
        pack_fleet([home / "cars"], home / "other.parquet")
    assert not far.is_file(home / "other.parquet")


def test_without_fsspec_one_hint_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL needs an extra; an unknown kind of URL is a usage error."""
    with pytest.raises(UsageError, match="nosuch"):
        fleet_files(Path("nosuch://x/y"))
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"(?s)s3://x/y.*fsspec.*specialize\[fleet\]"):
        fleet_files(Path("s3://x/y"))


def test_commands_take_urls(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fleet pack` and `fleet diff --since` with URLs on the command line."""
    url = far.url_of(home)
    ran = run_here(capsys, "fleet", "pack", f"{url}/cars", "-o", f"{url}/cars.parquet")
    assert (ran.code, "packed 3 vehicles" in ran.out) == (0, True)
    ran = run_here(capsys, "fleet", "diff", f"{url}/cars", "--since", f"{url}/cars.parquet")
    assert ran.code == 0
    assert run_here(capsys, "profile", "show", f"{url}/cars.parquet/car_00002").code == 0
