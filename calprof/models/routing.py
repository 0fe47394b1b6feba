"""Balanced routing: what is said of experts' choices that nobody has made.

A mixture of experts that loops over its experts asks how many tokens each one got. Without values the answer
is an assumption: every expert gets as many as every other, the first ones one more where it does not come
out even. The total is exact, because each token chooses a fixed number of experts.

A choice of experts begins at `topk` or `argmax`, whose result says of how many there were. From there its
tags follow it through comparisons, one-hot encodings, sums and selections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

aten = torch.ops.aten
ASSUMPTION = "experts' choices are not known: tokens are taken to be routed evenly over the experts"


@dataclass(frozen=True, slots=True)
class Choice:
    """Tag of a tensor whose elements each name one of `experts`."""

    experts: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Tag of a tensor of zeros and `total` ones, evenly spread over the first `experts` places of `dim`.

    Where `dim` is None the ones are anywhere.
    """

    total: int
    dim: int | None = None
    experts: int = 1


@dataclass(frozen=True, slots=True)
class Zeros:
    """Tag of a tensor of zeros that nothing has been written to."""


def shares(total: int, experts: int) -> list[int]:
    """Returns what each expert gets of `total` tokens.

    Example:
        >>> shares(11, 4)
        [3, 3, 3, 2]
    """
    return [total // experts + (place < total % experts) for place in range(experts)]


def tag_of(tensor: Any) -> Choice | Spread | Zeros | None:
    """Returns what is known of a tensor."""
    return getattr(tensor, "_routed", None)


def follow(func: Any, args: Any, out: Any) -> None:
    """Tags the result of an operation with what follows from its operands' tags; what is written to loses its own."""
    written = func._schema.is_mutable and tag_of(args[0]) is not None
    rule = _STARTS.get(func)
    if rule is None and any(tag_of(each) is not None for each in args):
        rule = _RULES.get(func)
    tag = rule(args, out) if rule is not None else None
    if written:
        del args[0]._routed
    if tag is not None:
        target = out[1] if isinstance(out, (tuple, list)) else out
        target._routed = tag


def answer(func: Any, args: Any) -> Any:
    """Returns the result of an operation that the tags of its operands make known; None if they do not."""
    tag = tag_of(args[0]) if args else None
    if tag is None or func not in _ANSWERS:
        return None
    return _ANSWERS[func](tag, args)


def positions(mask: Any) -> list[torch.Tensor] | None:
    """Returns where the ones of a tagged mask are: so many unknown positions in each of its dimensions."""
    tag = tag_of(mask)
    if not isinstance(tag, Spread):
        return None
    found = mask.new_empty((tag.total, mask.dim()), dtype=torch.int64)
    return list(found.unbind(-1))


def _counts(tag: Any, args: Any) -> torch.Tensor | None:
    """A sum over everything but the experts counts each one's tokens; over everything, all of them."""
    if not isinstance(tag, Spread):
        return None
    tensor, dims = args[0], args[1] if len(args) > 1 else None
    places = range(tensor.dim())
    left = [] if not dims else [place for place in places if place not in {dim % tensor.dim() for dim in dims}]
    keep = len(args) > 2 and args[2]
    dtype = torch.int64 if tensor.dtype is torch.bool or not tensor.is_floating_point() else tensor.dtype
    if not left:
        return torch.tensor(tag.total, dtype=dtype)
    if tag.dim is None or left != [tag.dim] or keep:
        return None
    counts = torch.zeros(tensor.shape[tag.dim], dtype=dtype)
    counts[: tag.experts] = torch.tensor(shares(tag.total, tag.experts), dtype=dtype)
    return counts


def _bincount(tag: Any, args: Any) -> torch.Tensor | None:
    if not isinstance(tag, Choice):
        return None
    least = args[2] if len(args) > 2 else 0
    counts = shares(args[0].numel(), tag.experts)
    return torch.tensor(counts + [0] * max(0, least - tag.experts))


def _nonzero(tag: Any, args: Any) -> torch.Tensor | None:
    if not isinstance(tag, Spread):
        return None
    found: torch.Tensor = args[0].new_empty((tag.total, args[0].dim()), dtype=torch.int64)
    return found


def _any(tag: Any, args: Any) -> torch.Tensor | None:
    return torch.tensor(tag.total > 0) if isinstance(tag, Spread) else None


def _chosen(args: Any, out: Any) -> Choice:
    dim = args[2] if len(args) > 2 else -1
    return Choice(args[0].shape[dim])


def _largest(args: Any, out: Any) -> Choice | None:
    dim = args[1] if len(args) > 1 else None
    return None if dim is None else Choice(args[0].shape[dim])


def _equal(args: Any, out: Any) -> Spread | None:
    """A choice compared with one expert, or with every one of them along the last dimension."""
    choice, other = args[0], args[1]
    tag = tag_of(choice)
    if not isinstance(tag, Choice):
        return None
    if not isinstance(other, torch.Tensor) or (other.numel() == 1 and _is_known(other)):
        place = int(other)
        parts = shares(choice.numel(), tag.experts)
        return Spread(parts[place] if place < tag.experts else 0)
    every = other.dim() >= 1 and other.numel() == other.shape[-1] and _is_known(other)
    if every and choice.shape[-1] == 1 and torch.equal(other.flatten(), torch.arange(other.numel())):
        return Spread(choice.numel(), out.dim() - 1, min(tag.experts, other.numel()))
    return None


def _scattered(args: Any, out: Any) -> Spread | None:
    """Ones written into zeros at the chosen places."""
    zeros, dim, index, value = args[:4]
    tag = tag_of(index)
    if not isinstance(tag, Choice) or isinstance(value, torch.Tensor) or value != 1 or not _is_zero(zeros):
        return None
    return Spread(index.numel(), dim % zeros.dim(), min(tag.experts, zeros.shape[dim]))


def _is_known(tensor: torch.Tensor) -> bool:
    return type(tensor) is torch.Tensor


def _is_zero(tensor: torch.Tensor) -> bool:
    return not tensor.any() if _is_known(tensor) else tag_of(tensor) == Zeros()


def _same(args: Any, out: Any) -> Any:
    # A view of zeros may be written to without their knowing.
    tag = tag_of(args[0])
    return None if isinstance(tag, Zeros) else tag


def _moved(place: Callable[[Any, int], int]) -> Callable[[Any, Any], Any]:
    """A rule that keeps the tag and finds its dimension's new place."""

    def rule(args: Any, out: Any) -> Any:
        tag = _same(args, out)
        if isinstance(tag, Spread) and tag.dim is not None:
            return replace(tag, dim=place(args, tag.dim))
        return tag

    return rule


def _reshaped(args: Any, out: Any) -> Any:
    tag = _same(args, out)
    if not isinstance(tag, Spread) or tag.dim is None:
        return tag
    before, after = tuple(args[0].shape), tuple(out.shape)
    # The experts' dimension keeps its place from the front or from the back if what lies beyond it is the same.
    if before[: tag.dim + 1] == after[: tag.dim + 1]:
        return tag
    back = len(before) - tag.dim
    return replace(tag, dim=len(after) - back) if before[-back:] == after[-back:] else None


def _selected(args: Any, out: Any) -> Any:
    """One expert's slice has its share of the ones; a slice across experts keeps none of what is known."""
    tensor, dim, place = args[0], args[1] % args[0].dim(), args[2]
    tag = tag_of(tensor)
    if not isinstance(tag, Spread) or tag.dim != dim:
        return tag if isinstance(tag, Choice) else None
    place %= tensor.shape[dim]
    return Spread(shares(tag.total, tag.experts)[place] if place < tag.experts else 0)


def _transposed(args: Any, dim: int) -> int:
    first, second = (int(each) % int(args[0].dim()) for each in args[1:3])
    return {first: second, second: first}.get(dim, dim)


def _permuted(args: Any, dim: int) -> int:
    order = [int(each) % int(args[0].dim()) for each in args[1]]
    return order.index(dim)


def _unsqueezed(args: Any, dim: int) -> int:
    return dim + int(args[1] % (args[0].dim() + 1) <= dim)


_STARTS: dict[Any, Callable[[Any, Any], Any]] = {
    aten.topk.default: _chosen,
    aten.argmax.default: _largest,
    aten.scatter.value: _scattered,
    aten.scatter_.value: _scattered,
}
_RULES: dict[Any, Callable[[Any, Any], Any]] = {
    aten.eq.Tensor: _equal,
    aten.eq.Scalar: _equal,
    aten.select.int: _selected,
    aten.transpose.int: _moved(_transposed),
    aten.t.default: _moved(lambda args, dim: 1 - dim),
    aten.permute.default: _moved(_permuted),
    aten.unsqueeze.default: _moved(_unsqueezed),
    **dict.fromkeys((aten.view.default, aten._unsafe_view.default, aten.squeeze.dim, aten.squeeze.dims), _reshaped),
    **dict.fromkeys((aten._to_copy.default, aten.clone.default, aten.detach.default, aten.alias.default), _same),
}
_ANSWERS: dict[Any, Callable[[Any, Any], Any]] = {
    aten.sum.dim_IntList: _counts,
    aten.sum.default: _counts,
    aten.bincount.default: _bincount,
    aten.nonzero.default: _nonzero,
    aten.any.default: _any,
}
