"""Which module work belongs to: the stack of running modules, kept by forward hooks.

A scope is one place in the call stack: a module as called from its caller's scope. A module called twice
from one place is one scope with two calls; called from two places it is two scopes.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from calprof.recording.walking import walk


class Scope:
    """A module as called from its caller, with the calls tallied while it is the innermost one."""

    __slots__ = ("calls", "children", "counts", "module", "parent", "path")

    def __init__(self, parent: Scope | None, module: torch.nn.Module | None, path: str) -> None:
        self.parent = parent
        self.module = module
        self.path = path
        self.calls = 0
        self.children: dict[int, Scope] = {}
        self.counts: dict[Any, int] = {}

    def lineage(self) -> list[Scope]:
        """Returns this scope and its callers, innermost first."""
        scopes: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            scopes.append(scope)
            scope = scope.parent
        return scopes


class Tally:
    """What is being counted right now: the running scope and its table of calls."""

    __slots__ = ("counts", "distinct", "paths", "root", "scope", "scopes", "traces")

    def __init__(self, model: torch.nn.Module | None) -> None:
        self.paths = module_paths(model)
        self.root = Scope(None, None, "")
        self.scope = self.root
        self.scopes = [self.root]
        self.counts = self.root.counts
        self.distinct = 0
        self.traces: list[tuple[dict[Any, int], tuple[Any, ...], int, tuple[Any, ...]]] = []
        """With gradients noted, of each call: its table, its key, autograd's sequence number when it began, and
        the autograd nodes of its result."""

    def open(self, parent: Scope, module: torch.nn.Module) -> Scope:
        """Makes the scope of `module` called from `parent`."""
        scope = Scope(parent, module, self._path(parent, module))
        parent.children[id(module)] = scope
        self.scopes.append(scope)
        return scope

    def _path(self, parent: Scope, module: torch.nn.Module) -> str:
        paths = self.paths.get(id(module))
        if paths is None:
            # Not part of the profiled model: a name below whoever calls it, and names for its children.
            base = f"{parent.path}.{type(module).__name__}" if parent.path else type(module).__name__
            for name, child in walk(module):
                self.paths.setdefault(id(child), []).append(f"{base}.{name}" if name else base)
            return base
        if len(paths) == 1:
            return paths[0]
        # Registered in several places: the one nearest below the caller.
        prefix = parent.path + "." if parent.path else ""
        below = [path for path in paths if path.startswith(prefix) and path != parent.path]
        return min(below or paths, key=lambda path: path.count("."))


def module_paths(model: torch.nn.Module | None) -> dict[int, list[str]]:
    """Returns every dotted path a module is registered under, by the module's id."""
    paths: dict[int, list[str]] = {}
    if model is not None:
        for path, module in walk(model):
            paths.setdefault(id(module), []).append(path)
    return paths


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
        child = scope.children.get(id(module)) or tally.open(scope, module)
        child.calls += 1
        tally.scope = child
        tally.counts = child.counts

    def leave(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        scope = tally.scope
        # Recording may start inside a running module, which then leaves without having entered.
        if get_ident() != owner or scope.module is not module or scope.parent is None:
            return
        tally.scope = scope.parent
        tally.counts = scope.parent.counts

    handles = [
        register_module_forward_pre_hook(enter),
        # Called for a forward that raises too, so that a caller that catches goes on in its own scope.
        register_module_forward_hook(leave, always_call=True),
    ]

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove
