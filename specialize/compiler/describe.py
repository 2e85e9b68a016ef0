"""Write the manifest of a compilation before the evidence exists, and the metadata of its model."""

from __future__ import annotations

import msgspec

from specialize.artifact import BuildKey, Digests, Manifest, ModelTie, contract_digest
from specialize.artifact.baked import Baked
from specialize.artifact.describe import describe_notes, describe_site, describe_tensor
from specialize.compiler.bake import prove_cut
from specialize.compiler.generic import GenericModel
from specialize.compiler.moved_points import compare_lenses
from specialize.compiler.specialize import Compilation
from specialize.digest import digest
from specialize.evidence.comparison import NOT_COMPARED
from specialize.evidence.costs import FormsReport
from specialize.graph.notes import Note
from specialize.model.visible import plans_digest
from specialize.passes.site import CompactedSite
from specialize.report.baked import baked_line
from specialize.request import BuildRequest
from specialize.store import open_store
from specialize.text.progress import Say
from specialize.version import library_versions


def describe(request: BuildRequest, compiled: Compilation, key: BuildKey) -> Manifest:
    """Return the manifest of a compilation, the evidence still missing."""
    plans, sites = compiled.plans, compiled.sites
    cameras = compiled.profile.camera_names()
    return Manifest(
        vehicle=compiled.profile.vehicle,
        model=compiled.generic.name,
        target=request.target,
        mode=request.mode,
        layout=request.layout,
        align=request.align,
        cameras=cameras,
        spec=compiled.generic.spec.to_text(),
        key=key.to_json(),
        libraries=library_versions(),
        source=compiled.generic.source,
        digests=Digests(
            profile=compiled.profile.digest,
            plan=plans_digest(plans) if plans else digest([site.seen for site in sites]),
            model=compiled.generic.digest,
            build=key.digest(),
        ),
        sites=tuple(describe_site(site, cameras) for site in sites),
        inputs=tuple(describe_tensor(value) for value in compiled.graph.graph.inputs),
        outputs=tuple(describe_tensor(value) for value in compiled.graph.graph.outputs),
        passes=describe_notes((*_prior(compiled.generic), *compiled.notes)),
        warnings=(
            *compiled.generic.warnings,
            *(f"profile {compiled.profile.vehicle}: {text}" for text in compiled.fit.warnings),
        ),
        allowed=tuple(sorted(set(request.allow))),
        options=dict(compiled.binding.options)
        | ({"attention": request.attention} if request.attention else {}),
        plausibility=compiled.plausibility,
        witness=compiled.witness,
        verify=NOT_COMPARED,
        flops=FormsReport(),
    )


def _prior(generic: GenericModel) -> tuple[Note, ...]:
    """Return what was done to the user's graph when it was read."""
    return tuple(Note(by, "applied", where, what) for by, where, what in generic.notes)


def tie(manifest: Manifest, sites: tuple[CompactedSite, ...]) -> ModelTie:
    """Return what the specialized ONNX says about itself."""
    digests = manifest.digests
    return ModelTie(
        vehicle=manifest.vehicle,
        mode=manifest.mode,
        layout=manifest.layout,
        cameras=manifest.cameras,
        lengths=tuple(site.lengths for site in sites),
        profile=digests.profile,
        plan=digests.plan,
        model=digests.model,
        build=digests.build,
        contract=contract_digest(manifest),
    )


def with_baked(
    request: BuildRequest, manifest: Manifest, compiled: Compilation, base: GenericModel, say: Say
) -> Manifest:
    """Return the manifest of a build with lenses: how its function differs, and that nothing else was exchanged.

    Raises:
        VerificationError: Something else was.
    """
    generic, profile = compiled.generic, compiled.profile
    cut = prove_cut(
        base, generic, profile, compiled.original, request.frames, request.seed, open_store(), say
    )
    cameras = compare_lenses(base.spec, generic.spec, profile, compiled.plans)
    record = Baked(
        model=base.name, digest=base.digest, inputs=tuple(generic.spec.calibration_inputs), cameras=cameras,
        cut=cut,
    )  # fmt: skip
    told = msgspec.structs.replace(manifest, baked=record)
    return told.extended((), (baked_line(record),))
