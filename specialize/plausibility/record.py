"""What was seen when the values of a build were judged, as its manifest keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from specialize.record import Record


class CameraSight(Record, frozen=True, kw_only=True):
    """What one camera sees, in shares rounded to a thousandth.

    Attributes:
        name: Name of the camera.
        lens: Share of the points around the car that the raw image sees.
        network: Share of these that the network's image sees as well.
        outside: Share of what the network's image sees that is outside the raw image, in padding.
        grids: Share of the queries that it sees, per grid of the sidecar.
    """

    name: str
    lens: float
    network: float
    outside: float
    grids: tuple[float, ...]


class MaskSight(Record, frozen=True, kw_only=True):
    """The graph's own masks of one grid, compared with an independent projection.

    Attributes:
        grid: Number of the grid in the sidecar.
        sites: Number of sites that were compared.
        pairs: Pairs of camera and query that the graph keeps at any of them.
        projected: Pairs that the projection sees.
        agreement: Pairs of both by pairs of either; of an envelope, which keeps more, the share of what the projection
            sees that the graph keeps.
    """

    grid: int
    sites: int
    pairs: int
    projected: int
    agreement: float


class Pooled(Record, frozen=True, kw_only=True):
    """Rows that are pooled into cells, such as points of a frustum: how many there are, and how many are kept."""

    points: int
    kept: int


class Plausibility(Record, frozen=True, kw_only=True):
    """Whether what a model is fed is plausible.

    Attributes:
        cameras: What each camera sees.
        masks: The graph's own masks, per grid.
        pooled: The largest pooling, where there is no mask per camera and query.
        doubts: Codes of the findings about values, each once, in order.
        not_compared: What could not be judged, and why.
    """

    cameras: tuple[CameraSight, ...] = ()
    masks: tuple[MaskSight, ...] = ()
    pooled: Pooled | None = None
    doubts: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()

    def line(self) -> str:
        """Return in one line what was seen."""
        said = []
        if self.cameras:
            least = min(camera.network for camera in self.cameras)
            whole = "all" if least >= 1 else f"at least {percent(least)}"
            said.append(f"images show {whole} of what lenses see")
            shares = [camera.grids[0] for camera in self.cameras if camera.grids]
            if shares:
                said.append(f"{percent(min(shares))} to {percent(max(shares))} of queries each")
        if self.masks:
            least = min(mask.agreement for mask in self.masks)
            said.append(f"masks as projected: {percent(least, 2)}")
        if self.pooled is not None and self.pooled.points:
            share = self.pooled.kept / self.pooled.points
            said.append(f"{percent(share)} of {self.pooled.points:,} pooled rows are kept")
        verdict = f"doubtful ({', '.join(self.doubts)})" if self.doubts else "plausible"
        return f"{verdict}: {', '.join(said)}" if said else "plausibility: nothing to judge"


def percent(share: float, digits: int = 0) -> str:
    """Return a share in percent, rounded down where rounding would say that nothing is missing."""
    shown = f"{100 * share:.{digits}f} %"
    return shown if share >= 1 or not shown.startswith("100") else f"{99 + (1 - 10**-digits):.{digits}f} %"


def shares(numbers: Sequence[float]) -> tuple[float, ...]:
    """Return shares rounded to a thousandth: what is below differs between machines."""
    return tuple(round(float(number), 3) for number in numbers)
