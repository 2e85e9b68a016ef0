"""Define the manifest's record of how plausible the values of a build are."""

from __future__ import annotations

from collections.abc import Sequence

from specialize.text.record import Record


class CameraSight(Record, frozen=True, kw_only=True):
    """What one camera sees, as shares rounded to a thousandth.

    Attributes:
        name: Name of the camera.
        lens: Share of the points around the car that the raw image shows.
        network: Share of these that the network's image shows as well.
        outside: Share of what the network's image shows that is outside the raw image, in padding.
        grids: Share of the queries that the camera sees, per grid of the sidecar.
    """

    name: str
    lens: float
    network: float
    outside: float
    grids: tuple[float, ...]


class MaskSight(Record, frozen=True, kw_only=True):
    """The graph's masks of one grid, compared with an independent projection.

    Attributes:
        grid: Number of the grid in the sidecar.
        sites: Number of sites that were compared.
        pairs: Camera-query pairs that the graph keeps at any of them.
        projected: Pairs that the projection sees.
        agreement: Pairs in both divided by pairs in either; for an envelope, which keeps more, the share of the
            projection's pairs that the graph keeps.
    """

    grid: int
    sites: int
    pairs: int
    projected: int
    agreement: float


class Pooled(Record, frozen=True, kw_only=True):
    """Rows that are pooled into cells, such as points of a frustum: their number, and how many are kept."""

    points: int
    kept: int


class Plausibility(Record, frozen=True, kw_only=True):
    """Whether the inputs and masks of a model are plausible.

    Attributes:
        cameras: What each camera sees.
        masks: The graph's masks, per grid.
        pooled: The largest pooling, if there is no mask per camera and query.
        doubts: Distinct codes of the findings about values, in order.
        not_compared: What could not be judged, with the reason.
    """

    cameras: tuple[CameraSight, ...] = ()
    masks: tuple[MaskSight, ...] = ()
    pooled: Pooled | None = None
    doubts: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()

    def line(self) -> str:
        """Summarise the record in one line."""
        said = []
        if self.cameras:
            least = min(camera.network for camera in self.cameras)
            whole = "all" if least >= 1 else f"at least {percent(least)}"
            said.append(f"images show {whole} of what the lenses see")
            shares = [camera.grids[0] for camera in self.cameras if camera.grids]
            if shares:
                said.append(f"{percent(min(shares))} to {percent(max(shares))} of queries per camera")
        if self.masks:
            least = min(mask.agreement for mask in self.masks)
            said.append(f"masks agree with the projection: {percent(least, 2)}")
        if self.pooled is not None and self.pooled.points:
            share = self.pooled.kept / self.pooled.points
            said.append(f"{percent(share)} of {self.pooled.points:,} pooled rows are kept")
        verdict = f"doubtful ({', '.join(self.doubts)})" if self.doubts else "plausible"
        return f"{verdict}: {', '.join(said)}" if said else "plausibility: nothing to judge"


def percent(share: float, digits: int = 0) -> str:
    """Format a share in percent, rounded down if rounding would suggest that nothing is missing."""
    shown = f"{100 * share:.{digits}f} %"
    return shown if share >= 1 or not shown.startswith("100") else f"{99 + (1 - 10**-digits):.{digits}f} %"


def shares(numbers: Sequence[float]) -> tuple[float, ...]:
    """Round shares to a thousandth, because further digits differ between machines."""
    return tuple(round(float(number), 3) for number in numbers)
