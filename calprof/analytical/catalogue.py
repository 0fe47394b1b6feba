"""The catalogue of published formulas, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from calprof.analytical.estimates import ESTIMATES
from calprof.analytical.formula import Formula
from calprof.analytical.frameworks import FRAMEWORKS
from calprof.analytical.shape import Shape

__all__ = ["FORMULAS", "applicable", "formula"]

FORMULAS: Mapping[str, Formula] = MappingProxyType({f.name: f for f in (*ESTIMATES, *FRAMEWORKS)})
"""Every formula by its name, in the order they are listed."""


def formula(name: str) -> Formula:
    """The formula of that name.

    Raises:
        ValueError: when there is none.

    Example:
        >>> formula("palm").plain(params=10, layers=0, heads=1, head_size=1, seq=3)
        180
    """
    if name not in FORMULAS:
        raise ValueError(f"no formula is called {name!r}: expected one of {', '.join(FORMULAS)}")
    return FORMULAS[name]


def applicable(shape: Shape) -> list[Formula]:
    """The formulas that have a meaning for `shape`.

    Example:
        >>> [f.name for f in applicable(Shape(layers=2, hidden=8, heads=2, decoder_layers=2))]
        ['exact', 'exact-training', '2n', '6nd', '8nd', 'huggingface']
    """
    return [entry for entry in FORMULAS.values() if entry.applies(shape)]
