"""The package's public names: few, documented, and free until used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import specialize


@pytest.mark.parametrize("name", specialize.__all__)
def test_public_names_resolve(name: str) -> None:
    """Every public name is there, and the package's docstring says what it does."""
    assert getattr(specialize, name) is not None
    assert name in (specialize.__doc__ or "") or name in ("__version__", "zoo", "BuildRequest")


def test_there_are_at_most_ten() -> None:
    """The public names stay few."""
    assert len(specialize.__all__) <= 10


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public fails as names do."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = specialize.nothing


def test_importing_the_package_costs_nothing() -> None:
    """`import specialize` imports neither numpy nor torch."""
    script = "import specialize, sys; print(sorted({'numpy', 'torch', 'onnx', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_dir_shows_the_public_names() -> None:
    """An interactive session lists the API, and nothing of how it is imported."""
    assert dir(specialize) == sorted(specialize.__all__)
