"""Norm layers: statistics, and applying them.

What is done once a channel or a row (a square root, a running average, folding the learned scale into the
statistics) is of lower order and left out, so that layer norm is 5 FLOPs an element, as in the literature.
"""

from __future__ import annotations

from math import prod
from typing import Any

from calprof.ops.operands import argument
from calprof.ops.reduction import norm_steps
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Work

FAMILY = "normalization"


def _standardize(elements: int, weight: Any, statistics: bool = True) -> Work:
    return Work(
        norm_statistics=elements if statistics else 0,
        normalize=elements,
        affine=elements if isinstance(weight, Shape) else 0,
    )


@define(FAMILY, "layer_norm", "native_layer_norm", "quantized.layer_norm")
def layer_norm(input: Shape, normalized_shape: Any, weight: Shape | None = None, *_: Any, out: Any, **__: Any) -> Work:
    """(x - mean) / std: sum, square, sum for the statistics, then x·a + c, which takes in scale and shift."""
    return _standardize(input.numel(), weight)


@define(FAMILY, "rms_norm", "_fused_rms_norm")
def rms_norm(input: Shape, normalized_shape: Any, weight: Shape | None = None, *_: Any, out: Any, **__: Any) -> Work:
    """For x / √mean(x²) square, sum, multiply by the reciprocal root, and multiply by the learned scale.

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization (2019), equation 4.
    """
    elements = input.numel()
    return Work(rms_norm=elements, rms_scale=0 if weight is None else elements)


@define(FAMILY, "group_norm", "quantized.group_norm")
def group_norm(input: Shape, num_groups: int, weight: Shape | None = None, *_: Any, out: Any, **__: Any) -> Work:
    """Sum, square, sum within each group of channels, then x·a + c."""
    return _standardize(input.numel(), weight)


@define(FAMILY, "native_group_norm")
def native_group_norm(input: Shape, weight: Shape | None = None, *_: Any, out: Any, **__: Any) -> Work:
    """Group norm with the learned scale as second argument."""
    return _standardize(input.numel(), weight)


@define(FAMILY, "functional.instance_norm")
def instance_norm(
    input: Shape,
    running_mean: Shape | None = None,
    running_var: Shape | None = None,
    weight: Shape | None = None,
    bias: Shape | None = None,
    use_input_stats: bool = True,
    *_: Any,
    out: Any,
    **__: Any,
) -> Work:
    """Sum, square, sum within each channel of each sample unless running statistics serve, then x·a + c."""
    return _standardize(input.numel(), weight, use_input_stats)


@define(FAMILY, "torch.instance_norm", "quantized.instance_norm")
def torch_instance_norm(
    input: Shape,
    weight: Shape | None = None,
    bias: Shape | None = None,
    running_mean: Any = None,
    running_var: Any = None,
    use_input_stats: bool = True,
    *_: Any,
    out: Any,
    **__: Any,
) -> Work:
    """Instance norm with scale and shift before the running statistics."""
    # The quantised op has an epsilon and a scale in place of running statistics, and always takes its own.
    return _standardize(input.numel(), weight, use_input_stats is not False)


@define(FAMILY, "functional.batch_norm")
def batch_norm(
    input: Shape,
    running_mean: Shape | None,
    running_var: Shape | None,
    weight: Shape | None = None,
    bias: Shape | None = None,
    training: bool = False,
    *_: Any,
    out: Any,
    **__: Any,
) -> Work:
    """In training sum, square, sum within each channel; then x·a + c, which is all there is in eval."""
    return _standardize(input.numel(), weight, training)


@define(
    FAMILY,
    "torch.batch_norm",
    "native_batch_norm",
    "cudnn_batch_norm",
    "miopen_batch_norm",
    "_batch_norm_impl_index",
    "_native_batch_norm_legit",
)
def torch_batch_norm(input: Shape, weight: Shape | None = None, *args: Any, out: Any, **kwargs: Any) -> Work:
    """Batch norm with scale and shift before the running statistics."""
    # One overload leaves the running statistics out, so the first flag is `training`.
    training = next((value for value in args if isinstance(value, bool)), kwargs.get("training", False))
    return _standardize(input.numel(), weight, training)


