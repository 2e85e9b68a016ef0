"""A build that is proven at its sites: what is compared, what is refused, and what is proven whole instead."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from specialize.artifact import Build
from specialize.binding.modes import fed_to
from specialize.compiler import recordings
from specialize.compiler.build import build
from specialize.compiler.recordings import KIND, family_of, find_recording
from specialize.errors import DeclinedError, InputError, UsageError, VerificationError
from specialize.model.spec import parse_spec
from specialize.request import BuildRequest
from specialize.store import open_store
from specialize.verify.at_sites import Kept, prove_at_sites
from specialize.verify.recording import Pair
from tests.calibration import authored
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_cut import write_cut
from tests.fleet.fleets import write_rig


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return the profile of a second vehicle of car42's kind."""
    return write_rig(tmp_path / "rigs", authored.assembled(authored.CAR42, "car_00002"))


def made(model: Path, calib: Path, folder: Path, **options: object) -> Build:
    """Build a model and return the build."""
    build(BuildRequest(calib=calib, model=str(model), output=folder, frames=2, **options))  # type: ignore[arg-type]
    return Build.open(folder)


def kept_of(found: Build) -> Kept:
    """Return the recording for builds such as this one."""
    from specialize.artifact import BuildKey

    names = {part.name for part in dataclasses.fields(BuildKey)}
    values = {
        name: tuple(each) if isinstance(each, list) else each for name, each in found.manifest.key.items()
    }
    kept = find_recording(open_store(), family_of(BuildKey(**{n: values[n] for n in names})))
    assert kept is not None
    return kept


def pair_of(model: Path, found: Build) -> Pair:
    """Return a build and its original, with the build's calibration."""
    fed = fed_to(found, parse_spec(found.manifest.spec, "spec"), model)
    return Pair(original=model, specialized=found.model, calibration=fed.cases[0], threads=1)


def test_a_second_vehicle_is_proven_at_its_sites(tmp_path: Path, store_dir: Path, other: Path) -> None:
    """The first is proven whole and leaves a recording; the second says against which build all else is equal."""
    model = write_cut(tmp_path / "model")
    first = made(model, CAR42, tmp_path / "first", record=True)
    second = made(model, other, tmp_path / "second")
    assert (first.manifest.verify.proof, first.manifest.verify.at) == ("whole", None)
    verify = second.manifest.verify
    assert verify.proof == "sites" and verify.passed and verify.at is not None
    assert (verify.at.build, verify.at.vehicle) == (first.manifest.digests.build, first.manifest.vehicle)
    assert verify.at.equal == 5 and min(verify.at.moved.values()) > 10
    assert not any(output.shape == () for output in verify.outputs.values())
    whole = made(model, other, tmp_path / "whole", proof="whole")
    assert whole.manifest.verify.proof == "whole"
    assert whole.model.read_bytes() == second.model.read_bytes()


def test_without_a_recording_the_whole_is_proven(tmp_path: Path, store_dir: Path, other: Path) -> None:
    """A proof at the sites that is asked for is refused, with what to do."""
    model = write_cut(tmp_path / "model")
    assert made(model, other, tmp_path / "second").manifest.verify.proof == "whole"
    with pytest.raises(InputError, match=r"a recording in store .*none for such builds"):
        made(model, other, tmp_path / "asked", proof="sites")
    with pytest.raises(UsageError, match="--proof sites: expected --mode exact"):
        made(model, other, tmp_path / "tables", proof="sites", mode="tables")


