"""Elementwise arithmetic and activations, by hand: steps an element times the broadcast result's elements."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import cost, macs, work

from calprof.conventions import ARITHMETIC, CALFLOPS
from calprof.work import Work

R = torch.randn
I = torch.ones(2, 3, dtype=torch.long)  # noqa: E741
B = torch.ones(2, 3, dtype=torch.bool)


def complex_numbers(*sizes: int) -> torch.Tensor:
    return torch.randn(*sizes, dtype=torch.cfloat)


# (2, 1, 5) and (3, 1) broadcast to (2, 3, 5): 30 elements.
ROWS = [
    ("+", lambda: R(2, 1, 5) + R(3, 1), Work(add=30)),
    ("+ number", lambda: R(2, 3) + 1, Work(add=6)),
    ("number -", lambda: 1 - R(2, 3), Work(add=6)),
    ("torch.rsub", lambda: torch.rsub(R(2, 3), 1), Work(add=6)),
    ("add_", lambda: R(2, 3).add_(R(3)), Work(add=6)),
    ("+=", lambda: R(2, 3).__iadd__(R(3)), Work(add=6)),
    ("add alpha", lambda: torch.add(R(2, 3), R(3), alpha=7), Work(add=6, multiply=6)),
    ("sub alpha one", lambda: torch.sub(R(2, 3), R(3), alpha=1), Work(add=6)),
    ("add out", lambda: torch.add(R(2, 3), R(3), out=torch.empty(2, 3)), Work(add=6)),
    ("aten add", lambda: torch.ops.aten.add.Tensor(R(2, 3), R(3), alpha=2), Work(add=6, multiply=6)),
    ("add by name", lambda: torch.add(input=R(2, 3), other=R(3)), Work(add=6)),
    ("add 0-d", lambda: R(()) + R(()), Work(add=1)),
    ("add empty", lambda: R(0, 3) + R(3), Work()),
    ("*", lambda: R(2, 1, 5) * R(3, 1), Work(multiply=30)),
    ("/", lambda: R(2, 3) / R(3), Work(multiply=6)),
    ("number /", lambda: 1 / R(2, 3), Work(multiply=6)),
    ("div floor", lambda: torch.div(R(2, 3), R(3), rounding_mode="floor"), Work(multiply=6, round=6)),
    ("//", lambda: R(2, 3) // 2, Work(multiply=6, round=6)),
    ("%", lambda: R(2, 3) % 2, Work(multiply=6)),
    ("**", lambda: R(2, 3) ** 2, Work(transcendental=6)),
    ("number **", lambda: 2 ** R(2, 3), Work(transcendental=6)),
    ("square", lambda: R(2, 3).square(), Work(multiply=6)),
    ("rsqrt", lambda: torch.rsqrt(R(2, 3)), Work(transcendental=6)),
    ("-", lambda: -R(2, 3), Work(add=6)),
    ("abs", lambda: R(2, 3).abs(), Work(add=6)),
    ("exp_", lambda: R(2, 3).exp_(), Work(transcendental=6)),
    ("special.erf", lambda: torch.special.erf(R(2, 3)), Work(transcendental=6)),
    ("special.gammaln", lambda: torch.special.gammaln(R(2, 3)), Work(transcendental=6)),
    ("aten special", lambda: torch.ops.aten.special_erfcx.default(R(2, 3)), Work(transcendental=6)),
    ("xlogy", lambda: torch.special.xlogy(R(2, 1, 5), R(3, 1)), Work(transcendental=30, multiply=30)),
    ("entr", lambda: torch.special.entr(R(2, 3)), Work(transcendental=6, multiply=6, add=6)),
    ("polygamma", lambda: torch.polygamma(1, R(2, 3)), Work(transcendental=6)),
    # 5 lgamma; 5 arguments a + (1 - j) / 2; 4 sums of 5 terms and one constant.
    ("mvlgamma", lambda: torch.mvlgamma(R(2, 3).abs() + 5, 5) * 0,
     Work(add=12 + 6 * 10, transcendental=6 * 5, multiply=6)),
    ("hypot", lambda: torch.hypot(R(2, 3), R(3)), Work(multiply=12, add=6, transcendental=6)),
    ("logaddexp", lambda: torch.logaddexp(R(2, 3), R(3)), Work(transcendental=18, add=6)),
    ("lerp", lambda: torch.lerp(R(2, 3), R(3), 0.5), Work(add=12, multiply=6)),
    ("addcmul", lambda: torch.addcmul(R(5, 1, 1), R(2, 1), R(3)), Work(add=30, multiply=30)),
    ("addcdiv value", lambda: torch.addcdiv(R(5, 1, 1), R(2, 1), R(3), value=7), Work(add=30, multiply=60)),
    ("clamp", lambda: R(2, 3).clamp(0, 1), Work(compare=12)),
    ("clamp min", lambda: torch.clamp(R(2, 3), min=0), Work(compare=6)),
    ("clip max", lambda: torch.clip(R(2, 3), None, 1), Work(compare=6)),
    ("clamp_min_", lambda: R(2, 3).clamp_min_(0), Work(compare=6)),
    ("maximum", lambda: torch.maximum(R(2, 1, 5), R(3, 1)), Work(compare=30)),
    ("<", lambda: R(2, 1, 5) < R(3, 1), Work(compare=30)),
    ("== None", lambda: R(2, 3) == None, Work()),  # noqa: E711
    ("isclose", lambda: torch.isclose(R(2, 3), R(3)), Work(add=24, multiply=6, compare=6)),
    ("nan_to_num", lambda: R(2, 3).nan_to_num(), Work(compare=18)),
    ("round", lambda: R(2, 3).round(decimals=2), Work(round=6)),
    ("frexp", lambda: torch.frexp(R(2, 3)), Work(multiply=6)),
    ("float_power", lambda: I.float_power(2), Work(transcendental=6)),
    ("logit eps", lambda: torch.logit(R(2, 3), 0.1), Work(add=6, multiply=6, transcendental=6, compare=12)),
    ("sigmoid", lambda: torch.sigmoid(R(2, 3)), Work(add=12, transcendental=6, multiply=6)),
    ("special.expit", lambda: torch.special.expit(R(2, 3)), Work(add=12, transcendental=6, multiply=6)),
    # Integers and booleans do no floating-point arithmetic; a quotient of integers is a float.
    ("integers +", lambda: I + I, Work(integer=6)),
    ("integers /", lambda: I / 2, Work(multiply=6)),
    ("integers + float", lambda: I + 0.5, Work(add=6)),
    ("booleans &", lambda: B & B, Work(integer=6)),
    ("logical_not", lambda: B.logical_not(), Work(integer=6)),
    ("bitwise", lambda: ~I ^ I, Work(integer=12)),
    ("shift", lambda: 1 << I, Work(integer=6)),
    ("gcd", lambda: torch.gcd(I, I), Work(integer=6)),
    # (a + bi)·(c + di) is four products and two additions; a sum is two.
    ("complex *", lambda: complex_numbers(2, 3) * complex_numbers(3), Work(multiply=24, add=12)),
    ("complex +", lambda: complex_numbers(2, 3) + complex_numbers(3), Work(add=12)),
    ("complex abs", lambda: complex_numbers(2, 3).abs(), Work(flop=18, transcendental=6)),
    ("complex angle", lambda: complex_numbers(2, 3).angle(), Work(transcendental=6)),
    ("conj_physical", lambda: torch.conj_physical(complex_numbers(2, 3)), Work(flop=6)),
    ("real conj_physical", lambda: torch.conj_physical(R(2, 3)), Work()),
    ("polar", lambda: torch.polar(R(2, 3), R(3)), Work(transcendental=12, flop=12)),
    ("sgn", lambda: complex_numbers(2, 3).sgn(), Work(flop=30, transcendental=6)),
]  # fmt: skip

# What one element costs in arithmetic, by the formula in PyTorch's documentation.
ACTIVATIONS = [
    ("relu", F.relu, 1, 1),
    ("relu_", torch.relu_, 1, 1),
    ("relu6", F.relu6, 2, 1),
    ("leaky_relu", F.leaky_relu, 2, 1),
    ("leaky_relu inplace", lambda x: F.leaky_relu(x, inplace=True), 2, 1),
    ("prelu", lambda x: F.prelu(x, torch.tensor([0.25])), 2, 1),
    ("rrelu", F.rrelu, 2, 0),
    ("elu", F.elu, 4, 1),
    ("selu", F.selu, 5, 0),
    ("celu", F.celu, 5, 0),
    ("silu", F.silu, 5, 1),
    ("gelu", F.gelu, 5, 1),
    ("gelu tanh", lambda x: F.gelu(x, approximate="tanh"), 8, 1),
    ("mish", F.mish, 5, 0),
    ("softplus", F.softplus, 4, 0),
    ("softplus beta", lambda x: F.softplus(x, beta=2), 6, 0),
    ("softsign", F.softsign, 3, 0),
    ("tanhshrink", F.tanhshrink, 2, 0),
    ("hardtanh", F.hardtanh, 2, 0),
    ("hardsigmoid", F.hardsigmoid, 4, 0),
    ("hardswish", F.hardswish, 5, 0),
    ("hardshrink", F.hardshrink, 2, 0),
    ("softshrink", F.softshrink, 3, 0),
    ("threshold", lambda x: F.threshold(x, 0.1, 20), 1, 0),
    ("logsigmoid", F.logsigmoid, 5, 0),
    ("sigmoid", F.sigmoid, 4, 0),
    ("tanh", F.tanh, 1, 0),
]


@pytest.mark.parametrize("call, expected", [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_pointwise(call, expected):
    assert work(call) == expected


@pytest.mark.parametrize("name, call, flops, published", ACTIVATIONS, ids=[row[0] for row in ACTIVATIONS])
def test_activation(name, call, flops, published):
    done = work(lambda: call(torch.rand(2, 3, 5)))
    assert ARITHMETIC.price(done) == 30 * flops
    assert CALFLOPS.price(done) == 30 * published


def test_glu_costs_a_sigmoid_and_a_product_for_each_element_of_half():
    assert ARITHMETIC.price(work(lambda: F.glu(R(2, 3, 10)))) == 2 * 3 * 5 * (4 + 1)


@pytest.mark.parametrize("module", [torch.nn.GELU("tanh"), torch.nn.ReLU(True), torch.nn.Softplus(beta=3)])
def test_modules_and_functions_agree(module):
    functions = {
        torch.nn.GELU: lambda x: F.gelu(x, approximate="tanh"),
        torch.nn.ReLU: torch.relu,
        torch.nn.Softplus: lambda x: F.softplus(x, 3),
    }
    assert work(lambda: module(R(2, 3))) == work(lambda: functions[type(module)](R(2, 3)))


def test_elementwise_work_has_no_products_in_its_backward():
    x = R(2, 3, requires_grad=True)
    assert macs(cost(lambda: x.mul(x).tanh(), grads=True).backward) == 0
