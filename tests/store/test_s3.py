"""A store on a server that speaks S3: objects, entries and a whole fleet, shared by machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from specialize.digest import digest_bytes
from specialize.fleet.build import build_fleet
from specialize.fleet.storage import unpack_build
from specialize.store import Entry, Store, open_store
from specialize.store.remote import open_remote
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
