"""BEVFormer-tiny against recorded figures of the original, in torch and through its exported ONNX."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from specialize import zoo
from specialize.zoo.bevformer import BEVFormer, build, example_inputs
from specialize.zoo.export import GenericModel, digest_weights, export_generic
from tests.zoo.parity import (
    Record,
    centres_of,
    largest_difference,
    load_record,
    per_camera_rows,
    rig_lidar2img,
    rule_input,
    set_rule_weights,
)

pytestmark = pytest.mark.torch

NAME = "bevformer_tiny"
# A few times the difference that float32 rounding makes in the original (recorded under `checks`).
TOLERANCES = {"bev_embed": 5e-5, "all_cls_scores": 1e-4, "all_bbox_preds": 1e-3}

Inputs = dict[str, np.ndarray]
Outputs = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def record() -> Record:
    """Return the recorded figures."""
    return load_record(NAME)


@pytest.fixture(scope="module")
def model() -> BEVFormer:
    """Return the detector with the weights of the recorded runs."""
    model = build(NAME).eval()
    set_rule_weights(model)
    return model


@pytest.fixture(scope="module")
def frames(record: Record) -> dict[str, Inputs]:
    """Return the inputs of the recorded runs, without and with a history."""
    can_bus = np.array(record["inputs"]["can_bus"]["values"], dtype=np.float32)
    first = can_bus.copy()
    first[[0, 1, 2, 17]] = 0.0
    shared = {
        "img": rule_input("img", (1, 6, 3, 480, 800)),
        "prev_bev": rule_input("prev_bev", (2500, 1, 256)),
        "lidar2img": rig_lidar2img(0.5).astype(np.float32)[None],
    }
    return {
        "no_prev": shared | {"can_bus": first, "use_prev_bev": np.zeros(1, np.float32)},
        "prev": shared | {"can_bus": can_bus, "use_prev_bev": np.ones(1, np.float32)},
    }


class Watcher:
    """Keeps what chosen parts of a model return."""

    def __init__(self, parts: dict[str, nn.Module]) -> None:
        self.seen: dict[str, Tensor] = {}
        self.handles = [part.register_forward_hook(self._keep(name)) for name, part in parts.items()]

    def _keep(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            self.seen[name] = output

        return keep


@pytest.fixture(scope="module")
def insides(model: BEVFormer) -> dict[str, Tensor]:
    """Return what parts of the model computed in the run without a history; filled by `outputs`."""
    transformer = model.pts_bbox_head.transformer
    layer = transformer.encoder.layers[0]
    parts: dict[str, nn.Module] = {
        "layer0_tsa": layer.attentions[0],
        "layer0_norm0": layer.norms[0],
        "layer0_sca": layer.attentions[1],
        "layer0_norm1": layer.norms[1],
        "layer0_ffn": layer.ffns[0],
        "layer0_out": layer,
        "layer1_out": transformer.encoder.layers[1],
        "can_bus_mlp": transformer.can_bus_mlp,
    }
    parts |= {f"decoder{index}": part for index, part in enumerate(transformer.decoder.layers)}
    return Watcher(parts).seen


@pytest.fixture(scope="module")
def outputs(model: BEVFormer, frames: dict[str, Inputs], insides: dict[str, Tensor]) -> dict[str, Outputs]:
    """Return what torch computes for both frames."""
    results = {}
    with torch.no_grad():
        for frame in ("prev", "no_prev"):  # the last one is what `insides` keeps
            tensors = [torch.from_numpy(frames[frame][name]) for name in example_inputs(NAME)]
            results[frame] = {name: value.numpy() for name, value in model(*tensors)._asdict().items()}
    return results


@pytest.fixture(scope="module")
def exported(model: BEVFormer, tmp_path_factory: pytest.TempPathFactory) -> GenericModel:
    """Return the export of a checkpoint with the weights of the recorded runs."""
    folder = tmp_path_factory.mktemp("generic")
    torch.save({"meta": {"epoch": 24}, "state_dict": model.state_dict()}, folder / "tiny.pth")
    return export_generic(NAME, folder / "tiny.pth", folder / "generic.onnx")


@pytest.fixture(scope="module")
def graph(exported: GenericModel) -> ir.Model:
    """Return the exported graph."""
    return ir.load(exported.path)


@pytest.mark.parametrize("name", ["bevformer_tiny", "bevformer_base"])
def test_keys_and_shapes_are_those_of_public_checkpoints(name: str) -> None:
    """The state dict has every recorded key with its shape, and no other key."""
    with torch.device("meta"):
        state = build(name).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == dict(load_record(name)["state_dict"])


@pytest.mark.parametrize("output", list(TOLERANCES))
def test_outputs_without_history_match_the_figures(
    record: Record, outputs: dict[str, Outputs], output: str
) -> None:
    """BEV features, scores and boxes of a first frame are the original's, to float32 rounding."""
    value = outputs["no_prev"][output]
    assert largest_difference(record, f"no_prev/{output}", value) < TOLERANCES[output]


