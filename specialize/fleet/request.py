"""What a fleet's builds shall be."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from specialize.calibration.tolerance import parse_tolerance
from specialize.errors import UsageError
from specialize.explain.plan import resolve_spec
from specialize.fleet.subsets import MOST
from specialize.plausibility.fit import require_known_codes
from specialize.plausibility.guesses import guess_findings
from specialize.precision import noise_warning
from specialize.request import BuildOptions, require_choice

PlanMode = Literal["auto", "exact", "envelope", "tables"]
PLAN_MODES: tuple[str, ...] = get_args(PlanMode)

OWN_TOLERANCE = "profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRequest:
    """What a fleet's builds shall be.

    Attributes:
        folder: The fleet's profiles.
        build: What every build is asked for.
        mode: How calibration is bound; `auto` takes what needs fewest builds.
        max_overhead: Share of further rows that a vehicle may compute; 0.05 is 5 %.
        tolerance: What an envelope covers beyond today's calibrations: nothing if empty, each profile's own
            tolerance if `profile`, else `rotation=0.5deg,...` for all.
        spare: Share of further rows in the capacities of tables, for calibrations to come.
        subsets: How many cameras of a vehicle may be missing at once: rigs with so many off are planned as well.
    """

    folder: Path
    build: BuildOptions = field(default_factory=BuildOptions)
    mode: PlanMode = "auto"
    max_overhead: float = 0.05
    tolerance: str = ""
    spare: float = 0.0
    subsets: int = 0

    def __post_init__(self) -> None:
        """Refuse what no plan can mean.

        Raises:
            UsageError: An option has a value that does not exist, or belongs to another mode.
            InputError: The tolerance is none.
        """
        require_choice("--mode", self.mode, PLAN_MODES)
        if self.tolerance not in ("", OWN_TOLERANCE):
            parse_tolerance(self.tolerance)
        if self.tolerance and self.mode == "exact":
            hint = "an exact build covers one calibration: remove --tolerance, or take another mode"
            raise UsageError("--tolerance", "--mode envelope, tables or auto", "--mode exact", hint)
        require_known_codes(self.build.allow)
        if not 0 <= self.subsets <= MOST:
            raise UsageError("--subsets", f"a number of cameras from 0 to {MOST}", str(self.subsets))
        for name, share in (("--max-overhead", self.max_overhead), ("--spare", self.spare)):
            if not 0 <= share < 10:
                raise UsageError(name, "a share such as 5% or 0.05", repr(share))

    @classmethod
    def of(cls, **options: Any) -> FleetRequest:
        """Return the request for options as a command line gives them, those of the builds among the others.

        Raises:
            UsageError: An option has a value that does not exist.
        """
        names = {part.name for part in fields(BuildOptions)}
        own = {name: value for name, value in options.items() if name not in names}
        common = {name: value for name, value in options.items() if name in names}
        return cls(build=BuildOptions(**common), **own)

    def warnings(self) -> tuple[str, ...]:
        """Return what to know before any of the builds drives a car.

        Raises:
            SpecializeError: There is no such model, or its sidecar is missing or wrong.
        """
        noise = self.build.precision != "float32" and self.build.frames_dir is None
        guessed = guess_findings(resolve_spec(self.build.model, self.build.model_spec).guessed)
        return (
            *((noise_warning(self.build.precision),) if noise else ()),
            *(f"{each.code}: {each.message}" for each in guessed),
        )
