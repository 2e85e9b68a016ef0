"""A model's own share of the calibration: its values for every vehicle that was tried, and as arrays of a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.binding.relink.assemble import BOOL, Draft, NotPortableError
from specialize.binding.relink.graph import Recorder
from specialize.binding.relink.kinds import Sources, input_of, sources_of
from specialize.binding.relink.program import DTYPES, Reduce
from specialize.binding.relink.translate import Translator
from specialize.calibration.profile import CalibrationProfile
from specialize.graph.closure import Closure
from specialize.graph.folding import evaluate, fold
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.passes.bind import bind, feeds_of
from specialize.passes.masks import Mask, Trial, find_masks
from specialize.visibility.plan import VisibilityPlan

Array = npt.NDArray[np.generic]
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Share:
    """What a model computes from the calibration alone.

    Attributes:
        assembler: The program in the making.
        plans: Per vehicle what its cameras see, one plan per grid.
        masks: The first mask of the graph for every grid that has one.
        seen: Per vehicle the content (N, Q) of these masks.
        shapes: Shapes that values of the whole graph have, each once.
    """

    assembler: Recorder
    plans: list[tuple[VisibilityPlan, ...]]
    masks: dict[int, Mask]
    seen: list[dict[int, Bools]]
    shapes: tuple[tuple[int, ...], ...]
    _closure: Closure
    _translator: Translator
    _feeds: list[Mapping[str, Array]]
    _values: dict[str, ir.Value]
    _known: list[dict[ir.Value, Array]]
    _drafts: dict[int, Draft] = field(default_factory=dict)

    def named(self, name: str) -> ir.Value | None:
        """Return a value of the share by name."""
        return self._values.get(name)

    def floats(self, sizes: Sequence[int]) -> list[ir.Value]:
        """Return the values of the share that hold floating-point numbers, of some sizes, in the order of the graph."""
        wanted = set(sizes)
        return [value for value in self.of_kind("f") if int(np.prod(dims(value))) in wanted]

    def of_kind(self, kind: str) -> list[ir.Value]:
        """Return the values of the share whose type is of a kind, as numpy calls kinds, in the order of the graph."""
        return [
            value
            for value in self._values.values()
            if is_static(value) and value.dtype is not None and numpy_type(value).kind == kind
        ]

    def contents(self, values: Sequence[ir.Value], vehicle: int) -> list[Array]:
        """Return what values are for a vehicle, by the graph."""
        known = self._known[vehicle]
        missing = [value for value in values if value not in known]
        known.update(self._closure.compute(missing, self._feeds[vehicle]) if missing else {})
        return [known[value] for value in values]

    def draft(self, value: ir.Value) -> Draft:
        """Return a value as an array of the program.

        Raises:
            NotPortableError: Something on the way has no instruction.
        """
        return self._translator.value(value)

    def mask(self, grid: int) -> Draft:
        """Return a mask (N, Q) as an array of the program, with an instruction of its own."""
        if grid not in self._drafts:
            mask, assembler = self.masks[grid], self.assembler
            whole = assembler.cast(self.draft(mask.value), BOOL)
            cube = assembler.reshape(whole, [mask.sizes[part] for part in mask.order])
            pairs = assembler.transpose(cube, [int(axis) for axis in np.argsort(mask.order)])
            any_seen = assembler.reduce(Reduce.MAX, pairs, 2)
            own = assembler.new(
                BOOL, mask.sizes[:2]
            )  # read as itself, so that proofs can put another in its place
            strides = (mask.sizes[1], 1)
            self._drafts[grid] = assembler.copy(
                any_seen, own.shape, strides, target=own, target_strides=strides
            )
        return self._drafts[grid]

    def mask_drafts(self) -> dict[int, Draft]:
        """Return the masks that were asked for."""
        return dict(self._drafts)


def share_of(
    model: ir.Model,
    spec: ModelSpec,
    vehicles: Sequence[CalibrationProfile],
    own: tuple[VisibilityPlan, ...],
) -> Share:
    """Return a model's share of the calibration.

    Args:
        model: The part of the model that tables follow from; changed in place.
        spec: What the graph does not say.
        vehicles: The calibrations that masks are found with.
        own: What the first of them sees, one plan per grid.

    Raises:
        NotPortableError: A calibration input has no instructions.
    """
    names = {str(value.name) for value in model.graph.inputs}
    bind(model, {name: array for name, array in spec.constants().items() if name in names})
    fold(model)  # what constants alone give is a constant to the closure too
    knowledge = evaluate(model)
    closure = Closure(model, spec.calibration_inputs)
    feeds: list[Mapping[str, Array]] = [feeds_of(model, spec, each) for each in vehicles]
    plans = [own, *(visible_sets(spec, each) for each in vehicles[1:])]
    trials = [Trial(arrays, plan) for arrays, plan in zip(feeds, plans, strict=True)]
    found = find_masks(closure, trials) if plans[0] else {}
    masks: dict[int, Mask] = {}
    for mask in found.values():
        masks.setdefault(mask.grid, mask)
    assembler = Recorder()
    sources = sources_of(assembler, spec, len(vehicles[0].cameras))
    inputs = _inputs(model, spec, vehicles[0], sources)
    share = Share(
        assembler=assembler,
        plans=plans,
        masks=masks,
        seen=[],
        shapes=_shapes(model),
        _closure=closure,
        _translator=Translator(assembler, knowledge, inputs),
        _feeds=feeds,
        _values={str(value.name): value for value in closure.values},
        _known=[{} for _ in vehicles],
    )
    for vehicle in range(len(vehicles)):
        arrays = share.contents([mask.value for mask in masks.values()], vehicle)
        pairs = {grid: mask.pairs(array) for (grid, mask), array in zip(masks.items(), arrays, strict=True)}
        share.seen.append(pairs)
    return share


def _shapes(model: ir.Model) -> tuple[tuple[int, ...], ...]:
    values = (*model.graph.inputs, *(value for node in model.graph for value in node.outputs))
    return tuple(dict.fromkeys(tuple(dims(value)) for value in values if is_static(value)))


def _inputs(
    model: ir.Model, spec: ModelSpec, vehicle: CalibrationProfile, sources: Sources
) -> dict[ir.Value, Draft]:
    """Return the calibration inputs of a graph as arrays of the program."""
    inputs = {}
    for value in model.graph.inputs:
        if value.name in spec.calibration_inputs:
            dtype = np.dtype(numpy_type(value)).newbyteorder("<")
            if dtype not in DTYPES:
                raise NotPortableError(f"input {value.name!r} of type {dtype.name}")
            shape, number = tuple(dims(value)), DTYPES.index(dtype)
            inputs[value] = input_of(sources, spec, str(value.name), shape, number, vehicle)
    return inputs
