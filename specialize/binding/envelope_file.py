"""The file of an envelope: the pairs that may be seen, and the calibrations that proved it.

What only reads it, as `check` does, imports no graph.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specialize.errors import InputError
from specialize.visibility.npz import npz_bytes
from specialize.visibility.plan import VisibilityPlan

Bools = npt.NDArray[np.bool_]
Arrays = Mapping[str, npt.NDArray[np.generic]]

FILE_NAME = "envelope.npz"


def envelope_file(supersets: Sequence[Bools], cases: Sequence[Arrays]) -> bytes:
    """Return the content of `envelope.npz`: the pairs, and what verification feeds."""
    tables: dict[str, npt.NDArray[np.generic]] = {}
    for index, pairs in enumerate(supersets):
        tables[f"grid{index}/shape"] = np.array(pairs.shape, dtype=np.int64)
        tables[f"grid{index}/pairs"] = np.packbits(pairs, axis=1)
    for index, case in enumerate(cases):
        tables.update({f"case{index}/{name}": array for name, array in case.items()})
    return npz_bytes(tables)


def read_supersets(build_dir: Path) -> tuple[Bools, ...]:
    """Return the pairs (N, Q) of a build's envelope, one array per grid."""
    with _archive(build_dir) as tables:
        count = sum(name.endswith("/shape") for name in tables)
        return tuple(_unpacked(tables, f"grid{index}") for index in range(count))


def read_cases(build_dir: Path) -> tuple[dict[str, npt.NDArray[np.generic]], ...]:
    """Return the calibrations that a build was verified with, by input name."""
    cases: dict[int, dict[str, npt.NDArray[np.generic]]] = {}
    with _archive(build_dir) as tables:
        for key, array in tables.items():
            if key.startswith("case"):
                number, _, name = key.removeprefix("case").partition("/")
                cases.setdefault(int(number), {})[name] = array
    return tuple(cases[index] for index in sorted(cases))


def pairs_outside(build_dir: Path, plans: Sequence[VisibilityPlan]) -> tuple[int, ...]:
    """Return how many queries each camera may see outside of a build's envelope, all grids together."""
    supersets = read_supersets(build_dir)
    found = [
        (plan.superset & ~pairs).sum(axis=1) for plan, pairs in zip(plans, supersets, strict=True)
    ]  # (N,) each
    return tuple(int(number) for number in np.sum(found, axis=0))


@contextlib.contextmanager
def _archive(build_dir: Path) -> Iterator[Arrays]:
    """Yield the arrays of a build's envelope; whatever goes wrong while they are read is the file's fault."""
    path = build_dir / FILE_NAME
    try:
        with np.load(path, allow_pickle=False) as archive:
            yield {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged archive may raise anything
        found = str(error) or type(error).__name__
        raise InputError(str(path), "the envelope of a build", found, "build again") from error


def _unpacked(tables: Mapping[str, npt.NDArray[np.generic]], grid: str) -> Bools:
    cameras, queries = (int(size) for size in tables[f"{grid}/shape"])
    packed = tables[f"{grid}/pairs"].astype(np.uint8).reshape(cameras, -1)
    return np.unpackbits(packed, axis=1, count=queries).astype(np.bool_)