@pytest.mark.parametrize(
    "part",
    ["layer0_tsa", "layer0_norm0", "layer0_sca", "layer0_norm1", "layer0_ffn", "layer0_out", "layer1_out"],
)
def test_encoder_layers_match_the_figures(
    record: Record, outputs: dict[str, Outputs], insides: dict[str, Tensor], part: str
) -> None:
    """Inside the first encoder layer every step is the original's."""
    assert largest_difference(record, f"no_prev/{part}", insides[part]) < 5e-5


def test_decoder_layers_match_the_figures(
    record: Record, outputs: dict[str, Outputs], insides: dict[str, Tensor]
) -> None:
    """The six decoded states and the embedding of the vehicle's motion are the original's."""
    states = torch.stack([insides[f"decoder{index}"].transpose(0, 1) for index in range(6)])
    assert largest_difference(record, "no_prev/decoder_states", states) < 1e-4
    assert largest_difference(record, "no_prev/can_bus_mlp", insides["can_bus_mlp"][0]) < 1e-5


def test_the_encoder_starts_from_the_recorded_tensors(
    record: Record, model: BEVFormer, frames: dict[str, Inputs]
) -> None:
    """Positions, the first queries, and the feature rows with their embeddings are the original's."""
    head, transformer = model.pts_bbox_head, model.pts_bbox_head.transformer
    frame = {name: torch.from_numpy(value) for name, value in frames["no_prev"].items()}
    with torch.no_grad():
        query = head.bev_embedding.weight[None] + transformer.can_bus_mlp(frame["can_bus"][None, None])
        value = transformer.flatten(model.img_neck(model.img_backbone(frame["img"][0])))
        position = head.positional_encoding()
    assert largest_difference(record, "bev_pos", position.transpose(0, 1)) < 1e-6
    assert largest_difference(record, "no_prev/enc_bev_query", query.transpose(0, 1)) < 1e-5
    assert largest_difference(record, "encoder_value_with_embeds", value[:, :, None]) < 5e-5


def test_attention_on_visible_queries_alone_matches_the_figures(
    record: Record, model: BEVFormer, frames: dict[str, Inputs], insides: dict[str, Tensor], outputs: object
) -> None:
    """Camera by camera, on the queries it sees and zeros behind them, the attention is the original's."""
    transformer = model.pts_bbox_head.transformer
    attention = transformer.encoder.layers[0].attentions[1].deformable_attention
    frame = {name: torch.from_numpy(value) for name, value in frames["no_prev"].items()}
    with torch.no_grad():
        value = transformer.flatten(model.img_neck(model.img_backbone(frame["img"][0])))
        sight = transformer.encoder.look(frame["lidar2img"])
        queries = per_camera_rows(sight.seen, insides["layer0_norm0"])
        read = attention.sample(queries, value, per_camera_rows(sight.seen, sight.reference))
    assert largest_difference(record, "no_prev/layer0_sca_deform_attn", read) < 5e-5


def test_decoder_references_match_the_figures(record: Record, outputs: dict[str, Outputs]) -> None:
    """After each decoder layer its boxes' centres are the recorded reference points."""
    boxes = torch.from_numpy(outputs["no_prev"]["all_bbox_preds"])
    references = centres_of(boxes, (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0))
    assert largest_difference(record, "no_prev/decoder_references", references) < 1e-5


