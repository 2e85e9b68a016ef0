"""Define options that several commands share, each in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from specialize.cli.projects import FromProject
from specialize.errors import UsageError
from specialize.files.far import is_far
from specialize.request import LAYOUTS, PRECISIONS, PROOFS

Command = Callable[..., Any]


class Existing(click.Path):
    """A path that exists, or that of a vehicle in a table of profiles, `fleet.parquet/car42`, or a URL."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; whether a table has the vehicle, and what is behind a URL, its reader tells."""
        path = Path(value)
        if is_far(path) or (path.parent.suffix == ".parquet" and path.parent.is_file()):
            return path
        return super().convert(value, param, ctx)


EXISTING = Existing(path_type=Path, exists=True, dir_okay=False)
PROFILES = Existing(path_type=Path, exists=True)
FOLDER = click.Path(path_type=Path, file_okay=False)
ANY_PATH = click.Path(path_type=Path)


def complete_model(context: click.Context, option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return built-in models that begin like this, and let the shell complete files."""
    from specialize.zoo import MODELS

    names = [CompletionItem(name) for name in MODELS if name.startswith(begun)]
    return names or [CompletionItem(begun, type="file")]


def complete_target(context: click.Context, option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return toolchains that begin like this."""
    from specialize.targets import TARGETS

    return [CompletionItem(name) for name in TARGETS if name.startswith(begun)]


without_option = click.option(
    "--without",
    multiple=True,
    metavar="CAMERA",
    help="Take this camera off, dead or absent: the model keeps its input, and no query attends to it; repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
calib_option = click.option(
    "--calib", cls=FromProject, type=EXISTING, required=True, help="Calibration profile of the vehicle."
)
model_option = click.option(
    "--model",
    shell_complete=complete_model,
    cls=FromProject,
    default="bevformer_tiny",
    show_default=True,
    help="A built-in model, or an ONNX file.",
)
model_spec_option = click.option(
    "--model-spec",
    cls=FromProject,
    type=EXISTING,
    help="Sidecar of an ONNX file [default: my.model.yaml next to my.onnx].",
)
checkpoint_option = click.option(
    "--checkpoint",
    cls=FromProject,
    type=EXISTING,
    help="Weights of a built-in model [default: seeded, untrained weights].",
)
seed_option = click.option(
    "--seed",
    cls=FromProject,
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the weights, if there is no checkpoint, and of the frames.",
)
frames_dir_option = click.option(
    "--frames-dir",
    cls=FromProject,
    type=FOLDER,
    help="Real frames for fp16 and int8: one .npz file per frame with an array per input [default: seeded noise].",
)
every_site_option = click.option(
    "--keep-every-site", is_flag=True, help="Rewrite every site, even where that costs more than it saves."
)
bake_option = click.option(
    "--bake-lenses",
    is_flag=True,
    help="Let the cameras' lenses take the place of the model's matrices. The result is not the model's own function.",
)
align_option = click.option(
    "--align",
    cls=FromProject,
    type=int,
    default=1,
    show_default=True,
    help="Round row counts up to a multiple of this.",
)
target_option = click.option(
    "--target",
    shell_complete=complete_target,
    cls=FromProject,
    default="onnxruntime",
    show_default=True,
    help="Toolchain to lower the model for.",
)
precision_option = click.option(
    "--precision",
    cls=FromProject,
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Number format to convert the verified model to; sampling locations stay in float32.",
)
attention_option = click.option(
    "--attention",
    cls=FromProject,
    default="",
    metavar="FORM",
    help="How to write deformable attention: one of the forms that `specialize targets NAME` lists, or two in "
    "standard operators, SITES/OTHERS [default: the target's own].",
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(("onnxruntime", "openvino")),
    default="onnxruntime",
    show_default=True,
    help="Runtime to measure on.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Threads per operator."
)
rounds_option = click.option(
    "--rounds", type=click.IntRange(min=1), default=11, show_default=True, help="Timed runs of each form."
)
allow_option = click.option(
    "--allow",
    multiple=True,
    metavar="CODE",
    help="Continue despite the error with this code, as printed by `specialize profile check`; repeatable.",
)
allow_in_build_option = click.option(
    "--allow",
    multiple=True,
    metavar="CODE",
    help="Continue despite the error with this code: one printed by `specialize profile check`, empty-proof or "
    "ill-conditioned; repeatable.",
)
layout_option = click.option(
    "--layout",
    cls=FromProject,
    type=click.Choice(LAYOUTS),
    default="ragged",
    show_default=True,
    help="ragged: each camera has its own row count; padded: all have that of the longest.",
)
frames_option = click.option(
    "--frames",
    cls=FromProject,
    type=int,
    default=4,
    show_default=True,
    help="Number of frames to verify with.",
)
proof_option = click.option(
    "--proof",
    cls=FromProject,
    type=click.Choice(PROOFS),
    default="auto",
    show_default=True,
    help="whole: compare both models from inputs to outputs; sites: only what the calibration can change, on values "
    "that an earlier build recorded; auto: at the sites if the store has such values.",
)
measure_option = click.option(
    "--measure/--no-measure",
    default=True,
    envvar="SPECIALIZE_MEASURE",
    show_default=True,
    help="Time the original and the specialized model once, on one thread. Does not change the build.",
)
tune_option = click.option(
    "--tune",
    is_flag=True,
    help="Write attention as is quickest on this machine: by the store's measurement of these sizes, or a new one.",
)
images_option = click.option(
    "--images",
    type=FOLDER,
    metavar="DIR",
    help="Draw over real images: DIR/NAME.jpg or .png per camera, or the first file in DIR/NAME/.",
)
mcap_option = click.option(
    "--mcap",
    type=ANY_PATH,
    metavar="FILE",
    help="Also write a recording for viewers such as Foxglove: cameras, frusta and visible cells.",
)
build_argument = click.argument("build_dir", metavar="BUILD", type=FOLDER)


format_options = click.option(
    "-O",
    "--option",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the format, as `specialize profile formats FORMAT` explains; repeatable.",
)


def timing_options(command: Command) -> Command:
    """Add the options that all commands that measure share."""
    return runtime_option(threads_option(rounds_option(command)))


def pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Parse NAME=VALUE texts into a dictionary.

    Raises:
        UsageError: A text has no `=`.
    """
    split = [text.partition("=") for text in given]
    wrong = [name for name, sign, _ in split if not sign]
    if wrong:
        raise UsageError("--option", "NAME=VALUE", repr(wrong[0]))
    return {name: value for name, _, value in split}
