"""JSON of commands about the store and of tables."""

from __future__ import annotations

from typing import Literal

from specialize.cli.schemas.base import JsonObject, Output
from specialize.store.entry import Entry


class StoreEntry(Output, frozen=True, kw_only=True):
    """An entry of the store.

    Attributes:
        kind: What it is.
        key: Its key.
        title: What it is, for people.
    """

    kind: str
    key: str
    title: str


class StoreObject(Output, frozen=True, kw_only=True):
    """An object of the store.

    Attributes:
        digest: Its name.
        size: Bytes.
    """

    digest: str
    size: int


class StoreLs(Output, frozen=True, kw_only=True):
    """`specialize store ls --json`.

    Attributes:
        root: Where the store is.
        entries: What it knows.
        objects: What it holds.
        bytes: All of it.
    """

    schema: Literal["specialize/store-ls@1"]
    root: str
    entries: tuple[StoreEntry, ...]
    objects: tuple[StoreObject, ...]
    bytes: int


class StoreShow(Output, frozen=True, kw_only=True):
    """`specialize store show --json`.

    Attributes:
        entry: The entry, with the objects of its parts.
    """

    schema: Literal["specialize/store-show@1"]
    entry: Entry


class StoreGc(Output, frozen=True, kw_only=True):
    """`specialize store gc --json`.

    Attributes:
        dry_run: Whether nothing was removed.
        entries: Entries that nothing names.
        objects: Objects that no entry names.
        bytes: What they take.
    """

    schema: Literal["specialize/store-gc@1"]
    dry_run: bool
    entries: tuple[str, ...]
    objects: tuple[str, ...]
    bytes: int


class Damaged(Output, frozen=True, kw_only=True):
    """An object that is not what its name says.

    Attributes:
        digest: Its name.
        found: What it reads as.
        where: Its file, or the address of the remote store.
    """

    digest: str
    found: str
    where: str


class DamagedEntry(Output, frozen=True, kw_only=True):
    """An entry that is not as it was written.

    Attributes:
        where: Its file, or its place in the remote store.
        reason: What is wrong with it.
    """

    where: str
    reason: str


class StoreCheck(Output, frozen=True, kw_only=True):
    """`specialize store check --json`.

    Attributes:
        ok: Whether every object is what its name says, and every entry as it was written.
        damaged: Objects that are not.
        damaged_entries: Entries that are not.
        removed: Whether both were taken out: moved aside or removed.
    """

    schema: Literal["specialize/store-check@1"]
    ok: bool
    damaged: tuple[Damaged, ...]
    damaged_entries: tuple[DamagedEntry, ...]
    removed: bool


class BorderlinePair(Output, frozen=True, kw_only=True):
    """A pair of camera and query within rounding of an image border.

    Attributes:
        camera: Name of the camera.
        grid: Number of the query's grid.
        query: The query.
        kept: Whether the tables have a row for it; null if another grid has as many queries.
    """

    camera: str
    grid: int
    query: int
    kept: bool | None


class BorderlinePoint(Output, frozen=True, kw_only=True):
    """A lifted point within rounding of a cell's border.

    Attributes:
        camera: Name of the camera.
        depth: Number of its depth.
        row: Number of its row.
        column: Number of its column.
        cell: The cell that the tables add it to, as the model counts cells; null for none.
        kept: Whether the tables have it; null if it is not known what they do with it.
    """

    camera: str
    depth: int
    row: int
    column: int
    cell: int | None
    kept: bool | None


class TableMade(Output, frozen=True, kw_only=True):
    """`specialize table --json`.

    Attributes:
        output: The file.
        build_dir: The build whose engine it is for.
        vehicle: Name of the vehicle.
        digests: Of its calibration, and of the build.
        size: Bytes.
        tensors: Input of the engine -> `dtype` and `shape`.
        borderline: Pairs within rounding of an image border, where runtimes of the model differ.
        borderline_points: Lifted points within rounding of a cell's border, likewise.
        warnings: What a person should know about the calibration.
    """

    schema: Literal["specialize/table-made@1"]
    output: str
    build_dir: str
    vehicle: str
    digests: dict[str, str]
    size: int
    tensors: dict[str, JsonObject]
    borderline: tuple[BorderlinePair, ...]
    borderline_points: tuple[BorderlinePoint, ...]
    warnings: tuple[str, ...]
