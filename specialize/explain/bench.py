"""Time the forms of a build: original, re-batched and specialized, for the site alone and for the whole model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specialize.artifact import Build
from specialize.artifact.describe import left_for_cost
from specialize.bench import PARTS, BenchReport, BuildBench, Subject, bench_models, extract_sites
from specialize.binding.modes import fed_to
from specialize.compiler.bake import original_of
from specialize.compiler.generic import PREPARED
from specialize.compiler.measure import Form, feed_of, marked, projected, write_original
from specialize.compiler.specialize import bound_constants, rebatched
from specialize.errors import InputError
from specialize.graph.io import read_graph, write_graph
from specialize.lowering.attention import has_custom
from specialize.model.spec import ModelSpec, parse_spec
from specialize.passes.pipeline import bind_graph
from specialize.text.progress import Say
from specialize.text.units import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a benchmark is to run.

    Attributes:
        runtime: `onnxruntime` or `openvino`.
        threads: Threads within an operator.
        rounds: Timed runs of each form.
        whole_model: Whether to time the whole model too.
        site: Number of the attention site; the one with the most rows without it.
    """

    runtime: str = "onnxruntime"
    threads: int = 2
    rounds: int = 11
    whole_model: bool = False
    site: int | None = None


def bench_build(build_dir: Path, timing: Timing, say: Say) -> BuildBench:
    """Time the forms of a build; the generic model comes from the store, or is made again.

    Raises:
        InputError: The build is damaged, its original cannot be had, or it has no such site.
    """
    made = Build.intact(build_dir)
    with forms_of(made, say) as (spec, forms, fed):
        return bench_forms_of(made.manifest.model, made.manifest.vehicle, forms, spec, fed, timing, say)


@contextmanager
def forms_of(made: Build, say: Say) -> Iterator[tuple[ModelSpec, dict[str, Form], Mapping[str, np.ndarray]]]:
    """Yield the sidecar of a build, the forms of its model, and calibration or tables, for as long as the block lasts.

    Raises:
        InputError: The original cannot be had.
    """
    spec, profile = parse_spec(made.manifest.spec, f"{made.folder}: spec"), made.calibration()
    with original_of(made, spec, say) as (parts, original):
        fed = fed_to(made, spec, parts / PREPARED).cases[0]
        left = left_for_cost(made.manifest.passes)
        forms = write_forms(parts, original, bound_constants(spec, profile), left)
        shutil.copytree(made.folder, parts / "build")
        forms["specialized"] = _built(parts / "build", made)
        yield spec, forms, fed


def bench_forms_of(
    model: str,
    vehicle: str,
    forms: Mapping[str, Form],
    spec: ModelSpec,
    fed: Mapping[str, np.ndarray],
    timing: Timing,
    say: Say,
) -> BuildBench:
    """Time some forms of a model on one frame, and say of which model, vehicle and site that is.

    Raises:
        InputError: There is no such site, or a form does not run.
    """
    feeds = {form: feed_of(found.path, spec, fed) for form, found in forms.items()}
    site, reports = bench_forms(forms, feeds, timing, say)
    rows = {form: found.rows[site] for form, found in forms.items()}
    return BuildBench.of(model, vehicle, site, rows, reports)


def write_forms(
    parts: Path, original: Path, constants: Mapping[str, np.ndarray], left: frozenset[str]
) -> dict[str, Form]:
    """Write the original, folded, and the re-batched form beside the prepared graph and return both.

    Args:
        parts: Folder of the prepared graph.
        original: The model that a proof compares with.
        constants: What is bound, by input name.
        left: Names of the sites that the build left as they were.
    """
    padded = rebatched(bind_graph(read_graph(parts / PREPARED), constants), left)
    write_graph(padded.model, parts / "rebatched.onnx")
    sites = padded.sites
    return {
        "original": write_original(original, parts, constants, sites),
        "rebatched": Form(
            parts / "rebatched.onnx",
            marked(padded.model.graph, len(sites)),
            tuple(site.rows_computed for site in sites),
        ),
    }


def bench_forms(
    forms: Mapping[str, Form], feeds: Mapping[str, Mapping[str, np.ndarray]], timing: Timing, say: Say
) -> tuple[int, dict[str, BenchReport]]:
    """Time some forms of a model; return the number of the site that was cut out, and the report of each part.

    Args:
        forms: The forms by name; the parts of each are written beside it.
        feeds: The inputs of each form.
        timing: What to run.
        say: Told what is going on.

    Raises:
        InputError: There is no such site, or a form does not run.
    """
    site, subjects = subjects_of(forms, feeds, timing, say)
    return site, {part: _timed(part, each, timing, say) for part, each in subjects.items()}


def subjects_of(
    forms: Mapping[str, Form], feeds: Mapping[str, Mapping[str, np.ndarray]], timing: Timing, say: Say
) -> tuple[int, dict[str, dict[str, Subject]]]:
    """Cut a site out of every form; return its number, and by part and form a model with what it is fed.

    Raises:
        InputError: There is no such site, or a form does not run.
    """
    site = _chosen(forms, timing.site)
    subjects: dict[str, dict[str, Subject]] = {part: {} for part in PARTS}
    for form, found in forms.items():
        say(f"benchmark: cutting site {site} out of the {form.replace('_', '-')} form")
        nodes = {f"{form}.{part}": names for part, names in _nodes(found, site).items()}
        alone = extract_sites(found.path, nodes, feeds[form], found.path.parent, timing.threads)
        for part, subject in alone.items():
            subjects[part.removeprefix(f"{form}.")][form] = subject
        subjects["model"][form] = Subject(found.path, feeds[form])
    return site, {part: subjects[part] for part in (PARTS if timing.whole_model else PARTS[:-1])}


def _timed(part: str, subjects: Mapping[str, Subject], timing: Timing, say: Say) -> BenchReport:
    say(f"benchmark: {part}, {counted(timing.rounds, 'round')} of {counted(len(subjects), 'form')} in turn")
    return bench_models(subjects, rounds=timing.rounds, runtime=timing.runtime, threads=timing.threads)


def _built(folder: Path, made: Build) -> Form:
    path = folder / made.model.name
    sites, graph = made.manifest.sites, read_graph(path)
    nodes = marked(graph.graph, len(sites))
    if has_custom(graph) or not all(nodes):
        hint = "build with --target onnxruntime, which computes the same rows, and time that build"
        found = f"the form for {made.manifest.target}"
        raise InputError(f"{made.folder}", "a build that a runtime opens as it is", found, hint)
    return Form(path, nodes, tuple(site.rows_computed for site in sites))


def _nodes(form: Form, site: int) -> dict[str, frozenset[str]]:
    """Return the names of the nodes of a site: those on rows alone, and with the projections around them."""
    return {"rows": form.sites[site], "site": projected(form.path, form.sites[site])}


def _chosen(forms: Mapping[str, Form], site: int | None) -> int:
    rows = next(iter(forms.values())).rows
    if not rows:
        raise InputError("site", "a build in which rows were dropped", "none", "no site to time")
    if site is None:
        return rows.index(max(rows))
    if not 0 <= site < len(rows):
        raise InputError("--site", f"a number from 0 to {len(rows) - 1}", str(site))
    return site
