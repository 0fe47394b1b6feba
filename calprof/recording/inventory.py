"""The modules of a model as records: noted in one pass while the model is at hand, added up when asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import torch

from calprof.recording.later import Later
from calprof.recording.recording import ModuleRecord
from calprof.recording.walking import Walk

Size = tuple[int, int, bool]
"""Of one parameter: its identity, its elements, and whether it requires a gradient."""

Noted = tuple[str, type, int, Sequence[Size]]
"""Of one module: path, class, identity and own parameters; a plain tuple, for a run has no time for more."""


def note(found: Walk) -> tuple[list[Noted], int]:
    """Returns what records need of each module, and how many modules the modules hold.

    Neither the modules nor their parameters are kept: what the records say is what holds now.
    """
    noted, children = [], 0
    for path, module in found:
        held = module._parameters
        noted.append((path, type(module), id(module), _sizes(held) if held else ()))
        children += len(module._modules)
    return noted, children


def inventory(
    noted: Sequence[Noted], calls: Iterable[tuple[str, int]], ignored: Collection[int]
) -> Later[ModuleRecord]:
    """Returns the record of each module, under its first path.

    Args:
        noted: The modules.
        calls: How many times the forward of a path ran; a path may be there more than once.
        ignored: The identities of modules whose work is left out.
    """
    left_out = frozenset(ignored)
    return Later(lambda: _records(noted, calls, left_out))


def _sizes(held: Mapping[str, torch.nn.Parameter | None]) -> Sequence[Size]:
    return [
        (id(each), each.numel() if type(each) is torch.nn.Parameter else _numel(each), each.requires_grad)
        for each in held.values()
        if each is not None
    ]


def _numel(parameter: torch.nn.Parameter) -> int:
    # A lazy module's parameter has no size before its first forward.
    return 0 if torch.nn.parameter.is_lazy(parameter) else parameter.numel()


def _records(
    noted: Sequence[Noted], calls: Iterable[tuple[str, int]], ignored: Collection[int]
) -> Iterator[ModuleRecord]:
    # The first path of a module that is registered under several.
    distinct = {number: (path, kind, own) for path, kind, number, own in reversed(noted)}
    times: Counter[str] = Counter()
    for path, count in calls:
        times[path] += count
    params = _inclusive({path: own for path, _, own in distinct.values()})
    for number, (path, kind, _) in reversed(distinct.items()):
        yield ModuleRecord(path, kind.__name__, times[path], *params[path], number in ignored)


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
