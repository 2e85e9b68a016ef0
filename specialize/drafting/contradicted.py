"""Kinds of a sidecar that the graph contradicts: its points make sense with other matrices, and not with these.

Both models of a comparison are fed the same matrices, so a wrong kind is proven like a right one. The graph itself is
evaluated on rigs in general position: with the right kinds its points are those of some frame, with wrong ones of none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx_ir as ir

from specialize.artifact.manifest import Tensor
from specialize.calibration.findings import Finding
from specialize.describe import describe_tensor
from specialize.drafting.entries import camera_count, candidates, sound_kinds
from specialize.drafting.trial import Trials
from specialize.graph.io import read_graph
from specialize.model import ModelSpec
from specialize.model_kinds import KINDS, kinds_of

CODE = "input-kind"


def contradicted_kinds(
    model: ir.Model, inputs: Sequence[Tensor], declared: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield the inputs that the graph uses as another matrix than the sidecar says.

    Args:
        model: The graph, folded, its calibration still an input.
        inputs: Its inputs.
        declared: The kind of each calibration input in network pixels.
    """
    cameras = camera_count(inputs)
    shapes = {tensor.name: tensor.shape for tensor in inputs}
    known = {
        name: kind
        for name, kind in declared.items()
        if name in shapes and kind in kinds_of(shapes[name], cameras)
    }
    if not known:
        return
    trials = Trials(model, list(known), cameras)
    named = candidates(inputs, cameras)
    for group in trials.groups():
        sound = _covered(trials, {name: (known[name],) for name in sorted(group)})
        if group <= sound:
            continue
        tried = {name: named.get(name) or tuple(kinds_of(shapes[name], cameras)) for name in sorted(group)}
        found = [
            each for each in sound_kinds(trials, tried) if group <= set(each)
        ]  # a part may make sense by chance
        for name in sorted(group):
            fits = tuple(dict.fromkeys(each[name] for each in found if name in each))
            if fits and known[name] not in fits:
                yield _finding(name, known[name], fits)


def kinds_findings(prepared: Path, spec: ModelSpec) -> tuple[Finding, ...]:
    """Return what a prepared graph contradicts in the kinds of its sidecar."""
    declared = {name: spec.kind_of(name) for name in spec.calibration_inputs}
    model = read_graph(prepared)
    inputs = tuple(describe_tensor(value) for value in model.graph.inputs)
    plain = {name: kind.kind for name, kind in declared.items() if kind.stride == 1.0}
    return tuple(contradicted_kinds(model, inputs, plain))


def _covered(trials: Trials, kinds: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the inputs whose points make sense with some kinds."""
    return frozenset[str]().union(*(frozenset(each) for each in sound_kinds(trials, kinds)))


def _finding(name: str, declared: str, fits: tuple[str, ...]) -> Finding:
    other = " or ".join(fits)
    message = (
        f"the sidecar binds {name} as {declared} ({KINDS[declared].text}), but the points that the graph computes from "
        f"it make sense with {other} only"
    )
    return Finding(
        CODE, "error", "", message, f"write `{name}: {fits[0]}`, or look at what the model's authors feed it"
    )
