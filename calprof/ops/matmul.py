"""Matrix products in every spelling."""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, tensors
from calprof.ops.products import product
from calprof.ops.registry import define
from calprof.ops.shape import Shape, broadcast
from calprof.work import Cost, Work

FAMILY = "matmul"


@define(FAMILY, "linear")
def linear(input: Shape, weight: Shape, bias: Shape | None = None, *, out: Shape) -> Cost:
    """Each output element is a dot product over in_features, plus the bias."""
    biases = 0 if bias is None else out.numel()
    return product(out.numel() * weight[-1], input, weight) + Work(linear_bias=biases)


@define(FAMILY, "bilinear")
def bilinear(input1: Shape, input2: Shape, weight: Shape, bias: Shape | None = None, *, out: Shape) -> Cost:
    """For each output element, input1·W is in1 x in2 MACs and its product with input2 in2 more.

    The gradient of input2 is the same two products; that of input1 has in1 in the second one. The weight's
    first multiplies the output's gradient with input1, an element of each, and then meets input2.
    """
    first, second = weight[1], weight[2]
    square, elements = first * second, out.numel()
    gradients = (
        input1.requires_grad * (square + first)
        + input2.requires_grad * (square + second)
        + weight.requires_grad * square
    )
    backward = Work(mac=elements * gradients, multiply=elements * first * weight.requires_grad)
    bias_additions = Work(linear_bias=0 if bias is None else elements)
    return Cost(Work(mac=elements * (square + second)) + bias_additions, backward)


@define(FAMILY, "matmul", "linalg.matmul")
def matmul(*args: Any, out: Any, **kwargs: Any) -> Cost:
    """Each output element is a dot product over the shared dimension; batch dimensions broadcast."""
    left, right = tensors(args, kwargs)[:2]
    batch = broadcast(left[:-2], right[:-2]).numel()
    rows = left[-2] if len(left) > 1 else 1
    columns = right[-1] if len(right) > 1 else 1
    return product(batch * rows * left[-1] * columns, left, right)


@define(
    FAMILY, "mm", "bmm", "mv", "dot", "vdot", "int_mm", "_int_mm", "_scaled_mm", "scaled_mm", "_scaled_mm_v2",
    "_spdirect_mm",
)  # fmt: skip
def contraction(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """Each output element is a dot product over the first operand's last dimension."""
    left, right = tensors(args, kwargs)[:2]
    return product(out.numel() * left[-1], left, right)


@define(FAMILY, "inner")
def inner(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """Each output element is a dot product over both last dimensions; a 0-d operand only scales."""
    left, right = tensors(args, kwargs)[:2]
    if not len(left) or not len(right):
        return Cost(Work(multiply=out.numel()))
    return product(out.numel() * left[-1], left, right)


@define(FAMILY, "linalg.vecdot")
def vecdot(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """One MAC for each element of the broadcast operands, summed over one dimension."""
    left, right = tensors(args, kwargs)[:2]
    return product(broadcast(left, right).numel(), left, right)


@define(FAMILY, "addmm", "baddbmm", "addmv", "addbmm", "sspaddmm", "_addmm_activation")
def add_product(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """beta·input + alpha·(a @ b): the product's MACs, then one addition an output element.

    `addbmm` also sums over the batch, which its dot products absorb. Scaling by alpha or beta other than
    one is a multiplication an element; beta 0 leaves the input, and its addition, out.
    """
    left, right = tensors(args, kwargs)[1:3]
    scalars = [value for value in args if not isinstance(value, Shape)]
    beta = argument(scalars, kwargs, 0, "beta", 1)
    alpha = argument(scalars, kwargs, 1, "alpha", 1)
    elements = out.numel()
    columns = right[-1] if len(right) > 1 else 1
    macs = left.numel() * columns
    scalings = (alpha != 1) + (beta not in (0, 1))
    return product(macs, left, right) + Work(bias=elements if beta != 0 else 0, multiply=scalings * elements)


@define(FAMILY, "addr")
def add_outer(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One multiplication and one addition for each element of the outer product."""
    return Work(multiply=out.numel(), bias=out.numel())


@define(FAMILY, "outer", "kron")
def outer(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One multiplication for each element of the result; nothing is accumulated."""
    return Work(multiply=out.numel())


@define(FAMILY, "_grouped_mm", "grouped_mm", "_scaled_grouped_mm", "scaled_grouped_mm", "_scaled_grouped_mm_v2")
def grouped_mm(mat_a: Shape, mat_b: Shape, *_: Any, out: Shape, **__: Any) -> Cost:
    """Every row meets the one matrix of its group: rows x K x N MACs however rows are routed.

    With two 2-d operands the groups split the shared dimension, and M x K x N is their sum over groups; with
    a 3-d and a 2-d one they split the columns, each of which meets one matrix.
    """
    rows = mat_a[1:] if len(mat_a) > len(mat_b) else mat_a
    macs = rows.numel() * mat_b[-1]
    return product(macs, mat_a, mat_b)


@define(FAMILY, "_weight_int8pack_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "_dyn_quant_matmul_4bit")
def packed_mm(mat_a: Shape, *_: Any, out: Shape, **__: Any) -> Cost:
    """A product with a packed quantised weight: each output element is a dot product over K."""
    return product(out.numel() * mat_a[-1], mat_a)
