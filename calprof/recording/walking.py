"""One walk over a model's modules; `named_modules` is a stack of generators, which large models feel."""

from __future__ import annotations

import torch

Walk = list[tuple[str, torch.nn.Module]]


def walk(model: torch.nn.Module) -> Walk:
    """Returns every dotted path of a model with its module, in registration order.

    A module registered twice is there under each of its paths. A module that contains itself is not
    entered again below itself.

    Example:
        >>> [path for path, _ in walk(torch.nn.Sequential(torch.nn.ReLU()))]
        ['', '0']
    """
    found: Walk = []
    seen: set[int] = set()
    stack: list[tuple[str, torch.nn.Module, tuple[int, ...]]] = [("", model, ())]
    while stack:
        path, module, above = stack.pop()
        if id(module) in seen and id(module) in above:
            continue
        seen.add(id(module))
        found.append((path, module))
        children = module._modules
        if children:
            prefix = path + "." if path else ""
            line = (*above, id(module))
            stack.extend([(prefix + name, child, line) for name, child in children.items() if child is not None][::-1])
    return found


def unique(found: Walk) -> dict[str, torch.nn.Module]:
    """Returns each module once, under its first path.

    Example:
        >>> relu = torch.nn.ReLU()
        >>> list(unique(walk(torch.nn.Sequential(relu, relu))))
        ['', '0']
    """
    first: dict[int, tuple[str, torch.nn.Module]] = {}
    for path, module in found:
        first.setdefault(id(module), (path, module))
    return dict(first.values())
