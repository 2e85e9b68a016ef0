"""Infer which kinds of calibration the inputs of a graph are: from their use, else from their names."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from specialize.artifact.manifest import Tensor
from specialize.drafting.layout import Layout, layout_of
from specialize.drafting.names import Suggestion, suggestion
from specialize.drafting.points import Typed
from specialize.drafting.trial import Assignment, Trials
from specialize.drafting.use import is_projected, pixels_of
from specialize.model.kinds import KINDS, trailing

_MOST_TRIALS = 256
_BY_NAME_ALONE = ("first",)
"""Frames that are rare, so that they are considered only if a name mentions them."""
FIND_OUT = "see what the authors feed it"
"""How a person finds out which of several kinds an input is."""
_PREPARATIONS = frozenset({"image_aug", "inverse_image_aug", "raw2network", "network2raw"})


@dataclass(frozen=True, slots=True)
class Entry:
    """Information about an input that may be calibration.

    Attributes:
        name: The input.
        kinds: Kinds that it may be, most likely first; empty if it is left out.
        sure: Whether the graph's use, the shape and the name of the input all agree on the first kind.
        comment: Explanation for people.
        repeat: How many times in a row the input holds each camera's matrix.
    """

    name: str
    kinds: tuple[str, ...]
    sure: bool
    comment: str
    repeat: int = 1


def candidates(inputs: Sequence[Tensor], layout: Layout) -> dict[str, tuple[str, ...]]:
    """Return the kinds that shape and name of each input allow; an input that cannot be calibration is absent."""
    found: dict[str, tuple[str, ...]] = {}
    for tensor in inputs:
        fitting = layout.kinds(tensor.shape) if tensor.dtype.startswith("float") else []
        said = suggestion(tensor.name)
        vector = len(trailing(tensor.shape)) == 1
        if not fitting or (vector and said is None):
            continue
        named = tuple(kind for kind in said.kinds if kind in fitting) if said is not None else ()
        found[tensor.name] = () if said is not None and said.reason else named or usual(fitting)
    return found


def usual(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds that are considered without a name."""
    return tuple(kind for kind in kinds if not any(frame in kind for frame in _BY_NAME_ALONE))


def draft_entries(model: ir.Model, inputs: Sequence[Tensor]) -> tuple[tuple[Entry, ...], Trials | None]:
    """Return an entry for every input that may be calibration, and the trials that it is based on.

    Args:
        model: The graph, folded.
        inputs: Its inputs.
    """
    layout = layout_of(inputs)
    allowed = candidates(inputs, layout)
    tried = [name for name, kinds in allowed.items() if kinds]
    if not allowed:
        return (), None
    trials = Trials(model, tried, layout)
    accepted: dict[str, list[Assignment]] = {}
    shapes = {tensor.name: tensor for tensor in inputs}
    for group in trials.groups():
        found = sound_kinds(trials, {name: allowed[name] for name in sorted(group)})
        if not found:  # if the kinds that the names suggest do not fit, try all kinds of that shape
            found = sound_kinds(
                trials, {name: usual(layout.kinds(shapes[name].shape)) for name in sorted(group)}
            )
        accepted.update(dict.fromkeys(group, found))
    entries = [
        replace(
            _entry(shapes[name], kinds, accepted.get(name, []), _reads(trials, name)),
            repeat=layout.repeat(shapes[name].shape),
        )
        for name, kinds in allowed.items()
    ]
    used = {name for several in accepted.values() for each in several for name in each}
    unused = any(set(kinds) <= _PREPARATIONS and kinds for name, kinds in allowed.items() if name not in used)
    return tuple(_open_pixels(entry, allowed[entry.name]) if unused else entry for entry in entries), trials


def _open_pixels(entry: Entry, allowed: tuple[str, ...]) -> Entry:
    """Return an entry that may be in raw pixels, because the graph prepares images and points do not reveal it."""
    if not any(KINDS[kind].pixels for kind in entry.kinds):
        return entry
    comment = f"{entry.comment}; raw or network pixels, depending on the graph's image preparation"
    return replace(entry, kinds=allowed, sure=False, comment=comment)


