"""Builds as an OCI image layout: what the specification asks for, one blob for shared weights, the same bytes again."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from specialize.artifact import Build
from specialize.errors import InputError
from specialize.fleet.build import build_fleet
from specialize.fleet.delivery import chosen_builds
from specialize.store import open_store
from specialize.store.builds import keep_build
from specialize.store.oci import OciExported, export_oci
from tests.fleet.test_build import locked
from tests.fleet.test_status import flip

EMPTY = (
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of the specification's `{}`
)


def exported(folder: Path, lock: Path) -> OciExported:
    """Build a fleet and export it."""
    assert build_fleet(lock, output=folder / "out").ok
    return export_oci(open_store(), chosen_builds(open_store(), lock=lock), folder / "layout")


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    """Return what a descriptor points to, after comparing its size and its digest."""
    algorithm, name = descriptor["digest"].split(":")
    data = (layout / "blobs" / algorithm / name).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (descriptor["size"], name)
    assert descriptor["mediaType"].count("/") == 1
    return data


def manifests(layout: Path) -> dict[str, dict[str, Any]]:
    """Return the manifests of a layout by their tags, read as the specification says."""
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_bytes())
    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    found = {}
    for each in index["manifests"]:
        manifest = json.loads(blob(layout, each))
        assert manifest["schemaVersion"] == 2
        assert manifest["mediaType"] == each["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
        assert manifest["artifactType"] == each["artifactType"] == "application/vnd.specialize.build.v1"
        assert (manifest["config"]["digest"], blob(layout, manifest["config"])) == (EMPTY, b"{}")
        assert all(isinstance(value, str) for value in manifest["annotations"].values())
        found[each["annotations"]["org.opencontainers.image.ref.name"]] = manifest
    return found


def test_a_layout_gives_every_build_back(tmp_path: Path, store_dir: Path) -> None:
    """The layers of a manifest, under their titles, are the folder of the build; digests stand in its annotations."""
    lock = locked(tmp_path)
    done = exported(tmp_path, lock)
    found = manifests(done.folder)
    assert sorted(done.builds.values()) == sorted(found)
    for key, tag in done.builds.items():
        pulled = tmp_path / "pulled" / tag
        for layer in found[tag]["layers"]:
            path = pulled / layer["annotations"]["org.opencontainers.image.title"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(blob(done.folder, layer))
        manifest = Build.intact(pulled).manifest
        said = found[tag]["annotations"]
        assert said["specialize.key"] == key and tag == key[7:19]
        assert (said["specialize.profile"], said["specialize.build"]) == (
            manifest.digests.profile, manifest.digests.build,
        )  # fmt: skip


def test_every_blob_is_there_once_and_wanted(tmp_path: Path, store_dir: Path) -> None:
    """Weights are one blob for all builds, and nothing lies in the layout that no manifest names."""
    done = exported(tmp_path, locked(tmp_path))
    found = manifests(done.folder)
    named = {
        json.dumps(each): each
        for manifest in found.values()
        for each in (manifest["config"], *manifest["layers"])
    }
    wanted = {each["digest"][7:] for each in named.values()}
    index = json.loads((done.folder / "index.json").read_bytes())
    wanted |= {each["digest"][7:] for each in index["manifests"]}
    blobs = {path.name: path.stat().st_size for path in (done.folder / "blobs" / "sha256").iterdir()}
    assert set(blobs) == wanted
    assert (len(blobs), sum(blobs.values())) == (done.blobs, done.bytes)
    weights = [
        {
            layer["digest"]
            for layer in manifest["layers"]
            if layer["annotations"]["org.opencontainers.image.title"].endswith("weights")
        }
        for manifest in found.values()
    ]
    assert len(found) == 3 and all(each == weights[0] for each in weights)


def test_the_same_builds_are_the_same_bytes(tmp_path: Path, store_dir: Path) -> None:
    """A second export, in the place of the first, changes no byte; one of a single build has its blobs alone."""
    lock = locked(tmp_path)
    done = exported(tmp_path, lock)
    before = {
        path.relative_to(done.folder): path.read_bytes() for path in done.folder.rglob("*") if path.is_file()
    }
    export_oci(open_store(), chosen_builds(open_store()), done.folder)
    after = {
        path.relative_to(done.folder): path.read_bytes() for path in done.folder.rglob("*") if path.is_file()
    }
    assert after == before
    key = next(iter(done.builds))
    one = export_oci(open_store(), chosen_builds(open_store(), [key[7:20]]), done.folder)
    assert list(one.builds) == [key] and one.blobs < done.blobs


def test_a_build_that_was_kept_by_hand_is_exported(tmp_path: Path, store_dir: Path) -> None:
    """Builds whose files lie in the store unpacked are the same layers."""
    lock = locked(tmp_path, count=1)
    exported(tmp_path, lock)
    (folder,) = (path.parent for path in (tmp_path / "out").glob("*/manifest.json"))
    entry = keep_build(open_store(), folder)
    done = export_oci(open_store(), [entry], tmp_path / "by hand")
    (tag,) = done.builds.values()
    layers = manifests(done.folder)[tag]["layers"]
    assert layers == next(iter(manifests(tmp_path / "layout").values()))["layers"]


def test_damage_and_other_folders_are_refused(tmp_path: Path, store_dir: Path) -> None:
    """A damaged part, an unknown key, an empty store and a folder with other things write nothing."""
    store = open_store()
    with pytest.raises(InputError, match="builds to export"):
        export_oci(store, chosen_builds(store), tmp_path / "layout")
    lock = locked(tmp_path)
    with pytest.raises(InputError, match="fleet build"):
        export_oci(store, chosen_builds(store, lock=lock), tmp_path / "layout")
    build_fleet(lock)
    with pytest.raises(InputError, match="one entry whose key begins with 'ffff'"):
        export_oci(store, chosen_builds(store, ["ffff"]), tmp_path / "layout")
    with pytest.raises(InputError, match="an OCI image layout, or an empty folder"):
        export_oci(store, chosen_builds(store), lock.parent)
    entry = next(store.entries("build"))
    flip(store.locate(entry.objects["model.onnx.z"]))
    with pytest.raises(InputError, match="store check --repair"):
        export_oci(store, chosen_builds(store), tmp_path / "layout")
    assert not (tmp_path / "layout").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("skopeo") is None, reason="skopeo, of Debian's package of this name, is not installed"
)
def test_a_tool_of_registries_reads_it(tmp_path: Path, store_dir: Path) -> None:
    """Skopeo copies every build of the layout, comparing the digests."""
    done = exported(tmp_path, locked(tmp_path))
    for tag in done.builds.values():
        place = tmp_path / "copied" / tag
        place.parent.mkdir(exist_ok=True)
        line = ["skopeo", "--insecure-policy", "copy", f"oci:{done.folder}:{tag}", f"oci:{place}:{tag}"]
        subprocess.run(line, check=True, capture_output=True)
        (copied,) = json.loads((place / "index.json").read_bytes())["manifests"]
        assert json.loads(blob(place, copied)) == manifests(done.folder)[tag]
