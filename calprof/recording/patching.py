"""An attribute exchanged for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

_ABSENT = object()
_LOCK = RLock()
_STACKS: dict[tuple[int, str], list[Any]] = {}
"""What was there at first, and what the blocks that are running now have set, by owner and name."""


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Sets `owner.name` and puts back what was there, an inherited attribute as an inherited one.

    Blocks of several threads may overlap and end in any order: the last one puts back what was there at first.
    """
    place = (id(owner), name)
    with _LOCK:
        stack = _STACKS.setdefault(place, [vars(owner).get(name, _ABSENT)])
        stack.append(value)
        setattr(owner, name, value)
    try:
        yield
    finally:
        with _LOCK:
            _take_out(owner, name, stack, value)
            if len(stack) == 1:
                del _STACKS[place]


def _take_out(owner: Any, name: str, stack: list[Any], value: Any) -> None:
    place = next(place for place in range(len(stack) - 1, 0, -1) if stack[place] is value)
    del stack[place]
    if place < len(stack):
        return  # another block's is in force
    if stack[-1] is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, stack[-1])
