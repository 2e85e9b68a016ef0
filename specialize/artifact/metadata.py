"""Write and read the metadata of an ONNX file, so that a model without its manifest still names its calibration."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from specialize.errors import InputError
from specialize.files.atomic import explained
from specialize.files.protobuf import field_of_file, fields
from specialize.version import VERSION

SCHEMA = "specialize/onnx@1"
_PREFIX = "specialize."
_METADATA_PROPS, _KEY, _VALUE = (
    14,
    1,
    2,
)  # field numbers of ModelProto and StringStringEntryProto in onnx.proto


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTie:
    """The calibration and the model that an ONNX file was specialized for.

    Attributes:
        vehicle: Name of the vehicle.
        mode: How calibration is bound.
        layout: How visible pairs are laid out.
        cameras: Names in the order of the model's camera axis.
        lengths: Per site, rows computed per camera, in camera order.
        profile: Digest of the calibration profile.
        plan: Digest of the visible sets.
        model: Digest of the generic model.
        build: Digest of the build key.
        contract: Digest of the manifest's part that is known before the model is written.
        compiler: Version of this package.
    """

    vehicle: str
    mode: str
    layout: str
    cameras: tuple[str, ...]
    lengths: tuple[tuple[int, ...], ...]
    profile: str
    plan: str
    model: str
    build: str
    contract: str
    compiler: str = VERSION


def write_metadata(props: MutableMapping[str, str], tie: ModelTie) -> None:
    """Write the tie into a model's `metadata_props`, replacing what an earlier build wrote there."""
    for key in [key for key in props if key.startswith(_PREFIX)]:
        del props[key]
    texts = {
        "schema": SCHEMA,
        "vehicle": tie.vehicle,
        "mode": tie.mode,
        "layout": tie.layout,
        "camera_order": json.dumps(list(tie.cameras), ensure_ascii=False),
        "lengths": json.dumps([list(site) for site in tie.lengths]),
        "profile_digest": tie.profile,
        "plan_digest": tie.plan,
        "model_digest": tie.model,
        "build_digest": tie.build,
        "contract_digest": tie.contract,
        "compiler_version": tie.compiler,
    }
    props.update({_PREFIX + key: text for key, text in texts.items()})


def read_metadata(props: Mapping[str, str], where: str) -> ModelTie:
    """Read the tie back; `where` names the model in errors.

    Raises:
        InputError: The model was not written by `specialize`, or by another version.
    """
    schema = props.get(f"{_PREFIX}schema")
    if schema != SCHEMA:
        hint = "only models that `specialize build` wrote name their calibration"
        raise InputError(f"{where}: metadata", repr(SCHEMA), repr(schema), hint)
    try:
        return ModelTie(
            vehicle=props[f"{_PREFIX}vehicle"],
            mode=props[f"{_PREFIX}mode"],
            layout=props[f"{_PREFIX}layout"],
            cameras=tuple(str(name) for name in json.loads(props[f"{_PREFIX}camera_order"])),
            lengths=tuple(tuple(int(n) for n in site) for site in json.loads(props[f"{_PREFIX}lengths"])),
            profile=props[f"{_PREFIX}profile_digest"],
            plan=props[f"{_PREFIX}plan_digest"],
            model=props[f"{_PREFIX}model_digest"],
            build=props[f"{_PREFIX}build_digest"],
            contract=props[f"{_PREFIX}contract_digest"],
            compiler=props[f"{_PREFIX}compiler_version"],
        )
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{where}: metadata", "all keys of " + SCHEMA, str(error), "build again") from error


def read_props(path: Path) -> dict[str, str]:
    """Return the `metadata_props` of an ONNX file; its graph is not read, and onnx is not imported.

    Raises:
        InputError: The file is not ONNX.
    """
    with explained(path):
        entries = [fields(entry, str(path)) for entry in field_of_file(path, _METADATA_PROPS)]
    try:
        return {_text(entry[_KEY]): _text(entry.get(_VALUE, [b""])) for entry in entries}
    except (AttributeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: metadata", "names and texts", str(error)) from error


def _text(values: list[bytes]) -> str:
    return values[-1].decode()
