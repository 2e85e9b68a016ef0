"""Compare every model family on vehicles, one process per model and vehicle, and print or write the table.

A row that was measured before is kept in `--folder` and not measured again, so that a run that was interrupted goes
on where it stopped; an empty folder measures everything. `make table` is the whole command.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from specialize.cli.render_compare import compare_markdown
from specialize.explain.compare import Comparison
from specialize.text.record import from_json

REPOSITORY = Path(__file__).parents[1]
MODELS = (
    "bevformer_tiny",
    "bevformer_small",
    "bevformer_base",
    "surroundocc",
    "streampetr",
    "bevfusion_camera",
)
BEGIN, END = "<!-- table of models: made by `make table` -->\n", "<!-- end of the table -->\n"


def row(model: str, calib: Path, folder: Path, rounds: int) -> Comparison:
    """Return what `specialize compare --json` says of one model on one vehicle, from the folder if it is there.

    Raises:
        SystemExit: The comparison failed; its message is printed.
    """
    kept = folder / f"{model}.{calib.stem}.json"
    if not kept.is_file():
        command = [sys.executable, "-m", "specialize", "compare", "--json", "--time", "--rounds", str(rounds)]
        command += ["--model", model, "--calib", str(calib.resolve())]
        print(f"comparing {model} on {calib.stem}", file=sys.stderr, flush=True)
        ran = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
        if ran.returncode != 0:
            raise SystemExit(f"{model} on {calib.stem}: exit code {ran.returncode}")
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(ran.stdout)
    (found,) = json.loads(kept.read_text())["rows"]
    return from_json(found, Comparison)


def written_into(document: str, table: str) -> str:
    """Return a document with the table between its two marks.

    Raises:
        ValueError: The document has no such marks.
    """
    before, mark, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"a document with {BEGIN!r} and {END!r}")
    return f"{before}{mark}\n{table.strip()}\n\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not there yet, and print the table or write it into a document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="*", default=list(MODELS), help="default: one of every family and size"
    )
    parser.add_argument(
        "--calib", type=Path, action="append", required=True, help="a profile; may be repeated"
    )
    parser.add_argument(
        "--folder", type=Path, default=REPOSITORY / "build" / "table", help="where rows are kept"
    )
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each form")
    parser.add_argument("--write", type=Path, help="document that takes the table between its marks")
    given = parser.parse_args(arguments)
    rows = [row(model, calib, given.folder, given.rounds) for model in given.models for calib in given.calib]
    table = str(compare_markdown(rows))
    if given.write is None:
        print(table)
    else:
        given.write.write_text(written_into(given.write.read_text(), table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
