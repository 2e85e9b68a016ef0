"""Define the result of a benchmark. Times hold for one machine, so ratios come first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from specialize.evidence.spread import Spread, faster
from specialize.text.record import Record

PARTS = ("rows", "site", "model")


@dataclass(frozen=True, slots=True)
class FormTime:
    """One form of a model, as measured.

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

    def used_bytes(self) -> int:
        """Return the peak memory, the idle process not counted."""
        return self.peak_bytes - self.idle_bytes


class TimedForm(Record, frozen=True, kw_only=True):
    """One form, measured in a process of its own.

    Attributes:
        seconds: Time of one run.
        peak_bytes: Peak memory of the process.
        idle_bytes: The same before the model was opened.
        shares: Operator -> share (0 to 1) of the time in operators, by the runtime's own profile.
    """

    seconds: Spread
    peak_bytes: int
    idle_bytes: int
    shares: dict[str, float]


class BenchReport(Record, frozen=True, kw_only=True):
    """One part of a model in all forms; ratios refer to the first form.

    Attributes:
        ratios: Form -> how many times faster, round by round.
        memory_ratios: Form -> how many times less memory, the idle process not counted.
        runtime: Name and version of the runtime.
        threads: Threads within an operator.
        warmup: Runs of each form before timing.
        together: Whether all forms stayed open; if not, each was opened anew for every turn and ran once before.
        rounds: Timed runs of each form.
        forms: Form -> what was measured.
    """

    ratios: dict[str, Spread]
    memory_ratios: dict[str, float]
    runtime: str
    threads: int
    warmup: int
    together: bool
    rounds: int
    forms: dict[str, TimedForm]

    @staticmethod
    def of(
        runtime: str, threads: int, warmup: int, together: bool, forms: Mapping[str, FormTime]
    ) -> BenchReport:
        """Return the report of some forms, the first being the one to compare with."""
        first = next(iter(forms.values()))
        return BenchReport(
            ratios=faster({name: form.seconds for name, form in forms.items()}),
            memory_ratios={
                name: first.used_bytes() / max(1, form.used_bytes()) for name, form in forms.items()
            },
            runtime=runtime,
            threads=threads,
            warmup=warmup,
            together=together,
            rounds=len(first.seconds),
            forms={
                name: TimedForm(
                    seconds=Spread.of(form.seconds),
                    peak_bytes=form.peak_bytes,
                    idle_bytes=form.idle_bytes,
                    shares=dict(form.shares),
                )
                for name, form in forms.items()
            },
        )


class BuildBench(Record, frozen=True, kw_only=True, tag="specialize/bench@1", tag_field="schema"):
    """`specialize bench --json`.

    Attributes:
        ratios: Part -> form -> how many times faster than the original, the median over the rounds.
        model: Name of the model.
        vehicle: Name of the vehicle.
        site: Number of the attention site that was cut out.
        rows: Form -> rows that this site computes.
        parts: `rows` (the work on rows alone), `site` (with its projections), `model` (if it was asked for).
    """

    ratios: dict[str, dict[str, float]]
    model: str
    vehicle: str
    site: int
    rows: dict[str, int]
    parts: dict[str, BenchReport]

    @staticmethod
    def of(
        model: str, vehicle: str, site: int, rows: dict[str, int], parts: dict[str, BenchReport]
    ) -> BuildBench:
        """Return the forms of one build, timed part by part."""
        ratios = {
            part: {form: ratio.median for form, ratio in report.ratios.items()}
            for part, report in parts.items()
        }
        return BuildBench(ratios=ratios, model=model, vehicle=vehicle, site=site, rows=rows, parts=parts)
