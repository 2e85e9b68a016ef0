"""Damaged files: every one is refused with a reason, by both readers alike, and no byte beyond a file is read."""

from __future__ import annotations

import dataclasses
import itertools
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from specialize.artifact import Build
from specialize.binding.relink.checksum import checksum, sealed
from specialize.binding.table_program import RELINK
from specialize.calibration.load import load_profile
from specialize.vehicle.binary import FileRefusedError
from specialize.vehicle.contract import Contract, parse_contract
from specialize.vehicle.expect import contract_of
from specialize.vehicle.packing import pack
from specialize.vehicle.today import parse_today
from specialize.vehicle.words import LENS_BYTES, Reason
from tests.cli.running import CAR42
from tests.vehicle import compiling

Case = tuple[int, bytes]
PARSERS: tuple[Callable[[bytes], object], ...] = (parse_contract, parse_today)


@pytest.fixture(scope="module")
def files(contracts: Mapping[str, Contract], pooled: Path) -> list[Case]:
    """Return one file of each kind and mode, one with a frustum and two with lenses; today's calibration first."""
    today = pack(load_profile(CAR42))
    build = Build.open(pooled)
    whole = contract_of(build, build.calibration(), build.file(RELINK).read_bytes())
    assert whole.frustum is not None
    lifting = dataclasses.replace(whole, relink=b"")
    lenses = np.random.default_rng(4).integers(256, size=(len(today.cameras), LENS_BYTES), dtype=np.uint8)
    behind = [dataclasses.replace(each, lenses=lenses) for each in (contracts["exact"], lifting)]
    return [
        (1, today.to_bytes()),
        *((0, contract.to_bytes()) for contract in (*contracts.values(), lifting, *behind)),
        (1, dataclasses.replace(today, lenses=lenses).to_bytes()),
    ]


def read(reader: Path, cases: Sequence[Case]) -> list[Reason]:
    """Return what the reader in C++ says of each case."""
    stream = b"".join(struct.pack("<II", kind, len(data)) + data for kind, data in cases)
    ran = subprocess.run([str(reader)], input=stream, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    return [Reason(int(line)) for line in ran.stdout.split()]


def parsed(case: Case) -> Reason:
    """Return what the reader in Python says of a case."""
    try:
        PARSERS[case[0]](case[1])
    except FileRefusedError as error:
        return error.reason
    return Reason.OK


def test_files_are_read_back(reader: Path, files: list[Case]) -> None:
    """What was written is accepted by both."""
    assert set(read(reader, files)) == {Reason.OK}
    assert {parsed(case) for case in files} == {Reason.OK}


def test_lenses_are_read_back(files: list[Case]) -> None:
    """With grids, a frustum or nothing behind them, and of a calibration; of files without lenses there are none."""
    found = [PARSERS[kind](data).lenses for kind, data in files]  # type: ignore[attr-defined]
    assert [each is not None for each in found] == [False] * (len(files) - 3) + [True] * 3
    for each in found[-3:]:
        assert each.shape[1] == LENS_BYTES and np.array_equal(each, found[-1])


def test_every_truncation_is_refused(reader: Path, files: list[Case]) -> None:
    """Of a file that ends early every length is refused."""
    for kind, data in files:
        cases = [(kind, data[:length]) for length in range(len(data))]
        said = read(reader, [files[0], *cases])[1:]
        assert Reason.OK not in said
        assert said[:: len(said) // 50] == [parsed(case) for case in cases[:: len(cases) // 50]]


def test_every_flipped_byte_is_refused(reader: Path, files: list[Case]) -> None:
    """One flipped bit, and all bits of one byte, in any place are noticed."""
    random = np.random.default_rng(2)
    for kind, data in files:
        flips = [1 << int(bit) for bit in random.integers(8, size=len(data))]
        cases = [
            (kind, data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
            for at, one in enumerate(flips)
            for flip in (one, 0xFF)
        ]
        said = read(reader, [files[0], *cases])[1:]
        assert Reason.OK not in said
        assert said[::97] == [parsed(case) for case in cases[::97]]


def test_random_bytes_are_refused(reader: Path) -> None:
    """Random bytes, with and without the right beginning, are no files."""
    random = np.random.default_rng(3)
    cases = []
    for kind, magic in ((0, b"SPZCTRCT"), (1, b"SPZTODAY")):
        for size in (0, 1, 31, 32, 33, 64, 288, 336, 1000):
            raw = random.bytes(size)
            cases += [(kind, raw), (kind, (magic + b"\x01\0\0\0" + raw)[:size])]
    assert Reason.OK not in read(reader, cases)


def test_files_with_a_right_checksum_and_wrong_content(reader: Path, files: list[Case]) -> None:
    """Whoever writes other numbers and seals them again is refused where they cannot be, by both readers alike."""
    random = np.random.default_rng(4)
    cases: list[Case] = []
    for kind, data in files:
        for _ in range(3000):
            words = np.frombuffer(data, "<u4").copy()
            at = (
                int(random.integers(8, 120)) if random.random() < 0.7 else int(random.integers(8, len(words)))
            )
            words[at] = random.choice(
                [
                    0,
                    1,
                    2,
                    3,
                    4,
                    5,
                    7,
                    63,
                    64,
                    65,
                    255,
                    65535,
                    65536,
                    65537,
                    1 << 26,
                    (1 << 32) - 1,
                    words[at] + 1,
                ]
            )
            cases.append((kind, sealed(words.tobytes())))
        cases += [(kind, sealed(data + bytes(8))), (kind, sealed(data[:-8])), (kind, sealed(data[:336]))]
    kind, data = files[-1]  # of a frustum every number
    for at, number in itertools.product(
        range((len(data) - 136) // 4, len(data) // 4), (0, 4, 1 << 25, 1 << 30)
    ):
        words = np.frombuffer(data, "<u4").copy()
        words[at] = number
        cases.append((kind, sealed(words.tobytes())))
    said = read(reader, [files[0], *cases])[1:]
    assert said == [parsed(case) for case in cases]
    assert {Reason.OK, Reason.MALFORMED} <= set(said)


def test_the_sanitizer_sees_a_byte_read_beyond(tmp_path: Path) -> None:
    """A reader that trusts the file's own size is caught, so the tests above can fail."""
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text(
        '#include <cstdio>\n#include <cstdlib>\n#include "specialize/bytes.hpp"\n'
        "int main() { auto *data = static_cast<unsigned char *>(std::malloc(64));\n"
        "  return std::fread(data, 1, 64, stdin) == 64 ? "
        'specialize::bytes::open_file(data, 4096, "SPZCTRCT", 32) : 1; }\n'
    )
    reader = compiling.compiled(wrong, tmp_path / "wrong", *compiling.SANITIZED)
    data = b"SPZCTRCT" + struct.pack("<IIQ", 1, 0, 4096) + bytes(40)
    ran = subprocess.run([str(reader)], input=data, capture_output=True, check=False)
    assert ran.returncode != 0
    assert b"heap-buffer-overflow" in ran.stderr


def test_the_checksum_is_the_one_that_is_documented() -> None:
    """`sum = sum * P + word` over all words but the fourth, modulo 2**64."""
    words = [int(word) for word in np.random.default_rng(5).integers(1 << 63, size=50)]
    expected = 0
    for index, word in enumerate(words):
        if index != 3:
            expected = (expected * 0x9E3779B97F4A7C15 + word) % (1 << 64)
    assert checksum(struct.pack("<50Q", *words)) == expected
