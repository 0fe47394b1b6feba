"""bitsandbytes: linear layers with 8-bit and 4-bit weights, which count the product they stand for."""

from __future__ import annotations

from typing import Any

from calprof.ops.products import product
from calprof.ops.registry import kernel
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "quantized"
_MODULE = "bitsandbytes.autograd._functions."


@kernel(FAMILY, _MODULE + "matmul", _MODULE + "matmul_4bit")
def quantised_linear(A: Shape, B: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """Each output element is a dot product over in_features, plus the bias; the weight may be packed.

    Dequantising the weight is the kernel's affair and not counted, as nowhere.
    """
    # Both have the bias last, behind arguments of which no other is a vector.
    vectors = [value for value in (*args, *kwargs.values()) if isinstance(value, Shape) and len(value) == 1]
    return product(out.numel() * A[-1], A, B) + Work(linear_bias=out.numel() if vectors else 0)
