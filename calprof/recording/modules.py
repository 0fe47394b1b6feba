"""What happened during a run, in order: modules that began and ended, and the calls in between.

While the model runs, an event is appended to a list and nothing else is done. What the events come to, which calls
were made how often in which module, is worked out afterwards, or whenever so many have piled up.

A scope is one place in the call stack: a module as called from its caller's scope. A module called twice
from one place is one scope with two calls; called from two places it is two scopes. It is known by its number, in
the order in which scopes began; 0 is outside every module.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from calprof.recording.paths import Paths
from calprof.recording.walking import Walk

Key = tuple[Any, ...]
Event = Any
"""A dict of `Tally.places`: its call was made. A key or a `Noted`: likewise. A module: it began. An `int`: the module
of this identity ended. `None`: recording stopped, whatever was running."""
HELD = 4096
"""Events held before they are replayed, so that memory stays bounded: a few MB."""


class Noted:
    """A call made several times over, or one whose key may still change; its scope is known once it is replayed."""

    __slots__ = ("key", "scope", "times")

    def __init__(self, key: Key, times: int = 1) -> None:
        self.key = key
        self.times = times
        self.scope: int | None = None


class Tally:
    """What is being counted right now: the running scope, and every call with the scopes it ran in.

    Args:
        found: The modules that have names, as `walk` finds them.
    """

    def __init__(self, found: Walk | None = None) -> None:
        self.events: list[Event] = []
        """What happened since the last replay."""
        self.traces: list[tuple[Noted, int, tuple[Any, ...]]] = []
        """With gradients noted, of each call: autograd's sequence number when it began, and the autograd nodes of its
        result."""
        self.places: dict[Key, dict[int, int]] = {}
        """Every distinct call, with the scopes it was made in and how often; a call is looked up when it is made, so
        that its key, and the sizes in it, need not be kept."""
        self.elsewhere: dict[int, torch.nn.Module] = {}
        """Modules that began in another thread, where nothing is seen, by identity."""
        self._known = Paths(found or {})
        self._paths = [""]
        self._scope = 0
        self._modules: list[torch.nn.Module | None] = [None]
        self._parents = [0]
        self._calls = [0]
        self._below: list[dict[int, int]] = [{}]
        """The scopes of the modules that were called from a scope, by identity."""

    @property
    def scope(self) -> int:
        """The innermost running module's, now."""
        self.replay()
        return self._scope

    @property
    def modules(self) -> Sequence[torch.nn.Module | None]:
        """The module of each scope."""
        self.replay()
        return self._modules

    @property
    def calls(self) -> Sequence[int]:
        """How often each scope's module began."""
        self.replay()
        return self._calls

    @property
    def table(self) -> Mapping[Key, Mapping[int, int]]:
        """How often each distinct call was made in which scope."""
        self.replay()
        return self.places

    @property
    def distinct(self) -> int:
        """Pairs of a key and a scope in the table."""
        return sum(map(len, self.table.values()))

    def replay(self) -> None:
        """Works out what the events come to, and forgets them."""
        events, table, below = self.events, self.places, self._below
        modules, parents, calls, scope = self._modules, self._parents, self._calls, self._scope
        for event in events:
            kind = type(event)
            if kind is dict:
                event[scope] = event.get(scope, 0) + 1
            elif kind is int:
                # A module that was running when recording stopped ends afterwards, in no scope.
                if id(modules[scope]) == event:
                    scope = parents[scope]
            elif kind is tuple:
                places = table.setdefault(event, {})
                places[scope] = places.get(scope, 0) + 1
            elif kind is Noted:
                event.scope = scope
                self._add(event.key, scope, event.times)
            elif event is None:
                scope = 0
            else:
                number = below[scope].get(id(event))
                if number is None:
                    number = below[scope][id(event)] = len(modules)
                    modules.append(event)
                    parents.append(scope)
                    calls.append(0)
                    below.append({})
                scope = number
                calls[scope] += 1
        self._scope = scope
        events.clear()

    def amend(self, noted: Noted, key: Key) -> None:
        """Says what a call was, where that is known only now."""
        if noted.scope is not None:
            self._add(noted.key, noted.scope, -noted.times)
            self._add(key, noted.scope, noted.times)
        noted.key = key

    def clear(self) -> None:
        """Forgets the calls, not the scopes."""
        self.places.clear()

    def path(self, scope: int) -> str:
        """Returns the dotted path of a scope's module."""
        return self.paths()[scope]

    def paths(self) -> Sequence[str]:
        """Returns the dotted path of every scope's module; found when they are asked for, a run has no time for it."""
        paths, modules = self._paths, self.modules
        if len(paths) < len(modules):
            first, several = self._known.known()
            for module, parent in zip(modules[len(paths) :], self._parents[len(paths) :], strict=True):
                path = first.get(id(module))
                if path is None or id(module) in several:
                    assert module is not None
                    path = self._known.below(paths[parent], module)
                paths.append(path)
        return paths

    @property
    def outsiders(self) -> bool:
        """Whether a module ran that is not the model's."""
        self.paths()
        return self._known.outsiders

    def below(self, modules: Collection[int]) -> list[bool]:
        """Returns of every scope whether it is that of one of the modules with these identities, or below one."""
        found: list[bool] = []
        for module, parent in zip(self.modules, self._parents, strict=True):
            found.append(id(module) in modules or (bool(found) and found[parent]))
        return found

    def _add(self, key: Key, scope: int, times: int) -> None:
        places = self.places.setdefault(key, {})
        places[scope] = places.get(scope, 0) + times
        if not places[scope]:
            del places[scope]
