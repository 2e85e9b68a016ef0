"""Warn of a sidecar's values that a draft guessed: models fed with the same wrong matrices cannot reveal them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from specialize.calibration.lint.findings import Finding


def guess_findings(guessed: Sequence[str]) -> Iterator[Finding]:
    """Yield one finding for all places of a sidecar that hold a guess."""
    if guessed:
        message = f"the sidecar holds guesses of a draft: {', '.join(guessed)}; a wrong one is not detected"
        yield Finding(
            "guessed", "warning", "", message, "decide each and remove it from `guessed` of the sidecar"
        )
