"""Render exports to the vehicle as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specialize.digest import short
from specialize.text.document import Document
from specialize.text.terminal import command
from specialize.text.units import counted

if TYPE_CHECKING:
    from specialize.vehicle.export import Exported
    from specialize.vehicle.packing import Packed
    from specialize.vehicle.toolchain import Compiled


_REFERENCES = {"original": "the original model", "specialized": "the build's own model"}


def export_text(made: Exported) -> Document:
    """Return what `specialize vehicle export` shows."""
    head = f"{made.output}: what {made.build_dir} ({made.mode}) needs on the car"
    lines = [f"  {size:>9,}  {name}" for name, size in made.files.items()]
    folder, profile = command(made.output), command(made.build_dir / "profile.yaml")
    following = [
        "next: specialize vehicle tool -o guard",
        f"      specialize vehicle pack --calib {profile} -o today.bin",
        f"      ./guard check {folder}/contract.bin today.bin",
    ]
    expected = f"golden frame: expected is what {_REFERENCES[made.golden]} gives" if made.golden else ""
    said = filter(None, (expected, *made.notes))
    return (head, "\n".join(lines), *said, "\n".join(following))


def pack_text(made: Packed) -> Document:
    """Return what `specialize vehicle pack` shows."""
    what = f"{counted(made.cameras, 'camera')} of {made.vehicle} (profile {short(made.profile)})"
    return f"{made.output}: {what}, {made.size:,} bytes"


def tool_text(made: Compiled) -> Document:
    """Return what `specialize vehicle tool` shows."""
    return f"{made.output}: compiled from {made.source} with {made.compiler} {' '.join(made.flags)}"
