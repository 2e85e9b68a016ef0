"""What every command prints: the record that its function returns, as JSON, or as a text that says the same.

Types and functions are named by place, `module:name`, and imported when they are needed: no command imports another's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from specialize.cli.output import print_json, print_text
from specialize.text.record import streamed


@dataclass(frozen=True, slots=True)
class Result:
    """What a command prints.

    Attributes:
        schema: Name and version of the JSON, below `specialize/`.
        record: Place of the type of the JSON.
        text: Function that returns the text for a value, or its place in this package.
        made_by: Place of the function that makes the record of a value, where both differ on purpose.
        exit_code: Exit code for a value.
    """

    schema: str
    record: str
    text: str | Callable[..., Any] = ""
    made_by: str = ""
    exit_code: Callable[[Any], int] = lambda value: 0


def emit(name: str, value: Any, as_json: bool, *more: object) -> int:
    """Print a result, as JSON or as text; return the exit code.

    Args:
        name: Its name in `RESULTS`.
        value: What the function of the command returned.
        as_json: Whether JSON was asked for.
        more: What the text needs beside it.
    """
    result = RESULTS[name]
    if as_json:
        made = found_at(result.made_by)(value, *more) if result.made_by else value
        print_json({"schema": f"specialize/{result.schema}"} | streamed(made))
    else:
        text = result.text if callable(result.text) else found_at(f"specialize.cli.{result.text}")
        print_text(text(value, *more))
    return result.exit_code(value)


def found_at(place: str) -> Any:
    """Return the object at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


_SHAPES = "specialize.cli.schemas"

