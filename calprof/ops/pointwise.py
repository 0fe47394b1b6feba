"""Elementwise arithmetic: so many steps for each element of the broadcast result.

Square roots, powers, exponentials and special functions count one step each, as one would write them in a
formula. Work on integers and booleans becomes `integer`, work on complex numbers real steps, in one place for
all ops.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, tensors
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.ops.tables import alike, table
from calprof.work import NOTHING, Work

FAMILY = "pointwise"

table(
    FAMILY,
    "out",
    {
        **alike("neg nextafter", {"add": 1}, "One negation, or one step to the next number."),
        "logaddexp": ({"transcendental": 3, "add": 1}, "log(exp a + exp b): two exp, an addition, a log."),
        "logaddexp2": ({"transcendental": 3, "add": 1}, "log2(2^a + 2^b): two powers, an addition, a log."),
        "mul": ({"multiply": 1}, "One multiplication."),
        "square": ({"multiply": 1}, "x·x, one multiplication."),
        **alike("reciprocal remainder fmod", {"multiply": 1}, "One division."),
        **alike("deg2rad rad2deg", {"multiply": 1}, "One multiplication by a constant."),
        "floor_divide": ({"multiply": 1, "round": 1}, "A division and its rounding down."),
        "frexp": ({"multiply": 1}, "x / 2^e; the exponent e is read off the number's bits."),
        "ldexp": ({"multiply": 1, "transcendental": 1}, "x·2^other: a power and a multiplication."),
        "hypot": (
            {"multiply": 2, "add": 1, "transcendental": 1},
            "√(a² + b²): two squares, an addition, a square root.",
        ),
        "_add_relu": ({"add": 1, "relu": 1}, "An addition and a ReLU."),
    },
)

table(
    FAMILY,
    "out",
    alike("round ceil floor trunc frac", {"round": 1}, "One rounding."),
)

table(
    FAMILY,
    "out",
    alike(
        """
        eq ne lt le gt ge maximum minimum fmax fmin sign signbit copysign heaviside isnan isinf isfinite
        isposinf isneginf isreal logical_and logical_or logical_xor logical_not clamp_min clamp_max
        """,
        {"compare": 1},
        "One comparison, maximum or test.",
    ),
)

table(
    FAMILY,
    "out",
    {
        "nan_to_num": ({"compare": 3}, "Three tests: not a number, infinity, negative infinity."),
        "isclose": (
            {"add": 4, "multiply": 1, "compare": 1},
            "|a - b| <= atol + rtol·|b|: two absolute values, two additions, a product, a comparison.",
        ),
    },
)

table(
    FAMILY,
    "out",
    alike(
        """
        bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift gcd lcm
        """,
        {"integer": 1},
        "One operation on integers.",
    ),
)

table(
    FAMILY,
    "out",
    alike(
        """
        exp exp2 expm1 log log2 log10 log1p sqrt rsqrt pow float_power sin cos tan asin acos atan atan2 sinh
        cosh tanh asinh acosh atanh erf erfc erfinv lgamma digamma polygamma igamma igammac i0
        special.erfcx special.gammainc special.gammaincc special.i0e special.i1 special.i1e special.ndtr
        special.ndtri special.log_ndtr special.zeta special.airy_ai special.bessel_j0 special.bessel_j1
        special.bessel_y0 special.bessel_y1 special.modified_bessel_i0 special.modified_bessel_i1
        special.modified_bessel_k0 special.modified_bessel_k1 special.scaled_modified_bessel_k0
        special.scaled_modified_bessel_k1 special.spherical_bessel_j0 special.chebyshev_polynomial_t
        special.chebyshev_polynomial_u special.chebyshev_polynomial_v special.chebyshev_polynomial_w
        special.shifted_chebyshev_polynomial_t special.shifted_chebyshev_polynomial_u
        special.shifted_chebyshev_polynomial_v special.shifted_chebyshev_polynomial_w
        special.hermite_polynomial_h special.hermite_polynomial_he special.laguerre_polynomial_l
        special.legendre_polynomial_p _standard_gamma_grad _dirichlet_grad
        """,
        {"transcendental": 1},
        "One special function, counted as one step.",
    ),
)

table(
    FAMILY,
    "out",
    {
        "special.entr": (
            {"transcendental": 1, "multiply": 1, "add": 1},
            "-x·log x: a log, a product, a negation.",
        ),
        "xlogy": ({"transcendental": 1, "multiply": 1}, "x·log y: a log and a product."),
        "special.xlog1py": ({"transcendental": 1, "multiply": 1}, "x·log1p y: a log1p and a product."),
        "sinc": ({"transcendental": 1, "multiply": 2}, "sin(πx) / (πx): a product, a sine, a division."),
    },
)


@define(FAMILY, "add", "sub", "rsub")
def add(*args: Any, out: Any, alpha: complex = 1, **kwargs: Any) -> Work:
    """One addition an element for a ± alpha·b, and a multiplication where alpha is not one."""
    elements = _elements(out)
    return Work(add=elements, multiply=elements if alpha != 1 else 0)


@define(FAMILY, "div")
def div(*args: Any, out: Any, rounding_mode: str | None = None, **kwargs: Any) -> Work:
    """One division an element, and its rounding where `rounding_mode` asks for one."""
    elements = _elements(out)
    return Work(multiply=elements, round=0 if rounding_mode is None else elements)


@define(FAMILY, "addcmul", "addcdiv")
def addcmul(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """A product a·b (or a quotient a / b) and an addition an element, one product more for a value."""
    value = kwargs.get("value", 1)
    return Work(add=out.numel(), multiply=out.numel() * (2 if value != 1 else 1))


@define(FAMILY, "lerp")
def lerp(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """A subtraction, a product and an addition an element: a + w·(b - a)."""
    return Work(add=2 * out.numel(), multiply=out.numel())


@define(FAMILY, "clamp")
def clamp(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One comparison an element for each bound given."""
    bounds = sum(argument(args, kwargs, position, name) is not None for position, name in ((1, "min"), (2, "max")))
    return Work(compare=bounds * out.numel())


