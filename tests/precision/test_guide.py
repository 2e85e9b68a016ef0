"""The guide's table of integers is that of the targets."""

from __future__ import annotations

import re

from specialize.targets import TARGETS, target
from specialize.targets.base import Int8
from tests.cli.running import REPOSITORY

GUIDE = REPOSITORY / "docs" / "guides" / "precision.md"
ROW = re.compile(r"^\| (.*?) \| (symmetric|asymmetric) \| ([78]) bits \| .* \|$", re.MULTILINE)


def test_the_table_names_what_each_target_wants() -> None:
    """Each target has the activations and bits of its row, one without a row those of the last."""
    rows = {
        names: (activations == "symmetric", int(bits))
        for names, activations, bits in ROW.findall(GUIDE.read_text())
    }
    others = rows.pop("others")
    assert others == (Int8().symmetric, Int8().weight_bits)
    stated = {name: row for names, row in rows.items() for name in re.findall(r"`(\w+)`", names)}
    assert stated.keys() <= set(TARGETS)
    for name in TARGETS:
        int8 = target(name).TOOLCHAIN.int8
        assert stated.get(name, others) == (int8.symmetric, int8.weight_bits), name
