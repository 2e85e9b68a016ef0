"""Horizon J6 (Nash): `hb_compile`."""

from __future__ import annotations

import json

import yaml

from specialize.targets.base import VENDOR_QUANTIZES, Evidence, FileFacts, Int8, Rule, Toolchain, table
from specialize.targets.config_keys import check_keys, known
from specialize.targets.render import HEADER, header, render

_DOC = "HorizonRobotics/OE-Skills: horizon/docs/oe_code_chunk_*.md"
_HAT = "HAT BEVFormer: hat/models/task_modules/bevformer"

TOOLCHAIN = Toolchain(
    name="horizon_j6",
    title="Horizon J6 (Nash), hb_compile",
    opsets=(9, 20),
    opset=17,
    operators=table(
        ("GridSample MatMul Conv Add Mul Relu Softmax LayerNormalization Concat Reshape Transpose", Rule(
            text="used by the vendor's own BEVFormer", source=_HAT,
        )),
        ("Shape", Rule(verdict="cpu", text="external_cpu in the vendor's example of "
                                           "convert(advice=True)", source=_DOC)),
        ("BEVPoolingV2 DeformConv2D", Rule(text="a registered plugin", source=_DOC)),
    ),
    unlisted=Rule(verdict="unknown", text="the tables of operators ship inside the SDK"),
    forms=("nearest-gather",),
    floats=("float32",),
    int8=Int8(
        weight_bits=8,
        weight_bits_source=VENDOR_QUANTIZES,
        own="hb_compile quantizes the float model itself, with int16 for the nodes that quant_config.json names",
    ),
    files=("hb_compile.yaml", "quant_config.json", HEADER),
    evidence=(Evidence(kind="from documents", text=_DOC), Evidence(kind="from documents", text=_HAT)),
    source=_DOC,
    notes=("the vendor's BEVFormer takes its tables as inputs: one engine, tables per vehicle (--mode "
           "tables)",),
)  # fmt: skip

KEYS = known(
    "",
    model_parameters=known(
        "onnx_model march output_model_file_prefix working_dir layer_out_dump output_nodes remove_node_type "
        "remove_node_name node_info"
    ),
    input_parameters=known(
        "input_name input_shape input_type_rt input_layout_rt input_type_train input_layout_train "
        "input_batch norm_type "
        "mean_value scale_value"
    ),
    calibration_parameters=known(
        "cal_data_dir cal_data_type calibration_type optimization run_on_cpu run_on_bpu quant_config"
    ),
    compiler_parameters=known(
        "compile_mode debug core_num optimize_level jobs extra_params advice cache_path cache_mode "
        "max_l2m_size "
        "input_no_padding output_no_padding"
    ),
)
"""Keys of `hb_compile`'s YAML."""

QUANT_KEYS = known("model_config op_config node_config subgraph_config")
"""Keys of its quantization file."""

NODE = known("qtype input0 input1")
"""Keys of each node in it: HorizonRobotics/OE-Skills, structure of QuantConfig."""


def files(facts: FileFacts) -> dict[str, str]:
    """Return hb_compile's configuration, its quantization file (coordinates in int16) and the C header."""
    directories = ";".join(f"calibration/{tensor.name}" for tensor in facts.inputs)
    config, quant = (
        render("horizon_j6/hb_compile.yaml.j2", facts, directories=directories),
        render("horizon_j6/quant_config.json.j2", facts),
    )
    check_keys(yaml.safe_load(config), KEYS, "hb_compile.yaml")
    document = json.loads(quant)
    check_keys(document, QUANT_KEYS, "quant_config.json")
    for name, node in document["node_config"].items():
        check_keys(node, NODE, f"quant_config.json: node_config.{name}")
    return {"hb_compile.yaml": config, "quant_config.json": quant, HEADER: header(facts)}
