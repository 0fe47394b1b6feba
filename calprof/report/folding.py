"""Which siblings are equal, so that 32 like layers print as one line."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from calprof.cost.training import Training
from calprof.profiles import ModuleNode

_NUMBERED = re.compile(r"(.*?)(\d+)\Z", re.DOTALL)


@dataclass(frozen=True)
class Identities:
    """A number for each subtree, the same for two that would print the same but for their names.

    Attributes:
        phases: Training phases by dotted path, which must be equal too.
    """

    phases: Mapping[str, Training]
    _numbers: dict[Hashable, int] = field(default_factory=dict)
    _known: dict[str, int] = field(default_factory=dict)

    def of(self, node: ModuleNode) -> int:
        """Returns the number of `node`'s subtree."""
        known = self._known.get(node.path)
        if known is None:
            phase = self.phases.get(node.path)
            trained = (phase.forward, phase.backward, phase.recompute) if phase else None
            below = tuple((child.name, self.of(child)) for child in node.children)
            mine = (
                node.kind,
                node.calls,
                node.params,
                node.trainable_params,
                node.ignored,
                node.own,
                trained,
                below,
            )
            known = self._known[node.path] = self._numbers.setdefault(mine, len(self._numbers))
        return known


def groups(siblings: Sequence[ModuleNode], identities: Identities | None) -> list[tuple[str, list[ModuleNode]]]:
    """Returns siblings in runs of equal ones, each with the name of the run.

    Equal siblings are folded when their names differ in a trailing number only. Leaves must stand side by
    side, so that a plain stack of layers keeps its order; larger subtrees may alternate with others.

    Example:
        `0, 1, 2, 3` equal but for `2` give `0-1,3` and `2`.
    """
    runs: dict[Hashable, list[ModuleNode]] = {}
    previous: Hashable = None
    for index, node in enumerate(siblings):
        match = _NUMBERED.match(node.name)
        if identities is None or match is None:
            place: Hashable = index
        else:
            place = (match[1], identities.of(node), "" if node.children else "leaf")
            if not node.children and place != previous and place in runs:
                runs[place, index] = runs.pop(place)
        previous = place
        runs.setdefault(place, []).append(node)
    order = {id(node): index for index, node in enumerate(siblings)}
    found = sorted(runs.values(), key=lambda run: order[id(run[0])])
    return [(_run_name(run), run) for run in found]


def _run_name(run: Sequence[ModuleNode]) -> str:
    if len(run) == 1:
        return run[0].name
    matches = [_NUMBERED.match(node.name) for node in run]
    numbers = [match[2] for match in matches if match]
    prefix = matches[0][1] if matches[0] else ""
    return prefix + _ranges(numbers)


def _ranges(numbers: Sequence[str]) -> str:
    """Returns `0-4,6,8-9` for the numbers it stands for."""
    spans: list[list[str]] = []
    for number in numbers:
        if spans and int(number) == int(spans[-1][-1]) + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ",".join("-".join(span) for span in spans)
