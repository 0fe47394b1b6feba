"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import calprof.analytical

MODULES = sorted(path.stem for path in Path(calprof.analytical.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module("calprof.analytical" + ("" if name == "__init__" else f".{name}"))
    assert doctest.testmod(module).failed == 0


def test_examples_exist() -> None:
    attempted = doctest.testmod(importlib.import_module("calprof.analytical.terms")).attempted
    assert attempted >= 5
