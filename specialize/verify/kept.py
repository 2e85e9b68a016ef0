"""Keep the original's outputs over all frames while the specialized model runs."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from specialize.files.scratch import temporary_folder
from specialize.verify.scale import output_scale

_KEEP_BYTES = 512 * 2**20

Arrays = Mapping[str, np.ndarray]


@dataclass(slots=True)
class Kept:
    """The original's outputs, frame by frame: in memory while they are small, then on disk.

    Attributes:
        names: Names of the outputs, in order.
        marks: Checksums of each output over the frames.
        scales: Smallest scale above zero of each output over the frames.
        frames: Number of frames.
    """

    names: tuple[str, ...] = ()
    arrays: dict[tuple[int, str], np.ndarray | Path] = field(default_factory=dict)
    marks: dict[str, set[int]] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    bytes: int = 0
    folder: Path | None = None
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def put(self, frame: int, outputs: Arrays) -> None:
        """Keep the outputs of a frame."""
        self.frames = frame + 1
        for number, (name, array) in enumerate(outputs.items()):
            self.marks.setdefault(name, set()).add(zlib.crc32(np.ascontiguousarray(array).tobytes()))
            scale = output_scale(array) or self.scales.get(name, 0.0)
            self.scales[name] = min(scale, self.scales.get(name) or scale)
            self.bytes += array.nbytes
            self.arrays[frame, name] = (
                array if self.bytes <= _KEEP_BYTES else self._spill(frame, number, array)
            )

    def get(self, frame: int, name: str) -> np.ndarray:
        """Return an output of a frame."""
        kept = self.arrays[frame, name]
        return np.load(kept) if isinstance(kept, Path) else kept

    def _spill(self, frame: int, number: int, array: np.ndarray) -> Path:
        if self.folder is None:
            self.folder = self.stack.enter_context(temporary_folder("verify"))
        path = self.folder / f"{frame}_{number}.npy"
        np.save(path, array)
        return path
