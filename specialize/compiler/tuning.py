"""Time the formulations of a specialized model's attention at its own sizes, and keep the choice in the store.

Each kind of attention is cut out of the model in every formulation, with inputs from a run of the whole model, and the
formulations take turns (`bench`). Nothing here changes a build: the choice is an option of the next one, `--attention`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import onnx_ir as ir

from specialize.attention.regions import Kind, kinds_of, mark_attention
from specialize.bench import Subject, bench_models, extract_sites
from specialize.bench.by_command import time_by_command, words_of
from specialize.bench.measure import Clock
from specialize.bench.worker import OPEN
from specialize.compiler.lower import DEFAULT_TARGET
from specialize.compiler.measure import feed_of, marked
from specialize.compiler.specialize import Compilation
from specialize.digest import digest
from specialize.errors import DeclinedError, UsageError
from specialize.evidence.spread import Spread, faster
from specialize.evidence.tuned import TunedKind, Tuning, chosen
from specialize.graph.io import read_graph, write_graph
from specialize.lowering.formulations import FORMULATIONS
from specialize.model.spec import ModelSpec
from specialize.request import BuildRequest
from specialize.store import Entry, Store
from specialize.targets import target
from specialize.targets.lower import lower
from specialize.text.progress import Say
from specialize.text.record import from_json, to_json
from specialize.text.units import counted
from specialize.version import code_version

KIND, ABOUT = "tuning", "tuning.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A specialized model, before its target's lowering of attention.

    Attributes:
        path: The model; what is cut out is written beside it.
        name: Of the generic model.
        vehicle: Its name.
        target: Toolchain that it is lowered for.
        sites: Number of its sites.
        spec: Sidecar of the model.
        fed: Calibration or tables, where the model still asks for them.
    """

    path: Path
    name: str
    vehicle: str
    target: str
    sites: int
    spec: ModelSpec
    fed: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """How formulations are timed.

    Attributes:
        runtime: One that is here; a command takes its place.
        threads: Threads within an operator.
        rounds: Timed runs of each formulation, or calls of the command.
        again: Whether to measure although the store has a measurement.
        command: What times a model elsewhere, see `bench.by_command`; None for a runtime here.
    """

    runtime: str = "onnxruntime"
    threads: int = 2
    rounds: int = 11
    again: bool = False
    command: str | None = None

    def __post_init__(self) -> None:
        if self.command is not None:
            words_of(self.command)

    @property
    def here(self) -> str:
        """The runtime that is here; empty if a command takes its place."""
        return "" if self.command else self.runtime

    @property
    def clock(self) -> Clock:
        """Processor time on one thread; on more, threads that wait for each other would count."""
        return "cpu_seconds" if self.threads == 1 else "seconds"


def candidates(target_name: str, runtime: str = "") -> tuple[str, ...]:
    """Return the formulations that a target takes and a runtime runs, the target's own first.

    Args:
        target_name: A toolchain.
        runtime: One that is here; empty if a command runs what the toolchain takes.

    Raises:
        UsageError: The target's own form is an operator that no runtime here has.
    """
    toolchains = target(target_name).TOOLCHAIN, target(runtime or target_name).TOOLCHAIN
    own = toolchains[0].form
    if own not in FORMULATIONS:
        hint = "it has one form for all sizes: nothing is to be chosen"
        raise UsageError(
            "--target", "a toolchain whose attention is in standard operators", target_name, hint
        )
    names = [form for form in FORMULATIONS if all(form in each.taken() for each in toolchains)]
    return (own, *(form for form in names if form != own))


def tune(model: Tuned, runs: Runs, store: Store, say: Say) -> Tuning:
    """Return the stored tuning of a model's sizes, or time them and keep that.

    Raises:
        UsageError: The target leaves nothing to choose.
        DeclinedError: The model has no attention that is recognised.
        InputError: A formulation does not run.
    """
    forms = candidates(model.target, runs.here)
    kinds = kinds_of(_marked(model), model.sites)
    if not kinds:
        raise DeclinedError("tune", "deformable attention", f"none that is recognised in {model.name}")
    key = tuning_key(model.target, runs, kinds)
    found = None if runs.again else stored_tuning(store, key)
    if found is not None:
        return msgspec.structs.replace(found, model=model.name, vehicle=model.vehicle, stored=True)
    made = _timed(model, runs, forms, kinds, say)
    threads = f", {counted(made.threads, 'thread')}" if made.threads else ""
    title = f"tuning of {model.name} for {model.vehicle} on {made.runtime}{threads}"
    about = store.put_bytes(msgspec.json.encode(to_json(made)))
    store.write_entry(Entry(kind=KIND, key=key, title=title, objects={ABOUT: about}))
    return made


