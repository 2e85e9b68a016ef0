"""Builds as an OCI image layout: a folder that tools for container registries copy, sign and push.

    oci-layout                 the version of the layout
    index.json                 one manifest per build, by tag
    blobs/sha256/<hex>         files of builds, and manifests, each once

A manifest has a layer per file of its build, titled as ORAS titles files, so that what pulls it gets the build's
folder back. Files are as they are in a build, not packed, and weights are one blob for all builds. Annotations name the
digests that a build is tied to. Nothing in it is of a time or place: the same builds give the same bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from specialize.artifact.manifest import FILE_NAME, Manifest, parse_manifest
from specialize.digest import digest_bytes, short
from specialize.errors import InputError
from specialize.files.atomic import publish_directory
from specialize.store.entry import REPAIR, Entry
from specialize.store.local import Store
from specialize.store.parts import PACKED
from specialize.text.record import Record

LAYOUT = "oci-layout"
ARTIFACT = "application/vnd.specialize.build.v1"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"
_KINDS = {
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".html": "text/html",
    ".txt": "text/plain",
}
_FILE = "application/octet-stream"


class OciExported(Record, frozen=True, kw_only=True):
    """`specialize store export --oci --json`.

    Attributes:
        folder: The layout.
        builds: Tag of the manifest of every build, by the build's key.
        blobs: Number of blobs.
        bytes: What they take.
    """

    folder: Path
    builds: dict[str, str]
    blobs: int
    bytes: int


def export_oci(store: Store, entries: Iterable[Entry], folder: Path) -> OciExported:
    """Write builds to a folder as an OCI image layout, all of them or none.

    Args:
        store: The store.
        entries: Entries of builds.
        folder: The layout; it takes the place of an older one.

    Raises:
        InputError: Nothing is to be written, a part of a build is damaged, or the folder is something else.
    """
    _require_replaceable(folder)
    with publish_directory(folder) as room:
        layout = _Layout(room)
        for entry in entries:
            layout.add(store, entry)
        if not layout.manifests:
            hint = "`specialize store ls` lists what it has"
            raise InputError(f"store {store.root}", "builds to export", "none", hint)
        tags = layout.close()
    return OciExported(folder=folder, builds=tags, blobs=len(layout.sizes), bytes=sum(layout.sizes.values()))


@dataclass(slots=True)
class _Layout:
    """A layout that is being written.

    Attributes:
        root: Its folder.
        sizes: Bytes of every blob, by digest.
        manifests: Descriptor of every manifest, by the key of its build.
    """

    root: Path
    sizes: dict[str, int] = field(default_factory=dict)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, store: Store, entry: Entry) -> None:
        """Add a build."""
        text = _content(store, entry, FILE_NAME)
        manifest = parse_manifest(text, f"{entry.title}: {FILE_NAME}")
        layers = [self._described(self._blob(text), FILE_NAME)]
        for name, part in sorted(entry.objects.items()):
            plain = name.removesuffix(PACKED)
            if plain == FILE_NAME:
                continue
            found = self._blob(_content(store, entry, plain)) if name != plain else self._shared(store, part)
            record = manifest.files.get(plain)
            if record is None or (record.sha256, record.size) != (found, self.sizes[found]):
                said = "none" if record is None else record.sha256
                raise InputError(
                    f"{entry.title}: {plain}", f"content of {said}, as its manifest says", found, REPAIR
                )
            layers.append(self._described(found, plain))
        document = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "artifactType": ARTIFACT,
            "config": {
                "mediaType": _EMPTY,
                "digest": (empty := self._blob(b"{}")),
                "size": self.sizes[empty],
            },
            "layers": layers,
            "annotations": annotations_of(entry.key, manifest),
        }
        digest = self._blob(_json(document))
        self.manifests[entry.key] = {
            "mediaType": _MANIFEST,
            "artifactType": ARTIFACT,
            "digest": digest,
            "size": self.sizes[digest],
            "annotations": annotations_of(entry.key, manifest),
        }

    def close(self) -> dict[str, str]:
        """Write what names the blobs; return the tag of every build."""
        first = [short(key) for key in self.manifests]
        unique = len(set(first)) == len(first)
        tags = {key: short(key) if unique else key.removeprefix("sha256:") for key in sorted(self.manifests)}
        for key, tag in tags.items():
            self.manifests[key]["annotations"]["org.opencontainers.image.ref.name"] = tag
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [self.manifests[key] for key in tags]}
        (self.root / "index.json").write_bytes(_json(index))
        (self.root / LAYOUT).write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
        return tags

    def _described(self, digest: str, name: str) -> dict[str, Any]:
        return {
            "mediaType": _KINDS.get(Path(name).suffix, _FILE),
            "digest": digest,
            "size": self.sizes[digest],
            "annotations": {"org.opencontainers.image.title": name},
        }

    def _blob(self, data: bytes) -> str:
        """Write a blob; return its digest."""
        digest = digest_bytes(data)
        if digest not in self.sizes:
            self._place(digest).write_bytes(data)
            self.sizes[digest] = len(data)
        return digest

    def _shared(self, store: Store, digest: str) -> str:
        """Write an object of the store as a blob, once for all builds; return its digest."""
        if digest not in self.sizes:
            place = self._place(digest)
            store.unpack(digest, place)
            self.sizes[digest] = place.stat().st_size
        return digest

    def _place(self, digest: str) -> Path:
        place = self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def annotations_of(key: str, manifest: Manifest) -> dict[str, str]:
    """Return what the manifest of a build says of it: text by name, as in the metadata of its model."""
    digests = manifest.digests
    said = {
        "key": key, "build": digests.build, "profile": digests.profile, "plan": digests.plan, "model": digests.model,
        "vehicle": manifest.vehicle, "mode": manifest.mode, "target": manifest.target, "compiler": manifest.compiler,
    }  # fmt: skip
    title = f"{manifest.model} for {manifest.vehicle} ({manifest.mode}; {manifest.target})"
    return {"org.opencontainers.image.title": title} | {
        f"specialize.{name}": text for name, text in said.items()
    }


def _content(store: Store, entry: Entry, name: str) -> bytes:
    """Return a file of a build, as it is in the build's folder."""
    if name in entry.objects:
        return store.read(entry.objects[name])
    if name + PACKED not in entry.objects:
        raise InputError(f"store {store.root}: {entry.title}", f"the file {name}", "none", REPAIR)
    return zlib.decompress(store.read(entry.objects[name + PACKED]))


def _json(value: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _require_replaceable(folder: Path) -> None:
    """Reject a folder that holds something other than a layout.

    Raises:
        InputError: It does.
    """
    if folder.is_dir() and not (folder / LAYOUT).is_file() and any(folder.iterdir()):
        hint = "name a folder that does not exist yet"
        raise InputError(str(folder), "an OCI image layout, or an empty folder", "something else", hint)
