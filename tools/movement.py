"""Measure what counted quantities cost on ONNX Runtime, and whether they predict how much faster a specialization is.

usage: python tools/movement.py FOLDER/NAME[:sites] ... [--write docs/concepts/costs.md]

Rates come from single operators (`movement_cases`), by least squares of the logarithm of fitted over measured. Models
come from folders with `model.onnx` and `model.model.yaml` (or `right.model.yaml`): each is specialized for car42,
counted in both forms, and run in both forms in turn, on one thread, by processor time; `:sites` cuts its sites out.
Figures belong to the machine that the file names.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from scipy.optimize import least_squares

from specialize.bench import Subject
from specialize.bench.once import ratio, run_once
from specialize.bench.worker import open_onnxruntime
from specialize.calibration.load import load_profile
from specialize.compiler.generic import generic_model
from specialize.compiler.laps import Laps
from specialize.compiler.measure import site_subjects, whole_subjects
from specialize.compiler.original import count_original
from specialize.compiler.specialize import specialize
from specialize.costs import CostReport, count
from specialize.costs.predict import RATES, predicted_ns, quantities
from specialize.files.scratch import temporary_folder
from specialize.graph.io import read_graph, write_graph
from specialize.request import BuildRequest
from specialize.store import open_store
from specialize.version import VERSION
from tools.marks import Marks
from tools.movement_cases import CASES, Case

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results" / "movement.json"
CAR42 = REPOSITORY / "calib_profiles" / "car42.yaml"
SCHEMA = "specialize/movement@1"
LEAST_OFF = 0.25
"""How far a predicted ratio may be from the measured one."""
MARKS = Marks("movement")
_ROUNDS, _BUDGET_S = 9, 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator: processor time as measured, and as its quantities say with the fitted rates."""

    name: str
    measured_us: float
    fitted_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One model, or its sites, in both forms.

    Attributes:
        name: Name of its folder.
        part: `model` or `sites`.
        predicted_ms: Of the original and of the specialized form.
        measured_ms: The same, processor time.
        flops_ratio: How many times fewer operations the specialized form has.
        bytes_ratio: How many times fewer bytes it moves.
        predicted_ratio: How many times faster it is by count.
        measured_ratio: How many times faster it is, the median over the rounds.
    """

    name: str
    part: str
    predicted_ms: tuple[float, float]
    measured_ms: tuple[float, float]
    flops_ratio: float
    bytes_ratio: float
    predicted_ratio: float
    measured_ratio: float

    @property
    def off(self) -> float:
        """How far the predicted ratio is from the measured one."""
        return self.predicted_ratio / self.measured_ratio - 1


def fitted(cases: Sequence[Case]) -> tuple[dict[str, float], list[Operator]]:
    """Return nanoseconds of each quantity, and how far they explain the operators that they come from."""
    names = list(RATES)
    seconds = np.array([_seconds(case) for case in cases])
    counted = np.array([_quantities(case, names) for case in cases])
    rates = least_squares(
        lambda logs: np.log(counted @ np.exp(logs) * 1e-9 / seconds),
        np.log(list(RATES.values())),
        loss="soft_l1",
    )
    rounded = [float(f"{rate:.2g}") for rate in np.exp(rates.x)]
    told = counted @ np.array(rounded) * 1e-3
    operators = [
        Operator(name=case.name, measured_us=round(1e6 * spent, 1), fitted_us=round(float(each), 1))
        for case, spent, each in zip(cases, seconds, told, strict=True)
    ]
    return dict(zip(names, rounded, strict=True)), operators


def _seconds(case: Case) -> float:
    """Return the processor time of one operator; of one run of its model, which is its work but for a call."""
    with temporary_folder("movement") as folder:
        path = folder / "operator.onnx"
        onnx.save(case.model(), str(path))
        run, _ = open_onnxruntime(path, case.feed(), 1)
        spent = []
        for number in range(_ROUNDS + 2):
            start = time.process_time()
            run()
            if number >= 2:
                spent.append(time.process_time() - start)
    return float(np.median(spent))


def _quantities(case: Case, names: list[str]) -> list[float]:
    total = dict.fromkeys(names, 0.0)
    report = count(ir.from_proto(case.model()))
    assert not report.uncounted, case.name
    for node in report.nodes:
        for name, value in quantities(node).items():
            total[name] += value
    return [total[name] for name in names]


def measured(folder: Path, part: str) -> Site:
    """Specialize a model for car42, count both forms, and run them in turn."""
    sidecar = next(
        path for path in (folder / "right.model.yaml", folder / "model.model.yaml") if path.is_file()
    )
    request = BuildRequest(calib=CAR42, model=str(folder / "model.onnx"), model_spec=sidecar)
    store = open_store()
    generic = generic_model(request, store, _say)
    with generic.unpacked(store) as parts:
        compiled = specialize(request, load_profile(request.calib), generic, parts, Laps())
        path = parts / "specialized.onnx"
        write_graph(compiled.graph, path)
        subjects = (site_subjects if part == "sites" else whole_subjects)(compiled, path)
        if part == "sites":
            reports = {form: count(read_graph(subject.path)) for form, subject in subjects.items()}
        else:
            original = count_original(compiled.original, compiled.constants)
            reports = {"original": original, "specialized": count(read_graph(path))}
        return _site(folder.name, part, reports, subjects)


def _site(name: str, part: str, reports: dict[str, CostReport], subjects: dict[str, Subject]) -> Site:
    runs = run_once(subjects, _BUDGET_S)
    one, two = reports["original"], reports["specialized"]
    spent = [1e3 * float(np.median(each.cpu_seconds[each.warm()])) for each in runs.values()]
    predicted = [1e-6 * predicted_ns(report) for report in (one, two)]
    return Site(
        name=name,
        part=part,
        predicted_ms=(round(predicted[0], 1), round(predicted[1], 1)),
        measured_ms=(round(spent[0], 1), round(spent[1], 1)),
        flops_ratio=round(one.total().flops / two.total().flops, 3),
        bytes_ratio=round(one.total().moved_bytes / two.total().moved_bytes, 3),
        predicted_ratio=round(predicted[0] / predicted[1], 3),
        measured_ratio=round(ratio(runs["original"], runs["specialized"]), 3),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def table(sites: Sequence[Site]) -> str:
    """Return the sites as Markdown."""
    head = ["model", "measured, ms", "FLOPs", "bytes", "predicted", "measured", "off"]
    rows = [
        [
            f"{site.name}, {'its sites' if site.part == 'sites' else 'whole'}",
            f"{site.measured_ms[0]:.1f} -> {site.measured_ms[1]:.1f}",
            *(f"{each:.2f}x" for each in (site.flops_ratio, site.bytes_ratio)),
            *(f"{each:.2f}x" for each in (site.predicted_ratio, site.measured_ratio)),
            f"{100 * site.off:+.0f} %",
        ]
        for site in sites
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def sites_of(data: dict[str, object]) -> list[Site]:
    """Return the sites of a file of results."""
    found = data["sites"]
    assert isinstance(found, list)
    return [
        Site(**{key: tuple(value) if isinstance(value, list) else value for key, value in each.items()})
        for each in found
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure rates and sites, write both, and return 1 if a ratio is farther off than allowed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sites", nargs="*", help="FOLDER/NAME, or FOLDER/NAME:sites")
    parser.add_argument("--rates", action="store_true", help="measure the rates of operators, too")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", type=Path, help="document that takes the table between its marks")
    given = parser.parse_args(arguments)
    data = json.loads(given.results.read_text()) if given.results.is_file() else {}
    if given.rates:
        rates, operators = fitted(CASES)
        data |= {"rates": rates, "operators": [asdict(operator) for operator in operators]}
    if given.sites:
        named = [place.partition(":") for place in given.sites]
        sites = [measured(Path(folder), part or "model") for folder, _, part in named]
        data["sites"] = [asdict(site) for site in sites]
    import onnxruntime

    machine = {"architecture": platform.machine(), "processor": _processor(), "system": platform.system()}
    data = {"schema": SCHEMA, "version": VERSION, "machine": machine, "threads": 1} | data
    data["runtime"] = f"onnxruntime {onnxruntime.__version__}"
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps(data, indent=2) + "\n")
    found = sites_of(data) if "sites" in data else []
    print(json.dumps(data.get("rates", {}), indent=2), table(found), sep="\n\n")
    if given.write is not None:
        MARKS.write(given.write, table(found))
    return 1 if any(abs(site.off) > LEAST_OFF for site in found) else 0


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    sys.exit(main())
