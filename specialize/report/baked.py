"""Show what baked lenses change about a user's model, for command line and reports: it is another function."""

from __future__ import annotations

from specialize.artifact.baked import Baked, BakedCamera
from specialize.text.document import Table, table
from specialize.text.units import count, counted


def baked_line(baked: Baked) -> str:
    """Return in one line that a build is another function than the user's model, and by how much."""
    gained, lost = (sum(getattr(each, key) for each in baked.cameras) for key in ("gained", "lost"))
    farthest = max((each.farthest_px for each in baked.cameras), default=0.0)
    return (
        f"baked: another function than {baked.model}. Through lenses {counted(gained, 'pair')} are gained and {lost:,} "
        f"lost; a point that both see moves by up to {farthest:.3g} px"
    )


def cut_line(baked: Baked) -> str:
    """Return in one line what is proven of the exchange of the projection."""
    if baked.cut is None:
        return f"NOT proven: that nothing but the projection of {baked.model} was exchanged"
    outputs, frames = counted(baked.cut.outputs, "output"), counted(baked.cut.frames, "frame")
    return (
        f"exchanged: the projection of {baked.model} and nothing else; given its own points, the rest computes the "
        f"same {outputs} over {frames}"
    )


def baked_table(baked: Baked) -> Table:
    """Return how each camera differs from what its matrix says."""
    rows = ((each.name, *_numbers(each)) for each in baked.cameras)
    return table(
        "camera", "lens", "limit", "pairs by matrix", "through the lens", "gained", "lost", "median move", "farthest",
        rows=rows,
    )  # fmt: skip


def baked_parts(baked: Baked | None) -> tuple[str | Table, ...]:
    """Return how far a build with lenses is from the user's model; nothing for a build of the model itself."""
    return () if baked is None else (baked_line(baked), baked_table(baked))


def _numbers(camera: BakedCamera) -> tuple[str, ...]:
    limit = "" if camera.limit_deg is None else f"{camera.limit_deg:.0f} deg"
    pairs = map(count, (camera.by_matrix, camera.through_lens, camera.gained, camera.lost))
    moved = (f"{camera.moved_px:.3g} px", f"{camera.farthest_px:.3g} px")
    return camera.lens, limit, *pairs, *(moved if camera.limit_deg is not None else ("", ""))
