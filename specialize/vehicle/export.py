"""Export what a build needs on the vehicle to a folder: its contract, the guard, and a description."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from specialize.artifact import Build
from specialize.artifact.place import require_outside, require_own
from specialize.binding.table_program import BEVPOOL, GRAPH, RELINK, read_bevpool, table_options
from specialize.digest import short
from specialize.files.atomic import publish_directory, write_file
from specialize.vehicle.expect import contract_of
from specialize.vehicle.toolchain import FLAGS, include_dir, source

if TYPE_CHECKING:
    from specialize.vehicle.framing import Framed

Reference = Literal["original", "specialized"]
"""Whose outputs a golden frame expects."""

CONTRACT, GOLDEN, SOURCES = "contract.bin", "golden.bin", ("vehicle.cpp", "guard.cpp")

_README = """\
{mode} build of {model} for {vehicle}, for the vehicle's own computer.

contract.bin       what the build expects of a calibration (build {build}, profile {profile})
{golden}include/specialize the guard, C++17 headers without dependencies; vehicle.h is the same as a C interface
vehicle.cpp        the C interface as a library
guard.cpp          the guard as a program
relink.onnx        of a build in mode tables: makes its tables in any runtime

    g++ {flags} -I include guard.cpp -o guard
    ./guard check contract.bin today.bin
    ./guard relink contract.bin today.bin -o table.safetensors     (of a build in mode tables)

Exit code 0: fresh, or inside the envelope. 2: other tables. 3: stale, build again. 4: unusable. 1: a damaged file.
`specialize vehicle pack --calib PROFILE -o today.bin` writes a calibration; a program on the vehicle fills
`specialize_today` instead. The model itself is not here: ship it with contract.bin, which names it by digest.
"""

_GOLDEN_LINE = """\
golden.bin         two frames and what the engine must give for them; golden.hpp runs it through your engine
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """`specialize vehicle export --json`.

    Attributes:
        build_dir: Folder of the build.
        output: Folder that was written.
        files: Size in bytes of every file in it.
        mode: How the build binds the calibration.
        relink: Whether the vehicle can make its own tables.
        golden: Who computed what the golden frame expects: the original model, or the build's own; null without one.
        notes: Why something is not there.
    """

    build_dir: Path
    output: Path
    files: dict[str, int]
    mode: str
    relink: bool
    golden: Reference | None = None
    notes: tuple[str, ...] = ()


def export_build(build_dir: Path, output: Path, golden: bool = False, bevpool: bool = False) -> Exported:
    """Write what a build needs on the vehicle into a folder, which is replaced.

    Args:
        build_dir: The build.
        output: The folder.
        golden: Whether to run the models on two frames and write these as well.
        bevpool: Whether the car is to make the arrays of `BEVPoolV2` in the place of the engine's tables.

    Raises:
        UsageError: The build does not make these arrays.
        InputError: The build is damaged, or has names or numbers that a contract cannot hold; or the folder is inside
            the build, or holds something else.
        VerificationError: The golden frame shows nothing, or the build's model gives other outputs than the original.
    """
    build = Build.intact(build_dir)
    _require_place(build_dir, output)
    manifest = build.manifest
    relink, graph, notes = _bevpool(build) if bevpool else _relink(build)
    contract = contract_of(build, build.calibration(), relink)
    framed = _framed(build) if golden else None
    readme = _README.format(
        mode=manifest.mode,
        model=manifest.model,
        vehicle=manifest.vehicle,
        build=short(manifest.digests.build),
        profile=short(manifest.digests.profile),
        flags=" ".join(FLAGS),
        golden=_GOLDEN_LINE if framed else "",
    )
    files: dict[str, bytes] = {CONTRACT: contract.to_bytes(), "README": readme.encode()}
    if framed is not None:
        files[GOLDEN] = framed.golden.to_bytes()
    files |= {GRAPH: graph} if graph else {}
    files |= {name: source(name).read_bytes() for name in SOURCES}
    headers = sorted((include_dir() / "specialize").glob("*.h*"))
    files |= {f"include/specialize/{path.name}": path.read_bytes() for path in headers}
    with publish_directory(output) as folder:
        for name, data in files.items():
            write_file(folder / name, data)
    sizes = {name: len(data) for name, data in files.items()}
    return Exported(
        build_dir=build_dir,
        output=output,
        files=sizes,
        mode=manifest.mode,
        relink=bool(contract.relink),
        golden=cast(Reference, framed.golden.reference) if framed else None,
        notes=(*notes, *(framed.notes if framed else ())),
    )


def _require_place(build_dir: Path, output: Path) -> None:
    """Reject a folder that is inside the build, or holds other files.

    Raises:
        InputError: It is, or does.
    """
    require_outside(output, build_dir, "choose a folder outside of it")
    headers = output / "include" / "specialize"
    own = {CONTRACT, GOLDEN, GRAPH, "README", *SOURCES}
    own |= {f"include/specialize/{path.name}" for path in headers.glob("*.h*")}  # of older versions too
    require_own(output, own, "a folder that this command wrote, because it replaces the whole folder")


def _framed(build: Build) -> Framed:
    from specialize.vehicle.framing import frame_build  # opens runtimes

    return frame_build(build)


def _bevpool(build: Build) -> tuple[bytes, bytes, tuple[str, ...]]:
    """Return the program that makes the arrays of `BEVPoolV2` instead.

    Raises:
        UsageError: There is none.
    """
    read_bevpool(build)
    return (
        build.file(BEVPOOL).read_bytes(),
        b"",
        ("the car makes the arrays of BEVPoolV2 instead of tables",),
    )


def _relink(build: Build) -> tuple[bytes, bytes, tuple[str, ...]]:
    """Return the program that makes tables, the same as an ONNX file, and why something is not there."""
    if build.manifest.mode != "tables":
        return b"", b"", ()
    said = table_options(build)["relink"]
    if "declined" in said:
        return b"", b"", (f"no tables on the car, make them with `specialize table`: {said['declined']}",)
    if "no_graph" in said:
        return build.file(RELINK).read_bytes(), b"", (f"no relink.onnx: {said['no_graph']}",)
    return build.file(RELINK).read_bytes(), build.file(GRAPH).read_bytes(), ()