@define(FAMILY, "_batch_norm_with_update")
def batch_norm_with_update(input: Shape, weight: Shape | None = None, *_: Any, out: Any, **__: Any) -> Work:
    """Batch norm in training: sum, square, sum within each channel, then x·a + c."""
    return _standardize(input.numel(), weight)


@define(
    FAMILY,
    "_batch_norm_no_update",
    "_native_batch_norm_legit_no_training",
    "batch_norm_elemt",
    "quantized_batch_norm",
    "quantized.batch_norm",
    "quantized.batch_norm1d",
    "quantized.batch_norm2d",
    "quantized.batch_norm3d",
)
def applied_batch_norm(input: Shape, weight: Shape | None = None, *_: Any, out: Any, **__: Any) -> Work:
    """Batch norm with given statistics: x·a + c."""
    return _standardize(input.numel(), weight, False)


@define(FAMILY, "quantized.batch_norm_relu", "quantized.batch_norm2d_relu", "quantized.batch_norm3d_relu")
def applied_batch_norm_relu(input: Shape, weight: Shape | None = None, *_: Any, out: Any, **__: Any) -> Work:
    """Batch norm with given statistics, x·a + c, and ReLU."""
    return _standardize(input.numel(), weight, False) + Work(relu=input.numel())


@define(FAMILY, "batch_norm_stats", "batch_norm_update_stats")
def batch_norm_stats(input: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """The mean and variance of each channel: sum, square, sum."""
    return Work(norm_statistics=input.numel())


@define(FAMILY, "batch_norm_gather_stats", "batch_norm_gather_stats_with_counts")
def batch_norm_gather_stats(input: Shape, mean: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """The statistics of all workers joined: sum, square, sum over (workers, channels)."""
    return Work(norm_statistics=mean.numel())


@define(FAMILY, "batch_norm_backward_reduce")
def batch_norm_backward_reduce(grad_out: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """Σ dy and Σ dy·(x - mean) of each channel: three additions and a product for each element."""
    return Work(add=3 * grad_out.numel(), multiply=grad_out.numel())


@define(FAMILY, "batch_norm_backward_elemt")
def batch_norm_backward_elemt(grad_out: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """(dy - a - (x - mean)·b)·c: three additions and two products for each element."""
    return Work(add=3 * grad_out.numel(), multiply=2 * grad_out.numel())


@define(FAMILY, "local_response_norm")
def local_response_norm(input: Shape, size: int, *_: Any, out: Any, **__: Any) -> Work:
    """For x / (k + α/n Σ x²)^β over n channels square, sum n, multiply, add, power, divide for each element.

    Source: Krizhevsky et al., ImageNet Classification with Deep CNNs (2012), section 3.3.
    """
    elements = input.numel()
    return Work(multiply=3 * elements, add=(size + 1) * elements, transcendental=elements)


@define(FAMILY, "normalize")
def normalize(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """The norm of each row, its comparison with ε, and the division of each element by it."""
    elements = input.numel()
    dim = argument(args, kwargs, 1, "dim", 1)
    dims = dim if isinstance(dim, (list, tuple)) else [dim]
    along = prod(input[each] for each in dims) if len(input) else 1
    rows = elements // along if elements else 0
    norms = norm_steps(argument(args, kwargs, 0, "p", 2.0), elements, rows)
    return norms + Work(compare=rows, multiply=elements)


@define(FAMILY, "_weight_norm", "_weight_norm_interface")
def weight_norm(v: Shape, g: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """g·v / ‖v‖: the norm of each slice, a division a slice, and a product for each element.

    Source: Salimans and Kingma, Weight Normalization (2016), equation 2.
    """
    return norm_steps(2, v.numel(), g.numel()) + Work(multiply=v.numel() + g.numel())


@define(FAMILY, "norm_except_dim")
def norm_except_dim(v: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """The p-norm over all dimensions but one."""
    return norm_steps(argument(args, kwargs, 0, "pow", 2), v.numel(), out.numel())
