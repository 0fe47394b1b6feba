"""Attributes exchanged for the length of a block."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import islice
from threading import RLock, get_ident
from types import ModuleType
from typing import Any

Change = tuple[Any, str, Any]
"""An owner, the name of its attribute, and the value it has inside the block."""

Wrap = tuple[Any, str, Callable[[Any], Any]]
"""An owner, the name of its attribute, and what makes a wrapper of the function that stands there."""

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
        _put_back(owner, name, stack[-1])
    if len(stack) == 1:
        del _STACKS[id(owner), name]


def _put_back(owner: Any, name: str, stood: Any) -> None:
    if stood is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, stood)


def _take_back(changes: Sequence[Change], loaded: int) -> None:
    """Looks for copies of exchanged values in the modules that came after the first `loaded` ones."""
    exchanged_for = {id(value): (owner, name) for owner, name, value in changes}
    for module in list(islice(sys.modules.values(), loaded, None)):
        for attribute, value in list(vars(module).items()) if isinstance(module, ModuleType) else ():
            place = exchanged_for.get(id(value))
            if place is not None:
                setattr(module, attribute, getattr(*place))


class wrapped:
    """Wraps functions for the thread that enters the block; every other thread calls the function as it was.

    A block inside another one of the same thread wraps its wrapper. Blocks of several threads do not: however many
    overlap, one function stands in the place and finds the wrapper of the thread that calls it.
    """

    __slots__ = ("_thread", "_wraps")

    def __init__(self, wraps: Sequence[Wrap]) -> None:
        self._wraps = wraps

    def __enter__(self) -> None:
        self._thread = get_ident()
        with _LOCK:
            for owner, name, make in self._wraps:
                place = _PLACES.get((id(owner), name))
                if place is None:
                    place = _PLACES[id(owner), name] = _Place(owner, name)
                place.add(self._thread, make)

    def __exit__(self, *_: object) -> None:
        with _LOCK:
            for owner, name, make in reversed(self._wraps):
                _PLACES[id(owner), name].remove(self._thread, make)


class _Place:
    """A function and its wrappers by thread; kept for the next time when it has none."""

    __slots__ = ("_call", "_found", "_loaded", "_makers", "_name", "_owner", "_stood")

    def __init__(self, owner: Any, name: str) -> None:
        found: dict[int, Callable[..., Any]] = {}

        def call(*args: Any, **kwargs: Any) -> Any:
            return (found.get(get_ident()) or found[_NOBODY])(*args, **kwargs)

        self._owner, self._name, self._call, self._found = owner, name, call, found
        self._makers: dict[int, list[Callable[[Any], Any]]] = {}

    def add(self, thread: int, make: Callable[[Any], Any]) -> None:
        found = self._found
        if not self._makers:
            self._stood, self._loaded = vars(self._owner).get(self._name, _ABSENT), len(sys.modules)
            found[_NOBODY] = getattr(self._owner, self._name)
            setattr(self._owner, self._name, self._call)
        self._makers.setdefault(thread, []).append(make)
        found[thread] = make(found.get(thread) or found[_NOBODY])

    def remove(self, thread: int, make: Callable[[Any], Any]) -> None:
        makers = self._makers[thread]
        makers.remove(make)
        if makers:
            function = self._found[_NOBODY]
            for each in makers:
                function = each(function)
            self._found[thread] = function
            return
        del self._makers[thread], self._found[thread]
        if not self._makers:
            _put_back(self._owner, self._name, self._stood)
            if len(sys.modules) > self._loaded:
                _take_back([(self._owner, self._name, self._call)], self._loaded)


_NOBODY = 0
"""The number of no thread: what every other one calls."""
_PLACES: dict[tuple[int, str], _Place] = {}
