"""The modules of a model as records: noted in one pass while the model is at hand, added up when asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice

import torch

from calprof.recording.later import Later
from calprof.recording.recording import ModuleRecord
from calprof.recording.walking import Walk

_PARAMETER = torch.nn.Parameter
Size = tuple[int, int, bool]
"""Of one parameter: its identity, its elements, and whether it requires a gradient."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What records need of modules, in columns: a run has no time to make a row for each, or to have them collected.

    Attributes:
        paths: Of each module.
        kinds: Its class.
        numbers: Its identity.
        held: How many entries the table of its own parameters has.
        parameters: The identity of each of these parameters, of all modules one after another.
        sizes: Its elements; `None` where the entry is empty, as that of a bias that a layer does without.
        trainable: Whether it requires a gradient.
        children: How many modules the modules hold.
    """

    paths: list[str]
    kinds: list[type]
    numbers: list[int]
    held: list[int]
    parameters: list[int]
    sizes: list[int | None]
    trainable: list[bool]
    children: int

    def __add__(self, other: Noted) -> Noted:
        return Noted(*[getattr(self, each.name) + getattr(other, each.name) for each in fields(self)])


def note(found: Walk) -> Noted:
    """Returns what records need of modules; neither they nor their parameters are kept, so it is what holds now."""
    modules = found.values()
    held, children = [], 0
    parameters: list[torch.nn.Parameter | None] = []
    for module in modules:
        own = module._parameters
        held.append(len(own))
        if own:
            parameters += own.values()
        children += len(module._modules)
    sizes = [
        None if each is None else each.numel() if type(each) is _PARAMETER else _numel(each) for each in parameters
    ]
    trainable = [each is not None and each.requires_grad for each in parameters]
    identities = list(map(id, parameters)), sizes, trainable
    return Noted(list(found), list(map(type, modules)), list(map(id, modules)), held, *identities, children)


def inventory(noted: Noted, calls: Iterable[tuple[str, int]], ignored: Collection[int]) -> Later[ModuleRecord]:
    """Returns the record of each module, under its first path.

    Args:
        noted: The modules.
        calls: How many times the forward of a path ran; a path may be there more than once.
        ignored: The identities of modules whose work is left out.
    """
    left_out = frozenset(ignored)
    return Later(lambda: _records(noted, calls, left_out))


def _numel(parameter: torch.nn.Parameter) -> int:
    # A lazy module's parameter has no size before its first forward.
    return 0 if torch.nn.parameter.is_lazy(parameter) else parameter.numel()


def _records(noted: Noted, calls: Iterable[tuple[str, int]], ignored: Collection[int]) -> Iterator[ModuleRecord]:
    rows = zip(noted.paths, noted.kinds, noted.numbers, _owned(noted), strict=True)
    # The first path of a module that is registered under several.
    distinct = {number: (path, kind, own) for path, kind, number, own in reversed(list(rows))}
    times: Counter[str] = Counter()
    for path, count in calls:
        times[path] += count
    params = _inclusive({path: own for path, _, own in distinct.values()})
    for number, (path, kind, _) in reversed(distinct.items()):
        yield ModuleRecord(path, kind.__name__, times[path], *params[path], number in ignored)


def _owned(noted: Noted) -> Iterator[list[Size]]:
    """Yields the parameters that each module holds itself."""
    entries = zip(noted.parameters, noted.sizes, noted.trainable, strict=True)
    for number in noted.held:
        mine = islice(entries, number)
        yield [(parameter, size, trainable) for parameter, size, trainable in mine if size is not None]


def _inclusive(own: Mapping[str, Sequence[Size]]) -> dict[str, tuple[int, int]]:
    """Returns, for each path, the elements and the trainable elements of its parameters and those below it.

    One pass from the leaves up: sizes are added, and only parameters that several modules hold are kept apart.
    """
    holders = Counter(number for held in own.values() for number, _, _ in held)
    totals: dict[str, list[int]] = {}
    shared: dict[str, dict[int, tuple[int, bool]]] = {}
    for path, held in own.items():
        mine = totals[path] = [0, 0]
        for number, size, trainable in held:
            if holders[number] > 1:
                shared.setdefault(path, {})[number] = (size, trainable)
                continue
            mine[0] += size
            if trainable:
                mine[1] += size
    for path in sorted(filter(None, totals), key=_depth, reverse=True):
        above = path.rpartition(".")[0]
        while above and above not in totals:
            above = above.rpartition(".")[0]
        if above in totals:
            totals[above][0] += totals[path][0]
            totals[above][1] += totals[path][1]
            if path in shared:
                shared.setdefault(above, {}).update(shared[path])
    for path, common in shared.items():
        totals[path][0] += sum(size for size, _ in common.values())
        totals[path][1] += sum(size for size, trainable in common.values() if trainable)
    return {path: (size, trainable) for path, (size, trainable) in totals.items()}


def _depth(path: str) -> int:
    return path.count(".")
