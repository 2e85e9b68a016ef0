"""What a person may accept of a proof with `--allow`; the manifest records it."""

from __future__ import annotations

ILL_CONDITIONED = "ill-conditioned"
"""Outputs that rounding alone moves by more than a comparison could see."""

EMPTY_PROOF = "empty-proof"
"""A comparison that could not have failed."""

OF_A_PROOF = (EMPTY_PROOF, ILL_CONDITIONED)