@define(FAMILY, "sigmoid")
def sigmoid(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """1 / (1 + exp(-x)): a negation, an exp, an addition and a division an element."""
    return SIGMOID * out.numel()


SIGMOID = Work(add=2, transcendental=1, multiply=1)
"""One element through the logistic function."""


@define(FAMILY, "logit")
def logit(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """A subtraction, a division, a log an element: log(x / (1 - x)); two bounds first where eps is given."""
    elements = out.numel()
    bounds = 0 if argument(args, kwargs, 1, "eps") is None else 2
    return Work(add=elements, multiply=elements, transcendental=elements, compare=bounds * elements)


@define(FAMILY, "mvlgamma", "special.multigammaln")
def mvlgamma(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The sum over j = 1..p of lgamma(a + (1 - j) / 2), plus a constant: p lgamma, 2p additions."""
    order: int = argument(args, kwargs, 1, "p")
    return Work(transcendental=order * out.numel(), add=2 * order * out.numel())


@define(FAMILY, "abs")
def absolute(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One step an element; of a complex number √(re² + im²): two squares, an addition, a square root."""
    if tensors(args, kwargs)[0].is_complex:
        return Work(flop=3 * out.numel(), transcendental=out.numel())
    return Work(add=out.numel())


@define(FAMILY, "sgn")
def sgn(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One sign test an element; of a complex number z / |z|: the modulus (four steps) and two divisions."""
    if out.is_complex:
        return Work(flop=5 * out.numel(), transcendental=out.numel())
    return Work(compare=out.numel())


@define(FAMILY, "angle")
def angle(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One sign test an element; of a complex number one arctangent of its two parts."""
    if tensors(args, kwargs)[0].is_complex:
        return Work(transcendental=out.numel())
    return Work(compare=out.numel())


@define(FAMILY, "conj_physical", "_conj_physical")
def conj_physical(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The negation of the imaginary part; a real number is its own conjugate."""
    return Work(flop=out.numel()) if out.is_complex else NOTHING


@define(FAMILY, "torch.polar")
def polar(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """abs·cos(angle) + i·abs·sin(angle): two trigonometric functions and two products an element."""
    return Work(transcendental=2 * out.numel(), flop=2 * out.numel())


def _elements(out: Any) -> int:
    # Python's operators answer NotImplemented, and no tensor, for an operand that is no number.
    return out.numel() if isinstance(out, Shape) else 0