RESULTS: dict[str, Result] = {
    "demo": Result("demo@1", f"{_SHAPES}.builds:DemoDone", "render_demo:demo_text", f"{_SHAPES}.builds:demonstrated"),
    "build": Result("build@1", f"{_SHAPES}.builds:BuildDone", "render_build:build_text", f"{_SHAPES}.builds:built"),
    "check": Result(
        "check@1", f"{_SHAPES}.drift:Check", "render_drift:check_text", f"{_SHAPES}.drift:checked",
        lambda found: 0 if found.fresh else 3,
    ),
    "verify": Result(
        "verify@1", "specialize.evidence.comparison:VerifyReport", "render_verify:verify_text",
        exit_code=lambda report: 0 if report.passed else 4,
    ),
    "attest": Result("attest@1", "specialize.attest.making:Attestation", "render_attest:attest_text"),
    "attested": Result("attested@1", "specialize.attest.checking:Attested", "render_attest:attested_text"),
    "inspect-build": Result(
        "inspect@1", f"{_SHAPES}.builds:InspectedBuild", "render_inspect:build_text", f"{_SHAPES}.builds:inspected"
    ),
    "inspect-model": Result("inspect@1", "specialize.explain.inspect:ModelInspection", "render_inspect:model_text"),
    "graph": Result("graph@1", f"{_SHAPES}.builds:Graph", "render_graph:graph_text", f"{_SHAPES}.builds:graph"),
    "flops": Result("flops@1", "specialize.evidence.costs:FormsReport", "render_flops:flops_text"),
    "bench": Result("bench@1", "specialize.bench.report:BuildBench", "render_bench:bench_text"),
    "tune": Result("tune@1", f"{_SHAPES}.tuning:Tune", "render_tune:tune_text", f"{_SHAPES}.tuning:tuned"),
    "compare": Result(
        "compare@1", f"{_SHAPES}.comparisons:Compare", "render_compare:compare_text", f"{_SHAPES}.comparisons:compared"
    ),
    "plan": Result("plan@1", "specialize.explain.plan:PlanOutcome", "render_plan:plan_text"),
    "report": Result("report@1", f"{_SHAPES}.builds:Report", lambda made: f"report: {made.report}"),
    "diff": Result(
        "diff@1", f"{_SHAPES}.drift:Diff", "render_drift:diff_text", f"{_SHAPES}.drift:differing",
        lambda found: 0 if found.fresh else 3,
    ),
    "profile-check": Result(
        "profile-check@1", f"{_SHAPES}.profiles:ProfileCheck", "render_profile:check_text",
        f"{_SHAPES}.profiles:checked", lambda files: 0 if all(file.ok for file in files) else 1,
    ),
    "profile-show": Result(
        "profile-show@1", f"{_SHAPES}.profiles:ProfileShow", "render_profile:show_text", f"{_SHAPES}.profiles:shown"
    ),
    "profile-coverage": Result(
        "profile-coverage@1", "specialize.explain.coverage:Coverage", "render_coverage:coverage_text"
    ),
    "profile-init": Result(
        "profile-init@1", f"{_SHAPES}.profiles:ProfileInit", "render_profile:init_text", f"{_SHAPES}.profiles:written"
    ),
    "profile-undistort": Result(
        "profile-undistort@1", f"{_SHAPES}.profiles:ProfileUndistort", "render_profile:init_text",
        f"{_SHAPES}.profiles:flattened",
    ),
    "profile-import": Result(
        "profile-import@1", f"{_SHAPES}.profiles:ProfileImport", "render_import:import_text",
        f"{_SHAPES}.profiles:imported", lambda found: 0 if found.result.ok else 1,
    ),
    "profile-formats": Result(
        "profile-formats@1", f"{_SHAPES}.profiles:ProfileFormats", "render_import:formats_text"
    ),
    "export": Result("export@1", f"{_SHAPES}.builds:Export", lambda made: f"written: {made.output}"),
    "models": Result("models@1", f"{_SHAPES}.models:Models", "render_models:models_text"),
    "fleet-import": Result(
        "fleet-import@1", "specialize.fleet.importing:FleetImported", "render_import:fleet_text",
        exit_code=lambda found: 1 if found.failed else 0,
    ),
    "fleet-packed": Result(
        "fleet-packed@1", "specialize.fleet.packing:FleetPacked", "render_import:packed_text",
        exit_code=lambda found: 1 if found.failed else 0,
    ),
    "fleet-unpacked": Result(
        "fleet-unpacked@1", "specialize.fleet.packing:FleetUnpacked", "render_import:unpacked_text",
        exit_code=lambda found: 1 if found.failed else 0,
    ),
    "fleet-diff": Result(
        "fleet-diff@1", f"{_SHAPES}.fleet_diff:FleetDiff", "render_fleet_diff:diff_text",
        f"{_SHAPES}.fleet_diff:differing", lambda found: 1 if found.failed else 0,
    ),
    "fleet-drift": Result(
        "fleet-drift@1", "specialize.fleet.drift:FleetDrift", "render_fleet_drift:drift_text",
        exit_code=lambda found: 1 if found.failed else 0,
    ),
    "fleet-plan": Result(
        "fleet-plan@1", f"{_SHAPES}.fleet_plan:FleetPlan", "render_fleet:plan_text",
        f"{_SHAPES}.fleet_plan:planned", lambda found: 1 if found.failed else 0,
    ),
    "fleet-build": Result(
        "fleet-build@1", "specialize.fleet.builds:FleetBuilt", "render_fleet_build:build_text",
        exit_code=lambda found: int(found.exit_code),
    ),
    "fleet-status": Result(
        "fleet-status@1", "specialize.fleet.status:FleetStatus", "render_fleet_build:status_text",
        exit_code=lambda found: int(found.exit_code),
    ),
    "table-made": Result("table-made@1", "specialize.binding.outcome:TableOutcome", "render_table:table_text"),
    "targets": Result(
        "targets@1", f"{_SHAPES}.toolchains:Targets", "render_targets:targets_text", f"{_SHAPES}.toolchains:listed"
    ),
    "target": Result(
        "target@1", f"{_SHAPES}.toolchains:Target", "render_targets:target_text", f"{_SHAPES}.toolchains:shown"
    ),
    "conformance": Result(
        "conformance@1", "specialize.targets.conformance:Conformance", "render_targets:conformance_text"
    ),
    "store-ls": Result("store-ls@1", "specialize.store.listing:Listing", "render_store:ls_text"),
    "store-show": Result(
        "store-show@1", f"{_SHAPES}.stores:StoreShow", "render_store:show_text", f"{_SHAPES}.stores:shown"
    ),
    "store-gc": Result("store-gc@1", "specialize.store.collect:Collected", "render_store:gc_text"),
    "store-check": Result(
        "store-check@1", f"{_SHAPES}.stores:StoreCheck", "render_store:damage_text", f"{_SHAPES}.stores:checked"
    ),
    "store-export": Result("store-export@1", "specialize.store.oci:OciExported", "render_store:export_text"),
    "doctor": Result(
        "doctor@1", "specialize.explain.doctor:Installation", "render_doctor:doctor_text",
        exit_code=lambda found: 0 if found.ok else 1,
    ),
    "vehicle-export": Result(
        "vehicle-export@1", "specialize.vehicle.export:Exported", "render_vehicle:export_text"
    ),
    "vehicle-pack": Result("vehicle-pack@1", "specialize.vehicle.packing:Packed", "render_vehicle:pack_text"),
    "vehicle-tool": Result("vehicle-tool@1", "specialize.vehicle.toolchain:Compiled", "render_vehicle:tool_text"),
    "vehicle-include": Result(
        "vehicle-include@1", "specialize.vehicle.toolchain:Headers", lambda found: str(found.include_dir)
    ),
    "manifest": Result("manifest@1", "specialize.artifact.manifest:Manifest"),
    "measured": Result("measured@1", "specialize.artifact.measured:Measured"),
}  # fmt: skip
"""Name of a document -> what it is; the last two are files."""
