"""Liger kernels, each an autograd function whose `apply` models call directly.

They compute the gradient of a loss together with it; here it is the backward's, as everywhere.
"""

from __future__ import annotations

from typing import Any

from calprof.ops import crossentropy, normalization
from calprof.ops.registry import kernel
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "liger"
_OPS = "liger_kernel.ops."


@kernel(FAMILY, _OPS + "fused_linear_cross_entropy.LigerFusedLinearCrossEntropyFunction.apply")
def fused_linear_cross_entropy(
    _input: Shape, weight: Shape, target: Shape, bias: Shape | None = None, ce_weight: Shape | None = None,
    ignore_index: int = -100, lse_square_scale: float = 0.0, label_smoothing: float = 0.0, reduction: str = "mean",
    *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """A linear layer's logits, in_features MACs each, and their cross entropy."""
    return crossentropy.linear_cross_entropy(
        _input, weight, target, linear_bias=bias, weight=ce_weight, reduction=reduction,
        label_smoothing=label_smoothing, out=out,
    )  # fmt: skip


@kernel(FAMILY, _OPS + "cross_entropy.LigerCrossEntropyFunction.apply")
def cross_entropy(
    _input: Shape, target: Shape, weight: Shape | None = None, ignore_index: int = -100,
    lse_square_scale: float = 0.0, label_smoothing: float = 0.0, reduction: str = "mean",
    *_: Any, out: Any, **__: Any,
) -> Work:  # fmt: skip
    """Log-softmax of each logit, then the target's lookup and negation."""
    return crossentropy.cross_entropy(
        _input, target, weight=weight, reduction=reduction, label_smoothing=label_smoothing, out=out
    )


@kernel(FAMILY, _OPS + "rms_norm.LigerRMSNormFunction.apply")
def rms_norm(X: Shape, W: Shape | None, eps: float, offset: float = 0.0, *_: Any, out: Any, **__: Any) -> Work:
    """For x / √mean(x²) square, sum, multiply by the reciprocal root, and by the scale, to which `offset` is added."""
    offsets = W.numel() if W is not None and offset else 0
    return normalization.rms_norm(X, None, W, out=out) + Work(add=offsets)


@kernel(FAMILY, _OPS + "layer_norm.LigerLayerNormFunction.apply")
def layer_norm(X: Shape, W: Shape | None, B: Shape | None, eps: float, *_: Any, out: Any, **__: Any) -> Work:
    """(x - mean) / std: sum, square, sum for the statistics, then x·a + c, which takes in scale and shift."""
    return normalization.layer_norm(X, None, W, out=out)


@kernel(FAMILY, _OPS + "group_norm.LigerGroupNormFunction.apply")
def group_norm(X: Shape, affine_scaling_weight: Shape | None, *_: Any, out: Any, **__: Any) -> Work:
    """Sum, square, sum within each group of channels, then x·a + c."""
    return normalization.group_norm(X, 1, affine_scaling_weight, out=out)


@kernel(FAMILY, _OPS + "rope.LigerRopeFunction.apply")
def rope(q: Shape, k: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """x·cos + rotated x·sin: two products and an addition for each element of query and key."""
    elements = q.numel() + k.numel()
    return Work(multiply=2 * elements, add=elements)


@kernel(FAMILY, _OPS + "swiglu.LigerSiLUMulFunction.apply")
def swiglu(a: Shape, b: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """silu(a)·b."""
    return Work(silu=a.numel(), multiply=a.numel())


@kernel(FAMILY, _OPS + "geglu.LigerGELUMulFunction.apply")
def geglu(a: Shape, b: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """gelu(a)·b, with the tanh form of GELU."""
    return Work(gelu_tanh=a.numel(), multiply=a.numel())
