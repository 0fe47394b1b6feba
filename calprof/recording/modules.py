"""Which module work belongs to: the stack of running modules, kept by forward hooks.

A scope is one place in the call stack: a module as called from its caller's scope. A module called twice
from one place is one scope with two calls; called from two places it is two scopes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from calprof.recording.walking import Walk, walk

Key = tuple[Any, ...]


class Scope:
    """A module as called from its caller; `children` are the modules it called, by id."""

    __slots__ = ("calls", "children", "module", "parent")

    def __init__(self, parent: Scope | None, module: torch.nn.Module | None) -> None:
        self.parent = parent
        self.module = module
        self.calls = 0
        # Most modules call none: they get no table.
        self.children: dict[int, Scope] | None = None

    def lineage(self) -> list[Scope]:
        """Returns this scope and its callers, innermost first."""
        scopes: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            scopes.append(scope)
            scope = scope.parent
        return scopes


class Tally:
    """What is being counted right now: the running scope, and every call with the scopes it ran in.

    Args:
        found: The modules that have names, as `walk` finds them.
    """

    __slots__ = ("_names", "_paths", "distinct", "root", "scope", "scopes", "table", "traces")

    def __init__(self, found: Walk = ()) -> None:
        self._names = _Names(found)
        self.root = Scope(None, None)
        self._paths = {self.root: ""}
        self.scope = self.root
        self.scopes = [self.root]
        self.table: dict[Key, dict[Scope, int]] = {}
        self.distinct = 0
        """Pairs of a key and a scope in the table."""
        self.traces: list[tuple[Scope, Key, int, tuple[Any, ...]]] = []
        """With gradients noted, of each call: its scope, its key, autograd's sequence number when it began, and
        the autograd nodes of its result."""

    def open(self, parent: Scope, module: torch.nn.Module) -> Scope:
        """Makes the scope of `module` called from `parent`."""
        scope = Scope(parent, module)
        if parent.children is None:
            parent.children = {}
        parent.children[id(module)] = scope
        self.scopes.append(scope)
        return scope

    def add(self, scope: Scope, key: Key, times: int = 1) -> None:
        """Counts a call."""
        places = self.table.setdefault(key, {})
        if scope not in places:
            self.distinct += 1
        places[scope] = places.get(scope, 0) + times

    def remove(self, scope: Scope, key: Key) -> None:
        """Takes one call back."""
        places = self.table[key]
        places[scope] -= 1
        if not places[scope]:
            del places[scope]
            self.distinct -= 1
        if not places:
            del self.table[key]

    def clear(self) -> None:
        """Forgets the calls, not the scopes."""
        self.table.clear()
        self.distinct = 0

    def path(self, scope: Scope) -> str:
        """Returns the dotted path of a scope's module, found when it is first asked for: a run has no time for it."""
        path = self._paths.get(scope)
        if path is None:
            assert scope.parent is not None and scope.module is not None
            path = self._paths[scope] = self._names.below(self.path(scope.parent), scope.module)
        return path

    def paths(self) -> dict[Scope, str]:
        """Returns the paths of all scopes."""
        paths, first, several = self._paths, *self._names.known()
        for scope in self.scopes:
            if scope not in paths:
                path = first.get(id(scope.module))
                paths[scope] = self.path(scope) if path is None or id(scope.module) in several else path
        return paths


class _Names:
    """Dotted paths of modules, those of the profiled model and those met on the way."""

    def __init__(self, found: Walk) -> None:
        self._found = found
        self._first: dict[int, str] = {}
        self._several: dict[int, list[str]] = {}
        """Every path of modules that are registered in several places."""

    def known(self) -> tuple[Mapping[int, str], Mapping[int, list[str]]]:
        """Returns the first path of every module that is known, and every path of those that have several."""
        if self._found:
            self._first = {id(module): path for path, module in reversed(self._found)}
            if len(self._first) < len(self._found):
                for path, module in self._found:
                    self._several.setdefault(id(module), []).append(path)
                self._several = {number: paths for number, paths in self._several.items() if len(paths) > 1}
            self._found = ()
        return self._first, self._several

    def below(self, caller: str, module: torch.nn.Module) -> str:
        """Returns the path of a module called from the module with the path `caller`."""
        first = self.known()[0].get(id(module))
        if first is None:
            # Not part of the profiled model: a name below whoever calls it, and names for its children.
            base = f"{caller}.{type(module).__name__}" if caller else type(module).__name__
            for name, child in walk(module):
                path = f"{base}.{name}" if name else base
                if self._first.setdefault(id(child), path) is not path:
                    self._several.setdefault(id(child), [self._first[id(child)]]).append(path)
            return base
        if id(module) not in self._several:
            return first
        # Registered in several places: the one nearest below the caller.
        paths = self._several[id(module)]
        prefix = caller + "." if caller else ""
        below = [path for path in paths if path.startswith(prefix) and path != caller]
        return min(below or paths, key=lambda path: path.count("."))


def follow(tally: Tally) -> Callable[[], None]:
    """Registers the hooks that keep `tally.scope` the innermost running module of this thread.

    Returns:
        A function that removes them.
    """
    owner = get_ident()

    def enter(module: torch.nn.Module, inputs: Any) -> None:
        if get_ident() != owner:
            return
        scope = tally.scope
        children = scope.children
        child = children.get(id(module)) if children is not None else None
        if child is None:
            child = tally.open(scope, module)
        child.calls += 1
        tally.scope = child

    def leave(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        scope = tally.scope
        # Recording may start inside a running module, which then leaves without having entered.
        if get_ident() == owner and scope.module is module and scope.parent is not None:
            tally.scope = scope.parent

    handles = [
        register_module_forward_pre_hook(enter),
        # Called for a forward that raises too, so that a caller that catches goes on in its own scope.
        register_module_forward_hook(leave, always_call=True),
    ]

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove
