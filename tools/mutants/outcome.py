"""What became of a mutant."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.mutants.catalogue import Mutant


@dataclass(frozen=True, slots=True)
class Try:
    """One mutant on one seed: `killed`, `survived` or `escaped`, by which check, and what the oracle measured."""

    seed: str
    verdict: str
    check: str = ""
    message: str = ""
    ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mutant, or none for the control: what became of it on each seed that it was built for.

    Attributes:
        mutant: The change.
        tries: One per seed.
        callers: Number of seeds that call what is changed.
    """

    mutant: Mutant | None
    tries: list[Try] = field(default_factory=list)
    callers: int = 0

    @property
    def verdict(self) -> str:
        """`escaped` if it escaped anywhere, else `killed` if it was killed anywhere, else `survived`.

        A mutant that has survived some of its seeds and was not built for the others is `open`.
        """
        found = {each.verdict for each in self.tries}
        quiet = "open" if len(self.tries) < self.callers else "survived"
        return next((word for word in ("escaped", "killed") if word in found), quiet)
