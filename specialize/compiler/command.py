"""Write the command that makes a build again, with every option that its manifest records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from specialize.artifact.manifest import Manifest
from specialize.artifact.place import folder_name
from specialize.calibration.off import off_options
from specialize.request import BuildRequest
from specialize.text.terminal import CommandLine

Word = str | Path

PLAIN = {
    "target": "--target",
    "attention": "--attention",
    "layout": "--layout",
    "align": "--align",
    "precision": "--precision",
    "frames": "--frames",
    "seed": "--seed",
    "mode": "--mode",
    "tolerance": "--tolerance",
    "capacity": "--capacity",
}
"""Options whose value is a field of the key, in the order of `specialize build --help`."""

FLAGS = {
    "count_outside": "--count-outside",
    "allow_unchanged": "--allow-unchanged",
    "keep_every_site": "--keep-every-site",
    "bake_lenses": "--bake-lenses",
}

FILES = {
    "frames_digest": ("--frames-dir", "FRAMES", "the folder of frames that it was built with"),
    "envelope_over": ("--envelope-over", "PROFILES", "the profiles that its envelope covers"),
    "capacity_over": ("--capacity-over", "PROFILES", "the profiles that its tables have room for"),
}
"""Options that name files, of which a manifest keeps digests and no place: what stands for them, and what they are."""

NAMED_ELSEWHERE = frozenset(
    {"vehicle", "profile", "calibration", "model", "name", "spec", "allow", "compiler"}
)
"""Fields of the key that follow from the profile, from `--model` and `--allow`, or from this package."""


def rebuild(
    manifest: Manifest, calib: Path, vehicle: str, folder: Path, off: Sequence[str] = ()
) -> CommandLine:
    """Return the command that makes a build again for a calibration.

    Args:
        manifest: Of the build.
        calib: The profile to build for.
        vehicle: Name of its vehicle; another vehicle's build goes beside the one that is there.
        folder: Where the build is.
        off: Cameras that are taken off.
    """
    key, source = manifest.key, manifest.source.get("of", manifest.source)
    output = folder if vehicle == manifest.vehicle else folder.parent / folder_name(vehicle)
    words: list[Word] = ["specialize", "build", "--calib", calib]
    words += off_options(off)
    to_name: list[tuple[str, str]] = []

    def stand_for(option: str, word: str, what: str) -> None:
        words.extend((option, word))
        to_name.append((word, what))

    if source.get("kind") == "onnx":
        stand_for("--model", "MODEL.onnx", f"{source['name']}.onnx, with its sidecar next to it")
    else:
        words += ["--model", manifest.model if manifest.baked is None else str(source["name"])]
    if source.get("checkpoint"):
        stand_for("--checkpoint", "CHECKPOINT", f"the file with digest {source['checkpoint']}")
    for name, option in PLAIN.items():
        if key.get(name, "") not in ("", _DEFAULTS[name]):
            words += [option, str(key[name])]
    words += [option for name, option in FLAGS.items() if key.get(name)]
    for name, (option, word, what) in FILES.items():
        if key.get(name):
            stand_for(option, word, what)
    for code in manifest.allowed:
        words += ["--allow", code]
    return CommandLine((*words, "-o", output), tuple(to_name))


_DEFAULTS = {part.name: part.default for part in fields(BuildRequest) if part.default is not MISSING}
