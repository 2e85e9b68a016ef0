"""A build on disk that no compiler made: enough for the commands that need no model."""

from __future__ import annotations

from pathlib import Path

import msgspec

from specialize import zoo
from specialize.artifact import record_files, write_manifest
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from tests.artifact.examples import manifest, model_of


def make_build(folder: Path, calib: Path, model: str = "bevformer_tiny") -> Path:
    """Write a build's directory for a profile, with a model that is only a few bytes."""
    folder.mkdir(parents=True)
    profile = load_profile(calib)
    (folder / "profile.yaml").write_text(dump_profile(profile))
    digests = msgspec.structs.replace(manifest().digests, profile=profile.digest)
    made = msgspec.structs.replace(
        manifest(),
        vehicle=profile.vehicle,
        model=model,
        digests=digests,
        cameras=profile.camera_names(),
        spec=zoo.spec(model).to_text(),
    )
    (folder / "model.onnx").write_bytes(model_of(made))
    write_manifest(folder, record_files(folder, made))
    return folder
