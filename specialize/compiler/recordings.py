"""Keep in the store what whole proofs record, and find it for builds of the same family.

A family is all builds that differ in nothing but the vehicle: one model, one sidecar, one version of this package, the
same options. Each recorded value is an object of its own, a `.npy` file that is read where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from specialize.artifact import BuildKey
from specialize.digest import digest
from specialize.errors import InputError
from specialize.evidence.at_sites import Recorded
from specialize.files.scratch import work_folder
from specialize.store import Entry, Store
from specialize.text.record import from_json, to_json
from specialize.text.units import size
from specialize.verify.at_sites import Kept
from specialize.verify.recording import Recording
from specialize.version import code_version

KIND = "recording"
ABOUT = "recording.json"


def family_of(key: BuildKey) -> str:
    """Return the digest of what the builds have in common that one recording serves."""
    return digest([KIND, replace(key, vehicle="", profile="", calibration="").digest()])


def find_recording(store: Store, family: str) -> Kept | None:
    """Return the recording of a family; None if the store has none. Its values are read when they are asked for.

    Raises:
        InputError: It is damaged, or that of another family.
    """
    entry = store.find_entry(KIND, family)
    if entry is None:
        return None
    place = f"store {store.root}: {entry.title}"
    about = _parsed(store.read(entry.objects[ABOUT]), place)
    if about.family != family:
        raise InputError(place, f"a recording of {family}", f"one of {about.family}")
    if about.arrays != {name: entry.objects.get(name) for name in about.arrays}:
        raise InputError(place, "the values that it was made with", "others")
    return Kept(about, entry.objects[ABOUT], _Arrays(store, about.arrays, place))


class _Arrays(Mapping[str, np.ndarray]):
    """Recorded values, each checked against its digest when it is first read: few of them are."""

    def __init__(self, store: Store, keys: Mapping[str, str], place: str) -> None:
        self._store, self._keys, self._place = store, keys, place
        self._read: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a value.

        Raises:
            InputError: Its file is missing or damaged.
        """
        if name not in self._read:
            self._read[name] = _mapped(self._store.path(self._keys[name]), self._place)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def keep_recording(store: Store, key: BuildKey, recording: Recording, about: Recorded) -> None:
    """Put into the store what was recorded while a build was proven whole.

    Args:
        store: The store.
        key: Key of that build.
        recording: What was recorded.
        about: The same with its vehicle and the tolerances of its outputs.
    """
    family, arrays, total = family_of(key), {}, 0
    with work_folder(store.scratch(), KIND) as folder:
        for number, (name, array) in enumerate(recording.arrays.items()):
            path = folder / f"{number}.npy"
            np.save(path, array, allow_pickle=False)
            total += path.stat().st_size
            arrays[name] = store.adopt_file(path)
    about = msgspec.structs.replace(about, family=family, build=key.digest(), arrays=arrays)
    text = msgspec.json.encode(to_json(about), order="sorted")
    entry = Entry(
        kind=KIND,
        key=family,
        title=f"recording of {key.name} for {about.vehicle}, {size(total)}",
        objects={ABOUT: store.put_bytes(text), **arrays},
        info={"build": key.digest(), "vehicle": about.vehicle, "code": code_version(), "bytes": total},
    )
    store.write_entry(entry)


def _parsed(text: bytes, place: str) -> Recorded:
    try:
        return from_json(msgspec.json.decode(text), Recorded)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(place, "a recording of this version", str(error)) from error


def _mapped(path: Path, place: str) -> np.ndarray:
    """Return an array that is read from its file as it is used."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(place, "an array", str(error)) from error
