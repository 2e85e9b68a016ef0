"""Build the whole of BEVFormer-tiny on car42 for every target, and write what became of each.

usage: python tools/targets/builds.py [--only NAME ...] [--results docs/targets.json]

Every build is proven against the original on ONNX Runtime, read by ONNX's checker in its own opset, and judged node by
node once more as the file that it is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from specialize.compiler.build import build
from specialize.errors import SpecializeError
from specialize.graph.custom import is_foreign, is_plugin
from specialize.graph.io import with_domains
from specialize.request import BuildRequest
from specialize.targets import TARGETS, target
from specialize.targets.conformance import check_file, operator_of

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "calib_profiles" / "car42.yaml"
RESULTS = ROOT / "docs" / "targets.json"
SECTION = "builds"
MODEL = "bevformer_tiny"
FRAMES = 2
"""The first without history, the second with it."""


def main() -> None:
    """Build for the targets asked for and merge what happened into the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    results: dict[str, Any] = json.loads(chosen.results.read_text()) if chosen.results.is_file() else {}
    found = results.get(SECTION, {})
    for name in chosen.only:
        with tempfile.TemporaryDirectory(prefix="builds-") as folder:
            found[name] = record(name, Path(folder) / "build")
        print(name, json.dumps(found[name]), flush=True)
        results[SECTION] = {each: found[each] for each in TARGETS if each in found}
        chosen.results.write_text(json.dumps(results, indent=1) + "\n")


def record(name: str, folder: Path, model: str = MODEL) -> dict[str, Any]:
    """Return what a build for one target gives, or what stops it."""
    start = time.perf_counter()
    request = BuildRequest(calib=PROFILE, model=model, target=name, output=folder, frames=FRAMES)
    try:
        made = build(request)
    except SpecializeError as error:
        return {"built": False, "message": " ".join(str(error).split())}
    seconds = time.perf_counter() - start
    verified = made.manifest.verify
    return {
        "built": True,
        "seconds": round(seconds, 1),
        "verified": verified.passed,
        "difference": max(float(output.max_rel) for output in verified.outputs.values()),
        **describe(folder / "model.onnx", name),
        "files": [file for file in target(name).TOOLCHAIN.files if (folder / file).is_file()],
    }


def describe(path: Path, name: str) -> dict[str, Any]:
    """Return what a model file is, read by ONNX's checker and judged by a target's rules."""
    model, report = ir.load(path), check_file(path, name)
    custom = Counter(operator_of(node) for node in model.graph if is_foreign(node))
    return {
        "checked": checked(path),
        "opset": model.graph.opset_imports[""],
        "nodes": report.counts,
        "rank": max(len(value.shape or ()) for node in model.graph for value in node.outputs),
        "custom": dict(custom),
        "unknown": sorted({finding.operator for finding in report.of("unknown")}),
        "cpu": sorted({finding.operator for finding in report.of("cpu")}),
    }


def checked(path: Path) -> str:
    """Return what ONNX's checker says; plugins without a domain, which it would take for standard, are set apart."""
    model = ir.load(path)
    apart = any(is_plugin(node) for node in model.graph)
    try:
        if apart:
            aside = path.with_name("checked.onnx")  # beside the weights
            onnx.save(with_domains(model), aside)
            onnx.checker.check_model(str(aside))
            aside.unlink()
        else:
            onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        return f"refused: {error}"
    return "passed, its plugins set apart" if apart else "passed"


if __name__ == "__main__":
    main()
