"""Run the original on changed inputs: find what moves its outputs, and how far they move by themselves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from specialize.evidence.power import Influence, Kind, SitePower
from specialize.verify.conditioning import Bound, nudged
from specialize.verify.cut import Cut, camera_axes, cut
from specialize.verify.frames import Frames, TensorInfo
from specialize.verify.noise import movements
from specialize.verify.opened import SiteRows, open_at
from specialize.verify.pieces import open_in_order, open_original
from specialize.verify.power import influence
from specialize.verify.rows import Seen, see
from specialize.verify.runtime import RunError, Runner

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Information about an original that is needed to run it on changed inputs.

    Attributes:
        path: The original.
        threads: Threads per operator.
        cameras: Names of the cameras, in the order of the model.
        free: Inputs that neither the calibration nor a constant determines.
        switches: Those of them that are switches and counters: one unit in the last place would be another state.
        turned: Calibration inputs with every camera rotated; empty if they cannot be derived.
        spare: Additional frames to take other values of an input from.
        sites: Sites where the build drops rows, if known.
    """

    path: Path
    threads: int
    cameras: tuple[str, ...]
    free: Mapping[str, TensorInfo]
    switches: frozenset[str]
    turned: Arrays
    spare: Frames
    sites: tuple[SiteRows, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """The head's inputs with one thing changed."""

    kind: Kind
    name: str
    feed: Arrays


@dataclass(frozen=True, slots=True, eq=False)
class Studied:
    """What a study found.

    Attributes:
        bounds: What each output is judged by.
        influences: Every change and what it does.
        sites: What is shown at each site.
        lines: What cannot be shown at a site, in one line each.
    """

    bounds: Mapping[str, Bound]
    influences: tuple[Influence, ...]
    sites: tuple[SitePower, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Measure:
    """Measures what changes do to the head's outputs."""

    base: Arrays
    bounds: Mapping[str, Bound]
    progress: Callable[[str], None]

    def all(self, head: Runner, changes: Iterable[Change]) -> tuple[Influence, ...]:
        return tuple(self._one(head, change) for change in changes)

    def _one(self, head: Runner, change: Change) -> Influence:
        self.progress(f"influence of {change.name or 'the calibration'}")
        return influence(change.kind, change.name, self.base, head.run(change.feed), self.bounds)


@dataclass(slots=True, eq=False)
class Study:
    """An original, cut behind its backbone, on one frame.

    Attributes:
        subject: The original.
        feed: Inputs of the frame by name, calibration included.
        folder: Where the parts are written.
        unchanged: Inputs for which no frame has other values, once `influences` has been asked for.
        fixed: Whether the original does not run with its cameras turned: lengths of the calibration are in the file.
    """

    subject: Subject
    feed: Arrays
    folder: Path
    unchanged: list[str] = field(default_factory=list)
    fixed: bool = False

    @property
    def images(self) -> dict[str, int]:
        """Inputs that have an axis of cameras, and which axis that is."""
        return camera_axes(self.subject.free, len(self.subject.cameras))

    def run(
        self,
        bounds_of: Callable[[Mapping[str, float], Mapping[str, float]], Mapping[str, Bound]],
        progress: Callable[[str], None],
    ) -> Studied:
        """Measure the noise, then what every change does.

        Args:
            bounds_of: Returns what each output is judged by, from how far it moves under one unit in the last place
                and under another order of sums.
            progress: Called with what is changed before each run.
        """
        parts, given, head = self._split()
        feed = {**self.feed, **given[0]}
        base, ulp, order = self._noise(parts, feed, head, progress)
        bounds = bounds_of(ulp, order)
        measure = _Measure(base, bounds, progress)
        cameras = iter(()) if self.subject.sites else self._cameras(parts, feed)
        influences = measure.all(head, chain(cameras, self._others(feed, given[1:])))
        influences += self._turned(head, feed, measure)
        del head
        gc.collect()
        if not self.subject.sites:
            return Studied(bounds, influences, (), ())
        seen = self._sites(parts, feed, bounds, progress)
        reached = self._reached(parts, feed, seen, measure)
        return Studied(bounds, (*reached, *influences), seen.sites, seen.lines)

    def noise(self, progress: Callable[[str], None]) -> tuple[dict[str, float], dict[str, float]]:
        """Return how far each output moves under one unit in the last place, and under another order of sums.

        Args:
            progress: Called with what is changed before each run.
        """
        parts, given, head = self._split()
        _, ulp, order = self._noise(parts, {**self.feed, **given[0]}, head, progress)
        return ulp, order

    def _noise(
        self, parts: Cut, feed: Arrays, head: Runner, progress: Callable[[str], None]
    ) -> tuple[Arrays, dict[str, float], dict[str, float]]:
        """Return the outputs, and how far each moves."""
        base = head.run(feed)
        progress("one unit in the last place")
        ulp = movements(base, head.run(nudged(feed, self.subject.switches)))
        return base, ulp, self._order(parts, feed, base, progress)

    def _split(self) -> tuple[Cut, list[dict[str, np.ndarray]], Runner]:
        """Return the parts, the features for each change of the images, and the opened head."""
        try:
            return self._opened(cut(self.subject.path, self.images, len(self.subject.cameras), self.folder))
        except Exception:  # the runtime raises types of its own where it takes a model but not its parts
            return self._opened(Cut(None, self.subject.path, self.images, {}))

    def _opened(self, parts: Cut) -> tuple[Cut, list[dict[str, np.ndarray]], Runner]:
        given = self._given(parts, [{}, *self._image_changes()])
        return parts, given, open_original(parts.head, self.subject.threads)

    def _order(
        self, parts: Cut, feed: Arrays, base: Arrays, progress: Callable[[str], None]
    ) -> dict[str, float]:
        """Return how far each output moves in another order of sums; the backbone is the same in both models."""
        progress("another order of sums")
        try:
            return movements(base, open_in_order(parts.head, self.subject.threads).run(feed))
        except Exception:  # the runtime raises types of its own where it has kernels for the fused form only
            return {}

    def _sites(
        self,
        parts: Cut,
        feed: Arrays,
        bounds: Mapping[str, Bound],
        progress: Callable[[str], None],
    ) -> Seen:
        """Return what is shown at the sites."""
        progress("the sites")
        opened = open_at(parts.head, self.subject.sites, feed, self.subject.threads, self.folder)
        return see(opened, self.subject.sites, feed, self._swapped(parts, feed), bounds, progress)

    def _reached(self, parts: Cut, feed: Arrays, seen: Seen, measure: _Measure) -> Iterator[Influence]:
        """Return what each camera does: through the sites where that shows it, else in the whole head."""
        head, swapped = None, self._swapped(parts, feed)
        for camera in swapped:
            through = seen.cameras.get(camera)
            if through is not None and through.shown:
                yield through
                continue
            head = head or open_original(parts.head, self.subject.threads)
            yield from measure.all(head, [Change("camera", camera, {**feed, **swapped[camera]})])

    def _given(self, parts: Cut, changes: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
        """Return the features for each change of the images, by the names of the head's inputs."""
        if parts.backbone is None:
            return changes
        backbone = open_original(parts.backbone, self.subject.threads)
        found = []
        for change in changes:
            made = backbone.run({**self.feed, **change})
            found.append({**change, **{name: made[source] for name, source in parts.sources.items()}})
        del backbone
        gc.collect()
        return found

    def _image_changes(self) -> list[dict[str, np.ndarray]]:
        """Return one change per image input: every camera gets its neighbour's; none if there is one such input."""
        if len(self.images) < 2:
            return []
        return [{name: np.roll(self.feed[name], 1, axis)} for name, axis in self.images.items()]

    def _cameras(self, parts: Cut, feed: Arrays) -> Iterator[Change]:
        """Yield one change per camera: it gets the features of its neighbour."""
        for camera, features in self._swapped(parts, feed).items():
            yield Change("camera", camera, {**feed, **features})

    def _swapped(self, parts: Cut, feed: Arrays) -> Mapping[str, Arrays]:
        """Return for each camera all features, of which it has those of its neighbour."""
        return _Swapped(parts, feed, self.subject.cameras if parts.axes else ())

    def _others(self, feed: Arrays, image_changes: list[dict[str, np.ndarray]]) -> Iterator[Change]:
        for name, change in zip(self.images, image_changes, strict=bool(image_changes)):
            yield Change("input", name, {**feed, **change})
        for name in self.subject.free:
            if name in self.images:
                continue
            other = self._other(name)
            if other is None:
                self.unchanged.append(name)
            else:
                yield Change("input", name, {**feed, name: other})

    def _turned(self, head: Runner, feed: Arrays, measure: _Measure) -> tuple[Influence, ...]:
        """Return the effect of rotated cameras; empty if unknown, or if the original does not run with them."""
        if not self.subject.turned:
            return ()
        try:
            return measure.all(head, [Change("calibration", "", {**feed, **self.subject.turned})])
        except RunError:
            self.fixed = True
            return ()

    def _other(self, name: str) -> np.ndarray | None:
        """Return other values of an input from a spare frame; None if it is the same in all of them."""
        for frame in range(len(self.subject.spare)):
            array = self.subject.spare.one(frame, name)
            if not np.array_equal(array, self.feed[name]):
                return array
        return None


class _Swapped(Mapping[str, Arrays]):
    """For each camera all features, of which it has those of the next one, by the names of the head's inputs.

    They are made when they are asked for: a large model has hundreds of megabytes of features.
    """

    def __init__(self, parts: Cut, feed: Arrays, cameras: Sequence[str]) -> None:
        self._parts, self._feed, self._cameras = parts, feed, cameras

    def __getitem__(self, camera: str) -> Arrays:
        number = self._cameras.index(camera)
        return {name: _swapped(self._feed[name], axis, number) for name, axis in self._parts.axes.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._cameras)

    def __len__(self) -> int:
        return len(self._cameras)


def _swapped(array: np.ndarray, axis: int, camera: int) -> np.ndarray:
    """Return features in which one camera has those of the next one."""
    order = np.arange(array.shape[axis])
    order[camera] = (camera + 1) % len(order)
    return np.take(array, order, axis)
