"""Compare what two states of the compiler build, byte by byte: for changes that must not change a build.

Small models are built in every binding mode and layout, each build is lowered for every target in every form of
attention that the target takes, and a digest of every graph is kept. What names the compiler in a build (the metadata
`specialize.*`) does not count. `make same-builds BASE=main` is the whole command: it runs BASE's form of this script in
a worktree of BASE and this one in the working tree, on the same exported models, and names the graphs that differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LAYOUTS = (("ragged", 1), ("padded", 4))
PRECISIONS = {"masked": "fp16", "looped_levels": "int8"}
"""Seeds that are converted too."""

ALLOWED = {"outside": ("constant-calibration",)}
"""What is allowed of seeds that are refused otherwise."""


def digests_of(models: Path, only: Sequence[str] = ()) -> dict[str, str]:
    """Return the digest of every graph that this compiler makes of some models, by model, layout, target and form."""
    found: dict[str, str] = {}
    for home in sorted(path.parent for path in models.glob("*/seed.json")):
        if only and home.name not in only:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["SPECIALIZE_STORE"] = str(Path(scratch) / "store")
            for name, text in _built(home, Path(scratch)):
                found[name] = text
                print(name, text[:12], file=sys.stderr, flush=True)
    return found


def _built(home: Path, scratch: Path) -> Iterator[tuple[str, str]]:
    """Yield the graphs of one seed: its own build, those in other layouts, and what targets get."""
    from specialize.compiler.build import build
    from specialize.request import BuildRequest

    options = json.loads((home / "seed.json").read_text())["options"]
    allow = (*ALLOWED.get(home.name, ()), *options.pop("allow", ()))
    others = sorted((home / "others").glob("*.yaml"))[:1] if options.get("mode") == "tables" else []
    asked = [("own", options)]
    for layout, align in LAYOUTS:
        asked.append((f"{layout} {align}", options | {"layout": layout, "align": align}))
    if home.name in PRECISIONS:
        asked.append((PRECISIONS[home.name], options | {"precision": PRECISIONS[home.name]}))
    for name, more in asked:
        folder = scratch / name
        request = BuildRequest(
            calib=home / "vehicle.yaml", model=str(home / "model.onnx"), output=folder, frames=2,
            capacity_over=tuple(others), allow=allow, **more,
        )  # fmt: skip
        build(request)
        for path in sorted([*folder.glob("*.onnx"), *folder.glob("*.safetensors")]):
            yield f"{home.name}, {name}, {path.name}", digest_of_file(path)
        if name in ("own", "padded 4"):
            yield from ((f"{home.name}, {name}, {way}", text) for way, text in _lowered(folder))


def _lowered(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what a build's graph becomes for every target, in the target's own form and in every other one."""
    import onnx_ir as ir

    from specialize.errors import SpecializeError
    from specialize.targets import TARGETS, target
    from specialize.targets.lower import lower

    for name in TARGETS:
        toolchain = target(name).TOOLCHAIN
        for form in (None, *toolchain.forms):
            model = ir.load(folder / "model.onnx")
            try:
                lower(model, toolchain, form)
            except SpecializeError as error:
                yield f"{name}, {form or 'own form'}", hashlib.sha256(str(error).encode()).hexdigest()
                continue
            yield f"{name}, {form or 'own form'}", _digest(ir.to_proto(model))


def digest_of_file(path: Path) -> str:
    """Return a digest of a file; of a model, without what names the compiler."""
    import onnx

    if path.suffix == ".onnx":
        return _digest(onnx.load(path))
    # The header names the build, which the compiler's version is part of.
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little")
    return hashlib.sha256(data[8 + header :]).hexdigest()


def _digest(model: object) -> str:
    kept = [entry for entry in model.metadata_props if not entry.key.startswith("specialize.")]  # type: ignore[attr-defined]
    del model.metadata_props[:]  # type: ignore[attr-defined]
    model.metadata_props.extend(kept)  # type: ignore[attr-defined]
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()  # type: ignore[attr-defined]


def different(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the names of graphs that differ, or that only one of the two has."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _run_in(tree: Path, models: Path, output: Path) -> dict[str, str]:
    """Run a tree's own form of this script, which knows the tree's names; return what it found."""
    script = tree / "tools" / "same_builds.py"
    if not script.is_file():
        sys.exit(f"error: expected {script.name} among the tools of the base; choose a later commit")
    command = [sys.executable, str(script), "--models", str(models), "--output", str(output)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(tree)}, cwd=tree)
    found: dict[str, str] = json.loads(output.read_text())
    return found


def _compare(base: str, kept: Path) -> int:
    """Compare the working tree with a commit; return the exit status."""
    commit = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", base], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    models, old = kept / "models", kept / f"{commit}.json"
    if not models.is_dir():
        sys.path.insert(0, str(REPOSITORY))
        from tools.mutants.seeds import write_seeds

        write_seeds(models)
    if old.is_file():
        before = json.loads(old.read_text())
    else:
        tree = Path(tempfile.mkdtemp())
        try:
            subprocess.run(
                ["git", "-C", str(REPOSITORY), "worktree", "add", "--detach", str(tree / "base"), commit],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            before = _run_in(tree / "base", models, old)
        finally:
            subprocess.run(
                ["git", "-C", str(REPOSITORY), "worktree", "remove", "--force", str(tree / "base")],
                check=False,
            )
            shutil.rmtree(tree, ignore_errors=True)
    after = _run_in(REPOSITORY, models, kept / "working-tree.json")
    changed = different(before, after)
    for name in changed:
        print(name)
    print(f"{len(after)} graphs, {len(changed)} differ from {base} ({commit[:12]})")
    return 1 if changed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare with a commit, or write the digests of one compiler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="commit to compare the working tree with")
    parser.add_argument(
        "--kept", type=Path, default=REPOSITORY / "build" / "same", help="where models and digests are kept"
    )
    parser.add_argument("--models", type=Path, help="folder of models to build, for one compiler")
    parser.add_argument("--only", nargs="*", default=(), help="names of models, if not all")
    parser.add_argument("--output", type=Path, help="file that takes the digests")
    given = parser.parse_args(arguments)
    if given.base is not None:
        return _compare(given.base, given.kept)
    if given.models is None or given.output is None:
        parser.error("--base COMMIT, or --models FOLDER with --output FILE")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(digests_of(given.models, given.only), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
