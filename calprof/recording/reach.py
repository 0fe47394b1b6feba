"""Which calls the gradient flows back to: the autograd graph, walked from what is differentiated.

A result that requires a gradient need not get one: it may be detached afterwards, or never enter the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from calprof.recording.modules import Tally
from calprof.recording.signature import UNREACHED

sequence_number = torch.autograd._get_sequence_nr
"""Returns the number autograd gives the next node made in this thread."""
_NO_NUMBER = 2**63  # an AccumulateGrad node has the largest number there is


def nodes_of(out: Any) -> tuple[Node, ...]:
    """Returns the autograd nodes of the tensors in a result."""
    if isinstance(out, torch.Tensor):
        return () if out.grad_fn is None else (out.grad_fn,)
    if isinstance(out, (list, tuple)):
        return tuple(node for item in out for node in nodes_of(item))
    return ()


def differentiable(output: Any) -> Iterator[torch.Tensor]:
    """Yields the tensors of a model's output that require a gradient, in any container."""
    if isinstance(output, torch.Tensor):
        if output.requires_grad:
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from differentiable(value)
    elif isinstance(output, (list, tuple)):
        for value in output:
            yield from differentiable(value)
    elif is_dataclass(output) and not isinstance(output, type):
        for field in fields(output):
            yield from differentiable(getattr(output, field.name))


def loss_of(output: Any) -> torch.Tensor | None:
    """Returns the loss a model computed itself, as Hugging Face models given labels do, or `None`."""
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    return loss if isinstance(loss, torch.Tensor) else None


def ancestors(roots: Iterable[torch.Tensor]) -> set[Node]:
    """Returns every autograd node that a gradient of `roots` flows through."""
    pending = [node for root in roots for node in nodes_of(root)]
    found = set(pending)
    while pending:
        for node, _ in pending.pop().next_functions:
            if node is not None and node not in found:
                found.add(node)
                pending.append(node)
    return found


def mark_unreached(tally: Tally, reached: set[Node]) -> None:
    """Takes the gradient from calls none of whose results lies on the way back."""
    for noted, begun, nodes in tally.traces:
        if not _reaches(nodes, begun, reached):
            tally.amend(noted, (*noted.key, UNREACHED))
    tally.traces.clear()


def _reaches(nodes: tuple[Node, ...], begun: int, reached: set[Node]) -> bool:
    """Whether one of the nodes a call made lies on the way back.

    The last one need not: a result that is a view gets another node when it is written to in place.
    """
    pending, seen = list(nodes), set(nodes)
    while pending:
        node = pending.pop()
        if node in reached:
            return True
        for below, _ in node.next_functions:
            if below is not None and below not in seen and begun <= below._sequence_nr() < _NO_NUMBER:
                seen.add(below)
                pending.append(below)
    return False


def custom_functions(reached: set[Node]) -> list[str]:
    """Returns the names of the custom autograd functions on the way back, whose backward no formula knows."""
    names = {type(node).__name__.removesuffix("Backward") for node in reached if isinstance(node, BackwardCFunction)}
    return sorted(names)
