"""What a module is called: its dotted path, found when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from calprof.recording.walking import Walk, walk


class Paths:
    """Dotted paths of modules, those of the profiled model and those met on the way.

    Args:
        found: The modules of the model, as `walk` finds them.
    """

    def __init__(self, found: Walk) -> None:
        self._found = found
        self._first: dict[int, str] = {}
        self._several: dict[int, list[str]] = {}
        """Every path of modules that are registered in several places."""
        self.outsiders = False
        """Whether modules were met that are not the model's."""

    def known(self) -> tuple[Mapping[int, str], Mapping[int, list[str]]]:
        """Returns the first path of every module that is known, and every path of those that have several."""
        if self._found:
            self._first = {id(module): path for path, module in reversed(self._found.items())}
            if len(self._first) < len(self._found):
                for path, module in self._found.items():
                    self._several.setdefault(id(module), []).append(path)
                self._several = {number: paths for number, paths in self._several.items() if len(paths) > 1}
            self._found = {}
        return self._first, self._several

    def below(self, caller: str, module: torch.nn.Module) -> str:
        """Returns the path of a module called from the module with the path `caller`."""
        first = self.known()[0].get(id(module))
        if first is None:
            # Not part of the profiled model: a name below whoever calls it, and names for its children.
            self.outsiders = True
            base = f"{caller}.{type(module).__name__}" if caller else type(module).__name__
            for name, child in walk(module).items():
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
