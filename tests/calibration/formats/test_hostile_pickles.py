"""Pickles of a few bytes that would take minutes or gigabytes: each is an error before anything is made."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from specialize.calibration.formats import pickle_scan
from specialize.calibration.formats.importer import read_format
from specialize.calibration.formats.safe_pickle import numbers, read_pickle
from specialize.errors import InputError

HUGE8 = b"\xff\xff\xff\xff\x0f\x00\x00\x00"  # 64 GiB

BOMBS = {
    "a memo of 4 billion entries": (b"\x80\x02Nr\xff\xff\xff\xff.", "numbered beyond the file's 9 bytes"),
    "the same as text": (b"Np999999999\n.", "out of bounds at byte 2"),
    "a memo number of many digits": (b"Np" + b"9" * 99_999 + b"\n.", "out of bounds at byte 2"),
    "text of 64 GiB": (b"\x80\x04\x8d" + HUGE8 + b"N.", "68719476735 bytes of an object where 2 are left"),
    "bytes of 64 GiB": (b"\x80\x04\x8e" + HUGE8 + b"N.", "68719476735 bytes"),
    "an array of 64 GiB": (b"\x80\x05\x96" + HUGE8 + b"N.", "68719476735 bytes"),
    "a whole number of 2 GiB": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "2147483647 bytes"),
    "a whole number of 200 bytes": (b"\x80\x02\x8a\xc8" + b"1" * 200 + b".", "a whole number of 200 bytes"),
    "a whole number of many digits": (b"I" + b"9" * 99_999 + b"\n.", "out of bounds at byte 1"),
    "a frame of 64 GiB": (b"\x80\x04\x95" + HUGE8 + b"N.", "complete pickle"),
    "nothing": (b"", "complete pickle"),
    "no opcode": (b"\xff\xff", "complete pickle"),
    "no end": (b"\x80\x02N", "complete pickle"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_that_asks_for_more_than_it_has_is_refused(name: str, tmp_path: Path) -> None:
    """The error says what is out of bounds, and no room was made for it."""
    content, said = BOMBS[name]
    path = tmp_path / "infos.pkl"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert said in str(caught.value)


@pytest.mark.parametrize("protocol", range(6))
def test_whatever_a_pickler_writes_is_within_bounds(protocol: int) -> None:
    """Large arguments of every kind, and a memo of thousands of entries."""
    shared = [object.__name__, "x" * 70_000, b"y" * 70_000, 2**63, -(2**31), 1.5, None, True]
    value = {"a": [{str(index): [index, shared] for index in range(3000)}], "b": ("ä" * 300, bytearray(300))}
    assert pickle_scan.fault(pickle.dumps(value, protocol=protocol)) == ""


def mappings(count: int, copies: int) -> bytes:
    """Return a pickle that copies a list of pairs into that many ordered dictionaries."""
    pairs = b"(" + b"".join(b"(I%d\nNt" % index for index in range(count)) + b"lp0\n0"
    return pairs + b"(" + b"ccollections\nOrderedDict\n(g0\ntR" * copies + b"t."


def test_copies_of_mappings_are_limited_by_the_files_size(tmp_path: Path) -> None:
    """One list that is made into many dictionaries takes the square of the file's size."""
    path = tmp_path / "infos.pkl"
    path.write_bytes(mappings(20, 3))
    assert len(read_pickle(path)) == 3
    path.write_bytes(mappings(1000, 1000))
    with pytest.raises(InputError, match="more mappings than the file has room for"):
        read_pickle(path)


def test_text_of_something_else_is_refused(tmp_path: Path) -> None:
    """Lists of lists of lists would be written out at full length."""
    path = tmp_path / "infos.pkl"
    path.write_bytes(b"c_codecs\nencode\n((lVlatin1\ntR.")
    with pytest.raises(InputError, match=r"_codecs\.encode of something other than text"):
        read_pickle(path)


def itself() -> list[Any]:
    """Return a list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


def doubled(depth: int) -> list[Any]:
    """Return lists that hold the one before twice: 2 ** depth numbers."""
    made: list[Any] = [1.0, 2.0]
    for _ in range(depth):
        made = [made, made]
    return made


@pytest.mark.parametrize("value", [itself(), doubled(40), [0.0] * 10_000, [[0.0] * 900] * 900, "text", None])
def test_what_is_no_matrix_is_refused(value: Any) -> None:
    """Numbers are looked for in a few lists of a few entries, no further."""
    with pytest.raises(InputError, match="m: expected numbers"):
        numbers(value, "m")


@pytest.mark.parametrize(
    "document", [[3], [{}], {"infos": [[]]}, {"infos": [{"cams": 3}]}, {"data_list": "x"}]
)
def test_an_infos_file_of_another_form_is_an_input_error(document: Any, tmp_path: Path) -> None:
    """Plain data that are no calibration are the file's fault."""
    path = tmp_path / "infos.pkl"
    path.write_bytes(pickle.dumps(document))
    with pytest.raises(InputError):
        read_format("mmdet3d", path, {})
