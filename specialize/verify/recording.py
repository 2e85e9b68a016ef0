"""Record, when a build has been proven whole, what further builds of the same model are proven with at the sites.

The original runs once more, with the values that its bound segments read and compute as outputs, and so does the
specialized model: both must have the same there. Then the bound segments alone run on these values, and must give what
the whole original gave. What is kept is generic (`generic`): the same values in another order where they follow from
the calibration. How far bound values move by themselves becomes the bound of later comparisons, and cameras turned by
2 degrees must move each of them by more.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from specialize.digest import digest, digest_file
from specialize.errors import DeclinedError
from specialize.evidence.at_sites import Recorded, SiteNoise
from specialize.evidence.power import SHOWN
from specialize.verify.alike import constants_of
from specialize.verify.compare import compare_arrays
from specialize.verify.conditioning import Bound, Noise, bound_of, nudged
from specialize.verify.cutting import Cutting, cut_both
from specialize.verify.generic import rewritten, shuffle, switched
from specialize.verify.noise import movements
from specialize.verify.parts import open_part, with_outputs
from specialize.verify.pieces import pieces_of
from specialize.verify.power import movements as multiples
from specialize.verify.scale import output_scale
from specialize.verify.segments import Net, net_of, segment_digests
from specialize.verify.site_runs import SiteRuns, site_runs
from specialize.verify.spilled import Spilled
from specialize.verify.tolerance import tolerance_for

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """Two models on disk, and what they are run with.

    Attributes:
        original: The original.
        specialized: The specialized model.
        calibration: What the original is fed of the calibration, by input name.
        threads: Threads within an operator.
    """

    original: Path
    specialized: Path
    calibration: Arrays
    threads: int

    def nets(self) -> tuple[Net, Net]:
        """Return the graphs of both."""
        return read_net(self.original), read_net(self.specialized)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What was recorded, its digests still missing, and the recorded values by name."""

    about: Recorded
    arrays: Arrays


def read_net(path: Path) -> Net:
    """Return the graph of a file, whose weights are not read."""
    return net_of(onnx.load(str(path), load_external_data=False))


def record(
    pair: Pair, frame: Arrays, number: int, turned: Arrays, folder: Path, switches: Collection[str] = ()
) -> Recording:
    """Run both models once more and return what later proofs at the sites need.

    Args:
        pair: The original and a specialized model that was proven whole.
        frame: Inputs of both, the calibration left out.
        number: Number of the frame.
        turned: The calibration with every camera turned.
        folder: Where recorded values lie for as long as the recording is used.
        switches: Inputs that have few values, of which one frame has one.

    Raises:
        DeclinedError: The models cannot be cut so that a proof at the sites would be as good; says why.
    """
    cutting = cut_both(*pair.nets(), pair.calibration)
    if not cutting.bound:
        raise _declined("values that are computed from the calibration", "none")
    if not turned:
        raise _declined("a calibration whose cameras can be turned", "one that cannot")
    hidden = switched(cutting, switches)
    if hidden:
        raise _declined("sites that compute the same in every frame", f"{hidden[0]!r} follows a switch")
    behind = rewritten(cutting, pair.original.parent, pair.specialized.parent)
    values = _recorded(cutting, pair, frame, cutting.reads | cutting.read_by(behind), folder)
    shuffle(values, cutting.tainted)
    noise, moved = _moved(cutting, pair, values, turned)
    _require_same_function(cutting, pair, sorted({*cutting.bound, *behind}), values, noise)
    for name in values.keys() - cutting.reads:
        del values[name]
    weights = weights_of(pair.specialized, cutting.specialized)
    clean = {name: each for name, each in cutting.of_specialized.items() if name not in cutting.bound}
    about = Recorded(
        family="",
        build="",
        vehicle="",
        frame=number,
        cuts=tuple(sorted(cutting.cuts)),
        ends=ends_of(cutting.specialized),
        segments=segment_digests(cutting.specialized, clean, weights),
        sites={
            name: constants_of(cutting.specialized, name, cutting.of_specialized[name], weights)
            for name in sorted(cutting.bound)
        },
        noise=noise,
        moved=moved,
        tolerances={},
        arrays=dict.fromkeys(sorted(values), ""),
    )
    return Recording(about, values)


def weights_of(path: Path, net: Net) -> dict[str, str]:
    """Return the digest of every file beside a model that holds weights, by its name."""
    return {name: digest_file(path.parent / name) for name in net.files()}


def ends_of(net: Net) -> str:
    """Return the digest of the inputs and outputs of a model, in order, with types and shapes."""
    graph = net.model.graph
    ends = [
        [each.SerializeToString(deterministic=True) for each in side] for side in (graph.input, graph.output)
    ]
    return digest(ends)


def _recorded(
    cutting: Cutting, pair: Pair, frame: Arrays, names: frozenset[str], folder: Path
) -> MutableMapping[str, np.ndarray]:
    """Return named values of one frame, from which the bound segments alone give what the whole original gives.

    Raises:
        DeclinedError: They give something else, or the models differ in a value.
    """
    wanted, found = Spilled(folder / "original"), Spilled(folder / "specialized")
    feed = {**frame, **pair.calibration}
    _run(wanted, cutting.original, pair.original, names | cutting.bound, feed, pair.threads)
    _run(found, cutting.specialized, pair.specialized, names, frame, pair.threads)
    _require_same(wanted, found, names)
    found.clear()
    for name in sorted(cutting.bound):
        array = run_segments(cutting, pair, wanted, [name], of_original=True)[name]
        if not compare_arrays(wanted[name], array, tolerance_for(name, array.dtype, {}), 0).passed:
            raise _declined("segments that give what the whole original gives", f"{name!r} differs")
    for name in cutting.bound - names:
        del wanted[name]
    return wanted


