"""Views follow elements as numpy does."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.graph.views import View

SHAPES = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)


def elements(view: View) -> np.ndarray:
    """Return the element of the source at every place."""
    found = np.array(view.offset)
    for axis in view.axes:
        along = np.zeros(1, dtype=np.int64)
        for size, stride in axis:
            along = (along[:, None] + np.arange(size) * stride).ravel()
        found = found[..., None] + along
    return found


def step(draw: st.DrawFn, array: np.ndarray, view: View) -> tuple[np.ndarray, View | None]:
    """Return an array and its view after one random move."""
    kind = draw(st.sampled_from(["reshape", "transpose", "cut", "expand"]))
    if kind == "reshape":
        sizes, rest = [], array.size
        for _ in range(draw(st.integers(0, 3))):
            divisor = draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0]))
            sizes.append(divisor)
            rest //= divisor
        return array.reshape([*sizes, rest]), view.reshape([*sizes, rest])
    if kind == "transpose":
        perm = draw(st.permutations(range(array.ndim)))
        return array.transpose(perm), view.transpose(perm)
    if kind == "cut":
        axis = draw(st.integers(0, array.ndim - 1))
        start = draw(st.integers(0, array.shape[axis] - 1))
        every = draw(st.sampled_from([1, 1, 2]))
        length = draw(st.integers(1, math.ceil((array.shape[axis] - start) / every)))
        places = np.arange(start, start + length * every, every)
        return array.take(places, axis=axis), view.cut(axis, start, length, every)
    shape = [draw(st.sampled_from([1, 2])) if size == 1 else size for size in array.shape]
    return np.broadcast_to(array, shape), view.expand(shape)


@given(st.data(), SHAPES)
@settings(max_examples=300, deadline=None)
def test_a_chain_of_moves_is_followed(data: st.DataObject, shape: list[int]) -> None:
    """After any chain of moves a view tells every element's origin, or says that it cannot."""
    array, view = np.arange(math.prod(shape)).reshape(shape), View.natural(shape)
    for _ in range(data.draw(st.integers(1, 6))):
        array, after = step(data.draw, array, view)
        if after is None:
            return
        view = after
        assert view.shape == array.shape
        assert (elements(view) == array).all()
        assert view.is_natural() == bool((array.ravel() == np.arange(array.size)).all())


def test_the_same_elements_are_the_same_view() -> None:
    """Two chains that move the same elements to the same places are equal, however they are written."""
    one = View.natural([6, 4, 5]).reshape([2, 3, 20])
    other = View.natural([24, 5]).reshape([2, 12, 5])
    assert one is not None and other is not None
    merged = other.reshape([2, 3, 4, 5])
    assert merged is not None and merged.reshape([2, 3, 20]) == one


def test_a_cut_inside_a_factor_is_refused() -> None:
    """Axes of 2 x 3 moved apart cannot be cut into 4."""
    moved = View.natural([2, 3]).transpose([1, 0])
    assert moved.reshape([3, 2]) is not None
    flat = View.natural([2, 6]).transpose([1, 0]).reshape([12])
    assert flat is not None and flat.reshape([4, 3]) is None
