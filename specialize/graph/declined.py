"""Why something was not done: a code for tests and programs, a text for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Declined:
    """Why something was not done.

    Attributes:
        code: Names the reason; it stays when the text is worded anew.
        text: The reason, for people.
        causes: Reasons found elsewhere that led to this one.
    """

    code: str
    text: str
    causes: tuple[Declined, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of the reason, then those of what led to it."""
        return (self.code, *(code for cause in self.causes for code in cause.codes))

    def under(self, title: str) -> Declined:
        """Return the reason with what it is about in front of its text; the same without a title."""
        return Declined(self.code, f"{title}: {self.text}", self.causes) if title else self