def _run(
    values: MutableMapping[str, np.ndarray], net: Net, path: Path, names: frozenset[str], feed: Arrays,
    threads: int,
) -> None:  # fmt: skip
    """Run a whole model and keep some of its values, inputs among them; one with large values runs in pieces."""
    pieces = pieces_of(path)
    if pieces is not None:
        pieces.run_into(values, names, feed, threads)
        return
    runner = open_part(
        with_outputs(net, names & net.makers.keys()), path.parent, threads, memory="given back"
    )
    results = runner.run(feed)
    del runner
    gc.collect()
    for name in sorted(names):
        values[name] = results.pop(name) if name in results else feed[name]


def _require_same(wanted: Arrays, found: Arrays, reads: frozenset[str]) -> None:
    """Require that both models have the same values at the cuts; what depends on noise is judged by the table.

    Raises:
        DeclinedError: A value differs, or is no number.
    """
    for name in sorted(reads):
        one, other = wanted[name], found[name]
        same = (one.shape, one.dtype) == (other.shape, other.dtype)
        if not same or not compare_arrays(one, other, tolerance_for(name, one.dtype, {}), 0).passed:
            raise _declined("the same values in both models", f"{name!r} differs")


def _moved(
    cutting: Cutting, pair: Pair, values: Arrays, turned: Arrays
) -> tuple[dict[str, SiteNoise], dict[str, float]]:
    """Return how far the bound values move by themselves, and how far turned cameras move them.

    Raises:
        DeclinedError: Turned cameras do not move one of them: another table might not either.
    """
    noise: dict[str, SiteNoise] = {}
    moved: dict[str, float] = {}
    for name in sorted(cutting.bound):
        feed = _fed(cutting, pair, values, [name], of_original=True)
        runs = _runs(cutting, pair, feed, [name], of_original=True)
        base = runs.run(feed)
        noise[name] = SiteNoise(
            scale=output_scale(base[name]),
            ulp=movements(base, runs.run(nudged(feed, frozenset())))[name],
            order=movements(base, runs.run(feed, optimize=False))[name],
            dtype=base[name].dtype.name,
        )
        moved |= multiples(base, runs.run({**feed, **turned}), bounds_of({name: noise[name]}))
        if moved.get(name, 0.0) < SHOWN:
            raise _declined("sites whose values all move with the cameras", f"{name!r} does not")
    return noise, moved


def _require_same_function(
    cutting: Cutting, pair: Pair, names: list[str], values: Arrays, noise: Mapping[str, SiteNoise]
) -> None:
    """Require that both models compute the same on generic values, at the sites and where nodes behind them differ.

    Raises:
        DeclinedError: They do not.
    """
    bounds = bounds_of(noise)
    for name in names:
        one = run_segments(cutting, pair, values, [name], of_original=True)[name]
        other = run_segments(cutting, pair, values, [name], of_original=False)[name]
        table = tolerance_for(name, one.dtype, {})
        tolerance = bounds[name].wide if name in bounds else table
        if one.shape != other.shape or not compare_arrays(one, other, tolerance, 0).passed:
            where = "at" if name in bounds else "behind"
            raise _declined(f"the same values {where} its sites from generic ones", f"{name!r} differs")


def run_segments(
    cutting: Cutting, pair: Pair, values: Arrays, names: Sequence[str], *, of_original: bool
) -> dict[str, np.ndarray]:
    """Return values as one of the models computes them from recorded ones."""
    feed = _fed(cutting, pair, values, names, of_original=of_original)
    return _runs(cutting, pair, feed, names, of_original=of_original).run(feed)


def _fed(
    cutting: Cutting, pair: Pair, values: Arrays, names: Sequence[str], *, of_original: bool
) -> dict[str, np.ndarray]:
    """Return what segments of one of the models read."""
    segments = cutting.of_original if of_original else cutting.of_specialized
    reads = {read for name in names for read in segments[name].reads}
    return {
        name: pair.calibration[name] if name in pair.calibration else values[name] for name in sorted(reads)
    }


def _runs(cutting: Cutting, pair: Pair, feed: Arrays, names: Sequence[str], *, of_original: bool) -> SiteRuns:
    """Return what runs segments of one of the models; those of the original, which has all rows, by rows."""
    path = pair.original if of_original else pair.specialized
    net = cutting.original if of_original else cutting.specialized
    segments = cutting.of_original if of_original else cutting.of_specialized
    calibration = pair.calibration if of_original else None
    return site_runs(net, segments, names, feed, (path.parent, pair.threads), calibration)


def bounds_of(noise: Mapping[str, SiteNoise]) -> dict[str, Bound]:
    """Return what each bound value is judged by."""
    return {
        name: bound_of(
            tolerance_for(name, np.dtype(each.dtype), {}), each.dtype, Noise(each.scale, each.ulp, each.order)
        )
        for name, each in noise.items()
    }


def _declined(expected: str, found: str) -> DeclinedError:
    return DeclinedError("a recording for proofs at the sites", expected, found)
