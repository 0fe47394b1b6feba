"""Attributes exchanged for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import RLock
from typing import Any

Change = tuple[Any, str, Any]
"""An owner, the name of its attribute, and the value it has inside the block."""

_ABSENT = object()
_LOCK = RLock()
_STACKS: dict[tuple[int, str], list[Any]] = {}
"""What was there at first, and what the blocks that are running now have set, by owner and name."""


def patched(owner: Any, name: str, value: Any) -> AbstractContextManager[None]:
    """Sets `owner.name` for the length of a block; see `exchanged`."""
    return exchanged([(owner, name, value)])


@contextmanager
def exchanged(changes: Sequence[Change]) -> Iterator[None]:
    """Sets attributes and puts back what was there, an inherited attribute as an inherited one.

    Blocks of several threads may overlap and end in any order: the last one puts back what was there at first.
    """
    with _LOCK:
        for owner, name, value in changes:
            _STACKS.setdefault((id(owner), name), [vars(owner).get(name, _ABSENT)]).append(value)
            setattr(owner, name, value)
    try:
        yield
    finally:
        with _LOCK:
            for owner, name, value in reversed(changes):
                _take_out(owner, name, value)


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
