"""The ways in which a table may be made of a model's share of the calibration; each says what it would give."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.binding.relink.assemble import Draft
from specialize.binding.relink.members import levels_of, site_of
from specialize.binding.relink.places import back_of, rows_of
from specialize.binding.relink.pool_ways import PoolMaker
from specialize.binding.relink.pools import Pool
from specialize.binding.relink.program import Binary
from specialize.binding.relink.share import Share
from specialize.binding.relink.strides import contiguous
from specialize.binding.relink.way import Way
from specialize.rows.capacity import Room
from specialize.rows.table_input import MADE, Table, folded_name

Array = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows of a site stand.

    Attributes:
        grid: Whose queries they are.
        lengths: Places per camera; 0 for a camera that stands elsewhere.
        key: Which of the room's arrangements it is.
    """

    grid: int
    lengths: tuple[int, ...]
    key: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Pools:
    """What makes the tables of poolings.

    Attributes:
        maker: Makes them.
        by_site: By site what may say the cells of its points.
    """

    maker: PoolMaker
    by_site: Mapping[str, list[Pool]]


def ways_of(table: Table, share: Share, rooms: Mapping[str, Room], size: int, pools: Pools) -> Iterator[Way]:
    """Yield the ways in which a table of `size` elements may be made, the likeliest first."""
    # a part of the model has few of the sites that share a table
    member = next((each for each in table.members if site_of(each) in rooms), table.members[0])
    label = re.sub(r"\d+$", "", member.rsplit("/", 1)[-1]) if member.startswith(MADE) else ""
    if not label:
        yield from _folded(share, member)
        return
    room = rooms.get(site_of(member))
    for pool in pools.by_site.get(site_of(member), ()):
        yield from pools.maker.ways(pool, label, levels_of(room), size)
    places = list(_places(share, room)) if room is not None else []
    if label == "rows":
        for place in places:
            if sum(place.lengths) == size:
                yield from _rows(share, place)
    if label == "back" and room is not None:
        fans = sorted({each.fan_in for each in room.sums})
        for place, fan_in in itertools.product(places, fans):
            if share.masks[place.grid].sizes[1] * fan_in == size:
                yield _back(share, place, fan_in)
    if label == "table":
        for place in places:
            yield from _picked(share, place, size)


def _folded(share: Share, member: str) -> Iterator[Way]:
    """A value that folding made a constant."""
    value = share.named(folded_name(member))
    if value is not None:
        key = ("value", value.name)
        yield Way(key, lambda vehicle: share.contents([value], vehicle)[0], lambda: share.draft(value))


def _places(share: Share, room: Room) -> Iterator[Place]:
    """Yield where the rows of a site may stand: all cameras together, or each in an arrangement of its own."""
    for grid, mask in share.masks.items():
        cameras = mask.sizes[0]
        for number, slot in enumerate(room.slots):
            if len(slot) == cameras:
                yield Place(grid, slot, (grid, "slot", number))
        alone = [slot[0] for slot in room.slots if len(slot) == 1]
        if alone and len(alone) % cameras == 0:
            rounds = len(alone) // cameras
            for start, step in ((0, 1), (0, rounds)) if rounds > 1 else ((0, 1),):
                lengths = tuple(alone[start : start + cameras * step : step])
                yield Place(grid, lengths, (grid, "alone", step))
                for camera in range(cameras):
                    only = [length if index == camera else 0 for index, length in enumerate(lengths)]
                    yield Place(grid, tuple(only), (grid, "alone", step, camera))


def _chosen(share: Share, place: Place, vehicle: int) -> Ints:
    """Return the pair `n * Q + q` at every place."""
    seen = share.seen[vehicle][place.grid].copy()
    lengths = np.array(place.lengths, np.int64)
    seen[lengths == 0] = False
    return rows_of(seen, lengths)


def _chosen_draft(share: Share, place: Place) -> Draft:
    mask = share.mask(place.grid)
    if 0 not in place.lengths:
        return share.assembler.rows(mask, place.lengths)
    here = np.array([[length > 0] for length in place.lengths])
    only = share.assembler.binary(Binary.AND, mask, share.assembler.constant(here))
    return share.assembler.rows(only, place.lengths)


