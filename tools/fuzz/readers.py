"""What is fuzzed: every reader of a file that others wrote, as a function of the file's bytes.

A reader either reads, or raises a `SpecializeError` whose exit code is 1 to 4. Anything else is a finding.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import yaml

from specialize.artifact.manifest import parse_manifest
from specialize.artifact.tensors import read_tensors, tensors_bytes
from specialize.calibration.document import parse_document
from specialize.calibration.formats.importer import read_format
from specialize.calibration.formats.safe_pickle import read_pickle
from specialize.calibration.load import parse_profile
from specialize.errors import InputError, SpecializeError
from specialize.explain.inspect import inspect_model
from specialize.fleet.lock import parse_lock
from specialize.graph.folding import fold
from specialize.graph.io import read_graph, write_graph
from specialize.model.spec import parse_spec
from specialize.passes.pipeline import specialize_graph
from specialize.precision.frames import read_frame
from specialize.rows.arrange import Packing
from specialize.store.entry import parse_entry
from specialize.text.terminal import is_plain, visible
from specialize.witness.frustum import frustum_of
from specialize.witness.rig import parse_rig, sidecar_of
from tools.fuzz import readers_of_builds as built
from tools.fuzz.rigs import descriptions, read_description, read_rig, rigs

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = REPOSITORY / "tests" / "fuzz" / "corpus"

EXIT_CODES = range(1, 5)


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        read: Reads a file's bytes; gets an empty folder to put files in.
        kind: How its files are changed: `text`, `bytes` or `onnx`.
        seeds: Files to start from, beside those in `CORPUS`.
    """

    read: Callable[[bytes, Path], object]
    kind: str
    seeds: Callable[[], Sequence[bytes]]


def refused(reader: Reader, data: bytes, folder: Path) -> str:
    """Return what a reader says about a file; empty if it reads it.

    Raises:
        Exception: A finding: any other exception, an exit code of another meaning, or an error that cannot be shown.
    """
    try:
        reader.read(data, folder)
    except SpecializeError as error:
        if error.exit_code not in EXIT_CODES:
            raise
        lines = visible(str(error)).replace("\t", " ").split("\n")
        if not all(map(is_plain, lines)):
            raise AssertionError("an error that a terminal would obey") from error
        return lines[0]
    return ""


