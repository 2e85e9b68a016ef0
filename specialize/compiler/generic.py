"""Provide the generic model: exported from the zoo, or the user's own ONNX file; stored once, by content.

The libraries that read graphs are imported only when a model is made, so that reusing a stored one is cheap.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from specialize import zoo
from specialize.compiler.adopt import GRAPH as GRAPH
from specialize.compiler.adopt import KIND, ORIGINAL, adopt, prepare
from specialize.compiler.adopt import PREPARED as PREPARED
from specialize.compiler.adopt import PREPARED_WEIGHTS as PREPARED_WEIGHTS
from specialize.compiler.unpacked import unpacked
from specialize.digest import digest, digest_file
from specialize.errors import InputError
from specialize.files.scratch import work_folder
from specialize.model.baked import with_lenses
from specialize.model.spec import ModelSpec, read_spec
from specialize.request import BuildRequest
from specialize.store import Store
from specialize.store.entry import REPAIR, Entry
from specialize.text.progress import Say
from specialize.text.terminal import command
from specialize.version import code_version

PREPARING = (
    "attention", "compiler/adopt.py", "compiler/generic.py", "graph", "lowering", "passes", "rows",
)  # fmt: skip
"""Code that a stored model depends on."""


@dataclass(frozen=True, slots=True)
class GenericModel:
    """A model whose calibration is still an input.

    Attributes:
        name: Its name for people.
        spec: Its sidecar.
        entry: Its parts in the store: the graph and the files of its weights.
        source: How to make it again.
        warnings: Warnings about its weights.
    """

    name: str
    spec: ModelSpec
    entry: Entry
    source: dict[str, object]
    warnings: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Digest of graph and weights: of the user's own files, or of the export."""
        objects = self.entry.objects
        given = {name: key for name, key in objects.items() if name.startswith(f"{ORIGINAL}/")}
        made = {name: key for name, key in objects.items() if name not in (PREPARED, PREPARED_WEIGHTS)}
        return digest(given or made)

    def reference(self, parts: Path) -> Path:
        """Return the reference of verification, in the folder of `unpacked`.

        It is the user's own file, or the export; if ONNX Runtime does not open the file, the same model serialized
        again.
        """
        return parts / str(self.entry.info.get("reference", GRAPH))

    @property
    def notes(self) -> tuple[tuple[str, str, str], ...]:
        """Changes made to the user's graph when it was read: by what, where, and what."""
        return tuple((str(by), str(where), str(what)) for by, where, what in self.entry.info.get("notes", ()))

    def unpacked(self, store: Store) -> contextlib.AbstractContextManager[Path]:
        """Return a folder with the graph, the prepared graph and their weights, for as long as a block lasts."""
        return unpacked(store, self.entry.objects)


def generic_model(request: BuildRequest, store: Store, say: Say) -> GenericModel:
    """Return the generic model of a request, made only if it is not in the store.

    Raises:
        UsageError: There is no such built-in model.
        InputError: The user's model, sidecar or checkpoint is wrong.
    """
    spec = own_spec(request)
    if request.model.endswith(".onnx"):
        return _own_model(Path(request.model), spec, store)
    return _zoo_model(request.model, spec, request.checkpoint, request.seed, store, say)


def spec_of(request: BuildRequest) -> ModelSpec:
    """Return the sidecar of what a request builds, with lenses if it bakes them, without reading the model itself.

    Raises:
        UsageError: There is no such built-in model, or it cannot have lenses baked in.
        InputError: The user's model or its sidecar is missing, or the sidecar is wrong.
    """
    spec = own_spec(request)
    return with_lenses(spec) if request.bake_lenses else spec


def own_spec(request: BuildRequest) -> ModelSpec:
    """Return the sidecar of a request's model as it is.

    Raises:
        UsageError: There is no such built-in model.
        InputError: The user's model or its sidecar is missing, or the sidecar is wrong.
    """
    if not request.model.endswith(".onnx"):
        return zoo.spec(request.model) if request.model_spec is None else read_spec(request.model_spec)
    path = Path(request.model)
    sidecar = request.model_spec or sidecar_of(path)
    if not path.is_file():
        raise InputError("--model", "the name of a built-in model or an ONNX file", repr(str(path)))
    if not sidecar.exists():
        hint = (
            f"`specialize inspect {command(path)}` prints a draft; if the sidecar is elsewhere, "
            "name it with --model-spec"
        )
        raise InputError(str(sidecar), "the model's sidecar", "no such file", hint)
    return read_spec(sidecar)


