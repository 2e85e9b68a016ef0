"""Draft a sidecar from the graph alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from specialize.artifact.manifest import Tensor
from specialize.calibration.profile import CalibrationProfile
from specialize.drafting.entries import Entry, draft_entries
from specialize.drafting.grids import WITHOUT, Place, described, places_of
from specialize.drafting.image import ImageDraft, draft_image
from specialize.drafting.layout import layout_of
from specialize.drafting.lens_numbers import lens_numbers, or_of_a_lens
from specialize.drafting.outside import tables_from_outside
from specialize.drafting.points import Typed
from specialize.drafting.pools import PoolDraft
from specialize.drafting.size import image_size
from specialize.drafting.text import entry_text, sidecar_text
from specialize.drafting.trial import Assignment, Trials
from specialize.drafting.use import Pixels, pixels_of
from specialize.model.kinds import KINDS
from specialize.model.spec import InputKind, ModelSpec


@dataclass(frozen=True, slots=True)
class Draft:
    """Information for a sidecar, derived from the graph.

    Attributes:
        name: Name of the model.
        image: Preparation of images.
        entries: Inputs that may be calibration.
        typed: Points that the graph projects, in graph order.
        cameras: Names of the cameras of the vehicle used for the draft.
        frame: Frame of these points: `lidar`, `ego`, or `first` for the first camera's.
        pool: A pooling whose tables are inputs.
    """

    name: str
    image: ImageDraft
    entries: tuple[Entry, ...]
    typed: tuple[Typed, ...]
    cameras: tuple[str, ...]
    frame: str = "lidar"
    pool: PoolDraft | None = None

    def calibration(self) -> dict[str, str]:
        """Return the draft's kind of each calibration input, or GUESS with several kinds."""
        return {entry.name: entry_text(entry) for entry in self.entries if entry.kinds}

    def places(self, queries: Collection[int] = ()) -> tuple[Place, ...]:
        """Return the sets of points that the graph projects, if its sites have some numbers of queries."""
        places = places_of(self.typed, queries)
        if self.frame == "lidar":
            return places
        return tuple(replace(place, grid=None, reason=_other_frame(place, self.frame)) for place in places)

    def text(self, places: Sequence[Place] | None = None) -> str:
        """Return the text of the sidecar, for a person to complete; `places` are the sets of points, if known."""
        shown = self.places() if places is None else places
        frustum = () if self.pool is None else self.pool.lines()
        return sidecar_text(self.name, self.image, self.entries, shown, self.cameras, frustum)

    def spec(self, queries: Collection[int] = ()) -> ModelSpec:
        """Return the sidecar with every guess taken as right, to show what a specialization would do."""
        grids = tuple(place.grid for place in self.places(queries) if place.grid is not None)
        kinds: dict[str, str | InputKind] = {
            entry.name: InputKind(kind=entry.kinds[0], repeat=entry.repeat)
            for entry in self.entries
            if entry.kinds
        }
        frustum = None if self.pool is None else self.pool.frustum
        return ModelSpec(
            name=self.name, image=self.image.prep, calibration_inputs=kinds, grids=grids, frustum=frustum
        )


def draft_sidecar(
    name: str,
    model: ir.Model,
    inputs: Sequence[Tensor],
    profile: CalibrationProfile | None,
    given: bool,
    pool: PoolDraft | None = None,
) -> Draft:
    """Draft a sidecar.

    Args:
        name: Name of the model.
        model: The graph, folded.
        inputs: Its inputs.
        profile: A vehicle with the same number of cameras.
        given: Whether the vehicle is the user's own.
        pool: A pooling whose tables are inputs.
    """
    entries, trials = draft_entries(model, inputs)
    numbers = lens_numbers(inputs, layout_of(inputs).cameras, {entry.name for entry in entries})
    entries = (*map(or_of_a_lens, entries), *numbers) if numbers else entries
    entries += tables_from_outside(
        inputs, {entry.name for entry in entries} | (pool.names() if pool else set())
    )
    kinds = {entry.name: entry.kinds[0] for entry in entries if entry.kinds}
    frame = next((each for each in ("first", "ego") if any(each in kind for kind in kinds.values())), "lidar")
    projected, lifted, pixels = _found(trials, kinds, frame) if trials is not None and kinds else ((), (), ())
    others = [tensor for tensor in inputs if tensor.name not in kinds]
    maps = {(each.shape[-1], each.shape[-2]) for each in others if len(each.shape) >= 4}
    size = image_size(pixels, maps)
    image = draft_image(others, size, lifted, profile, given)
    if not image.size_sure:
        entries = tuple(_in_doubt(entry) for entry in entries)
    cameras = profile.camera_names() if profile is not None else ()
    entries += () if pool is None else pool.entries
    return Draft(name, image, entries, projected, cameras, frame, pool)


def _other_frame(place: Place, frame: str) -> str:
    """Return why a grid of points outside the lidar frame is left out."""
    whose = {"ego": "the vehicle's frame", "first": "the first camera's frame"}[frame]
    return f"{described(place)}: its points are in {whose}, but a sidecar needs the lidar's; {WITHOUT}"


def _in_doubt(entry: Entry) -> Entry:
    """Return an entry that may be in pixels of a feature map, because the image size is unknown."""
    if not entry.kinds or entry.kinds[0] not in KINDS or not KINDS[entry.kinds[0]].pixels:
        return entry
    repeat = "" if entry.repeat == 1 else f", repeat: {entry.repeat}"
    record = f"{{kind: {entry.kinds[0]}, stride: image / map{repeat}}}"
    return replace(
        entry, sure=False, comment=f"{entry.comment}; {record} if its pixels are those of a feature map"
    )


def _found(
    trials: Trials, kinds: Assignment, frame: str
) -> tuple[tuple[Typed, ...], tuple[Typed, ...], tuple[Pixels, ...]]:
    """Return the points that a graph projects, those that it lifts, and how it uses pixels."""
    values = trials.pointlike(frozenset(kinds))
    typed = [one for found in trials.typed(kinds, values).values() for one in found if frame in one.transform]
    lifted = tuple(one for one in typed if one.transform.startswith("img2"))
    projected, pixels = [], []
    for one in typed:
        if one.transform.endswith("2img") and one.source == "metres":
            used = pixels_of(trials, kinds, one)
            if used.ratios or used.strides():
                projected.append(one)
                pixels.append(used)
    return tuple(projected), lifted, tuple(pixels)
