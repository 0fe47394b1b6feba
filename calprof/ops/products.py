"""What the gradient of a product costs: the forward's MACs once for each operand that needs one."""

from __future__ import annotations

from calprof.ops.shape import Shape
from calprof.work import NOTHING, Cost, Work


def product(macs: int, *operands: Shape) -> Cost:
    """Returns the cost of a product of operands, in MACs.

    The gradient of `y = a·b` is `dy·bᵀ` for `a` and `aᵀ·dy` for `b`, each as many MACs as the product itself.

    Example:
        >>> product(6, Shape((2, 3), requires_grad=True), Shape((3, 1))).backward
        Work(mac=6)
    """
    gradients = sum(operand.requires_grad for operand in operands)
    return Cost(Work(mac=macs), Work(mac=macs * gradients) if gradients else NOTHING)