def _document(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("file", "UTF-8 text", str(error)) from error


def _profile(data: bytes, folder: Path) -> object:
    profile = parse_profile(parse_document(_document(data), "p.yaml"), "p.yaml")
    return profile.image_from_lidar(), parse_rig(
        _document(data)
    )  # as a build reads it, and as its witness does


def _sidecar(data: bytes, folder: Path) -> object:
    spec = parse_spec(_document(data), "m.model.yaml")
    again = parse_spec(spec.to_text(), "again")
    assert again == spec
    plain = yaml.safe_load(spec.to_text())  # as the witness reads it
    return spec.constants(), sidecar_of(plain, 6), frustum_of(plain)


def _written(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _graph(data: bytes, folder: Path) -> object:
    """Read, fold and specialize a graph, write it, and read what was written."""
    path = _written(data, folder, "m.onnx")
    model = read_graph(path)
    fold(model)
    write_graph(model, folder / "folded.onnx", "folded.weights")
    done = specialize_graph(read_graph(folder / "folded.onnx"), {}, Packing("ragged"))
    write_graph(done.model, folder / "done.onnx")
    return read_graph(folder / "done.onnx")


def _inspected(data: bytes, folder: Path) -> object:
    return inspect_model(_written(data, folder, "m.onnx"))


def _pickled(data: bytes, folder: Path) -> object:
    path = _written(data, folder, "infos.pkl")
    read_pickle(path)
    return read_format("mmdet3d", path, {})


def _imported(data: bytes, folder: Path) -> object:
    """Read a file as every format that is one file; what the first of them says counts."""
    names = {"lidar2img": {"size": "64x48"}, "kalibr": {}, "opencv": {}, "kitti-object": {"size": "64x48"}}
    said: list[SpecializeError] = []
    for name, options in names.items():
        try:
            read_format(name, _written(data, folder, "calib.yaml"), options)
        except SpecializeError as error:
            if error.exit_code not in EXIT_CODES:
                raise
            said += [error] * (name == "lidar2img")
    if said:
        raise said[0]
    return names


def _checkpoint(data: bytes, folder: Path) -> object:
    from specialize.zoo.checkpoint import read_state

    return read_state(_written(data, folder, "x.pth"))


def _no_seeds() -> Sequence[bytes]:
    return ()


def _profiles() -> Sequence[bytes]:
    return [path.read_bytes() for path in sorted((REPOSITORY / "calib_profiles").glob("*.yaml"))]


def _sidecars() -> Sequence[bytes]:
    specs = sorted((REPOSITORY / "specialize" / "zoo" / "specs").glob("*.yaml"))
    return [path.read_bytes() for path in specs]


def _graphs() -> Sequence[bytes]:
    paths = sorted(CORPUS.joinpath("onnx").glob("*.txt"))
    return [onnx.parser.parse_model(path.read_text(encoding="utf-8")).SerializeToString() for path in paths]


def _tables() -> Sequence[bytes]:
    tensors = {"rows": np.arange(6), "points": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)}
    return [tensors_bytes(tensors, {"vehicle": "car42"})]


def _frames() -> Sequence[bytes]:
    made = io.BytesIO()
    np.savez(made, allow_pickle=False, query=np.ones((2, 3), np.float32), can_bus=np.zeros(18))
    return [made.getvalue()]


def _infos() -> Sequence[bytes]:
    camera = {
        "cam_intrinsic": np.diag([500.0, 500.0, 1.0]), "sensor2lidar_rotation": np.eye(3),
        "sensor2lidar_translation": np.zeros(3), "width": 64, "height": 48,
    }  # fmt: skip
    version_2 = {"cam2img": np.eye(4).tolist(), "lidar2cam": np.eye(4).tolist(), "width": 64, "height": 48}
    return [
        pickle.dumps({"infos": [{"cams": {"CAM_FRONT": camera}}]}, protocol=protocol)
        for protocol in (2, 4, 5)
    ] + [pickle.dumps({"data_list": [{"images": {"CAM_FRONT": version_2}}]}, protocol=0)]


def _calibrations() -> Sequence[bytes]:
    matrix = [[500.0, 0.0, 32.0, 0.0], [0.0, 500.0, 24.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    return [json.dumps({"lidar2img": [matrix]}).encode()]


def _checkpoints() -> Sequence[bytes]:
    import torch

    made = []
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save({"state_dict": {"a": torch.ones(3)}}, file, _use_new_zipfile_serialization=zipped)
        made.append(file.getvalue())
    return made


READERS: dict[str, Reader] = {
    "profile": Reader(_profile, "text", _profiles),
    "sidecar": Reader(_sidecar, "text", _sidecars),
    "onnx": Reader(_graph, "onnx", _graphs),
    "inspect": Reader(_inspected, "onnx", _graphs),
    "manifest": Reader(lambda data, folder: parse_manifest(data, "manifest.json"), "text", _no_seeds),
    "entry": Reader(lambda data, folder: parse_entry(data, "entry.json"), "text", _no_seeds),
    "lock": Reader(
        lambda data, folder: parse_lock(_document(data), folder / "fleet.lock"), "text", _no_seeds
    ),
    "table": Reader(
        lambda data, folder: read_tensors(_written(data, folder, "t.safetensors")), "bytes", _tables
    ),
    "frame": Reader(lambda data, folder: read_frame(_written(data, folder, "f.npz")), "bytes", _frames),
    "pickle": Reader(_pickled, "bytes", _infos),
    "import": Reader(_imported, "text", _calibrations),
    "rigs": Reader(read_rig, "text", rigs),
    "description": Reader(read_description, "text", descriptions),
    "checkpoint": Reader(_checkpoint, "bytes", _checkpoints),
    "contract": Reader(built.contract, "bytes", lambda: built.seeds("contract.bin", "contract of lenses")),
    "today": Reader(built.today, "bytes", built.todays),
    "relink": Reader(built.relink, "bytes", lambda: built.seeds("relink.bin", "bevpool.bin")),
    "golden": Reader(built.golden, "bytes", built.goldens),
    "envelope": Reader(built.envelope, "bytes", lambda: built.seeds("envelope.npz")),
    "measured": Reader(built.measured, "text", built.figures),
    "statement": Reader(built.statement, "text", lambda: built.seeds("statement")),
    "signature": Reader(built.signature, "text", lambda: built.seeds("bundle")),
    "metadata": Reader(built.metadata, "onnx", built.small_models),
}


def corpus(name: str) -> list[bytes]:
    """Return the files that fuzzing of a reader starts from."""
    kept = sorted(path for path in CORPUS.joinpath(name).glob("*") if path.suffix != ".txt")
    return [*READERS[name].seeds(), *(path.read_bytes() for path in kept)]
