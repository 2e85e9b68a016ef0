"""What making the tables of a vehicle gives: the file, and what rounding decided in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BorderlinePair:
    """A pair of camera and query within rounding of an image border.

    Attributes:
        camera: Name of the camera.
        grid: Number of the query's grid.
        query: The query.
        kept: Whether the tables have a row for it; null if another grid has as many queries, so that it is not known.
    """

    camera: str
    grid: int
    query: int
    kept: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BorderlinePoint:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInput:
    """A table as an engine takes it: its numpy dtype and shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOutcome:
    """`specialize table --json`.

    Attributes:
        output: The file.
        build_dir: The build whose engine it is for.
        vehicle: Name of the vehicle.
        digests: Of its calibration (`profile`), and of the build key (`build`).
        size: Bytes of the file.
        tensors: Type and shape of each table, by the name of the engine's input.
        warnings: What a person should know about the calibration.
        borderline: Pairs within rounding of an image border, where runtimes of the model differ.
        borderline_points: Lifted points within rounding of a cell's border, likewise.
    """

    output: Path
    build_dir: Path
    vehicle: str
    digests: dict[str, str]
    size: int
    tensors: dict[str, EngineInput]
    warnings: tuple[str, ...] = ()
    borderline: tuple[BorderlinePair, ...] = ()
    borderline_points: tuple[BorderlinePoint, ...] = ()
