"""Tensors whose sizes do not tell what they hold: sparse ones, and nested ones whose rows differ in length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from calprof.ops.operands import tensors
from calprof.ops.registry import Uncountable
from calprof.ops.shape import Shape
from calprof.work import NOTHING, Cost, Work

_ADDITIVE = frozenset({"addmm", "baddbmm", "addmv", "addbmm", "sspaddmm", "saddmm", "_sparse_addmm"})
"""Products that add to their first tensor, which is no factor."""
_SAMPLED = frozenset({"sampled_addmm", "sparse_sampled_addmm"})
"""Products that are computed only where their first tensor stores an element."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """How many elements a sparse tensor stores."""

    stored: int


@dataclass(frozen=True, slots=True)
class Ragged:
    """The sizes of each tensor of a nested tensor; `None` where they are values that are not there to be read."""

    components: tuple[tuple[int, ...], ...] | None


Tag = Sparse | Ragged
_LENGTHS: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""The lengths of a jagged tensor's rows, by the tensor that holds its offsets."""


def layout_of(value: torch.Tensor) -> Tag | None:
    """Returns what the sizes of a tensor do not tell, or `None` if they tell everything."""
    if value.is_nested:
        return Ragged(_jagged(value) if value.layout is torch.jagged else _components(value))
    if value.layout is torch.sparse_coo:
        return Sparse(value._nnz() * prod(value.shape[value.sparse_dim() :]))
    if value.layout in (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc):
        return Sparse(value.values().numel())
    return None


def sizes_of(value: torch.Tensor, tag: Tag | None) -> torch.Size:
    """Returns sizes that are plain integers; of a nested tensor those of its rows one after another."""
    if isinstance(tag, Ragged):
        return torch.Size(_packed(tag.components or ()))
    return torch.Size(size if isinstance(size, int) else _as_int(size) for size in value.shape)


def _as_int(size: Any) -> int:
    # A size that is still a symbol has no number: it is taken for one.
    hint = size.node.maybe_as_int() if hasattr(size, "node") else None
    return 1 if hint is None else int(hint)


def _components(value: torch.Tensor) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in value._nested_tensor_size().tolist())


def _jagged(value: Any) -> tuple[tuple[int, ...], ...] | None:
    ragged = value._ragged_idx
    lengths = _lengths(value._offsets if value._lengths is None else value._lengths, value._lengths is None)
    if lengths is None:
        return None
    sizes = [size if isinstance(size, int) else 0 for size in value.shape]
    return tuple((*sizes[1:ragged], length, *sizes[ragged + 1 :]) for length in lengths)


def _lengths(source: torch.Tensor, offsets: bool) -> list[int] | None:
    if type(source) is not torch.Tensor:
        return None  # a fake tensor has no values
    found: list[int] | None = _LENGTHS.get(source)
    if found is None:
        found = (source.diff() if offsets else source).tolist()
        _LENGTHS[source] = found
    return found


