"""Families of equal ops as tables: the steps per element, and the sentence they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from calprof.ops.operands import first_shape
from calprof.ops.registry import Formula, Op, add
from calprof.work import Work


def table(family: str, basis: Literal["out", "input"], entries: Mapping[str, tuple[Mapping[str, int], str]]) -> None:
    """Registers ops that do the same steps for every element of the result (or of the first tensor).

    Args:
        family: The family's name.
        basis: Whether steps are counted per element of the `out`put or of the first `input` tensor.
        entries: Name to the steps per element and the sentence they come from.
    """
    size = _out_numel if basis == "out" else _input_numel
    for name, (steps, sentence) in entries.items():
        add(name, Op(name, "priced", family, _per_element(steps, size, sentence), sentence, tuple(steps)))


def _per_element(steps: Mapping[str, int], size: Callable[..., int], sentence: str) -> Formula:
    def per_element(*args: Any, out: Any, **kwargs: Any) -> Work:
        elements = size(args, kwargs, out)
        return Work(**{kind: count * elements for kind, count in steps.items()})

    per_element.__doc__ = sentence
    return per_element


def _out_numel(args: Any, kwargs: Any, out: Any) -> int:
    found = first_shape(out)
    if found is not None:
        return found.numel()
    if out == "NotImplementedType":
        return 0  # an operator that leaves the work to its other operand, as in `x == None`
    raise TypeError("the op returned no tensor")


def _input_numel(args: Any, kwargs: Any, out: Any) -> int:
    # One search over both: the shape of a 0-d tensor is an empty tuple, and false.
    found = first_shape((*args, *kwargs.values()))
    return 1 if found is None else found.numel()


def alike(names: str, steps: Mapping[str, int], sentence: str) -> dict[str, tuple[Mapping[str, int], str]]:
    """Returns the same table entry for every name in a list separated by blanks.

    Example:
        >>> alike("fmax fmin", {"compare": 1}, "One comparison.")["fmin"]
        ({'compare': 1}, 'One comparison.')
    """
    return dict.fromkeys(names.split(), (steps, sentence))
