"""Run the segments of some values of a model on recorded values, in pieces where a segment is large."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from specialize.verify.by_rows import ByRows, by_rows
from specialize.verify.parts import fed, open_part, part_of, run_part
from specialize.verify.segments import Net, Segment

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteRuns:
    """What runs the segments of some values; each run opens one model after the other.

    Attributes:
        whole: A part that computes several values at once, as far as there are any.
        pieces: Parts that are run by rows, by the value that each computes.
        folder: Folder of the weights.
        threads: Threads within an operator.
    """

    whole: onnx.ModelProto | None
    pieces: Mapping[str, ByRows]
    folder: Path
    threads: int

    def run(self, feed: Arrays, optimize: bool = True) -> dict[str, np.ndarray]:
        """Return the values.

        Args:
            feed: Named values and inputs.
            optimize: Whether the runtime may rewrite the graphs; without, it adds in another order.
        """
        found: dict[str, np.ndarray] = {}
        if self.whole is not None:
            found |= run_part(open_part(self.whole, self.folder, self.threads, optimize), feed)
        for name, each in self.pieces.items():
            found[name] = np.concatenate(list(self._by_rows(name, each, feed, optimize)), axis=each.axis)
        return found

    def _by_rows(self, name: str, each: ByRows, feed: Arrays, optimize: bool) -> Iterator[np.ndarray]:
        values = {**each.constants}
        if each.head is not None:
            values |= run_part(open_part(each.head, self.folder, self.threads, optimize), feed)
        values |= {value: fed(value, feed) for value, _ in each.feeds.values() if value not in values}
        runner = open_part(each.rows, self.folder, self.threads, optimize, "kept")
        for piece in each.pieces(values):
            yield runner.run(piece)[name]


def site_runs(
    net: Net,
    segments: Mapping[str, Segment],
    names: Sequence[str],
    feed: Arrays,
    place: tuple[Path, int],
    calibration: Collection[str] | None = None,
) -> SiteRuns:
    """Return what runs the segments of some values.

    Args:
        net: The graph.
        segments: The segment of each value.
        names: The values.
        feed: What is read, by name, for types and shapes.
        place: Folder of the weights, and threads within an operator.
        calibration: Inputs that are calibration, if large segments are run by rows.
    """
    folder, threads = place
    pieces: dict[str, ByRows] = {}
    for name in names if calibration is not None else ():
        found = by_rows(part_of(net, segments, [name], feed), calibration or (), folder)
        if found is not None:
            pieces[name] = found
    rest = [name for name in names if name not in pieces]
    whole = part_of(net, segments, rest, feed) if rest else None
    return SiteRuns(whole=whole, pieces=pieces, folder=folder, threads=threads)
