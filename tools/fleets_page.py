"""Write the table of simulated fleets in docs/concepts/fleet-plan.md from benchmarks/results/fleets.json.

usage: python -m tools.fleets_page [--write docs/concepts/fleet-plan.md]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.fleets import Figure, page_row  # noqa: E402  the checkout, not an installed package
from benchmarks.run import RESULTS  # noqa: E402  the checkout, not an installed package
from tools.marks import Marks  # noqa: E402  the checkout

PAGE = ROOT / "docs" / "concepts" / "fleet-plan.md"
MARKS = Marks("fleets")
HEAD = (
    "| command | vehicles | wall time | processor time of a vehicle | most memory of one | kinds | builds | on |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def table(data: dict[str, dict[str, dict[str, object]]]) -> str:
    """Return the figures, a row for each case and number of vehicles."""
    rows = [page_row(name, Figure(**figure)) for name, figure in data["figures"].items()]  # type: ignore[arg-type]
    return "\n".join([HEAD, *rows])


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    text = table(json.loads((RESULTS / "fleets.json").read_text()))
    if given.write is None:
        print(text)
    else:
        MARKS.write(given.write, text)


if __name__ == "__main__":
    main()