def test_a_history_changes_the_outputs(outputs: dict[str, Outputs]) -> None:
    """The previous BEV has an influence: the two recorded runs do not agree by accident."""
    for name, tolerance in TOLERANCES.items():
        assert np.abs(outputs["prev"][name] - outputs["no_prev"][name]).max() > 100 * tolerance


@pytest.mark.parametrize("frame", ["no_prev", "prev"])
def test_the_exported_model_computes_what_torch_computes(
    exported: GenericModel, frames: dict[str, Inputs], outputs: dict[str, Outputs], frame: str
) -> None:
    """ONNX Runtime on the exported file gives torch's outputs, without and with a history."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(exported.path, options)
    for name, value in zip(TOLERANCES, session.run(list(TOLERANCES), frames[frame]), strict=True):
        np.testing.assert_allclose(value, outputs[frame][name], rtol=0, atol=TOLERANCES[name])


def test_the_exported_interface_is_the_documented_one(graph: ir.Model) -> None:
    """Inputs and outputs have the names, order, shapes and type that the guide promises."""
    values = [*graph.graph.inputs, *graph.graph.outputs]
    assert {value.name: tuple(value.shape or ()) for value in values} == {
        "img": (1, 6, 3, 480, 800),
        "prev_bev": (2500, 1, 256),
        "can_bus": (18,),
        "use_prev_bev": (1,),
        "lidar2img": (1, 6, 4, 4),
        "bev_embed": (2500, 1, 256),
        "all_cls_scores": (6, 1, 900, 10),
        "all_bbox_preds": (6, 1, 900, 10),
    }
    assert {value.dtype for value in values} == {ir.DataType.FLOAT}


def test_the_exported_graph_is_static_and_plain(graph: ir.Model) -> None:
    """No operator with data-dependent shapes, no integer arithmetic, opset 17, at most five dimensions."""
    operators = {node.op_type for node in graph.graph}
    assert not operators & {"NonZero", "ScatterND", "ScatterElements", "If", "Loop", "Mod", "Einsum", "Shape"}
    assert graph.opset_imports == {"": 17}
    for node in graph.graph:
        for value in node.outputs:
            assert all(isinstance(size, int) for size in value.shape or (None,)), value.name
            assert len(value.shape or ()) <= 5
            assert value.dtype in (ir.DataType.FLOAT, ir.DataType.BOOL), f"{node.name} computes {value.dtype}"
        if node.op_type == "GridSample":
            assert node.attributes.get_string("mode") in ("bilinear", "nearest")


def test_every_weight_is_stored_once(graph: ir.Model, exported: GenericModel) -> None:
    """No two large constants have the same content, and their file is little larger than the weights."""
    tensors = [value.const_value for value in graph.graph.initializers.values() if value.const_value]
    contents = [(tuple(tensor.shape), tensor.tobytes()) for tensor in tensors if tensor.nbytes > 1024]
    assert len(set(contents)) == len(contents)
    assert exported.weights_path is not None
    parameters = sum(value.numel() for value in build(NAME).state_dict().values())
    assert exported.weights_path.stat().st_size < 4 * parameters * 1.01


def test_the_export_says_what_it_is(graph: ir.Model, exported: GenericModel, model: BEVFormer) -> None:
    """Metadata name model and weights; nothing tells of the machine; a checkpoint needs no warning."""
    assert graph.metadata_props["specialize.model"] == NAME
    assert graph.metadata_props["specialize.weights"] == exported.weights_digest == digest_weights(model)
    assert str(Path(zoo.__file__).parent).encode() not in exported.path.read_bytes()
    assert exported.warnings == ()


def test_another_process_exports_the_same_bytes(exported: GenericModel, tmp_path: Path) -> None:
    """A second export, elsewhere, under another name and hash seed, writes byte-identical files."""
    checkpoint = exported.path.with_name("tiny.pth")
    command = (
        "import sys; from pathlib import Path; from specialize.zoo.export import export_generic;"
        f"export_generic({NAME!r}, Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    out = tmp_path / "other.onnx"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", command, checkpoint, out],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "", "an export prints nothing on stdout"
    assert out.read_bytes() == exported.path.read_bytes()
    assert exported.weights_path is not None
    assert (tmp_path / exported.weights_path.name).read_bytes() == exported.weights_path.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2, "an export leaves nothing else behind"