def _packed(components: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    if not components:
        return (0,)
    first = components[0]
    varying = [place for place in range(len(first)) if any(sizes[place] != first[place] for sizes in components)]
    if len(varying) > 1:
        return (sum(prod(sizes) for sizes in components),)
    place = varying[0] if varying else 0
    return (*first[:place], sum(sizes[place] for sizes in components), *first[place + 1 :])


def price(
    formula: Callable[..., Work | Cost], op: str, family: str, args: list[Any], kwargs: dict[str, Any], out: Any
) -> Work | Cost:
    """Returns the cost of a call with sparse or nested operands, from the formula for dense ones.

    A product with a sparse factor does the MACs of the elements it stores; other work on a sparse tensor is
    done on those elements. A call on nested tensors is one call for each of their components.

    Raises:
        Uncountable: A product of two sparse tensors, whose cost is a matter of where their elements are.
    """
    found = [shape.tag for shape in _shapes([args, kwargs, out])]
    if any(isinstance(tag, Ragged) for tag in found):
        return _price_ragged(formula, args, kwargs, out)
    if family in ("matmul", "sparse"):
        return _price_product(formula, op, args, kwargs, out)
    return formula(*_stored(args), out=_stored(out), **_stored(kwargs))


def _price_product(
    formula: Callable[..., Work | Cost], op: str, args: list[Any], kwargs: dict[str, Any], out: Any
) -> Cost:
    operands = tensors(args, kwargs)
    factors = operands[:1] if op in _SAMPLED else operands[1:3] if op in _ADDITIVE else operands[:2]
    sparse = [factor for factor in factors if isinstance(factor.tag, Sparse)]
    if len(sparse) > 1:
        raise Uncountable("a product of two sparse tensors costs what meets, which depends on where their elements are")
    cost = formula(*args, out=out, **kwargs)
    cost = cost if isinstance(cost, Cost) else Cost(cost)
    if not sparse or not sparse[0].numel():
        return cost
    stored, size = sparse[0].tag.stored, sparse[0].numel()  # type: ignore[attr-defined]
    everything = op in _SAMPLED
    return Cost(_scaled(cost.forward, stored, size, everything), _scaled(cost.backward, stored, size, everything))


def _scaled(work: Work, stored: int, size: int, everything: bool) -> Work:
    # Each element of a factor takes part in equally many MACs, so the division is exact.
    return Work(
        **{kind: count * stored // size if everything or kind == "mac" else count for kind, count in work.items()}
    )


def _stored(value: Any) -> Any:
    if isinstance(value, Shape):
        if not isinstance(value.tag, Sparse):
            return value
        return Shape((value.tag.stored,), value.dtype, value.requires_grad)
    if isinstance(value, dict):
        return {name: _stored(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_stored(item) for item in value])
    return value


def _price_ragged(formula: Callable[..., Work | Cost], args: list[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    components = [shape.tag.components for shape in _shapes([args, kwargs, out]) if isinstance(shape.tag, Ragged)]
    if any(each is None for each in components):
        raise Uncountable("the lengths of a nested tensor's rows are values, which a fake tensor does not have")
    known = [each for each in components if each is not None]
    batch = max(len(each) for each in known)
    ndim = max((len(each[0]) for each in known if each), default=0)
    calls = Counter(
        (_Call(_row(args, index, batch, ndim), _row(kwargs, index, batch, ndim), _row(out, index, batch, ndim)))
        for index in range(batch)
    )
    total = Cost(NOTHING)
    for call, count in calls.items():
        cost = formula(*call.args, out=call.out, **call.kwargs)
        total += (cost if isinstance(cost, Cost) else Cost(cost)) * count
    return total


class _Call:
    """One component's call; equal calls are priced once."""

    __slots__ = ("args", "kwargs", "out", "text")

    def __init__(self, args: Any, kwargs: Any, out: Any) -> None:
        self.args, self.kwargs, self.out = args, kwargs, out
        self.text = repr((args, kwargs, out))

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and self.text == other.text


def _row(value: Any, index: int, batch: int, ndim: int) -> Any:
    """What one component's call has in place of a value: a nested tensor's row, a batched tensor's element."""
    if isinstance(value, Shape):
        if isinstance(value.tag, Ragged) and value.tag.components is not None:
            row = value.tag.components[index if len(value.tag.components) > 1 else 0]
            return Shape(row, value.dtype, value.requires_grad)
        # A dense operand with as many dimensions as the nested one has the batch, too.
        if len(value) == ndim + 1 and value[0] in (1, batch):
            return value[1:]
        return value
    if isinstance(value, dict):
        return {name: _row(item, index, batch, ndim) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_row(item, index, batch, ndim) for item in value])
    return value


def _shapes(value: Any) -> list[Shape]:
    if isinstance(value, Shape):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [shape for item in value for shape in _shapes(item)]
    return []