def test_a_whole_proof_replaces_one_at_the_sites(
    tmp_path: Path, store_dir: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--proof whole` builds again what was proven at its sites, and `auto` is content with either."""
    model = write_cut(tmp_path / "model")
    made(model, CAR42, tmp_path / "first", record=True)
    options = ("--calib", other, "--model", model, "-o", tmp_path / "second", "--frames", "2", "--no-measure")
    first = run_here(capsys, "build", *options)
    assert "verified at the sites: 1 value equal" in first.out
    assert "5 values are computed node for node as in build" in first.out
    again = run_here(capsys, "build", *options, "--proof", "whole")
    assert "verified: 1 output equal over 2 frames" in again.out
    assert "up to date" in run_here(capsys, "build", *options).out


Damage = Callable[[onnx.GraphProto], None]


def named(graph: onnx.GraphProto, name: str) -> onnx.TensorProto:
    """Return the constant of a name."""
    return next(tensor for tensor in graph.initializer if tensor.name == name)


def constants_of(graph: onnx.GraphProto, operator: str) -> list[onnx.TensorProto]:
    """Return the constants that the nodes of an operator read."""
    names = {name for node in graph.node if node.op_type == operator for name in node.input}
    return [tensor for tensor in graph.initializer if tensor.name in names]


def changed(tensor: onnx.TensorProto, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the values of a constant in place."""
    array = np.ascontiguousarray(change(numpy_helper.to_array(tensor).copy()))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def indices(graph: onnx.GraphProto) -> onnx.TensorProto:
    """Return the table of the queries that are gathered: the longest one of integers."""
    tables = [
        tensor for tensor in constants_of(graph, "Gather") if tensor.data_type == onnx.TensorProto.INT64
    ]
    return max(tables, key=lambda tensor: int(np.prod(tensor.dims)))


def weights_in_the_site(graph: onnx.GraphProto) -> None:
    """A weight of the site is another one by a tenth of a percent."""
    site = [tensor for tensor in constants_of(graph, "MatMul") if list(tensor.dims) == [4, 2]]
    changed(site[0], lambda array: array * 1.001)


def a_shifted_index(graph: onnx.GraphProto) -> None:
    """Every row reads the query before its own."""
    changed(indices(graph), lambda array: np.roll(array, 1))


def one_wrong_index(graph: onnx.GraphProto) -> None:
    """One row of the table reads another query."""
    changed(indices(graph), lambda array: np.concatenate([array[1:2], array[1:]]))


def swapped_places(graph: onnx.GraphProto) -> None:
    """The table of places has its halves exchanged, as if cameras were swapped."""
    tables = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT and len(t.dims) >= 2]
    changed(max(tables, key=lambda t: int(np.prod(t.dims))), lambda a: np.roll(a, len(a) // 2, 0))


def a_weight_outside(graph: onnx.GraphProto) -> None:
    """A weight behind the site is another one in its last bit."""
    (last,) = (node.input[0] for node in graph.node if node.op_type == "Sigmoid")
    (node,) = (node for node in graph.node if last in node.output)
    changed(named(graph, node.input[1]), lambda array: np.nextafter(array, np.float32(9)))


def another_operator(graph: onnx.GraphProto) -> None:
    """A node before the site is another function."""
    next(node for node in graph.node if node.op_type == "Tanh").op_type = "Sin"


def another_order(graph: onnx.GraphProto) -> None:
    """The last function is applied twice."""
    node = next(node for node in graph.node if node.op_type == "Sigmoid")
    graph.node.insert(len(graph.node) - 1, onnx.helper.make_node("Identity", [node.input[0]], ["twice"]))
    node.input[0] = "twice"


DAMAGES: tuple[Damage, ...] = (
    weights_in_the_site, a_shifted_index, one_wrong_index, swapped_places, a_weight_outside, another_operator,
    another_order,
)  # fmt: skip


def test_a_damaged_build_is_not_proven(tmp_path: Path, store_dir: Path, other: Path) -> None:
    """Whatever is wrong in a model, at a site or elsewhere, a proof at the sites does not pass."""
    model = write_cut(tmp_path / "model")
    first = made(model, CAR42, tmp_path / "first", record=True)
    second, kept = made(model, other, tmp_path / "second"), kept_of(first)
    assert prove_at_sites(pair_of(model, second), kept).passed
    passed, elsewhere = [], []
    for damage in DAMAGES:
        copy = tmp_path / damage.__name__
        shutil.copytree(second.folder, copy)
        damaged = onnx.load(copy / "model.onnx")
        damage(damaged.graph)
        assert damaged != onnx.load(second.model)
        onnx.save(damaged, copy / "model.onnx")
        pair = dataclasses.replace(pair_of(model, second), specialized=copy / "model.onnx")
        try:
            passed += [damage] if prove_at_sites(pair, kept).passed else []
        except DeclinedError as error:
            assert "outside the sites" in str(error)
            elsewhere.append(damage)
    assert passed == []
    assert elsewhere == [a_weight_outside, another_operator, another_order]


@pytest.mark.parametrize("again", [False, True])
def test_a_build_for_another_calibration_is_not_proven(
    again: bool, tmp_path: Path, store_dir: Path, other: Path
) -> None:
    """The first vehicle's model with the second one's calibration differs at every value that reads it."""
    model = write_cut(tmp_path / "model", again)
    first = made(model, CAR42, tmp_path / "first", record=True)
    second = made(model, other, tmp_path / "second")
    assert second.manifest.verify.proof == "sites" and len(second.manifest.verify.outputs) == 1 + again
    stale = dataclasses.replace(pair_of(model, second), specialized=first.model)
    report = prove_at_sites(stale, kept_of(first))
    assert not report.passed and not any(output.passed for output in report.outputs.values())


def test_a_calibration_read_past_the_site_is_compared_too(
    tmp_path: Path, store_dir: Path, other: Path
) -> None:
    """A constant that follows from the calibration behind the site is refused if it is that of another vehicle."""
    model = write_cut(tmp_path / "model", again=True)
    first = made(model, CAR42, tmp_path / "first", record=True)
    second, kept = made(model, other, tmp_path / "second"), kept_of(first)
    mixed, stale = onnx.load(second.model), onnx.load(first.model)
    wrong = [tensor for tensor in constants_of(stale.graph, "Mul") if list(tensor.dims) == [1]]
    assert len(wrong) == 1
    named(mixed.graph, wrong[0].name).CopyFrom(wrong[0])
    path = tmp_path / "mixed.onnx"
    onnx.save(mixed, path)
    shutil.copyfile(second.file("weights.bin"), tmp_path / "weights.bin")
    report = prove_at_sites(dataclasses.replace(pair_of(model, second), specialized=path), kept)
    assert [output.passed for output in report.outputs.values()].count(False) == 1


def test_values_recorded_for_another_model_are_refused(tmp_path: Path, store_dir: Path, other: Path) -> None:
    """A recording belongs to one model: its entry under another one's name is an error, and `auto` proves the whole."""
    model, else_ = write_cut(tmp_path / "model"), write_cut(tmp_path / "else", seed=6)
    first = made(model, CAR42, tmp_path / "first", record=True)
    alien = made(else_, CAR42, tmp_path / "alien", record=True)
    store = open_store()
    (mine,) = (
        e for e in store.entries() if e.kind == KIND and e.info["build"] == first.manifest.digests.build
    )
    (its,) = (
        e for e in store.entries() if e.kind == KIND and e.info["build"] == alien.manifest.digests.build
    )
    store.write_entry(msgspec.structs.replace(its, key=mine.key))
    with pytest.raises(InputError, match="a recording of sha256"):
        made(model, other, tmp_path / "asked", proof="sites")
    second = made(model, other, tmp_path / "second")
    assert second.manifest.verify.proof == "whole"
    assert any("proven whole, not at the sites" in note for note in second.manifest.verify.notes)
    mixed = {**mine.objects, **{name: key for name, key in its.objects.items() if name != recordings.ABOUT}}
    store.write_entry(msgspec.structs.replace(mine, objects=mixed))
    with pytest.raises(InputError, match="the values that it was made with"):
        made(model, other, tmp_path / "mixed", proof="sites")


def test_a_damaged_recording_is_not_used(tmp_path: Path, store_dir: Path, other: Path) -> None:
    """A flipped bit in a recorded value is found by its digest; the whole is proven instead."""
    model = write_cut(tmp_path / "model")
    made(model, CAR42, tmp_path / "first", record=True)
    store = open_store()
    (entry,) = (entry for entry in store.entries() if entry.kind == KIND)
    path = store.locate(next(key for name, key in entry.objects.items() if name != recordings.ABOUT))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    second = made(model, other, tmp_path / "second")
    assert second.manifest.verify.proof == "whole"
    assert any("content of sha256" in note for note in second.manifest.verify.notes)


def test_a_recording_by_other_code_is_not_found(
    tmp_path: Path, store_dir: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of a recording covers the code: another version of the compiler proves whole."""
    model = write_cut(tmp_path / "model")
    first = made(model, CAR42, tmp_path / "first", record=True)
    key = kept_of(first).about.family
    monkeypatch.setattr("specialize.compiler.key.BuildKey", lambda **given: _older(**given))
    assert made(model, other, tmp_path / "second").manifest.verify.proof == "whole"
    assert key == kept_of(first).about.family


def _older(**given: object) -> object:
    from specialize.artifact import BuildKey

    return BuildKey(**given, compiler="another version")  # type: ignore[arg-type]


def test_a_wrong_table_of_the_compiler_fails_the_build(
    tmp_path: Path, store_dir: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bug that the first vehicle does not have, `sites` ends in a verification error and so does `auto`."""
    from specialize.compiler import lower

    model = write_cut(tmp_path / "model")
    made(model, CAR42, tmp_path / "first", record=True)
    write = lower.write_graph

    def wrong(graph: object, path: Path, *more: str) -> None:
        write(graph, path, *more)  # type: ignore[arg-type]
        made = onnx.load(path, load_external_data=False)
        a_shifted_index(made.graph)
        onnx.save(made, path)

    monkeypatch.setattr(lower, "write_graph", wrong)
    for proof in ("sites", "auto", "whole"):
        with pytest.raises(VerificationError):
            made(model, other, tmp_path / proof, proof=proof)
        assert not (tmp_path / proof).exists()


def test_one_of_two_sites_is_compared(tmp_path: Path, store_dir: Path, other: Path) -> None:
    """Sites of one geometry have the same tables: the report says which value was compared for which."""
    model = write_cut(tmp_path / "model", twice=True)
    first = made(model, CAR42, tmp_path / "first", record=True)
    second, kept = made(model, other, tmp_path / "second"), kept_of(first)
    at = second.manifest.verify.at
    assert at is not None and len(second.manifest.verify.outputs) == len(at.alike) == 1
    assert {*at.alike, *at.alike.values()} == set(kept.about.noise)
    for number in range(2):  # the table of one of both sites
        damaged = onnx.load(second.model)
        own_table(damaged.graph, number)
        path = tmp_path / str(number) / "model.onnx"
        shutil.copytree(second.folder, path.parent)
        onnx.save(damaged, path)
        report = prove_at_sites(dataclasses.replace(pair_of(model, second), specialized=path), kept)
        assert not report.passed and len(report.outputs) == 2
        assert [output.passed for output in report.outputs.values()].count(False) == 1
    stale = dataclasses.replace(pair_of(model, second), specialized=first.model)
    assert not prove_at_sites(stale, kept).passed


def own_table(graph: onnx.GraphProto, number: int) -> None:
    """One of the nodes that gather with a shared table reads one of its own, with two rows exchanged."""
    table = indices(graph)
    nodes = [node for node in graph.node if node.op_type == "Gather" and node.input[1] == table.name]
    array = numpy_helper.to_array(table).copy()
    array[[0, -1]] = array[[-1, 0]]
    graph.initializer.append(numpy_helper.from_array(array, "own"))
    for node in nodes[: len(nodes) // 2] if number == 0 else nodes[len(nodes) // 2 :]:
        node.input[1] = "own"
