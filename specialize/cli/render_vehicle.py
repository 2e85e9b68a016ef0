"""What goes to the vehicle, as JSON and as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialize.calibration.profile import CalibrationProfile
from specialize.digest import short
from specialize.text.document import Document
from specialize.text.terminal import command
from specialize.text.units import counted
from specialize.vehicle.toolchain import FLAGS, compiler, include_dir, source

if TYPE_CHECKING:
    from specialize.vehicle.export import Exported


_REFERENCES = {"original": "the original model", "specialized": "the build's own model"}


def export_json(made: Exported) -> dict[str, Any]:
    """Return what `specialize vehicle export --json` prints."""
    return {
        "schema": "specialize/vehicle-export@1",
        "build_dir": str(made.build_dir),
        "output": str(made.output),
        "files": made.files,
        "mode": made.mode,
        "relink": made.relink,
        "golden": made.golden or None,
        "notes": list(made.notes),
    }


def export_text(data: dict[str, Any]) -> Document:
    """Return what `specialize vehicle export` shows."""
    head = f"{data['output']}: what {data['build_dir']} ({data['mode']}) needs on the car"
    lines = [f"  {size:>9,}  {name}" for name, size in data["files"].items()]
    folder, profile = command(Path(data["output"])), command(Path(data["build_dir"]) / "profile.yaml")
    following = [
        "next: specialize vehicle tool -o guard",
        f"      specialize vehicle pack --calib {profile} -o today.bin",
        f"      ./guard check {folder}/contract.bin today.bin",
    ]
    expected = f"golden frame: expected is what {_REFERENCES[data['golden']]} gives" if data["golden"] else ""
    said = filter(None, (expected, *data["notes"]))
    return (head, "\n".join(lines), *said, "\n".join(following))


def pack_json(calib: Path, output: Path, profile: CalibrationProfile, size: int) -> dict[str, Any]:
    """Return what `specialize vehicle pack --json` prints."""
    return {
        "schema": "specialize/vehicle-pack@1",
        "calib": str(calib),
        "output": str(output),
        "vehicle": profile.vehicle,
        "profile": profile.digest,
        "cameras": len(profile.cameras),
        "size": size,
    }


def pack_text(data: dict[str, Any]) -> Document:
    """Return what `specialize vehicle pack` shows."""
    what = f"{counted(data['cameras'], 'camera')} of {data['vehicle']} (profile {short(data['profile'])})"
    return f"{data['output']}: {what}, {data['size']:,} bytes"


def tool_json(output: Path, library: bool) -> dict[str, Any]:
    """Return what `specialize vehicle tool --json` prints."""
    return {
        "schema": "specialize/vehicle-tool@1",
        "output": str(output),
        "source": str(source("vehicle.cpp" if library else "guard.cpp")),
        "compiler": compiler(),
        "flags": list(FLAGS),
    }


def tool_text(data: dict[str, Any]) -> Document:
    """Return what `specialize vehicle tool` shows."""
    return (
        f"{data['output']}: compiled from {data['source']} with {data['compiler']} {' '.join(data['flags'])}"
    )


def include_json() -> dict[str, Any]:
    """Return what `specialize vehicle include-dir --json` prints."""
    sources = [str(source(name)) for name in ("vehicle.cpp", "guard.cpp")]
    return {
        "schema": "specialize/vehicle-include@1",
        "include_dir": str(include_dir()),
        "sources": sources,
    }
