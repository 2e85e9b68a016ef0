"""What every command prints with `--json`, as types: documents are made from them, and tests check against them."""

from specialize.artifact.manifest import Manifest
from specialize.artifact.measured import Measured
from specialize.bench import BuildBench
from specialize.cli.schemas import (
    attested,
    builds,
    fleet_builds,
    fleets,
    profiles,
    stores,
    toolchains,
    vehicles,
)
from specialize.evidence.comparison import VerifyReport
from specialize.evidence.costs import FormsReport

SCHEMAS: dict[str, type] = {
    "build": builds.BuildDone,
    "check": vehicles.Check,
    "verify": VerifyReport,
    "attest": attested.Attest,
    "attested": attested.Attested,
    "inspect-build": builds.InspectedBuild,
    "inspect-model": builds.InspectedModel,
    "graph": builds.Graph,
    "flops": FormsReport,
    "bench": BuildBench,
    "compare": builds.Compare,
    "plan": vehicles.Plan,
    "report": builds.Report,
    "diff": vehicles.Diff,
    "profile-check": profiles.ProfileCheck,
    "profile-show": profiles.ProfileShow,
    "profile-init": profiles.ProfileInit,
    "profile-import": profiles.ProfileImport,
    "profile-formats": profiles.ProfileFormats,
    "export": builds.Export,
    "models": builds.Models,
    "fleet-import": fleets.FleetImport,
    "fleet-diff": fleets.FleetDiff,
    "fleet-plan": fleet_builds.FleetPlan,
    "fleet-build": fleet_builds.FleetBuild,
    "fleet-status": fleets.FleetStatus,
    "table-made": stores.TableMade,
    "targets": toolchains.Targets,
    "target": toolchains.Target,
    "conformance": toolchains.Conformance,
    "store-ls": stores.StoreLs,
    "store-show": stores.StoreShow,
    "store-gc": stores.StoreGc,
    "store-check": stores.StoreCheck,
    "doctor": toolchains.Doctor,
    "vehicle-export": vehicles.VehicleExport,
    "vehicle-pack": vehicles.VehiclePack,
    "vehicle-tool": vehicles.VehicleTool,
    "vehicle-include": vehicles.VehicleInclude,
    "manifest": Manifest,
    "measured": Measured,
}
"""Name of a document -> type of the JSON."""

__all__ = ["SCHEMAS"]
