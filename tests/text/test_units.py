"""Figures become text in one place: the same bytes have the same unit on the command line and in a report."""

from __future__ import annotations

import pytest

from specialize.text.units import (
    counted,
    milliseconds,
    number,
    percent,
    saved,
    scaled,
    sentence,
    size,
    small,
    three,
    times,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (scaled(12_345_678_901), "12.3 G"),
        (scaled(999), "999"),
        (scaled(999_960), "1000 k"),
        (scaled(1.5e12), "1.5 T"),
        (scaled(2.444e9, "FLOP"), "2.44 GFLOP"),
        (size(1023), "1023 B"),
        (size(1536), "1.5 KiB"),
        (size(3 * 2**30), "3.0 GiB"),
        (size(5 * 2**40), "5.0 TiB"),
        (three(0), "0"),
        (three(99.96), "100"),
        (three(-3.14159), "-3.14"),
        (times(2.5), "2.50x"),
        (saved(10, 4), "2.50x"),
        (saved(4, 10), "2.50x more"),
        (saved(1000, 1001), "1.00x"),
        (saved(1, 0), "-"),
        (saved(0, 1), "-"),
        (number(None, 1), "-"),
        (number(1234.56, 1), "1,234.6"),
        (percent(0.053), "5.3 %"),
        (percent(0.24), "24 %"),
        (percent(0.0), "0 %"),
        (percent(0.24, 1), "24.0 %"),
        (small(2.5e-5), "2.50e-05"),
        (small(float("inf")), "inf"),
        (milliseconds(0.0138), "13.8"),
        (milliseconds(1.2345), "1,234"),
        (sentence("not counted: 2 nodes"), "Not counted: 2 nodes."),
        (sentence("Whole already."), "Whole already."),
        (counted(1, "vehicle"), "1 vehicle"),
        (counted(1200, "vehicle"), "1,200 vehicles"),
    ],
)
def test_numbers_are_short(text: str, expected: str) -> None:
    """Counts, sizes and ratios are shown with a unit and few digits."""
    assert text == expected
