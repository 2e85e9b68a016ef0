"""Compare models on vehicles: the costs of each in its three forms, counted and optionally measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specialize.artifact.describe import describe_site, left_for_cost
from specialize.artifact.manifest import Site
from specialize.bench import BuildBench
from specialize.calibration.load import load_profile
from specialize.compiler.build import require_fits
from specialize.compiler.generic import generic_model
from specialize.compiler.laps import Laps
from specialize.compiler.measure import Form, marked
from specialize.compiler.prove import count_forms
from specialize.compiler.specialize import Compilation, bound_constants, specialize
from specialize.evidence.costs import FormsReport
from specialize.explain.bench import Timing, bench_forms_of, write_forms
from specialize.graph.io import write_graph
from specialize.request import BuildRequest
from specialize.store import open_store
from specialize.text.progress import Say
from specialize.text.record import Record


class Comparison(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One model on one vehicle.

    Attributes:
        model: Name of the model.
        vehicle: Name of the vehicle.
        sites: Its attention sites, in graph order.
        flops: Costs of the three forms.
        time_ratio: How many times less time the largest site takes, with its projections; only with `--time`.
        memory_ratio: How many times less memory it takes; only with `--time`.
        bench: The measurement; only with `--time`.
    """

    model: str
    vehicle: str
    sites: tuple[Site, ...]
    flops: FormsReport
    time_ratio: float | None = None
    memory_ratio: float | None = None
    bench: BuildBench | None = None


def compare(
    models: Sequence[str],
    calibs: Sequence[Path],
    timing: Timing | None,
    say: Say,
    allow: tuple[str, ...] = (),
) -> tuple[Comparison, ...]:
    """Compare every model on every vehicle; each model is exported at most once.

    Raises:
        InputError: A profile does not fit a model, and the codes of what is wrong are not in `allow`.
        DeclinedError: There is nothing to specialize in a model.
    """
    return tuple(
        _compare(BuildRequest(calib=calib, model=model, allow=allow), timing, say)
        for model in models
        for calib in calibs
    )


def _compare(request: BuildRequest, timing: Timing | None, say: Say) -> Comparison:
    profile = load_profile(request.calib)
    require_fits(request, profile)
    store = open_store()
    generic = generic_model(request, store, say)
    with generic.unpacked(store) as parts:
        say(f"specializing {generic.name} for {profile.vehicle}")
        compiled = specialize(request, profile, generic, parts, Laps())
        flops = count_forms(compiled)
        bench = _measure(compiled, timing, say) if timing is not None and compiled.sites else None
    names, site = profile.camera_names(), bench.parts["site"] if bench else None
    return Comparison(
        model=generic.name,
        vehicle=profile.vehicle,
        sites=tuple(describe_site(site, names) for site in compiled.sites),
        flops=flops,
        time_ratio=site.ratios["specialized"].median if site else None,
        memory_ratio=site.memory_ratios["specialized"] if site else None,
        bench=bench,
    )


def _measure(compiled: Compilation, timing: Timing, say: Say) -> BuildBench:
    spec, sites = compiled.generic.spec, compiled.sites
    left = left_for_cost(compiled.notes)
    constants = bound_constants(spec, compiled.profile)
    forms = write_forms(compiled.parts, compiled.original, constants, left)
    path = compiled.parts / "specialized.onnx"
    nodes = marked(compiled.graph.graph, len(sites))
    write_graph(compiled.graph, path)
    forms["specialized"] = Form(path, nodes, tuple(site.rows_computed for site in sites))
    name, vehicle = compiled.generic.name, compiled.profile.vehicle
    return bench_forms_of(name, vehicle, forms, spec, compiled.binding.fed.cases[0], timing, say)
