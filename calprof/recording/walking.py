"""A model's modules, walked in one loop; `named_modules` is a stack of generators, which large models feel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

Walk = dict[str, torch.nn.Module]
"""Modules by dotted path; not as pairs, each of which Python would look at when it collects garbage."""

Held = tuple[torch.nn.Module, str, torch.Tensor]
"""A buffer: its module, its name there, and itself."""

_READERS = frozenset({torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d, torch.nn.SyncBatchNorm})
"""Modules that only read their buffers in eval mode; those of a convolutional model are many."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a run has to know of a model before it begins, found in one pass.

    Attributes:
        found: Every module, as `walk` finds it.
        modes: Whether each is in train mode; `None` of a frozen script, which has no mode any more.
        buffers: Every buffer that a run in this mode may write.
        children: How many modules the modules hold; another number tells that some were made or removed.
    """

    found: Walk
    modes: Sequence[bool | None]
    buffers: Sequence[Held]
    children: int


def walk(model: torch.nn.Module | None) -> Walk:
    """Returns every dotted path of a model with its module, in registration order; nothing of no model.

    A module registered twice is there under each of its paths. A module that contains itself is not
    entered again below itself.

    Example:
        >>> list(walk(torch.nn.Sequential(torch.nn.ReLU())))
        ['', '0']
    """
    if model is None:
        return {}
    found: Walk = {"": model}
    _descend("", model._modules, found, {id(model)})
    return found


def _descend(
    prefix: str,
    children: Mapping[str, torch.nn.Module | None],
    found: Walk,
    above: set[int],
) -> None:
    for name, child in children.items():
        if child is None:
            continue
        path, below = prefix + name, child._modules
        if not below:
            found[path] = child
        elif id(child) not in above:
            found[path] = child
            above.add(id(child))
            _descend(path + ".", below, found, above)
            above.discard(id(child))


def survey(model: torch.nn.Module) -> Survey:
    """Looks at every module of a model as it is now; its mode tells which buffers a run may write."""
    found, children = walk(model), 0
    modes: list[bool | None] = []
    buffers: list[Held] = []
    for module in found.values():
        modes.append(getattr(module, "training", None))
        children += len(module._modules)
        held = module._buffers
        # A scripted module's buffers live in C++ and cannot be exchanged.
        if (
            held
            and (module.training or type(module) not in _READERS)
            and not isinstance(module, torch.jit.ScriptModule)
        ):
            buffers += [(module, name, buffer) for name, buffer in held.items() if buffer is not None]
    return Survey(found, modes, buffers, children)
