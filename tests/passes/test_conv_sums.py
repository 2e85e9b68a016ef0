"""Sums that are written as convolutions with ones are read as sums, and restored where that gains nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphs import GraphMaker, check, operators, reasons

CAMERAS, QUERIES, WIDTH = 3, 4, 2
KERNEL = np.ones((WIDTH, CAMERAS, 1, 1), dtype=np.float32)


def summed(kernel: np.ndarray, *, masked: bool = True, **attributes: object) -> GraphMaker:
    """Return masked work on rows of cameras, whose cameras a convolution adds."""
    make = GraphMaker()
    x = make.input("x", (CAMERAS, QUERIES, WIDTH))
    work = make.op("Sigmoid", make.op("MatMul", x, make.const(np.eye(WIDTH) * 2)))
    if masked:
        seen = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=np.float32)
        work = make.op("Mul", work, make.const(seen[:, :, None]))
    stacked = make.op("Transpose", work, perm=[2, 0, 1])  # (C, N, Q)
    image = make.op("Reshape", stacked, make.const([1, WIDTH * CAMERAS, 2, QUERIES // 2]))
    groups = {"group": WIDTH, **attributes}
    make.result = make.op("Conv", image, make.const(kernel), **groups)  # type: ignore[attr-defined]
    return make


@pytest.mark.parametrize(
    "attributes", [{}, {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0, 0, 0, 0]}]
)
def test_rows_are_dropped_at_a_convolution_with_ones(attributes: dict[str, object]) -> None:
    """It adds cameras: only the visible pairs are computed, and no convolution is left."""
    make = summed(KERNEL, **attributes)
    made = check(make.model(out=make.result))  # type: ignore[attr-defined]
    assert [site.pairs for site in made.sites] == [5]
    assert "Conv" not in operators(made.model)
    assert any(note.pass_name == "sums" for note in made.notes)


def test_a_sum_of_all_rows_stays_a_convolution() -> None:
    """Where every row is read, the chip gets its convolution back, and the note is that of the sum."""
    make = summed(KERNEL, masked=False)
    made = check(make.model(out=make.result))  # type: ignore[attr-defined]
    assert made.sites == ()
    assert operators(made.model)["Conv"] == 1
    assert "ReduceSum" not in operators(made.model)
    assert any("distinguishes rows of the summed axes" in reason for reason in reasons(made))


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        (KERNEL * 0.5, {}),
        (np.ones((WIDTH, WIDTH * CAMERAS, 1, 1), np.float32), {"group": 1}),
        (KERNEL, {"strides": [2, 1]}),
        (KERNEL, {"pads": [1, 0, 1, 0]}),
        (np.ones((WIDTH, CAMERAS, 2, 1), np.float32), {}),
    ],
    ids=["halves", "across groups", "every other place", "padded", "of two places"],
)
def test_other_convolutions_are_left_alone(kernel: np.ndarray, attributes: dict[str, object]) -> None:
    """They do more than add cameras."""
    make = summed(kernel, **attributes)
    made = check(make.model(out=make.result))  # type: ignore[attr-defined]
    assert operators(made.model)["Conv"] == 1