def model_again(source: dict[str, object], spec: ModelSpec, store: Store, say: Say) -> GenericModel:
    """Return the generic model that a build was made from, made again if it is no longer in the store.

    Raises:
        InputError: It cannot be made again, because the user's own file is gone from the store.
    """
    kept = kept_model(source, spec, store)
    if kept is not None:
        return kept
    kind = str(source["kind"])
    if kind == "onnx":
        hint = "build again with --model, which puts the model back into the store"
        raise InputError(f"store {store.root}", f"the model {source['name']} of this build", "none", hint)
    if source.get("checkpoint"):
        hint = "build again with --checkpoint, which puts the model back into the store"
        raise InputError(f"store {store.root}", f"{source['name']} with its checkpoint", "none", hint)
    return _zoo_model(str(source["name"]), spec, None, int(str(source["seed"])), store, say)


def kept_model(source: dict[str, object], spec: ModelSpec, store: Store) -> GenericModel | None:
    """Return the generic model that a build was made from if the store still has it."""
    entry = store.find_entry(KIND, str(source["key"]))
    return None if entry is None else GenericModel(str(source["name"]), spec, entry, source, _warnings(entry))


def _zoo_model(
    name: str, spec: ModelSpec, checkpoint: Path | None, seed: int, store: Store, say: Say
) -> GenericModel:
    weights = "" if checkpoint is None else _checkpoint_digest(checkpoint)
    of = digest(["zoo", name, weights or seed, code_version("zoo", *PREPARING)])
    entry = _exported(store, of)
    if entry is None:
        zoo.require_packages(name)
        key = digest([of, _exporters()])
        with store.making(KIND, key, say):
            entry = store.find_entry(KIND, key) or _export(name, checkpoint, seed, (of, key), store, say)
    source: dict[str, object] = {"kind": "zoo", "name": name, "checkpoint": weights, "seed": seed}
    source |= {"key": entry.key, "reference": "its export"}
    return GenericModel(name, spec, entry, source, _warnings(entry))


def _exported(store: Store, of: str) -> Entry | None:
    """Return the export of a model with these weights by the packages of this environment, or, without them, by any.

    Args:
        store: Where exports are kept.
        of: Digest of name, weights and code.
    """
    versions = _exporters()
    if versions:
        return store.find_entry(KIND, digest([of, versions]))
    made = (entry for entry in store.entries(KIND) if entry.info.get("of") == of)
    return min(made, key=lambda entry: entry.key, default=None)


def _exporters() -> list[str]:
    """Return the versions of what exports models; none if one is not installed."""
    try:
        return [importlib.metadata.version(package) for package in ("torch", "onnxscript")]
    except importlib.metadata.PackageNotFoundError:
        return []


def _export(
    name: str, checkpoint: Path | None, seed: int, keys: tuple[str, str], store: Store, say: Say
) -> Entry:
    from specialize.graph.io import read_graph
    from specialize.zoo.export import export_generic

    say(f"exporting {name} once; later builds take it from the store")
    with work_folder(store.scratch(), "export") as folder:
        made = export_generic(name, checkpoint, folder / GRAPH, seed)
        prepare(read_graph(folder / GRAPH), folder)
        objects = {path.name: store.adopt_file(path) for path in sorted(folder.iterdir())}
    of, key = keys
    info = {"warnings": list(made.warnings), "weights": made.weights_digest, "of": of}
    entry = Entry(kind=KIND, key=key, title=f"generic {name}", objects=objects, info=info)
    store.write_entry(entry)
    return entry


def _own_model(path: Path, spec: ModelSpec, store: Store) -> GenericModel:
    from specialize.graph.io import external_files, read_graph

    read_graph(path)
    given = {name: path.parent / name for name in external_files(path)}
    graph = GRAPH
    while graph in given:
        graph = f"_{graph}"
    digests = {name: digest_file(file) for name, file in {graph: path, **given}.items()}
    key = digest(["own onnx", digests, code_version(*PREPARING)])
    entry = store.find_entry(KIND, key)
    if entry is None:
        with store.making(KIND, key):
            entry = store.find_entry(KIND, key) or adopt(path, graph, digests, key, store)
    for name, expected in digests.items():
        found = entry.objects.get(f"{ORIGINAL}/{name}", "none")
        if found != expected:
            raise InputError(f"store {store.root}: {entry.title}: {name}", expected, found, REPAIR)
    source: dict[str, object] = {"kind": "onnx", "name": path.stem, "key": key}
    source["reference"] = entry.info["reference_is"]
    return GenericModel(path.stem, spec, entry, source, _warnings(entry))


def sidecar_of(path: Path) -> Path:
    """Return where the sidecar of an ONNX file is looked for."""
    return path.with_suffix(".model.yaml")


def _checkpoint_digest(checkpoint: Path) -> str:
    if not checkpoint.is_file():
        raise InputError(str(checkpoint), "a checkpoint file", "no such file")
    return digest_file(checkpoint)


def _warnings(entry: Entry) -> tuple[str, ...]:
    return tuple(str(text) for text in entry.info.get("warnings", ()))
