"""Define the manifest's record of the witness, the second computation of the geometry."""

from __future__ import annotations

from specialize.text.record import Record


class WitnessedInput(Record, frozen=True, kw_only=True):
    """One calibration input, over everything that it was fed.

    Attributes:
        name: Name of the input.
        kind: Which matrix it is.
        cases: Calibrations that were compared, each for all cameras in order.
        deviation: Power of ten that bounds every entry's difference, relative to the largest entry of its matrix.
    """

    name: str
    kind: str
    cases: int
    deviation: float


class WitnessedGrid(Record, frozen=True, kw_only=True):
    """The visible sets of one grid.

    Attributes:
        queries: Number of queries.
        pairs: Pairs of camera and query that both see.
        doubtful: Pairs that float32 rounding may decide either way, by the witness's own bound.
        differing: Those of them that one sees and the other does not.
        farthest_px: Largest distance of a differing pair from the border of the image.
    """

    queries: int
    pairs: int
    doubtful: int
    differing: int
    farthest_px: float


class WitnessedSite(Record, frozen=True, kw_only=True):
    """One site of the specialized graph.

    Attributes:
        where: The node whose result the site computes.
        grid: Number of its grid.
        pairs: Pairs that its sums read and the witness sees.
        rounding: Pairs that its sums read because of rounding, or in an envelope because others may see them.
        unread: Pairs that the witness surely sees and its sums do not read: the model itself leaves them out.
        rows: Number of gathers whose indices are the pairs that the sums read.
    """

    where: str
    grid: int
    pairs: int
    rounding: int
    unread: int
    rows: int


class WitnessedEnvelope(Record, frozen=True, kw_only=True):
    """The search for calibrations within the tolerance that show what the envelope leaves out.

    Attributes:
        tried: Points times moves that were projected.
        margin_px: How far from an image the nearest point stayed that the envelope leaves out; null without any.
        gained: Per adverse calibration that was verified, the pairs that it shows beyond the nominal one.
        cases: Calibrations that the whole model was run with.
    """

    tried: int
    margin_px: float | None
    gained: tuple[int, ...]
    cases: int


class WitnessedFrustum(Record, frozen=True, kw_only=True):
    """The pooling of the points that a model lifts.

    Attributes:
        where: The value of the specialized graph that holds the sums.
        points: Points of all cameras.
        kept: Those that land in a cell.
        doubtful: Points that float32 rounding may put into another cell, or outside, by the witness's own bound.
        cells: Cells in which a point lands.
        not_compared: Cells in which a doubtful point may land.
        order: Order of the axes of cells in the sums.
    """

    where: str
    points: int
    kept: int
    doubtful: int
    cells: int
    not_compared: int
    order: str


class Witness(Record, frozen=True, kw_only=True):
    """What was compared with the witness, and what was not.

    Attributes:
        inputs: Calibration inputs.
        grids: Visible sets.
        sites: Rows and sums of the specialized graph.
        frustum: The pooling of lifted points; null if the sidecar has none.
        other_frustums: The poolings of the same points into other grids of cells.
        envelope: The search at the edge of the tolerance; null outside that mode.
        tables: What each table was compared with, by name; empty outside that mode.
        not_witnessed: What could not be compared, and why.
    """

    inputs: tuple[WitnessedInput, ...] = ()
    grids: tuple[WitnessedGrid, ...] = ()
    sites: tuple[WitnessedSite, ...] = ()
    frustum: WitnessedFrustum | None = None
    other_frustums: tuple[WitnessedFrustum, ...] = ()
    envelope: WitnessedEnvelope | None = None
    tables: dict[str, str] = {}
    not_witnessed: tuple[str, ...] = ()

    def line(self) -> str:
        """Summarise in one line what agrees."""
        said = []
        if self.grids:
            pairs, doubtful = (
                sum(getattr(grid, key) for grid in self.grids) for key in ("pairs", "doubtful")
            )
            rounding = f" ({doubtful:,} within rounding of a border)" if doubtful else ""
            said.append(f"{pairs:,} pairs agree{rounding}")
        if self.frustum is not None:
            others = f" in {len(self.other_frustums) + 1} grids" if self.other_frustums else ""
            said.append(f"{self.frustum.kept:,} of {self.frustum.points:,} lifted points agree{others}")
        if self.inputs:
            largest = max(each.deviation for each in self.inputs)
            said.append(f"calibration within {largest:.0e}")
        if self.envelope is not None and self.envelope.margin_px is not None:
            said.append(f"no excluded pair comes closer to an image than {self.envelope.margin_px:.3g} px")
        if self.tables:
            said.append(f"{len(self.tables)} tables decoded")
        if self.not_witnessed:
            said.append(f"not witnessed: {len(self.not_witnessed)}, see the manifest")
        return f"witness: {', '.join(said) or 'nothing to compare'}"
