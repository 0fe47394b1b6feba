"""One walk over a model's modules; `named_modules` is a stack of generators, which large models feel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

Walk = Sequence[tuple[str, torch.nn.Module]]


def walk(model: torch.nn.Module | None) -> list[tuple[str, torch.nn.Module]]:
    """Returns every dotted path of a model with its module, in registration order; nothing of no model.

    A module registered twice is there under each of its paths. A module that contains itself is not
    entered again below itself.

    Example:
        >>> [path for path, _ in walk(torch.nn.Sequential(torch.nn.ReLU()))]
        ['', '0']
    """
    if model is None:
        return []
    found = [("", model)]
    _descend("", model._modules, found, {id(model)})
    return found


def _descend(
    prefix: str,
    children: Mapping[str, torch.nn.Module | None],
    found: list[tuple[str, torch.nn.Module]],
    above: set[int],
) -> None:
    for name, child in children.items():
        if child is None or id(child) in above:
            continue
        path = prefix + name
        found.append((path, child))
        below = child._modules
        if below:
            above.add(id(child))
            _descend(path + ".", below, found, above)
            above.discard(id(child))
