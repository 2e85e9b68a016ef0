"""Define the manifest's record of baked lenses: how the function that was built differs from the user's model."""

from __future__ import annotations

from specialize.text.record import Record


class BakedCamera(Record, frozen=True, kw_only=True):
    """One camera, by the model's matrix and through its lens.

    Attributes:
        name: Its name.
        lens: Model of its lens; `matrix` for a camera that keeps its matrix.
        limit_deg: Angle from the axis at and beyond which the lens sees nothing; null for a matrix.
        by_matrix: Visible pairs by the matrix that the user's model would be fed: that of the lens around its axis.
        through_lens: Visible pairs through the lens.
        gained: Pairs that only the lens sees.
        lost: Pairs that only the matrix sees.
        moved_px: Median distance between both places of a point that both see, network pixels.
        farthest_px: Largest such distance.
    """

    name: str
    lens: str
    limit_deg: float | None
    by_matrix: int
    through_lens: int
    gained: int
    lost: int
    moved_px: float
    farthest_px: float


class CutProof(Record, frozen=True, kw_only=True):
    """The user's model compared with the one whose projection was cut out, both projecting by matrices.

    Attributes:
        frames: Frames compared.
        outputs: Outputs compared.
        max_rel: Largest difference, relative to the scale of its element.
        noticed: Whether an output changes if the points are those of turned cameras.
    """

    frames: int
    outputs: int
    max_rel: float
    noticed: bool


class Baked(Record, frozen=True, kw_only=True):
    """Lenses that took the place of a model's matrices.

    Attributes:
        model: Name of the user's model.
        digest: Digest of the user's model; `digests.model` is that of the one with lenses.
        inputs: Inputs that hold projected points, in the place of matrices.
        cameras: How each camera differs.
        cut: That nothing but the projection was exchanged; null before it is proven.
    """

    model: str
    digest: str
    inputs: tuple[str, ...]
    cameras: tuple[BakedCamera, ...]
    cut: CutProof | None = None
