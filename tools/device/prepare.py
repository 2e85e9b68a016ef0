"""Prepare a folder with which a device measures the forms of a build: models, inputs, expected outputs, scripts.

usage: python -m tools.device.prepare BUILD -o KIT [--whole-model] [--site N]

The folder needs nothing of this project: copy it to the device and run one of its scripts, as its README says. The
forms are those of `specialize bench`: the original zero-padded with its calibration folded, the re-batched one, and
the build. Each comes in float32 and in float16 (places and geometry stay in float32, as `--precision fp16` does it),
and with attention as TensorRT's plugin. Expected outputs are computed here by ONNX Runtime in float32.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.artifact import Build
from specialize.attention.recognise import recognise
from specialize.bench import Subject
from specialize.compiler.measure import feed_of
from specialize.errors import SpecializeError
from specialize.explain.bench import Timing, forms_of, subjects_of
from specialize.files.scratch import temporary_folder
from specialize.graph.folding import evaluate
from specialize.graph.io import read_graph, write_graph
from specialize.lowering.attention import lower_deformable_attention
from specialize.passes.clean_up import tidy
from specialize.precision.convert import require_valid
from specialize.precision.half import to_half
from specialize.precision.keep import kept_nodes
from specialize.precision.repair import name_nodes, state_types
from specialize.verify.runtime import open_onnxruntime

KIT = Path(__file__).parent / "kit"
PLUGIN = "tensorrt"
SCHEMA = "specialize/device-kit@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model of the kit.

    Attributes:
        part: `rows` (a site's rows), `site` (with its projections) or `model`.
        form: `original`, `rebatched` or `specialized`.
        precision: `fp32` or `fp16`.
        plugin: Whether attention is TensorRT's plugin.
        model: File of the model.
        feed: File of the inputs, by name.
        expected: File of the outputs in float32, by name.
    """

    part: str
    form: str
    precision: str
    plugin: bool
    model: str
    feed: str
    expected: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the folder; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", type=Path, help="a build for ONNX Runtime")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder; it must not exist")
    parser.add_argument("--whole-model", action="store_true", help="the whole model too, not its site alone")
    parser.add_argument("--site", type=int, help="number of the site; the one with the most rows without it")
    given = parser.parse_args(arguments)
    if given.output.exists():
        parser.error(f"{given.output} exists already")
    try:
        cases = prepare(given.build, given.output, Timing(whole_model=given.whole_model, site=given.site))
    except SpecializeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{len(cases)} models in {given.output}; next, on the device:")
    print(f"  python {given.output.name}/run_onnxruntime.py --provider CUDA")
    return 0


def prepare(build: Path, output: Path, timing: Timing) -> list[Case]:
    """Write the folder of a build's kit, whole or not at all, and return its models.

    Raises:
        InputError: The build is damaged, has no site, or its original cannot be had.
    """
    made = Build.intact(build)
    with temporary_folder("device-kit") as work:
        room = work / "kit"
        shutil.copytree(KIT, room, ignore=shutil.ignore_patterns("__pycache__"))
        cases: list[Case] = []
        with forms_of(made, _say) as (spec, forms, fed):
            feeds = {form: feed_of(found.path, spec, fed) for form, found in forms.items()}
            for part, subjects in subjects_of(forms, feeds, timing, _say)[1].items():
                for form, subject in subjects.items():
                    cases += _cases(part, form, subject, room)
        about = {
            "schema": SCHEMA,
            "model": made.manifest.model,
            "vehicle": made.manifest.vehicle,
            "build": made.manifest.digests.build,
            "cases": [asdict(case) for case in cases],
        }
        (room / "cases.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        shutil.move(room, output)
    return cases


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _cases(part: str, form: str, subject: Subject, room: Path) -> list[Case]:
    """Write one part of one form in every precision, with and without the plugin."""
    name = f"{part}.{form}"
    np.savez(room / f"{name}.feed.npz", allow_pickle=False, **_read(subject))
    expected = open_onnxruntime(subject.path, 2).run(subject.feed)
    np.savez(room / f"{name}.expected.npz", allow_pickle=False, **expected)
    found = []
    for precision, change in PRECISIONS.items():
        for plugin in (False, True):
            model = read_graph(subject.path)
            ir.external_data.load_to_model(model)
            if plugin and not _with_plugin(model):
                continue
            target = f"{name}.{precision}{'.plugin' if plugin else ''}.onnx"
            write_graph(change(model), room / target, f"{target}.weights")
            feed, outputs = f"{name}.feed.npz", f"{name}.expected.npz"
            found.append(
                Case(
                    part=part, form=form, precision=precision, plugin=plugin, model=target,
                    feed=feed, expected=outputs,
                )
            )  # fmt: skip
    return found


def _read(subject: Subject) -> Mapping[str, np.ndarray]:
    """Return what a model is fed, without entries that it does not read."""
    inputs = {str(value.name) for value in read_graph(subject.path).graph.inputs}
    return {name: array for name, array in subject.feed.items() if name in inputs}


def _with_plugin(model: ir.Model) -> bool:
    """Write attention as TensorRT's plugin, in place; return whether there is any."""
    evaluate(model)
    if not any(note.verdict == "applied" for note in recognise(model)):
        return False
    written = lower_deformable_attention(model, PLUGIN)
    tidy(model)
    return all(note.verdict == "applied" for note in written)


def _half(model: ir.Model) -> ir.Model:
    """Return a model in 16-bit floats whose places and geometry stay in 32."""
    evaluate(model)
    state_types(model)
    name_nodes(model)
    made = to_half(model, kept_nodes(model, ()))
    require_valid(made)
    return made


PRECISIONS: Mapping[str, Callable[[ir.Model], ir.Model]] = {"fp32": lambda model: model, "fp16": _half}
"""Name -> what makes a model of that precision of one in float32."""

if __name__ == "__main__":
    sys.exit(main())