def tuned(request: BuildRequest, compiled: Compilation, store: Store, say: Say) -> Tuning:
    """Return the tuning of a compilation, before it is lowered, on ONNX Runtime or the target's own runtime here.

    Raises:
        UsageError: The target leaves nothing to choose.
        DeclinedError: The model has no attention that is recognised.
    """
    own = request.target if request.target in OPEN else DEFAULT_TARGET
    path = compiled.parts / "tuned.onnx"
    write_graph(compiled.graph, path)
    model = Tuned(
        path=path, name=compiled.generic.name, vehicle=compiled.profile.vehicle, target=request.target,
        sites=len(compiled.sites), spec=compiled.generic.spec, fed=compiled.binding.fed.cases[0],
    )  # fmt: skip
    return tune(model, Runs(runtime=own), store, say)


def tuning_key(target_name: str, runs: Runs, kinds: tuple[Kind, ...]) -> str:
    """Return the digest of what a choice depends on: sizes, target, runtime and its version, processor, threads.

    Nothing is known of what runs behind a command, but the command itself.
    """
    sizes = [
        (kind.pruned, len(kind.numbers), [(str(each), each.levels) for each in kind.sizes]) for kind in kinds
    ]
    here = runs.here
    runtime = (here, version(here), processor(), runs.threads) if here else (runs.command,)
    return digest([KIND, target_name, *runtime, sizes, code_version()])


def stored_tuning(store: Store, key: str) -> Tuning | None:
    """Return the tuning that the store keeps for a key; None if there is none."""
    entry = store.find_entry(KIND, key)
    if entry is None:
        return None
    return from_json(msgspec.json.decode(store.read(entry.objects[ABOUT])), Tuning)


def processor() -> str:
    """Return the architecture of this machine."""
    return platform.machine()


def _marked(model: Tuned) -> ir.Model:
    graph = read_graph(model.path)
    mark_attention(graph.graph, model.sites)
    return graph


def _timed(model: Tuned, runs: Runs, forms: tuple[str, ...], kinds: tuple[Kind, ...], say: Say) -> Tuning:
    """Time every kind in every formulation."""
    subjects: list[dict[str, Subject]] = [{} for _ in kinds]
    for form in forms:
        say(f"tuning: writing attention as {form}")
        for place, subject in enumerate(_cut_out(model, form, kinds, runs.threads)):
            subjects[place][form] = subject
    timed, runtime = [], ""
    for kind, by_form in zip(kinds, subjects, strict=True):
        say(f"tuning: {counted(runs.rounds, 'round')} of {counted(len(forms), 'formulation')} in turn")
        runtime, seconds, ratios = spreads(by_form, runs, say)
        timed.append(
            TunedKind(
                what="site" if kind.pruned else "other", times=len(kind.numbers), operators=len(kind.sizes),
                samples=kind.samples, channels=kind.sizes[0].channels, ratios=ratios, seconds=seconds,
            )
        )  # fmt: skip
    choice, gain = chosen(timed, forms[0])
    return Tuning(
        model=model.name, vehicle=model.vehicle, target=model.target, runtime=runtime,
        processor=processor() if runs.here else "", threads=runs.threads if runs.here else 0, rounds=runs.rounds,
        kinds=tuple(timed), default=forms[0], choice=choice, gain=gain,
    )  # fmt: skip


def spreads(
    subjects: Mapping[str, Subject], runs: Runs, say: Say
) -> tuple[str, dict[str, Spread], dict[str, Spread]]:
    """Return the name of what ran, the seconds of one run by form, and how many times faster than the first form."""
    if runs.command:
        seconds = time_by_command(subjects, runs.command, runs.rounds, say)
        return runs.command, {form: Spread.of(each) for form, each in seconds.items()}, faster(seconds)
    report = bench_models(
        subjects,
        rounds=runs.rounds,
        runtime=runs.runtime,
        threads=runs.threads,
        shares=False,
        clock=runs.clock,
    )
    return report.runtime, {form: each.seconds for form, each in report.forms.items()}, report.ratios


def _cut_out(model: Tuned, form: str, kinds: tuple[Kind, ...], threads: int) -> list[Subject]:
    """Write a model in one formulation, and one occurrence of every kind as a model of its own."""
    graph = _marked(model)
    toolchain = target(model.target).TOOLCHAIN
    if (model.target, form) != (DEFAULT_TARGET, toolchain.form):  # which leaves the graph as it is
        lower(graph, toolchain, form)
    path = model.path.with_name(f"{form}.onnx")
    write_graph(graph, path)
    highest = max(int(kind.numbers[0]) for kind in kinds)
    nodes = marked(graph.graph, highest + 1)
    parts = {f"{form}.{kind.numbers[0]}": nodes[int(kind.numbers[0])] for kind in kinds}
    cut = extract_sites(path, parts, feed_of(path, model.spec, model.fed), model.path.parent, threads)
    return [cut[name] for name in parts]
