"""Attributes exchanged for the length of a block."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from threading import RLock
from types import ModuleType
from typing import Any

Change = tuple[Any, str, Any]
"""An owner, the name of its attribute, and the value it has inside the block."""

_ABSENT = object()
_LOCK = RLock()
_STACKS: dict[tuple[int, str], list[Any]] = {}
"""What was there at first, and what the blocks that are running now have set, by owner and name."""


def patched(owner: Any, name: str, value: Any) -> exchanged:
    """Sets `owner.name` for the length of a block; see `exchanged`."""
    return exchanged([(owner, name, value)])


class exchanged:
    """Sets attributes and puts back what was there, an inherited attribute as an inherited one.

    Blocks of several threads may overlap and end in any order: the last one puts back what was there at first. A
    module that is loaded inside the block and imports an exchanged function by name is given the one put back.
    """

    __slots__ = ("_changes", "_loaded")

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def __enter__(self) -> None:
        self._loaded = len(sys.modules)
        with _LOCK:
            for owner, name, value in self._changes:
                _STACKS.setdefault((id(owner), name), [vars(owner).get(name, _ABSENT)]).append(value)
                setattr(owner, name, value)

    def __exit__(self, *_: object) -> None:
        with _LOCK:
            for owner, name, value in reversed(self._changes):
                _take_out(owner, name, value)
        if len(sys.modules) > self._loaded:
            _take_back(self._changes, self._loaded)


def _take_out(owner: Any, name: str, value: Any) -> None:
    stack = _STACKS[id(owner), name]
    place = next(place for place in range(len(stack) - 1, 0, -1) if stack[place] is value)
    del stack[place]
    if place == len(stack):  # else another block's is in force
        if stack[-1] is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, stack[-1])
    if len(stack) == 1:
        del _STACKS[id(owner), name]


def _take_back(changes: Sequence[Change], loaded: int) -> None:
    """Looks for copies of exchanged values in the modules that came after the first `loaded` ones."""
    exchanged_for = {id(value): (owner, name) for owner, name, value in changes}
    for module in list(islice(sys.modules.values(), loaded, None)):
        for attribute, value in list(vars(module).items()) if isinstance(module, ModuleType) else ():
            place = exchanged_for.get(id(value))
            if place is not None:
                setattr(module, attribute, getattr(*place))
