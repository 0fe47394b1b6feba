"""Activation functions, each priced by its definition in PyTorch's documentation.

Those that published price lists name keep kinds of their own (`relu`, `gelu`, ...); the others are written
in elementary steps, which a list like calflops' does not charge.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.ops.tables import alike, table
from calprof.work import Work

FAMILY = "activation"

table(
    FAMILY,
    "out",
    {
        "relu": ({"relu": 1}, "max(x, 0)."),
        "relu6": ({"relu6": 1}, "min(max(x, 0), 6)."),
        "leaky_relu": ({"leaky_relu": 1}, "x or slope·x: a comparison and a product."),
        "prelu": ({"prelu": 1}, "x or weight·x: a comparison and a product."),
        "_prelu_kernel": ({"prelu": 1}, "x or weight·x: a comparison and a product."),
        **alike(
            "rrelu rrelu_with_noise rrelu_with_noise_functional",
            {"compare": 1, "multiply": 1},
            "x or slope·x, the slope drawn at random: a comparison and a product.",
        ),
        "elu": ({"elu": 1}, "x or alpha·(exp x - 1): a comparison, an exp, a subtraction, a product."),
        "selu": (
            {"compare": 1, "transcendental": 1, "add": 1, "multiply": 2},
            "scale·(x or alpha·(exp x - 1)): ELU and one more product.",
        ),
        "celu": (
            {"compare": 1, "transcendental": 1, "add": 1, "multiply": 2},
            "x or alpha·(exp(x / alpha) - 1): a comparison, a division, an exp, a subtraction, a product.",
        ),
        "silu": ({"silu": 1}, "x·sigmoid(x)."),
        "mish": (
            {"transcendental": 3, "add": 1, "multiply": 1},
            "x·tanh(log(1 + exp x)): an exp, an addition, a log, a tanh, a product.",
        ),
        "softsign": ({"add": 2, "multiply": 1}, "x / (1 + |x|): an absolute value, an addition, a division."),
        "tanhshrink": ({"transcendental": 1, "add": 1}, "x - tanh x: a tanh and a subtraction."),
        "hardtanh": ({"compare": 2}, "min(max(x, low), high): two bounds."),
        "hardsigmoid": (
            {"add": 1, "compare": 2, "multiply": 1},
            "min(max(x + 3, 0), 6) / 6: an addition, two bounds, a division.",
        ),
        "hardswish": (
            {"add": 1, "compare": 2, "multiply": 2},
            "x·min(max(x + 3, 0), 6) / 6: an addition, two bounds, a product, a division.",
        ),
        "hardshrink": ({"compare": 2}, "x or 0: a comparison with -lambda and one with lambda."),
        "softshrink": (
            {"compare": 2, "add": 1},
            "x - lambda, x + lambda or 0: two comparisons and an addition.",
        ),
        **alike("threshold _threshold", {"compare": 1}, "x or the value: one comparison."),
        **alike(
            "log_sigmoid log_sigmoid_forward",
            {"add": 3, "transcendental": 2},
            "-log(1 + exp(-x)): a negation, an exp, an addition, a log, a negation.",
        ),
        "glu": (
            {"add": 2, "transcendental": 1, "multiply": 2},
            "a·sigmoid(b) of the two halves a and b: a sigmoid (four steps) and a product.",
        ),
    },
)


@define(FAMILY, "gelu")
def gelu(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """x·Φ(x), exact with erf, or Hendrycks & Gimpel's tanh form (2016) with `approximate="tanh"`."""
    approximate = argument(args, kwargs, 1, "approximate", "none")
    return Work(gelu_tanh=out.numel()) if approximate == "tanh" else Work(gelu=out.numel())


@define(FAMILY, "softplus")
def softplus(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """log(1 + exp(beta·x)) / beta, or x above a threshold: a comparison, an exp, an addition, a log.

    A beta other than one is a product and a division more.
    """
    elements = out.numel()
    scalings = 2 if argument(args, kwargs, 1, "beta", 1) != 1 else 0
    return Work(compare=elements, transcendental=2 * elements, add=elements, multiply=scalings * elements)
