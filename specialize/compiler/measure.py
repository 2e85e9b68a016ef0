"""Measure a build once, on the machine that makes it: forms of a model on disk, and their sites cut out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.artifact.measured import Measured, MeasuredForm, MeasuredPart
from specialize.bench import Subject, extract_sites
from specialize.bench.once import THREADS, Runs, ratio, run_once
from specialize.compiler.original import read_original
from specialize.compiler.specialize import Compilation
from specialize.costs import FormsReport, contradiction
from specialize.costs.projections import with_projections
from specialize.errors import SpecializeError
from specialize.graph.builder import SITE_KEY
from specialize.graph.equal_nodes import with_equals
from specialize.graph.folding import fold
from specialize.graph.io import read_graph, write_graph
from specialize.model.spec import ModelSpec
from specialize.passes.bind import bind
from specialize.passes.site import CompactedSite
from specialize.text.progress import Say
from specialize.verify import make_frames, model_inputs

_SEED, _FRAME = 0, 1  # the second frame has history, as all but the first have on the road


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One form of a model on disk, and the names of the nodes that work on the rows of each site."""

    path: Path
    sites: tuple[frozenset[str], ...]
    rows: tuple[int, ...]


def write_original(
    original: Path, folder: Path, constants: Mapping[str, np.ndarray], sites: tuple[CompactedSite, ...]
) -> Form:
    """Write the original with its calibration folded, and return it.

    Args:
        original: The model that a proof compares with.
        folder: Where it is written.
        constants: What is bound, by input name.
        sites: Where rows were dropped.
    """
    dense = read_original(original)
    bind(dense, constants)
    fold(dense)
    path = folder / "original.onnx"
    write_graph(dense, path, "" if original.parent == folder else "original.weights")
    return Form(path, tuple(site.replaced for site in sites), tuple(site.rows_before for site in sites))


def marked(graph: ir.Graph, sites: int) -> tuple[frozenset[str], ...]:
    """Return the names of the nodes that the compiler made for each site."""
    return tuple(
        frozenset(str(node.name) for node in graph if node.metadata_props.get(SITE_KEY) == str(site))
        for site in range(sites)
    )


def projected(path: Path, core: frozenset[str]) -> frozenset[str]:
    """Return the names of the nodes that work on rows, and of those of the projections around them."""
    graph = read_graph(path).graph
    chosen = {node: "site" for node in graph if node.name in core}
    return frozenset(str(node.name) for node in with_projections(graph, chosen))


def feed_of(path: Path, spec: ModelSpec, fed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return one frame for a form, with the calibration or its tables where the form still asks for them."""
    wanted = model_inputs(path, fed)
    free = {name: info for name, info in wanted.items() if name not in fed}
    rules = {name: rule for name, rule in spec.inputs.items() if name in free}
    bound = {name: fed[name] for name in wanted if name in fed}
    return make_frames(free, rules, _SEED, _FRAME + 1)[_FRAME] | bound


def measure_once(compiled: Compilation, candidate: Path, forms: FormsReport, say: Say) -> Measured:
    """Run the original and the specialized model a few times in turn, and their sites if they can be cut out.

    No byte of a build depends on this: a part that cannot be measured is reported, and is not an error.

    Args:
        compiled: The compilation.
        candidate: The specialized model as it was verified.
        forms: The counted costs.
        say: Called with lines of progress.
    """
    found: dict[str, dict[str, Runs]] = {}
    failed: list[str] = []
    for part, subjects in (("sites", site_subjects), ("model", whole_subjects)):
        if part == "sites" and not compiled.sites:
            continue
        say(f"measuring: {part}")
        try:
            found[part] = run_once(subjects(compiled, candidate))
        except Exception as error:  # the runtime raises its own exception types
            failed.append(f"{part}: {' '.join(str(error).split())}")
    measured = tuple(_part(part, runs) for part, runs in found.items())
    told = (contradiction(forms, each.part, each.ratio) for each in measured)
    return Measured(
        runtime=next((runs["original"].runtime for runs in found.values()), "onnxruntime"),
        threads=THREADS,
        parts=measured,
        not_measured=tuple(failed),
        contradictions=tuple(line for line in told if line),
    )


def whole_subjects(compiled: Compilation, candidate: Path) -> dict[str, Subject]:
    """Return the original as the user has it, and the specialized model."""
    spec, fed = compiled.generic.spec, compiled.binding.fed.cases[0]
    paths = {"original": compiled.original, "specialized": candidate}
    return {form: Subject(path, feed_of(path, spec, fed)) for form, path in paths.items()}


def site_subjects(compiled: Compilation, candidate: Path) -> dict[str, Subject]:
    """Return all sites with their projections as one model, cut out of both forms.

    Raises:
        SpecializeError: They cannot be cut out.
    """
    spec, fed, sites = compiled.generic.spec, compiled.binding.fed.cases[0], compiled.sites
    original = write_original(compiled.original, compiled.parts, compiled.constants, sites)
    own = marked(read_graph(candidate).graph, len(sites))
    if not all(own):
        raise SpecializeError(
            "the specialized model", "nodes of every site", "a site without nodes of its own"
        )
    dense = with_equals(read_graph(original.path).graph, frozenset().union(*original.sites))
    subjects: dict[str, Subject] = {}
    made = frozenset().union(*own)
    for form, path, nodes in (("original", original.path, dense), ("specialized", candidate, made)):
        names = projected(path, nodes)
        folder = compiled.parts / f"measured-{form}"
        subjects |= extract_sites(path, {form: names}, feed_of(path, spec, fed), folder, THREADS)
    return subjects


def _part(part: str, runs: Mapping[str, Runs]) -> MeasuredPart:
    one, two = runs["original"], runs["specialized"]
    return MeasuredPart(
        part="sites" if part == "sites" else "model",
        runs=len(one.seconds[one.warm()]),
        warm=one.warm().start > 0,
        ratio=ratio(one, two),
        original=_form(one),
        specialized=_form(two),
    )


def _form(runs: Runs) -> MeasuredForm:
    kept = runs.warm()
    return MeasuredForm(
        cpu_seconds=float(np.median(runs.cpu_seconds[kept])),
        seconds=float(np.median(runs.seconds[kept])),
        peak_bytes=runs.peak_bytes,
    )
