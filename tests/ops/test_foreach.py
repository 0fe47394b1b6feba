"""Ops over lists of tensors: the single op's steps for the elements of all of them."""

from __future__ import annotations

import pytest
import torch
from support import work

from calprof.conventions import ARITHMETIC
from calprof.work import Work

R = torch.randn


def lists(count: int = 1) -> list[list[torch.Tensor]]:
    """Lists of a 2 x 3 and a 5-vector: 11 elements each."""
    return [[R(2, 3), R(5)] for _ in range(count)]


ROWS = [
    ("add", lambda: torch._foreach_add(*lists(2)), Work(add=11)),
    ("add_ alpha", lambda: torch._foreach_add_(*lists(2), alpha=3), Work(add=11, multiply=11)),
    ("mul number", lambda: torch._foreach_mul(*lists(), 2.0), Work(multiply=11)),
    ("sqrt", lambda: torch._foreach_sqrt(*lists()), Work(transcendental=11)),
    ("lerp", lambda: torch._foreach_lerp(*lists(2), 0.5), Work(add=22, multiply=11)),
    ("addcmul", lambda: torch._foreach_addcmul(*lists(3)), Work(add=11, multiply=11)),
    ("addcdiv_ values", lambda: torch._foreach_addcdiv_(*lists(3), [2.0, 3.0]), Work(add=11, multiply=22)),
    ("norm", lambda: torch._foreach_norm(*lists()), Work(add=11, multiply=11, transcendental=2)),
    ("norm 1", lambda: torch._foreach_norm(*lists(), 1), Work(add=22)),
    ("copy_", lambda: torch._foreach_copy_(*lists(2)), Work()),
    ("zero_", lambda: torch._foreach_zero_(*lists()), Work()),
]


@pytest.mark.parametrize("call, expected", [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_foreach(call, expected):
    assert work(call) == expected


def fused_adam(name: str = "_fused_adam_", **options: object) -> None:
    params, grads, means, squares = lists(4)
    settings = dict(lr=1e-3, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False)
    steps = [torch.tensor(1.0) for _ in params]
    maxima = lists()[0] if options.get("amsgrad") else []
    getattr(torch, name)(params, grads, means, [s.abs() for s in squares], maxima, steps, **{**settings, **options})


# Without options: 2·β and a sum for the mean; 3 products and a sum for the square; √, division, eps; two
# products (or a quotient) and a subtraction: 13. The squares' absolute value is 11 more in this test.
@pytest.mark.parametrize(
    "options, steps",
    [({}, 13), ({"weight_decay": 0.1}, 15), ({"name": "_fused_adamw_", "weight_decay": 0.1}, 14),
     ({"amsgrad": True}, 14), ({"maximize": True}, 14)],
)  # fmt: skip
def test_fused_adam(options, steps):
    assert ARITHMETIC.price(work(lambda: fused_adam(**options))) == 11 * (steps + 1)


@pytest.mark.parametrize(
    "options, steps",
    [({}, 2), ({"weight_decay": 0.1}, 4), ({"momentum": 0.9}, 4), ({"momentum": 0.9, "dampening": 0.5}, 5),
     ({"momentum": 0.9, "nesterov": True}, 6), ({"maximize": True}, 3),
     ({"momentum": 0.9, "is_first_step": True}, 2)],
)  # fmt: skip
def test_fused_sgd(options, steps):
    settings = dict(weight_decay=0.0, momentum=0.0, lr=0.1, dampening=0.0, nesterov=False, maximize=False,
                    is_first_step=False)  # fmt: skip

    def step() -> None:
        params, grads, buffers = lists(3)
        momenta = buffers if options.get("momentum") else []
        torch._fused_sgd_(params, grads, momenta, **{**settings, **options})

    assert ARITHMETIC.price(work(step)) == 11 * steps
