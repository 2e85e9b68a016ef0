"""Read plain values from a pickle without running anything that it names.

A pickle may call any function. This reader resolves only what plain data needs: numpy arrays and scalars (whose bytes
are kept and decoded here), ordered dictionaries and byte strings. Every other name is rejected before it is looked up,
so no module is imported and nothing is called.
"""

from __future__ import annotations

import mmap
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.formats import pickle_scan
from specialize.errors import InputError

SIZE_LIMIT_BYTES = 4 << 30
_KINDS = frozenset("biufc")  # booleans, whole numbers, floats, complex numbers
_MOST_NUMBERS, _DEEPEST = 1000, 4  # of a matrix, or of several
_MODULES = ("numpy.core", "numpy._core")


class Array:
    """Placeholder of a pickled array or scalar until its bytes are decoded."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        """Keep what numpy would restore: version, shape, dtype, order, bytes."""
        self.state = state

    def decoded(self) -> NDArray[Any] | None:
        """Return the numbers, or None for an array of objects or text."""
        try:
            _, shape, dtype, fortran, data = self.state
            kind = dtype.kind()
            data = data.encode("latin1") if isinstance(data, str) else data
            if kind is None or not isinstance(data, bytes):
                return None
            sizes = [int(n) for n in shape]
            flat: NDArray[Any] = np.frombuffer(data, dtype=kind)
            return flat.reshape(sizes[::-1]).T if fortran else flat.reshape(sizes)
        except (TypeError, ValueError, AttributeError):
            return None


class Dtype:
    """Placeholder of a pickled dtype: its code and byte order."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = code
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        """Keep the byte order, the second entry of numpy's state."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def kind(self) -> np.dtype[Any] | None:
        """Return the dtype if it is one of plain numbers."""
        if not isinstance(self.code, str) or self.code[:1] not in _KINDS or not self.code[1:].isdigit():
            return None
        return np.dtype(self.order + self.code) if self.order in "<>" else np.dtype(self.code)


def _scalar(dtype: Any, data: Any = b"") -> Array:
    """Stand in for numpy's scalar constructor: an array without dimensions."""
    array = Array()
    array.state = (1, (), dtype, False, data)
    return array


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any = "C") -> Array:
    """Stand in for the array constructor of pickle protocol 5."""
    array = Array()
    array.state = (1, shape, dtype, order == "F", bytes(data) if isinstance(data, bytearray) else data)
    return array


def _encode(text: Any, _: Any = "latin1") -> bytes:
    """Stand in for `_codecs.encode`, with which old pickles write byte strings."""
    if not isinstance(text, str):
        raise _Refused("_codecs.encode of something other than text")
    return text.encode("latin1")


class _Refused(Exception):
    """A name in the pickle that plain data does not need."""


class _Call:
    """A stand-in function that a pickle can call but not modify."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _Refused("the name of a changed function")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _Call(_encode),
    **{(f"{module}.multiarray", "_reconstruct"): Array for module in _MODULES},
    **{(f"{module}.multiarray", "scalar"): _Call(_scalar) for module in _MODULES},
    **{(f"{module}.numeric", "_frombuffer"): _Call(_from_buffer) for module in _MODULES},
}


class _Reader(pickle.Unpickler):
    """An unpickler that resolves the names in `_ALLOWED` and rejects all others."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file, encoding="latin1")
        self._left = size  # entries that calls may copy: no pickler writes more of them than bytes

    def _mapping(self, *pairs: Any) -> dict[Any, Any]:
        """Stand in for the constructor of ordered dictionaries."""
        self._left -= sum(map(len, pairs))
        if self._left < 0:
            raise _Refused("more mappings than the file has room for")
        return dict(*pairs)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Call(self._mapping)
        if (module, name) not in _ALLOWED:
            raise _Refused(f"the name {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused(f"the name of a persistent object {str(pid)[:40]!r}")


def read_pickle(path: Path) -> Any:
    """Return the plain values of a pickle; arrays come as `Array`, see `numbers`.

    Raises:
        InputError: The file is missing or damaged, or names something that plain data does not need.
    """
    if not path.is_file():
        raise InputError(str(path), "a pickle file", "a folder" if path.is_dir() else "no such file")
    if path.stat().st_size > SIZE_LIMIT_BYTES:
        raise InputError(str(path), f"at most {SIZE_LIMIT_BYTES} bytes", f"{path.stat().st_size} bytes")
    with path.open("rb") as file:
        try:
            _scan(file)
            return _Reader(file, path.stat().st_size).load()
        except _Refused as refused:
            hint = "nothing was run; write the infos with plain lists, numbers and numpy arrays"
            raise InputError(str(path), "plain data", str(refused), hint) from None
        except Exception as error:  # a damaged pickle may raise anything
            found = f"{type(error).__name__}: {error}"
            raise InputError(str(path), "a complete pickle of plain data", found[:200]) from None


def _scan(file: BinaryIO) -> None:
    """Reject a pickle that asks for more memory than it has bytes."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        wrong = pickle_scan.fault(data)
    if wrong:
        raise ValueError(wrong)


def numbers(value: Any, where: str) -> NDArray[np.float64]:
    """Return a pickled array, list or scalar as float64.

    Raises:
        InputError: It is not made of numbers.
    """
    try:
        plain = _plain(value, _MOST_NUMBERS)
        if plain is not None:
            return np.array(plain, dtype=np.float64)
    except (TypeError, ValueError):
        pass
    raise InputError(where, "numbers", type(value).__name__)


def _plain(value: Any, most: int, depth: int = 0) -> Any:
    """Return lists of lists of numbers. Raises ValueError if there are too many, because a list may contain itself."""
    plain = value.decoded() if isinstance(value, Array) else value
    if isinstance(plain, np.ndarray) and plain.size > most:
        raise ValueError("too many numbers")
    if not isinstance(plain, list | tuple):
        return plain
    if depth > _DEEPEST or len(plain) > most:
        raise ValueError("too many numbers")
    return [_plain(item, most // max(1, len(plain)), depth + 1) for item in plain]