def sound_kinds(trials: Trials, allowed: Mapping[str, tuple[str, ...]]) -> list[Assignment]:
    """Return the kinds of inputs under which the graph's points agree, with most inputs in them."""
    values, best = trials.values(frozenset(allowed)), 0
    found: list[Assignment] = []
    projected = {value for value in values if is_projected(value)}
    for kinds in _assignments(allowed):
        covered: frozenset[str] = frozenset()
        for value, several in trials.typed(kinds, values).items():
            if any(_is_sound(trials, kinds, typed, value in projected) for typed in several):
                covered |= trials.roots[value]
        if len(covered) > best:
            best, found = len(covered), []
        if best and len(covered) == best:
            found.append({name: kinds[name] for name in covered})
    return found


def _is_sound(trials: Trials, kinds: Assignment, typed: Typed, projected: bool) -> bool:
    """Return whether points are used as their type requires: projected ones divided by depth, lifted ones a frustum."""
    if typed.transform.startswith("img2"):
        return typed.source == "frustum"
    if typed.source == "matrix":
        return projected and typed.transform.endswith("2img")
    if typed.source != "metres":
        return False
    used = pixels_of(trials, kinds, typed)
    if typed.transform.endswith("2cam"):  # a camera's coordinates are compared with no size of an image
        return not used.bounds and all(ratio == 1.0 for _, ratio in used.ratios)
    return bool(used.ratios)


def _assignments(allowed: Mapping[str, tuple[str, ...]]) -> Iterator[Assignment]:
    """Yield kinds for every input, all combinations or as many as are tried."""
    combined = itertools.product(*allowed.values())
    if math.prod(map(len, allowed.values())) > _MOST_TRIALS:
        return
    for kinds in combined:
        yield dict(zip(allowed, kinds, strict=True))


def _entry(tensor: Tensor, kinds: tuple[str, ...], accepted: Sequence[Assignment], reads: str) -> Entry:
    said = suggestion(tensor.name)
    shape = f"{list(tensor.shape)}, read by {reads}" if reads else f"{list(tensor.shape)}"
    if said is not None and said.reason:
        return Entry(tensor.name, (), False, f"{shape}: {said.reason}")
    fits = tuple(dict.fromkeys(each[tensor.name] for each in accepted if tensor.name in each))
    if fits and not set(fits) & set(kinds):
        return _guess(tensor.name, fits, f"{shape}: its use fits, but its name says {' or '.join(kinds)}")
    fits = tuple(kind for kind in kinds if kind in fits)
    if fits:
        return _by_use(tensor.name, fits, said, shape)
    if said is None:
        return Entry(tensor.name, (), False, f"{shape}: neither its use nor its name reveals the matrix")
    return _guess(tensor.name, kinds, f"{shape}: by its name alone; the graph's use of it is ambiguous")


def _guess(name: str, kinds: tuple[str, ...], why: str) -> Entry:
    """Return an entry that a person has to decide, with how to find out."""
    return Entry(name, kinds, False, f"{why}; {FIND_OUT}")


def _by_use(name: str, fits: tuple[str, ...], said: Suggestion | None, shape: str) -> Entry:
    meaning = KINDS[fits[0]].text
    if len(fits) == 1 and said is not None and fits[0] in said.kinds:
        return Entry(name, fits, True, f"{shape}: {meaning}")
    alone = (
        "its use fits, its name is no hint"
        if said is None
        else "its use fits, its name suggests another kind"
    )
    why = "its use fits each of these" if len(fits) > 1 else alone
    return _guess(name, fits, f"{shape}: {why}")


def _reads(trials: Trials, name: str) -> str:
    value = trials.closure.inputs.get(name)
    operators = Counter(use.node.op_type for use in value.uses()) if value is not None else Counter[str]()
    return ", ".join(sorted(operators))
