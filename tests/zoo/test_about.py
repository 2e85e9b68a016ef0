"""The descriptions of built-in models, which are made without building one, agree with the modules."""

from __future__ import annotations

import pytest

from specialize import zoo
from specialize.zoo.about import about, interfaces
from tools.zoo_interfaces import interface

pytestmark = pytest.mark.torch

LARGE = ("bevformer_small", "bevformer_base", "surroundocc")
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name.startswith(LARGE) else name for name in zoo.MODELS
]


@pytest.mark.parametrize("name", NAMES)
def test_interfaces_are_those_of_the_modules(name: str) -> None:
    """Names, types and shapes of inputs and outputs, and the number of parameters, equal those of the module."""
    assert interfaces()[name] == interface(name), "run `python tools/zoo_interfaces.py`"


def test_every_model_says_what_falls_away() -> None:
    """Every model is described, and what has no calibration input says that nothing is removed."""
    assert list(interfaces()) == list(zoo.MODELS)
    for name in zoo.MODELS:
        nothing = about(name).removes.startswith("nothing")
        assert nothing == (not zoo.spec(name).calibration_inputs)
