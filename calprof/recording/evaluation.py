"""From keys to costs: each formula is evaluated once per distinct call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from calprof.ops.registry import Op, Uncountable
from calprof.ops.shape import Shape
from calprof.recording.layouts import price
from calprof.recording.signature import UNREACHED, decode
from calprof.work import NOTHING, Cost, Work

_PRODUCTS = frozenset({"mac", "masked_mac", "complex_mac", "onehot_mac"})
_GRADIENTS = frozenset({"mac", "masked_mac", "complex_mac"})
"""The products whose gradient is a matter of which operands need one; a formula states it."""
_MEMO: dict[tuple[Any, ...], Evaluated] = {}
_MEMO_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one call of a key costs, or why that is not known.

    Attributes:
        cost: The work of the call and of its gradient.
        reason: Why it is not counted, empty when it is.
        shapes: Sizes of the tensors given, then of the results.
        dtypes: Their dtypes.
    """

    cost: Cost
    reason: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]


def evaluate(key: tuple[Any, ...], grads: bool) -> Evaluated:
    """Returns the cost of a call; a formula that raises makes it uncounted, with the reason."""
    setting = key[0].setting
    memo_key = (grads, setting and setting(), key)
    found = _MEMO.get(memo_key)
    if found is None:
        if len(_MEMO) >= _MEMO_LIMIT:
            _MEMO.clear()
        found = _MEMO[memo_key] = _evaluate(key, grads)
    return found


def _evaluate(key: tuple[Any, ...], grads: bool) -> Evaluated:
    if key[-1] is UNREACHED:
        found = evaluate(key[:-1], grads)
        return replace(found, cost=Cost(found.cost.forward))
    op, args, kwargs, out = decode(key, grads)
    tensors = [*_shapes(args), *_shapes(list(kwargs.values())), *_shapes(out)]
    cost, reason = _cost(op, args, kwargs, out, tensors)
    shapes = tuple(tuple(shape) for shape in tensors)
    dtypes = tuple(str(shape.dtype).removeprefix("torch.") for shape in tensors)
    return Evaluated(cost, reason, shapes, dtypes)


def _cost(op: Op, args: list[Any], kwargs: dict[str, Any], out: Any, tensors: list[Shape]) -> tuple[Cost, str]:
    if op.formula is None:
        return Cost(Work()), op.reason
    if op.reflected and len(args) > 1:
        args = [args[1], args[0], *args[2:]]
    kwargs.pop("out", None)  # a buffer the caller gave for the result: the result's shape is known
    try:
        if any(shape.tag is not None for shape in tensors):
            cost = price(op.formula, op.name, op.family, args, kwargs, out)
        else:
            cost = op.formula(*args, out=out, **kwargs)
    except Uncountable as error:
        return Cost(Work()), str(error)
    except Exception as error:  # a formula must never break a profile: the call is reported instead
        return Cost(Work()), f"its formula raised {type(error).__name__}: {error}"
    if isinstance(cost, Work):
        cost = Cost(cost)
    if not isinstance(cost, Cost):
        return Cost(Work()), f"its formula returned {type(cost).__name__}, not Work"
    cost = Cost(cost.forward, _gradient(cost, _shapes(out)))
    if any(shape.is_complex for shape in tensors):
        return Cost(_as_complex(cost.forward), _as_complex(cost.backward)), ""
    if tensors and not any(shape.is_inexact for shape in tensors):
        return Cost(_as_integer(cost.forward), _as_integer(cost.backward)), ""
    return cost, ""


def _gradient(cost: Cost, results: list[Shape]) -> Work:
    """The products of the gradient, and by rule the forward's elementwise work once more."""
    if results and not any(shape.requires_grad for shape in results):
        return NOTHING
    if not results:
        return cost.backward
    return cost.backward + Work(**{kind: n for kind, n in cost.forward.items() if kind not in _GRADIENTS})


def _as_complex(work: Work) -> Work:
    """Complex arithmetic in real steps: an addition is two, a multiplication four and two additions."""
    counts = dict(work)
    counts["complex_mac"] = counts.get("complex_mac", 0) + counts.pop("mac", 0)
    multiplications = counts.get("multiply", 0)
    for kind in ("add", "bias", "linear_bias", "conv_bias"):
        counts[kind] = 2 * counts.get(kind, 0)
    counts["multiply"] = 4 * multiplications
    counts["add"] += 2 * multiplications
    return Work(**counts)


def _as_integer(work: Work) -> Work:
    """Arithmetic on integers and booleans is no floating-point operation; their products are still MACs."""
    elementwise = sum(count for kind, count in work.items() if kind not in _PRODUCTS)
    return Work(**{kind: count for kind, count in work.items() if kind in _PRODUCTS}, integer=elementwise)


def _shapes(value: Any) -> list[Shape]:
    if isinstance(value, Shape):
        return [value]
    if isinstance(value, (list, tuple)):
        return [shape for item in value for shape in _shapes(item)]
    return []
