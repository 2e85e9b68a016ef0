"""Read frames from a folder: one `.npz` per frame, an array per input of the model, in the order of the file names.

Shapes must match exactly. Floats of any width, and integers of any width that holds the values, become the input's own
type. An image of bytes for an input of floats is rejected, because its normalization is unknown here.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.digest import digest
from specialize.errors import InputError, closest
from specialize.verify import TensorInfo

Array = npt.NDArray[np.generic]

LARGEST_BYTES = 4 << 30
_SAVED = "a file of numpy.savez without objects"
_AGAIN = "write the frame again with numpy.savez, one array of numbers per input of the model"
_PREPARE = "prepare inputs as the model gets them on the vehicle: scaled, normalized, in its type"
_KINDS = {"f": "floating point", "i": "integer", "u": "integer", "b": "boolean"}


@dataclass(frozen=True, slots=True, eq=False)
class FrameFolder(Sequence[Mapping[str, Array]]):
    """Frames on disk, each read on demand and checked against the model's inputs.

    Attributes:
        files: One per frame, in order.
        inputs: Type and shape of each input of the model, by name.
        other: Inputs that a frame may hold although they are not read, because the build's own calibration is used.
    """

    files: tuple[Path, ...]
    inputs: Mapping[str, TensorInfo]
    other: frozenset[str]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, frame: Any) -> Any:
        """Return the inputs of one frame by name.

        Raises:
            InputError: A file cannot be read, or an input is missing, unknown, or does not fit the model.
        """
        path = self.files[frame]
        arrays = read_frame(path)
        for name in arrays:
            if name not in self.inputs and name not in self.other:
                known = ", ".join(sorted(self.inputs))
                raise InputError(f"{path}: {name}", f"an input of the model: {known}", "no such input",
                                 closest(name, self.inputs))  # fmt: skip
        missing = next((name for name in self.inputs if name not in arrays), None)
        if missing is not None:
            found = f"only {', '.join(sorted(arrays)) or 'nothing'}"
            raise InputError(str(path), f"an array for input {missing!r}", found, _AGAIN)
        return {name: _fitted(arrays[name], info, f"{path}: {name}") for name, info in self.inputs.items()}

    def require_readable(self) -> None:
        """Read every frame once, so that a bad last frame does not fail after an hour.

        Raises:
            InputError: A frame cannot be read; or no input varies, so that no loss could be detected.
        """
        if self.inputs and len(self.flat()) == len(self.inputs):
            found = "a single number per input in every frame"
            raise InputError(str(self.files[0].parent), "frames in which an input varies", found, _PREPARE)

    def flat(self) -> tuple[str, ...]:
        """Return the inputs that hold a single number in every frame.

        Raises:
            InputError: A frame cannot be read.
        """
        held: dict[str, set[float]] = {name: set() for name in self.inputs}
        for frame in range(len(self)):
            for name, array in self[frame].items():
                held[name] |= {float(array.min()), float(array.max())} if array.size else set()
        return tuple(name for name, numbers in held.items() if len(numbers) < 2)


def open_frames(folder: Path, inputs: Mapping[str, TensorInfo], other: Collection[str] = ()) -> FrameFolder:
    """Return the frames of a folder, none of them read yet.

    Raises:
        InputError: There is no such folder, or no frame in it.
    """
    return FrameFolder(frame_files(folder), dict(inputs), frozenset(other))


def frame_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of frames in a folder, by name.

    Raises:
        InputError: There is no such folder, or no frame in it.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "a folder of frames", "no such folder")
    files = tuple(sorted(folder.glob("*.npz")))
    if not files:
        hint = "write each frame with numpy.savez, one array per input of the model"
        raise InputError(str(folder), "at least one frame, *.npz", "none", hint)
    return files


def frames_digest(folder: Path) -> str:
    """Return the digest of the frames of a folder: of their arrays, not of how the files pack them.

    Raises:
        InputError: There is no frame, or one cannot be read.
    """
    return digest([digest(read_frame(path)) for path in frame_files(folder)])


def read_frame(path: Path) -> dict[str, Array]:
    """Return the arrays of a file, finite numbers all.

    Raises:
        InputError: The file is damaged, or holds objects, NaN or infinity.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        what = "a damaged file, or one that numpy.savez did not write" if path.is_file() else "no file"
        raise InputError(str(path), _SAVED, what, _AGAIN)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > LARGEST_BYTES:
            raise InputError(str(path), f"at most {LARGEST_BYTES >> 30} GiB of arrays", f"{size} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
    except InputError:
        raise
    except Exception as error:  # a damaged archive may raise anything
        raise InputError(str(path), _SAVED, str(error) or type(error).__name__, _AGAIN) from error
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise InputError(f"{path}: {name}", "numbers", array.dtype.name, _PREPARE)
        _require_finite(array, f"{path}: {name}")
    return arrays


def _fitted(array: Array, info: TensorInfo, where: str) -> Array:
    """Return an array in the type of an input, if that is only another width of the same kind."""
    wanted = np.dtype(info.dtype)
    if array.shape != info.shape:
        raise InputError(where, f"shape {list(info.shape)}", str(list(array.shape)), _PREPARE)
    if _KINDS[array.dtype.kind] != _KINDS[wanted.kind]:
        raise InputError(where, wanted.name, array.dtype.name, _PREPARE)
    with np.errstate(over="ignore"):
        fitted = array.astype(wanted)
    if not (np.isfinite(fitted).all() if wanted.kind == "f" else np.array_equal(fitted, array)):
        found = f"{array.min()} to {array.max()}"
        raise InputError(where, f"values that fit into {wanted.name}", found, _PREPARE)
    return fitted


def _require_finite(array: Array, where: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(np.count_nonzero(~np.isfinite(array)))
        hint = "leave this frame out, or find out why it was recorded so: it would spoil ranges and losses"
        raise InputError(where, "finite numbers", f"{count} of {array.size} NaN or infinite", hint)
