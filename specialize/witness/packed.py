"""Read the file of an envelope independently: the pairs inside, one bit each, and the calibrations of verification."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.witness.sight import Bools


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """What the file of an envelope holds.

    Attributes:
        pairs: Per grid the pairs (N, Q) of camera and query that may be seen.
        cases: The calibrations that a build is verified with, by input name.
    """

    pairs: tuple[Bools, ...]
    cases: tuple[Mapping[str, npt.NDArray[np.generic]], ...]


def read_packed(content: bytes) -> Packed:
    """Return what the bytes of `envelope.npz` say."""
    pairs: dict[int, Bools] = {}
    cases: dict[int, dict[str, npt.NDArray[np.generic]]] = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        for key in archive.files:
            part, _, name = key.partition("/")
            if part.startswith("grid") and name == "pairs":
                queries = int(archive[f"{part}/shape"][1])
                pairs[int(part.removeprefix("grid"))] = _bits(archive[key])[:, :queries]
            elif part.startswith("case"):
                cases.setdefault(int(part.removeprefix("case")), {})[name] = archive[key]
    return Packed(
        tuple(pairs[index] for index in sorted(pairs)), tuple(cases[index] for index in sorted(cases))
    )


def _bits(octets: npt.NDArray[np.uint8]) -> Bools:
    """Return (N, 8 * K): the bits of bytes (N, K), the highest bit of a byte first."""
    places = np.array([128, 64, 32, 16, 8, 4, 2, 1], np.uint8)
    return np.asarray((octets[:, :, None] & places).astype(np.bool_).reshape(len(octets), -1))
