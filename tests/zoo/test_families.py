"""The compiler knows no family: none is named in it, and one that it never saw is built like all others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import specialize
from specialize import zoo
from specialize.compiler.build import build
from specialize.files.resources import resource_dir
from specialize.request import BuildRequest
from tests.zoo import fifth_family

CAR42 = resource_dir("calib_profiles") / "car42.yaml"
DEFAULT = "bevformer_tiny"  # of commands that are given no model


def test_no_model_is_named_outside_the_zoo() -> None:
    """No module of the compiler names a model or imports one's module; the default of commands is all there is."""
    package = Path(specialize.__file__).parent
    modules = {module.rpartition(".")[2] for module in zoo.MODELS.values()}
    names = "|".join(
        sorted((re.escape(name) for name in zoo.MODELS if name != DEFAULT), key=len, reverse=True)
    )
    found = re.compile(rf"[\"'](?:{names})[\"']|zoo[. ](?:import )?(?:{'|'.join(modules)})\b")
    files = [path for path in package.rglob("*.py") if "zoo" not in path.relative_to(package).parts]
    assert len(files) > 100
    assert [str(path) for path in files if found.search(path.read_text())] == []
    assert found.search("if model == 'surroundocc':") and found.search(
        "from specialize.zoo.bevfusion import x"
    )


@pytest.mark.torch
@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_a_fifth_family_is_one_module_and_one_line(
    layout: str, tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is new to the zoo is exported, specialized and proven without a line of the compiler."""
    monkeypatch.setitem(zoo.MODELS, "fifth", fifth_family.__name__)
    sidecar = tmp_path / "fifth.yaml"
    sidecar.write_text(fifth_family.SIDECAR)
    request = BuildRequest(
        calib=CAR42, model="fifth", model_spec=sidecar, layout=layout, output=tmp_path / "build"
    )
    manifest = build(request).manifest
    assert manifest.verify.passed
    (site,) = manifest.sites
    assert 0 < site.rows_computed < fifth_family.CAMERAS * site.queries / 2
