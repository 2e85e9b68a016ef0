"""Find kinds in a sidecar that the graph contradicts: its points make sense with other matrices, but not with these.

Verification feeds both models the same matrices, so it does not detect a wrong kind. Instead, the graph is evaluated
on rigs in general position: with the right kinds its points are those of some frame, with wrong kinds of none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import onnx_ir as ir

from specialize.artifact.describe import describe_tensor
from specialize.artifact.manifest import Tensor
from specialize.calibration.lint.findings import Finding
from specialize.drafting.entries import candidates, sound_kinds, usual
from specialize.drafting.layout import layout_of
from specialize.drafting.trial import Assignment, Trials
from specialize.model.kinds import KINDS
from specialize.model.spec import ModelSpec

CODE, OPEN_CODE = "input-kind", "kind-open"
_TRAINING = "compare with what the model's authors feed it: verification feeds both models the same matrices"


def contradicted_kinds(
    model: ir.Model, inputs: Sequence[Tensor], declared: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield inputs that the graph uses as another matrix than the sidecar states, and ambiguous inputs.

    Args:
        model: The graph, folded, its calibration still an input.
        inputs: Its inputs.
        declared: The kind of each calibration input, whatever its stride.
    """
    layout = layout_of(inputs)
    shapes = {tensor.name: tensor.shape for tensor in inputs}
    known = {
        name: kind for name, kind in declared.items() if name in shapes and kind in layout.kinds(shapes[name])
    }
    if not known:
        return
    trials = Trials(model, list(known), layout)
    named = candidates(inputs, layout)
    for group in trials.groups():
        own = {name: known[name] for name in sorted(group)}
        allowed = {name: named.get(name) or usual(layout.kinds(shapes[name])) for name in own}
        sound = group <= _covered(trials, {name: (kind,) for name, kind in own.items()})
        found = [
            each for each in sound_kinds(trials, allowed) if group <= set(each)
        ]  # a single part may fit by chance
        if not sound and not found:  # no kind suggested by the names fits: try all kinds of that shape
            shaped = {name: usual(layout.kinds(shapes[name])) for name in own}
            found = [each for each in sound_kinds(trials, shaped) if group <= set(each)]
        if not sound and found:
            yield from _contradictions(own, found)
        elif sound:
            yield from _undecided(own, found)
        else:
            yield from _unshown(own, named)


def kinds_findings(prepared: ir.Model, spec: ModelSpec, known: bool = False) -> tuple[Finding, ...]:
    """Return findings about kinds in a sidecar that the prepared graph contradicts or leaves open.

    Args:
        prepared: The graph, folded, its calibration still an input.
        spec: Its sidecar.
        known: Whether it is the sidecar of a built-in model, so that nothing is left for a person to decide.

    Returns:
        No findings for a model that projects through lenses, because only matrices are tried.
    """
    if spec.lens is not None:
        return ()
    declared = {name: spec.kind_of(name).kind for name in spec.calibration_inputs}  # in pixels of any map
    inputs = tuple(describe_tensor(value) for value in prepared.graph.inputs)
    found = contradicted_kinds(prepared, inputs, declared)
    return tuple(finding for finding in found if not known or finding.code != OPEN_CODE)


def _covered(trials: Trials, kinds: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the inputs whose points make sense with some kinds."""
    return frozenset[str]().union(*(frozenset(each) for each in sound_kinds(trials, kinds)))


def _contradictions(own: Assignment, found: Sequence[Assignment]) -> Iterator[Finding]:
    """Yield findings about kinds under which the points make no sense, while they do under other kinds."""
    alone = False
    for name, kind in own.items():
        fits = tuple(dict.fromkeys(each[name] for each in found))
        if kind not in fits:
            alone = True
            yield _finding(name, kind, fits)
    if not alone:
        open_names = _differing(own, found)
        message = (
            f"the points that the graph computes from {_bound(own, open_names)} do not make sense together; they do "
            f"with {' or with '.join(_bound(each, open_names) for each in found)}"
        )
        yield Finding(CODE, "error", "", message, "give all of them matrices of the same frames")


def _undecided(own: Assignment, found: Sequence[Assignment]) -> Iterator[Finding]:
    """Yield the other kinds that make as much sense, if names do not decide."""
    open_names = _differing(own, found)
    others = [_bound(each, open_names) for each in found if each != own]
    if others:
        message = (
            f"the sidecar binds {_bound(own, open_names)}, but the graph makes as much sense with "
            f"{' or with '.join(others)}: no check of a build can distinguish them"
        )
        yield Finding(OPEN_CODE, "warning", "", message, _compare(open_names))


def _unshown(own: Assignment, named: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """Yield the inputs whose kind follows neither from the graph's use nor from the name."""
    for name, kind in own.items():
        if named.get(name) != (kind,):
            message = (
                f"the sidecar binds {name} as {kind}, but neither its name nor the graph's use of it "
                "confirms that"
            )
            yield Finding(OPEN_CODE, "warning", "", message, _compare([name]))


def _compare(names: Sequence[str]) -> str:
    """Return the remedy for some inputs; findings with the same remedy are reported as one."""
    what = " and ".join(names)
    return f"check what the model's authors feed {what}: verification feeds both models the same matrices"


def _differing(own: Assignment, found: Sequence[Assignment]) -> list[str]:
    """Return the inputs whose kinds differ between several assignments."""
    return [name for name in own if any(each[name] != own[name] for each in found)]


def _bound(kinds: Assignment, names: Sequence[str]) -> str:
    return ", ".join(f"{name} as {kinds[name]}" for name in names)


def _finding(name: str, declared: str, fits: tuple[str, ...]) -> Finding:
    other = " or ".join(fits)
    message = (
        f"the sidecar binds {name} as {declared} ({KINDS[declared].text}), but the points that the graph computes from "
        f"it make sense with {other} only"
    )
    return Finding(
        CODE, "error", "", message, f"write `{name}: {fits[0]}`, or check what the model's authors feed it"
    )
