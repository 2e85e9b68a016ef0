"""Inspect, build and time exports of published models, and write what was measured into the guide.

    FOLDER/NAME/model*.onnx          an export
    FOLDER/NAME/right*.model.yaml    its sidecar as a person decided it: right.model.yaml, or right_X for model_X.onnx
    FOLDER/NAME/truth.py             optional: `calibration_inputs(profile path)` returns what the inputs should be fed,
                                     by name, computed without `specialize`; `SPECIAL` may make other inputs

The exports are not part of the project; with such a folder the table can be made again. Figures are kept in a
file of results, export by export, and what is there is not measured again. The exit code is 1 if a build differs from
its original, a draft is wrong, or what is counted and what is measured point in different directions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from specialize.files.scratch import temporary_folder
from tools.families_table import of_build, of_draft, table, troubles

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "docs" / "families.json"
GUIDE = REPOSITORY / "docs" / "guides" / "forms.md"
BEGIN, END = "<!-- families: made by `python -m tools.families` -->\n", "<!-- end of families -->"
SCHEMA = "specialize/evidence-families@1"
ROUNDS = 7
FRAMES = 2
"""That a build is proven with; the worker compares two more, fed with matrices of another source."""


def exports(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the exports of a folder that have a sidecar, small ones first.

    Args:
        folder: With a folder for each model.
        names: Names of models, or `NAME/FILE.onnx`; all if none are given.
    """
    found = [path for path in folder.glob("*/model*.onnx") if sidecar_of(path).is_file()]
    chosen = [
        path
        for path in found
        if not names or {path.parent.name, f"{path.parent.name}/{path.name}"} & {*names}
    ]
    return sorted(chosen, key=lambda path: (path.stat().st_size, str(path)))


def sidecar_of(export: Path) -> Path:
    """Return the decided sidecar of an export: its own, or that of its folder."""
    own = export.with_name(export.stem.replace("model", "right", 1) + ".model.yaml")
    return own if own.is_file() else export.with_name("right.model.yaml")


def label(export: Path) -> str:
    """Return what an export is called in the table."""
    form = export.stem.removeprefix("model").strip("_")
    return export.parent.name + (f"/{form}" if form else "")


def measured(export: Path, calib: Path, other: Path, rounds: int) -> dict[str, Any]:
    """Return what is found about one export, each step in a process of its own."""
    with temporary_folder("families") as folder:
        build, sidecar = folder / "build", sidecar_of(export)
        seen = _json("specialize", "inspect", "--json", "--calib", calib, export)
        made = _json(
            "specialize",
            "build",
            "--json",
            "--no-measure",
            "--frames",
            FRAMES,
            "--calib",
            calib,
            "--model",
            export,
            "--model-spec",
            sidecar,
            "-o",
            build,
        )
        found: dict[str, Any] = {"inspect": seen, "build": made}
        if "error" not in made:
            found["build"] = json.loads((build / "manifest.json").read_text())
            asked = ("--rounds", rounds, "--calib", calib, "--other", other)
            found["runs"] = _json("tools.families_worker", export, build, *asked)
        return _summary(export, found)


def _json(module: str, *arguments: object) -> dict[str, Any]:
    """Return what a command prints as JSON, or its error."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return dict(json.loads(ran.stdout))
    lines = [line for line in ran.stderr.splitlines() if line.strip()] or ["nothing was printed"]
    told = next((line for line in lines if line.startswith("error: ")), lines[-1])
    for path in (each for each in arguments if isinstance(each, Path)):
        told = told.replace(str(path), path.name)
    return {"error": told.removeprefix("error: "), "code": ran.returncode}


def _summary(export: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the table from what the commands print."""
    seen, made = found["inspect"], found["build"]
    known = {"draft": of_draft(seen, sidecar_of(export).read_text()), "build": of_build(made)}
    return known | ({"runs": found["runs"]} if "runs" in found else {})


def write_guide(results: dict[str, Any], guide: Path) -> None:
    """Put the table between its marks."""
    before, mark, rest = guide.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{guide}: expected {BEGIN!r} and {END!r}")
    guide.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, keep the results, print the table; with `--write` put it into the guide."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", help="folder of exports; without it the kept results are told"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="exports to measure [default: all]")
    parser.add_argument("--calib", type=Path, default=REPOSITORY / "calib_profiles" / "car42.yaml")
    parser.add_argument("--other", type=Path, default=REPOSITORY / "calib_profiles" / "car43.yaml")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--guide", type=Path, default=GUIDE)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="timed runs of each form, interleaved")
    parser.add_argument("--again", action="store_true", help="measure what was measured already")
    parser.add_argument("--write", action="store_true", help="write the table into the guide")
    asked = parser.parse_args(arguments)
    results = json.loads(asked.results.read_text())["exports"] if asked.results.exists() else {}
    for export in exports(asked.folder.resolve(), asked.names) if asked.folder else []:
        if asked.again or label(export) not in results:
            print(label(export), file=sys.stderr, flush=True)
            results[label(export)] = measured(
                export, asked.calib.resolve(), asked.other.resolve(), asked.rounds
            )
            text = json.dumps({"schema": SCHEMA, "exports": results}, indent=1, sort_keys=True) + "\n"
            asked.results.write_text(text)
    print(table(results))
    wrong = troubles(results)
    print("".join(f"\nwrong: {line}" for line in wrong))
    if asked.write:
        write_guide(results, asked.guide)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
