"""Put a user's model into the store: the files as they are, the reference of verification, and the prepared graph.

The libraries that read graphs are imported only when a model is adopted.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialize.digest import digest_file
from specialize.errors import InputError
from specialize.files.atomic import explained, require_space
from specialize.files.scratch import work_folder
from specialize.store import Store
from specialize.store.entry import Entry

if TYPE_CHECKING:
    import onnx_ir as ir

GRAPH = "model.onnx"
PREPARED = "prepared.onnx"
PREPARED_WEIGHTS = "weights.bin"
ORIGINAL = "original"
"""Folder of the user's own files, unchanged."""
KIND = "export"

USERS_FILE, STANDARD, ANEW = "the user's file", "in standard operators", "written anew"
REPAIRED = "with float64 places of GridSample cast to float32"
"""References of verification: the user's model as it is, with a vendor's operators replaced, serialized again, or with
the smallest repair that lets a runtime open it.
"""


def adopt(path: Path, graph: str, digests: Mapping[str, str], key: str, store: Store) -> Entry:
    """Put a user's model into the store, as it is and prepared.

    Args:
        path: The model.
        graph: Name that it gets in the store.
        digests: Of its files, the graph's and those beside it.
        key: What the entry is called.
        store: The store.

    Raises:
        InputError: The model cannot be read, or changes meanwhile.
    """
    from specialize.graph.bind_batch import batch_notes, bind_batch
    from specialize.graph.io import read_graph, write_graph

    with work_folder(store.scratch(), "own") as folder:
        _copy(path, graph, digests, folder / ORIGINAL)
        model = read_graph(folder / ORIGINAL / graph)
        notes = [("batch", *note) for note in batch_notes(bind_batch(model))]
        info = reference_of(model, folder / ORIGINAL / graph)
        notes += [("repair", *note) for note in info.pop("repairs")]
        if info["reference"] == GRAPH:
            write_graph(model, folder / GRAPH, f"{path.stem}-{key.removeprefix('sha256:')[:12]}.weights")
            require_open(folder / GRAPH, path)
            model = read_graph(folder / GRAPH)
        prepare(model, folder)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        objects = {file.relative_to(folder).as_posix(): store.adopt_file(file) for file in files}
    info |= {"notes": notes} if notes else {}
    entry = Entry(kind=KIND, key=key, title=f"own model {path.stem}", objects=objects, info=info)
    store.write_entry(entry)
    return entry


def prepare(model: ir.Model, folder: Path) -> None:
    """Write a graph with everything that depends on weights alone folded, once for all vehicles.

    What remains for a vehicle is what depends on its calibration.
    """
    from specialize.graph.folding import fold
    from specialize.graph.io import write_graph
    from specialize.passes.clean_up import tidy

    fold(model)
    tidy(model)
    write_graph(model, folder / PREPARED, PREPARED_WEIGHTS)


def _copy(path: Path, graph: str, digests: Mapping[str, str], folder: Path) -> None:
    """Copy a model and its external files, after checking that they match their digests."""
    for name, expected in digests.items():
        source, target = path if name == graph else path.parent / name, folder / name
        require_space(folder.parent, source.stat().st_size)
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        if digest_file(target) != expected:
            raise InputError(str(source), "a file that does not change while it is read", "a changed file")


def reference_of(model: ir.Model, original: Path) -> dict[str, Any]:
    """Return the reference of verification: the original file, or its graph in a form that a runtime opens.

    Args:
        model: The graph, changed in place to a form that a runtime opens if it does not open the file.
        original: The file that it was read from.

    Returns:
        `reference`: the file in the store; `reference_is`: what it is; `warnings`; and `repairs`: the repaired nodes,
        each with what was done.

    Raises:
        InputError: A custom operator cannot be read.
    """
    from specialize.graph.repair_grid_sample import repair_samples
    from specialize.lowering.attention import custom_operators, runnable
    from specialize.verify.runtime import open_model

    custom = ", ".join(custom_operators(model))
    if custom:
        runnable(model)
        warning = (
            f"ONNX Runtime has no {custom}: a build is compared with the model in standard operators, which compute "
            "what that operator is documented to compute"
        )
        return {"reference": GRAPH, "reference_is": STANDARD, "warnings": [warning], "repairs": []}
    try:
        open_model(original, "onnxruntime", 1)
    except InputError as error:
        nodes = repair_samples(model)
        done = (
            "its sampling locations, float64 in the file, are cast to float32: ONNX Runtime has no "
            "kernel for float64"
        )
        return {
            "reference": GRAPH,
            "reference_is": REPAIRED if nodes else ANEW,
            "warnings": [_unopened(error, original, len(nodes))],
            "repairs": [(node, done) for node in nodes],
        }
    return {"reference": f"{ORIGINAL}/{original.name}", "reference_is": USERS_FILE, "repairs": []}


def _unopened(error: InputError, original: Path, repaired: int) -> str:
    """Return the warning about a model that ONNX Runtime does not open as it is."""
    if repaired:
        return (
            "ONNX Runtime does not open the model as it is (no GridSample for float64 locations): a build is "
            f"compared with the model in which {repaired} GridSample {'read' if repaired > 1 else 'reads'} them "
            "through a cast to float32, each checked against its evaluation in float64"
        )
    reason = _reason(error, original)
    return (
        f"ONNX Runtime does not open the model as it is ({reason}): a build is compared with the "
        "model serialized again"
    )


def _reason(error: InputError, path: Path) -> str:
    said = error.found.replace(str(path), path.name).strip().splitlines()[-1]
    return said.partition(" failed:")[2].strip() or said


def require_open(written: Path, path: Path) -> None:
    """Reject a model that ONNX Runtime does not open in any form.

    Args:
        written: The reference of verification.
        path: The user's file.

    Raises:
        InputError: ONNX Runtime does not open it, so nothing can be compared with it.
    """
    from specialize.verify.runtime import open_model

    try:
        open_model(written, "onnxruntime", 1)
    except InputError as error:
        hint = (
            "a build is verified by running the original: export it in operators that ONNX Runtime supports"
        )
        raise InputError(
            str(path), "a model that ONNX Runtime opens", _reason(error, written), hint
        ) from error
