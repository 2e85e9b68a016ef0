"""The bytes of a digest are those of docs/reference/digest.md: computed here from the page, by other code."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.digest import digest
from tests.cli.running import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reference" / "digest.md").read_text()
VALUES = re.findall(r"^\| `(.+)` \| `([0-9a-f]+)` \| `([0-9a-f]{12})` \|$", PAGE, re.MULTILINE)
PROFILES = re.findall(r"^\| `(calib_profiles/.+)` \| `(sha256:[0-9a-f]{64})` \|$", PAGE, re.MULTILINE)
BOUNDS = re.findall(r"`(\w+)`", PAGE.partition("object of seven numbers")[2].partition("|")[0])


class Matrix(list[Any]):
    """Rows of an array."""


def encoded(value: Any) -> bytes:
    """Return the bytes of a value as the page has them."""
    if value is None or isinstance(value, bool):
        return {None: b"n", True: b"t", False: b"f"}[value]
    if isinstance(value, int | float):
        return b"d" + struct.pack("<d", value + 0.0)
    if isinstance(value, str):
        return b"s" + struct.pack("<q", len(value.encode())) + value.encode()
    if isinstance(value, Matrix):
        numbers = [float(number) + 0.0 for row in value for number in row]
        header = f"f8{json.dumps([len(value), len(value[0])])}".encode()
        return b"a" + struct.pack("<q", len(header)) + header + struct.pack(f"<{len(numbers)}d", *numbers)
    if isinstance(value, list):
        return b"l" + struct.pack("<q", len(value)) + b"".join(map(encoded, value))
    items = sorted(value.items())
    return b"m" + struct.pack("<q", len(items)) + b"".join(encoded(key) + encoded(one) for key, one in items)


def camera(found: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a camera's object from a profile with matrices, and all parameters of its lens."""
    made: dict[str, Any] = {"name": found["name"], "size_px": found["size_px"]}
    made["camera_from_lidar"] = Matrix(found["lidar2cam"])
    if "lens" in found:
        made["lens"] = {"model": found["lens"]["model"], "parameters": parameters}
    else:
        made["intrinsic"] = Matrix(found["intrinsic"])
    tolerance = dict.fromkeys(BOUNDS, 0.0) | found.get("tolerance", {})
    return made | {
        "distortion": found.get("distortion"),
        "time_offset_s": found.get("time_offset_s", 0.0),
        "tolerance": tolerance,
    }


@pytest.mark.parametrize(("text", "raw", "begins"), VALUES)
def test_values_have_these_bytes(text: str, raw: str, begins: str) -> None:
    """Every value of the page, by this code and by the package."""
    value = json.loads(text)
    assert encoded(value).hex() == raw
    assert hashlib.sha256(bytes.fromhex(raw)).hexdigest()[:12] == begins
    assert digest(value) == f"sha256:{hashlib.sha256(bytes.fromhex(raw)).hexdigest()}"


def test_an_array_has_these_bytes() -> None:
    """Kind, size and shape, then the numbers."""
    rows = Matrix([[1.0, -0.0], [0.0, 2.0]])
    assert digest(np.array(rows)) == f"sha256:{hashlib.sha256(encoded(rows)).hexdigest()}"


@pytest.mark.parametrize(("name", "expected"), PROFILES)
def test_profiles_have_these_digests(name: str, expected: str) -> None:
    """Every profile of the page, from its file with matrices as a build has it."""
    profile = load_profile(REPOSITORY / Path(name))
    document = yaml.safe_load(dump_profile(profile))
    lenses = [dict(one.lens.parameters) if one.lens is not None else {} for one in profile.cameras]
    cameras = [camera(one, lens) for one, lens in zip(document["cameras"], lenses, strict=True)]
    raw = encoded({"schema": "specialize/profile@1", "cameras": cameras})
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == expected == profile.digest


def test_the_page_has_vectors() -> None:
    """The tables are found, so that none of the tests above is empty."""
    assert (len(VALUES), len(PROFILES), len(BOUNDS)) == (7, 3, 7)
