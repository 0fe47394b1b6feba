"""The closed forms need the standard library and nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import calprof.analytical

FILES = sorted(Path(calprof.analytical.__path__[0]).glob("*.py"))


def foreign(source: str) -> set[str]:
    """Packages outside the standard library and this package that a source imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or ".")
    own = {name for name in names if name.split(".")[:2] == ["calprof", "analytical"]}
    return {name for name in names - own if name.split(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_only_the_standard_library(path: Path) -> None:
    assert foreign(path.read_text(encoding="utf-8")) == set()


def test_a_foreign_import_would_be_seen() -> None:
    assert foreign("def f():\n    import torch.nn") == {"torch.nn"}
    assert foreign("from calprof.profile import Profile") == {"calprof.profile"}
    assert foreign("from . import shape") == {"."}
