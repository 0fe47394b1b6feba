"""Ops over lists of tensors, as optimisers use them: each tensor's elements through the single op's steps."""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument
from calprof.ops.products import product
from calprof.ops.reduction import norm_steps
from calprof.ops.registry import define, free
from calprof.ops.shape import Shape
from calprof.work import NOTHING, Cost, Work

FAMILY = "foreach"

free("copies or fills each tensor of a list", "_foreach_clone", "_foreach_copy", "_foreach_zero")


def _elements(tensors: list[Shape]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _each(names: str, sentence: str, **steps: int) -> None:
    def formula(tensors: list[Shape], *_: Any, out: Any, **__: Any) -> Work:
        return Work(**steps) * _elements(tensors)

    formula.__doc__ = sentence
    define(FAMILY, *(f"_foreach_{name}" for name in names.split()))(formula)


_each(
    """
    exp expm1 log log10 log1p log2 sqrt rsqrt pow sin cos tan asin acos atan sinh cosh tanh erf erfc lgamma
    """,
    "One special function an element of the list.",
    transcendental=1,
)
_each("abs neg", "One sign change an element of the list.", add=1)
_each("mul div reciprocal", "One product or division an element of the list.", multiply=1)
_each("ceil floor round trunc frac", "One rounding an element of the list.", round=1)
_each("maximum minimum clamp_max clamp_min sign max", "One comparison an element of the list.", compare=1)
_each("lerp", "a + w·(b - a): three steps an element of the list.", add=2, multiply=1)
_each("sigmoid", "1 / (1 + exp(-x)): four steps an element of the list.", add=2, transcendental=1, multiply=1)


@define(FAMILY, "_amp_foreach_non_finite_check_and_unscale")
def unscale(tensors: list[Shape], *_: Any, out: Any, **__: Any) -> Work:
    """A test for infinity or NaN and a product an element of the list."""
    return Work(compare=1, multiply=1) * _elements(tensors)


@define(FAMILY, "_foreach_add", "_foreach_sub")
def foreach_add(tensors: list[Shape], *_: Any, out: Any, alpha: complex = 1, **__: Any) -> Work:
    """One addition an element of the list, and a multiplication where alpha is not one."""
    elements = _elements(tensors)
    return Work(add=elements, multiply=elements if alpha != 1 else 0)


@define(FAMILY, "_foreach_addcmul", "_foreach_addcdiv")
def foreach_addcmul(*args: Any, out: Any, **kwargs: Any) -> Work:
    """A product and an addition an element, and one more product unless the value is one."""
    elements = _elements(args[0])
    value = argument(args, kwargs, 3, "value", argument(args, kwargs, 3, "scalars", 1))
    return Work(add=elements, multiply=elements * (1 if value == 1 else 2))


@define(FAMILY, "_foreach_norm")
def foreach_norm(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The norm of each tensor of the list by its order, 2 unless given."""
    order = argument(args, kwargs, 1, "ord", 2)
    return sum((norm_steps(order, tensor.numel(), 1) for tensor in args[0]), NOTHING)


@define(FAMILY, "_foreach_powsum")
def foreach_powsum(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The norm of each tensor of the list by its order, 2 unless given, without the root."""
    return norm_steps(argument(args, kwargs, 1, "ord", 2), _elements(args[0]), 0)


@define(FAMILY, "_foreach_mm")
def foreach_mm(left: list[Shape], right: list[Shape], *_: Any, out: Any, **__: Any) -> Cost:
    """For each pair of matrices of the lists, each output element is a dot product."""
    pairs = zip(left, right, strict=True)
    return sum((product(a.numel() * b[-1], a, b) for a, b in pairs), Cost(NOTHING))


@define(FAMILY, "_amp_update_scale")
def update_scale(scale: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """One product with the growth or the backoff factor."""
    return Work(multiply=scale.numel())


@define(FAMILY, "_fused_sgd")
def fused_sgd(
    params: list[Shape], *_: Any, out: Any, weight_decay: float = 0, momentum: float = 0,
    dampening: float = 0, nesterov: bool = False, maximize: bool = False, is_first_step: bool = False,
    grad_scale: Any = None, **__: Any,
) -> Work:  # fmt: skip
    """The update p - lr·g and the steps of `torch.optim.SGD`'s algorithm for each option in use.

    Weight decay g + λp, momentum μb + (1 - τ)g (a copy in the first step), Nesterov's g + μb: a product
    and an addition each, dampening a product more; maximising negates; a gradient scale divides.
    """
    carried = bool(momentum) and not is_first_step
    multiply = 1 + bool(weight_decay) + carried * (1 + bool(dampening)) + bool(momentum and nesterov)
    add = 1 + bool(weight_decay) + carried + bool(momentum and nesterov) + maximize
    return Work(multiply=multiply + (grad_scale is not None), add=add) * _elements(params)


def _adam(amsgrad: bool, maximize: bool, grad_scale: Any) -> Work:
    return Work(multiply=8 + (grad_scale is not None), add=4 + maximize, compare=int(amsgrad), transcendental=1)


@define(FAMILY, "_fused_adam")
def fused_adam(
    params: list[Shape], *_: Any, out: Any, weight_decay: float = 0, amsgrad: bool = False,
    maximize: bool = False, grad_scale: Any = None, **__: Any,
) -> Work:  # fmt: skip
    """The update of Adam (Kingma & Ba 2015, algorithm 1): 8 products, 4 additions, a square root an element.

    m = β1·m + (1 - β1)·g, v = β2·v + (1 - β2)·g², p - lr / c1 · m / (√v / c2 + eps) with the scalar bias
    corrections c1 and c2. Weight decay, g + λp, is a product and an addition, AMSGrad a comparison,
    maximising a negation, a gradient scale a division.
    """
    decay = Work(multiply=1, add=1) if weight_decay else NOTHING
    return (_adam(amsgrad, maximize, grad_scale) + decay) * _elements(params)


@define(FAMILY, "_fused_adamw")
def fused_adamw(
    params: list[Shape], *_: Any, out: Any, weight_decay: float = 0, amsgrad: bool = False,
    maximize: bool = False, grad_scale: Any = None, **__: Any,
) -> Work:  # fmt: skip
    """The update of Adam, with decoupled weight decay p·(1 - lr·λ), a product (Loshchilov & Hutter 2019)."""
    decay = Work(multiply=1) if weight_decay else NOTHING
    return (_adam(amsgrad, maximize, grad_scale) + decay) * _elements(params)


@define(FAMILY, "_fused_adagrad")
def fused_adagrad(
    params: list[Shape], *_: Any, out: Any, weight_decay: float = 0, maximize: bool = False,
    grad_scale: Any = None, **__: Any,
) -> Work:  # fmt: skip
    """The update of Adagrad (Duchi et al. 2011): s + g², then p - lr·g / (√s + eps).

    Three products, three additions and a square root an element; options as for Adam.
    """
    decay = bool(weight_decay)
    steps = Work(multiply=3 + decay + (grad_scale is not None), add=3 + decay + maximize, transcendental=1)
    return steps * _elements(params)