def _rows(share: Share, place: Place) -> Iterator[Way]:
    """Row numbers: of a query, of a pair with the camera outside, of a pair with the query outside."""
    cameras, queries, _ = share.masks[place.grid].sizes
    assembler = share.assembler

    def parts() -> tuple[Draft, Draft, Draft]:
        pairs, many = _chosen_draft(share, place), assembler.ints([queries])
        return pairs, assembler.binary(Binary.MOD, pairs, many), assembler.binary(Binary.DIV, pairs, many)

    def inner() -> Draft:
        _, query, camera = parts()
        scaled = assembler.binary(Binary.MUL, query, assembler.ints([cameras]))
        return assembler.binary(Binary.ADD, scaled, camera)

    def chosen(vehicle: int) -> Ints:
        return _chosen(share, place, vehicle)

    yield Way(("query", *place.key), lambda vehicle: chosen(vehicle) % queries, lambda: parts()[1])
    yield Way(("pair", *place.key), chosen, lambda: parts()[0])
    yield Way(("inner", *place.key), lambda vehicle: _inner(chosen(vehicle), cameras, queries), inner)


def _inner(pairs: Ints, cameras: int, queries: int) -> Ints:
    return pairs % queries * cameras + pairs // queries


def _back(share: Share, place: Place, fan_in: int) -> Way:
    """The places of the rows that a query sums."""
    lengths = np.array(place.lengths, np.int64)

    def content(vehicle: int) -> Array:
        return back_of(share.seen[vehicle][place.grid], lengths, fan_in, int(lengths.sum()))

    def make() -> Draft:
        return share.assembler.back(share.mask(place.grid), place.lengths, fan_in)

    return Way(("back", *place.key), content, make)


def _picked(share: Share, place: Place, size: int) -> Iterator[Way]:
    """Values of pairs, or of queries, picked where the rows stand; `size` elements in all."""
    cameras, queries, _ = share.masks[place.grid].sizes
    width, odd = divmod(size, max(sum(place.lengths), 1))
    if odd or not width:
        return
    for axes in (("n", "q"), ("q",)):
        counts = {"n": cameras, "q": queries, "k": width}
        for value in share.floats([int(np.prod([counts[axis] for axis in (*axes, "k")]))]):
            for order in itertools.permutations((*axes, "k")):
                if width == 1 and order[-1] != "k":
                    continue
                shape = tuple(counts[axis] for axis in order)
                yield from _pick(share, place, Picked(value, order, shape, width))


@dataclass(frozen=True, slots=True)
class Picked:
    """A value whose axes are cameras `n`, queries `q` and the rest `k`, in some order."""

    value: ir.Value
    order: tuple[str, ...]
    shape: tuple[int, ...]
    width: int


def _pick(share: Share, place: Place, picked: Picked) -> Iterator[Way]:
    value, queries = picked.value, share.masks[place.grid].sizes[1]
    to_rows = [picked.order.index(axis) for axis in ("n", "q", "k") if axis in picked.order]

    def content(vehicle: int) -> Array:
        (array,) = share.contents([value], vehicle)
        rows = array.reshape(picked.shape).transpose(to_rows).reshape(-1, picked.width)
        pairs = _chosen(share, place, vehicle)
        return rows[pairs if "n" in picked.order else pairs % queries]

    def make() -> Draft:
        assembler = share.assembler
        whole = assembler.reshape(share.draft(value), picked.shape)
        strides = contiguous(picked.shape)
        if to_rows != sorted(to_rows):
            order = [picked.shape[axis] for axis in to_rows]
            whole = assembler.copy(whole, order, [strides[axis] for axis in to_rows])
        rows = assembler.reshape(whole, (int(np.prod(picked.shape)) // picked.width, picked.width))
        index = _chosen_draft(share, place)
        if "n" not in picked.order:
            index = assembler.binary(Binary.MOD, index, assembler.ints([queries]))
        return assembler.take(rows, index)

    key = ("picked", value.name, picked.order, *place.key)
    yield Way(key, content, make)

    def turned() -> Draft:
        return share.assembler.transpose(make(), (1, 0))

    yield Way((*key, "turned"), lambda vehicle: content(vehicle).T, turned)
