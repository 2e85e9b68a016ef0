"""A store on a server that speaks S3: objects, entries and a whole fleet, shared by machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from specialize.calibration.load import load_profile
from specialize.digest import digest_bytes
from specialize.errors import InputError
from specialize.fleet.build import build_fleet
from specialize.fleet.load import fleet_files
from specialize.fleet.packing import pack_fleet
from specialize.fleet.storage import unpack_build
from specialize.store import Entry, Store, open_store
from specialize.store.remote import open_remote
from tests.calibration import authored
from tests.fleet.fleets import write_fleet
from tests.fleet.test_build import locked, statuses

URL = "s3://fleets/store"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run a server on this machine for the tests of this file."""
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make an empty bucket and tell every client in this process where it is."""
    import boto3
    import s3fs

    for name, value in (
        ("AWS_ENDPOINT_URL", server),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("NO_PROXY", "127.0.0.1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="fleets")
    yield
    for page in client.list_objects_v2(Bucket="fleets").get("Contents", []):
        client.delete_object(Bucket="fleets", Key=page["Key"])
    client.delete_bucket(Bucket="fleets")
    s3fs.S3FileSystem.clear_instance_cache()


def machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store as a machine with its own cache sees it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return open_store(URL)


def test_machines_share_a_bucket(bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one machine writes another finds, also if it looked before; a lost object is noticed."""
    first, second = machine(tmp_path / "a", monkeypatch), machine(tmp_path / "b", monkeypatch)
    assert list(second.entries()) == []
    key = first.put_bytes(b"weights" * 100_000)
    made = Entry(kind="export", key=digest_bytes(b"key"), title="a model", objects={"weights": key})
    first.write_entry(made)
    assert second.find_entry("export", made.key) == made
    assert second.read(key) == b"weights" * 100_000
    remote = open_remote(URL)
    assert list(remote.digests()) == [key]
    remote.files.rm(remote.root, recursive=True)
    assert not open_remote(URL).has(key)


class Requests:
    """Requests that clients in this process make: their names, and what writes are conditional on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import s3fs

        self.seen: list[tuple[str, str]] = []
        call = s3fs.S3FileSystem._call_s3

        async def counted(files: s3fs.S3FileSystem, method: str, *args: object, **given: object) -> object:
            self.seen.append((method, str(given.get("IfNoneMatch", ""))))
            return await call(files, method, *args, **given)

        monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)

    def taken(self) -> list[tuple[str, str]]:
        """Return those since the last time."""
        seen, self.seen = self.seen, []
        return seen


def test_an_object_is_written_in_one_request(
    bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small one is written if there is none, a large one asked for first; nothing is copied, renamed or removed."""
    store, requests = machine(tmp_path / "a", monkeypatch), Requests(monkeypatch)
    store.put_bytes(b"table")
    assert requests.taken() == [("put_object", "*")]
    weights = store.put_bytes(b"weights" * 100_000)
    assert ("put_object", "*") in requests.taken()
    store.put_bytes(b"weights" * 100_000)
    assert "put_object" not in {name for name, _ in requests.taken()}
    store.write_entry(Entry(kind="export", key=digest_bytes(b"key"), title="", objects={"weights": weights}))
    assert requests.taken() == [("put_object", "")]


def test_of_two_writers_the_server_takes_one(
    bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that did not see the other's object does not replace it, and is content."""
    first, second = machine(tmp_path / "a", monkeypatch), machine(tmp_path / "b", monkeypatch)
    digest = first.put_bytes(b"table")
    remote = open_remote(URL)
    place = next(str(path) for path in remote.files.find(remote.root) if "objects" in str(path))
    remote.files.pipe_file(place, b"tabled")
    assert second.put_bytes(b"table") == digest
    assert remote.files.cat_file(place) == b"tabled"


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("409", 409)])
def test_a_server_that_knows_no_conditions_is_written_to(
    bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    """Where the condition is refused the object is written without; the bytes are the same whoever writes them."""
    import s3fs
    from botocore.exceptions import ClientError

    store = machine(tmp_path / "a", monkeypatch)
    put = s3fs.S3FileSystem._put_file

    async def refused(
        files: s3fs.S3FileSystem, *args: object, mode: str = "overwrite", **given: object
    ) -> None:
        if mode == "create":
            response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise s3fs.errors.translate_boto_error(ClientError(response, "PutObject"))
        await put(files, *args, **given)

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", refused)
    s3fs.S3FileSystem.clear_instance_cache()
    digest = store.put_bytes(b"table")
    assert machine(tmp_path / "b", monkeypatch).read(digest) == b"table"


def test_a_fleet_is_built_once_for_all_machines(
    bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second machine finds every build of the fleet in the bucket, and can lay it out."""
    lock = locked(tmp_path)
    monkeypatch.setenv("SPECIALIZE_STORE", URL)
    machine(tmp_path / "a", monkeypatch)
    assert statuses(build_fleet(lock)) == ["built"] * 3
    second = machine(tmp_path / "b", monkeypatch)
    built = build_fleet(lock)
    assert statuses(built) == ["reused"] * 3
    assert built.store == URL
    unpack_build(second, built.builds[0].key, tmp_path / "car").require_intact()


def test_a_fleet_lies_in_a_bucket(bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is written there in one request, read from there, and its folder too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_fleet(tmp_path / "cars", authored.CAR42, 2)
    requests, table = Requests(monkeypatch), Path("s3://fleets/a/cars.parquet")
    assert pack_fleet([tmp_path / "cars"], table).vehicles == 2
    assert {"copy_object", "delete_object"}.isdisjoint(name for name, _ in requests.taken())
    assert [path.name for path in fleet_files(table)] == ["car_00001", "car_00002"]
    for path in sorted((tmp_path / "cars").iterdir()):
        assert load_profile(table / path.stem).digest == load_profile(path).digest
    with pytest.raises(InputError, match=r"s3://nowhere/cars\.parquet"):
        fleet_files(Path("s3://nowhere/cars.parquet"))
