"""Run the command line as `python -m specialize`, and as the console script."""

from __future__ import annotations

import sys

from specialize.cli.app import run


def main() -> None:
    """Run the command line and exit with its exit code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
