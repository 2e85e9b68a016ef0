"""What every command prints with `--json`, as types: documents are made from them, and tests check against them."""

from specialize.artifact.manifest import Manifest
from specialize.cli.schemas import builds, fleets, numbers, profiles, stores, vehicles

SCHEMAS: dict[str, type] = {
    "build": builds.BuildDone,
    "check": vehicles.Check,
    "verify": numbers.Verify,
    "inspect-build": builds.InspectedBuild,
    "inspect-model": builds.InspectedModel,
    "graph": builds.Graph,
    "flops": numbers.Flops,
    "bench": numbers.Bench,
    "compare": builds.Compare,
    "plan": vehicles.Plan,
    "report": builds.Report,
    "diff": vehicles.Diff,
    "profile-check": profiles.ProfileCheck,
    "profile-show": profiles.ProfileShow,
    "profile-import": profiles.ProfileImport,
    "profile-formats": profiles.ProfileFormats,
    "export": builds.Export,
    "models": builds.Models,
    "fleet-import": fleets.FleetImport,
    "fleet-diff": fleets.FleetDiff,
    "fleet-plan": fleets.FleetPlan,
    "fleet-build": fleets.FleetBuild,
    "fleet-status": fleets.FleetStatus,
    "table-made": stores.TableMade,
    "conformance": stores.Conformance,
    "store-ls": stores.StoreLs,
    "store-show": stores.StoreShow,
    "store-gc": stores.StoreGc,
    "store-check": stores.StoreCheck,
    "manifest": Manifest,
}
"""Name of a document -> type of the JSON."""

__all__ = ["SCHEMAS"]
