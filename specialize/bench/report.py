"""What a benchmark found. Times are of one machine; ratios are what one takes home, so they come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SCHEMA = "specialize/bench@1"
PARTS = ("rows", "site", "model")


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its quartiles and extremes."""

    median: float
    low: float
    high: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        least, low, median, high, most = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist()
        return Spread(median, low, high, least, most)

    def to_json(self) -> dict[str, float]:
        """Return the five numbers."""
        return {
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "least": self.least,
            "most": self.most,
        }


@dataclass(frozen=True, slots=True)
class FormTime:
    """One form of a model.

    Attributes:
        seconds: Time of one run, in the order of the rounds.
        peak_bytes: Peak memory of the form's process, the runtime included.
        idle_bytes: Peak memory of the same process before the model was opened.
        shares: Operator -> share (0 to 1) of the time inside operators, by the runtime's own profile.
    """

    seconds: tuple[float, ...]
    peak_bytes: int
    idle_bytes: int
    shares: Mapping[str, float]

    def spread(self) -> Spread:
        """Return the spread of the times in seconds."""
        return Spread.of(self.seconds)


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Several forms on one runtime, the first being the one to compare with.

    Attributes:
        runtime: Name and version of the runtime.
        threads: Threads within an operator.
        warmup: Runs of each form before timing.
        together: Whether all forms stayed open; if not, each was opened anew for every turn and ran once before.
        forms: The forms by name, in the order given.
    """

    runtime: str
    threads: int
    warmup: int
    together: bool
    forms: Mapping[str, FormTime]

    @property
    def rounds(self) -> int:
        """Number of timed runs of each form."""
        return min(len(form.seconds) for form in self.forms.values())

    def ratio(self, form: str) -> Spread:
        """Return how many times faster a form is than the first, taken round by round."""
        first = next(iter(self.forms.values())).seconds
        return Spread.of([a / b for a, b in zip(first, self.forms[form].seconds, strict=True)])

    def memory_ratio(self, form: str) -> float:
        """Return how many times less memory a form takes than the first, the idle process not counted."""
        first = next(iter(self.forms.values()))
        other = self.forms[form]
        return (first.peak_bytes - first.idle_bytes) / max(1, other.peak_bytes - other.idle_bytes)

    def to_json(self) -> dict[str, object]:
        """Return plain values, ratios first."""
        return {
            "ratios": {name: self.ratio(name).to_json() for name in self.forms},
            "memory_ratios": {name: self.memory_ratio(name) for name in self.forms},
            "runtime": self.runtime,
            "threads": self.threads,
            "warmup": self.warmup,
            "together": self.together,
            "rounds": self.rounds,
            "forms": {
                name: {
                    "seconds": form.spread().to_json(),
                    "peak_bytes": form.peak_bytes,
                    "idle_bytes": form.idle_bytes,
                    "shares": dict(form.shares),
                }
                for name, form in self.forms.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildBench:
    """The forms of one build, timed.

    Attributes:
        model: Name of the model.
        vehicle: Name of the vehicle.
        site: Number of the attention site that was cut out.
        rows: Form -> rows that this site computes.
        parts: `rows` (the work on rows alone), `site` (with its projections), and `model` if it was asked for.
    """

    model: str
    vehicle: str
    site: int
    rows: Mapping[str, int]
    parts: Mapping[str, BenchReport]

    def to_json(self) -> dict[str, object]:
        """Return plain values, ratios first."""
        ratios = {
            part: {form: report.ratio(form).median for form in report.forms}
            for part, report in self.parts.items()
        }
        return {
            "schema": SCHEMA,
            "ratios": ratios,
            "model": self.model,
            "vehicle": self.vehicle,
            "site": self.site,
            "rows": dict(self.rows),
            "parts": {part: report.to_json() for part, report in self.parts.items()},
        }
