"""The program as a graph gives the same bits on ONNX Runtime, operator by operator."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from specialize.binding.relink.assemble import BOOL, FLOAT64, INT64, Draft, NotPortableError
from specialize.binding.relink.graph import FITS, Recorder
from specialize.binding.relink.memory import placed
from specialize.binding.relink.places import DoesNotFitError
from specialize.binding.relink.program import DTYPES, INPUTS, Binary, Reduce, Unary
from specialize.binding.relink.run import Calibration, run

CAMERAS, FLOAT32 = 3, 3
RANDOM = np.random.default_rng(5)


def started() -> Recorder:
    """Return a program in the making, of three cameras."""
    made = Recorder()
    for number in range(len(INPUTS)):
        made.new(FLOAT64, (CAMERAS, 4, 4) if number < 3 else (4, 4))
    return made


def calibration(seed: int) -> Calibration:
    """Return random matrices."""
    random = np.random.default_rng(seed)
    first, second, third = (random.standard_normal((CAMERAS, 4, 4)) for _ in range(3))
    return Calibration(first, second, third, random.standard_normal((4, 4)))


def agree(made: Recorder, results: list[Draft], seeds: int = 3) -> list[bool]:
    """Require the same bits of the program and of the graph; return for which calibrations both say that they fit."""
    outputs = {f"t{place}": draft.number for place, draft in enumerate(results)}
    model = made.model(outputs)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    program, _ = placed(made, outputs, CAMERAS)
    said = []
    for seed in range(seeds):
        given = calibration(seed)
        found = dict(
            zip(
                [each.name for each in session.get_outputs()],
                session.run(None, {name: getattr(given, name) for name in INPUTS}),
                strict=True,
            )
        )
        said.append(bool(found[FITS]))
        try:
            expected = run(program, given)
        except DoesNotFitError:
            assert not found[FITS]
            continue
        assert found[FITS]
        for name, array in expected.items():
            assert found[name].dtype == array.dtype
            assert found[name].shape == array.shape
            assert found[name].tobytes() == array.tobytes(), name
    return said


@pytest.mark.parametrize("dtype", [INT64, FLOAT32, FLOAT64])
def test_functions_of_two_numbers(dtype: int) -> None:
    """Broadcast, integers towards minus infinity."""
    made = started()
    a = made.cast(made.binary(Binary.MUL, made.drafts[0], made.constant(np.array(9.0))), dtype)
    b = made.copy(a, (CAMERAS, 1, 4), (16, 4, 1), offset=4)
    zero = made.constant(np.zeros((), DTYPES[dtype]))
    functions = [each for each in Binary if each < Binary.AND and (each is not Binary.MOD or dtype == INT64)]
    if dtype == INT64:  # what divides by 0 is another matter
        b = made.where(made.binary(Binary.EQUAL, b, zero), made.constant(np.array(-7)), b)
    results = [made.binary(function, a, b) for function in functions]
    conditions = [each for each in results if each.dtype == BOOL]
    results += [made.binary(each, conditions[0], conditions[1]) for each in (Binary.AND, Binary.OR)]
    assert all(agree(made, [*results, made.where(conditions[0], a, b)]))


def test_functions_of_one_number() -> None:
    """Casts, roots and signs."""
    made = started()
    narrow = made.cast(made.drafts[0], FLOAT32)
    kinds = (Unary.NEG, Unary.ABS, Unary.RECIPROCAL, Unary.FLOOR)
    results = [made.unary(function, narrow) for function in kinds]
    results += [made.unary(Unary.SQRT, results[1]), made.cast(narrow, INT64), made.cast(results[5 - 2], BOOL)]
    results.append(made.unary(Unary.NOT, results[-1]))
    assert all(agree(made, results))


def test_movements() -> None:
    """Slices, transposes, repetitions, joining and picking."""
    made = started()
    a = made.drafts[0]
    whole = made.constant(RANDOM.standard_normal((4, 5, 6)))
    results = [
        made.transpose(a, (2, 0, 1)),
        made.copy(a, (CAMERAS, 2, 3), (16, 4, 1), offset=5),
        made.copy(a, (4, CAMERAS), (-4, 16), offset=12),
        made.copy(whole, (4, 2, 6), (30, 12, 1), offset=6),
        made.expand(made.copy(a, (CAMERAS, 1, 4), (16, 4, 1)), (2, CAMERAS, 5, 4)),
        made.concat([a, made.copy(a, (CAMERAS, 1, 4), (16, 4, 1))], 1),
        made.take(a, made.ints([2, 0, 2]), 1),
        made.reshape(a, (CAMERAS * 8, 2)),
    ]
    assert all(agree(made, results))
    made = started()
    diagonal = made.copy(made.drafts[3], (4,), (5,))
    with pytest.raises(NotPortableError, match="not a transpose"):
        made.model({"t": diagonal.number})


def test_sums_have_their_order() -> None:
    """Products of matrices and reductions, in float32, where another order gives other bits."""
    made = started()
    matrices = made.cast(made.drafts[0], FLOAT32)
    points = made.constant((100 * RANDOM.standard_normal((4, 500))).astype(np.float32))
    product = made.matmul(matrices, points)
    rows = made.reshape(product, (CAMERAS, 4, 50, 10))
    results = [product, made.matmul(matrices, matrices), *(made.reduce(each, rows, 3) for each in Reduce)]
    seen = made.binary(Binary.GREATER, rows, made.constant(np.zeros((), np.float32)))
    results += [made.reduce(each, seen, 1) for each in (Reduce.MAX, Reduce.MIN)]
    assert all(agree(made, results))
    made = started()
    points = made.constant(RANDOM.standard_normal((4, 500)).astype(np.float32))
    long = made.reduce(
        Reduce.SUM, made.reshape(made.matmul(made.cast(made.drafts[0], FLOAT32), points), (6, 1000)), 1
    )
    with pytest.raises(NotPortableError, match="1000 elements"):
        made.model({"t": long.number})


def masked(made: Recorder, above: float) -> Draft:
    """Return a mask (N, 200) of random points."""
    points = made.constant(np.random.default_rng(9).standard_normal((4, 200)))
    depth = made.copy(made.matmul(made.drafts[0], points), (CAMERAS, 200), (800, 1), offset=200)
    return made.binary(Binary.GREATER, depth, made.constant(np.array(above)))


@pytest.mark.parametrize(
    ("above", "lengths", "fan_in", "expected"),
    [
        (0.0, (150, 190, 210), 4, {True}),
        (1.0, (80, 200, 200), 3, {True}),
        (9.0, (10, 1, 20), 1, {True}),
        (0.0, (101, 101, 101), 3, {True, False}),
        (0.0, (200, 200, 200), 1, {False}),
    ],
)
def test_rows_and_places(above: float, lengths: tuple[int, ...], fan_in: int, expected: set[bool]) -> None:
    """Row tables have a fixed size, also with more rows than queries; what does not fit is reported."""
    made = started()
    mask = masked(made, above)
    rows = made.rows(mask, lengths)
    query = made.binary(Binary.MOD, rows, made.ints([200]))
    values = made.constant(RANDOM.standard_normal((CAMERAS * 200, 2)).astype(np.float32))
    results = [rows, query, made.back(mask, lengths, fan_in), made.take(values, rows)]
    assert set(agree(made, results, seeds=8)) == expected


def test_a_camera_without_a_place() -> None:
    """Cameras that stand elsewhere have no rows here."""
    made = started()
    here = made.constant(np.array([[True], [False], [True]]))
    only = made.binary(Binary.AND, masked(made, 0.0), here)
    assert all(agree(made, [made.rows(only, (200, 0, 200))]))


def test_what_no_graph_has_is_said() -> None:
    """A sum of many elements is too long to be written out."""
    made = started()
    both = made.concat([made.reshape(made.drafts[number], (48,)) for number in (0, 1)], 0)
    long = made.reduce(Reduce.SUM, both, 0)
    doubled = made.binary(Binary.ADD, long, long)
    with pytest.raises(NotPortableError, match="a reduction of 96 elements"):
        made.model({"t": doubled.number})


def test_inverses() -> None:
    """Pivots are chosen by content, the first of equals; what has no inverse gives the same bits of nonsense."""
    made = started()
    assert all(agree(made, [made.inverse(made.drafts[number]) for number in range(4)], seeds=8))
    made = started()
    whole = made.unary(Unary.FLOOR, made.binary(Binary.MUL, made.drafts[0], made.constant(np.full((), 2.0))))
    tied = made.binary(Binary.ADD, whole, made.constant(np.eye(4)[::-1] * 0.25))
    assert all(agree(made, [made.inverse(tied)], seeds=8))


@pytest.mark.parametrize("most", [12, 40])
def test_points_by_cell(most: int) -> None:
    """Counted, sorted into blocks and listed as the program does, or refused as it refuses."""
    made = started()
    real = made.binary(Binary.MUL, made.reshape(made.drafts[0], (48,)), made.constant(np.full((), 3.0)))
    cells = made.concat([made.cast(real, INT64), made.ints([0, 5, -1, 6, 2, 2, 2])], 0)
    own = made.copy(cells, (7,), (1,), 48)
    results = [made.count(cells, 6, most), made.listed(own, 6, 3, 99)]
    results += [made.cut(cells, 6, blocks, 4) for blocks in (11, 12)]
    assert set(agree(made, results, seeds=12)) == {False, True}
