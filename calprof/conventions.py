"""Price lists: what a convention charges for each kind of work.

The kinds are the vocabulary, the prices are the opinion. Pricing is linear, so it makes no difference
whether works are added first or priced first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from calprof.work import KINDS, Work

_MASKED = ("masked_mac", "masked_softmax")


@dataclass(frozen=True)
class Convention:
    """A named price list over kinds of work.

    `default` is charged for kinds that `prices` does not name. `unit` is what the prices add up to.

    Raises:
        ValueError: A price for a kind outside the glossary, or a negative price.

    Example:
        >>> Convention("products only", {"mac": 2}).price(Work(mac=10, bias=3))
        20
    """

    name: str
    prices: Mapping[str, int] = field(hash=False)
    default: int = 0
    unit: str = "FLOPs"
    description: str = ""

    def __post_init__(self) -> None:
        for kind, price in self.prices.items():
            if kind not in KINDS:
                raise ValueError(f"convention {self.name!r} prices {kind!r}, which is no kind of work")
            if type(price) is not int or price < 0:
                raise ValueError(f"convention {self.name!r} prices {kind!r} at {price!r}, not at an integer >= 0")

    def price(self, work: Work) -> int:
        """Returns what this convention charges for `work`, in its unit."""
        prices, default = self.prices, self.default
        return sum(count * prices.get(kind, default) for kind, count in work.items())

    def price_of(self, kind: str) -> int:
        """Returns what one step of `kind` costs, in this convention's unit."""
        return self.prices.get(kind, self.default)

    @property
    def charges_masked(self) -> bool:
        """Whether the part of causal attention above the diagonal is charged."""
        return self.price_of("masked_mac") > 0

    def causal(self) -> Convention:
        """Returns the variant that does not charge what a causal kernel may skip.

        Example:
            >>> MATMUL.causal().price(Work(mac=6, masked_mac=4))
            12
        """
        prices = {**self.prices, **dict.fromkeys(_MASKED, 0)}
        return replace(self, name=f"{self.name}-causal", prices=prices)


MACS = Convention(
    "macs",
    {"mac": 1, "masked_mac": 1, "complex_mac": 1},
    unit="MACs",
    description="One per multiply-accumulate and nothing else.",
)

ARITHMETIC = Convention(
    "arithmetic",
    {
        # A multiply-accumulate is a multiplication and an addition; of complex numbers, four of each.
        "mac": 2, "masked_mac": 2, "complex_mac": 8,
        "linear_bias": 1, "conv_bias": 1, "bias": 1,
        "add": 1, "multiply": 1, "compare": 1, "round": 1, "transcendental": 1, "flop": 1,
        # Maximum, subtract, exp, sum, divide (log-softmax subtracts where softmax divides).
        "softmax": 5, "masked_softmax": 5, "log_softmax": 5,
        # Sum for the mean, square and sum for the variance; then one multiply and one add, into which
        # the learned scale and shift fold: layer norm is 5 per element, batch norm in eval 2.
        "norm_statistics": 3, "normalize": 2, "affine": 0,
        # Square, sum, multiply by the reciprocal root; the learned scale is one more multiplication.
        "rms_norm": 3, "rms_scale": 1,
        # max(x, 0); two bounds; compare and multiply; compare, exp, subtract, multiply.
        "relu": 1, "relu6": 2, "leaky_relu": 2, "prelu": 2, "elu": 4,
        # Negate, exp, add, divide, multiply.
        "silu": 5,
        # Divide by √2, erf, add, multiply by x, multiply by 0.5.
        "gelu": 5,
        # Cube (a power), multiply, add, multiply, tanh, add, multiply by x, multiply by 0.5.
        "gelu_tanh": 8,
        # Compare the random number with the rate, multiply by the mask, multiply by 1 / (1 - p).
        "dropout": 3,
        "pool_tap": 1,
    },
    description="Every floating-point operation: a MAC is 2, a bias addition 1, exp, tanh and erf 1 each.",
)  # fmt: skip

MATMUL = Convention(
    "matmul",
    {"mac": 2, "masked_mac": 2, "complex_mac": 2},
    description="2 per MAC and nothing else, as PyTorch's own counter, nanoGPT, PaLM and MFU count.",
)

CALFLOPS = Convention(
    "calflops",
    {
        "mac": 2, "masked_mac": 2, "complex_mac": 2,
        # Its convolutions charge their bias and its linear layers do not.
        "conv_bias": 1, "bias": 1,
        "softmax": 1, "masked_softmax": 1,
        # 5 per element with scale and shift, 4 without; batch norm in eval 2 and 1.
        "norm_statistics": 3, "normalize": 1, "affine": 1,
        "relu": 1, "relu6": 1, "leaky_relu": 1, "prelu": 1, "elu": 1, "silu": 1, "gelu": 1, "gelu_tanh": 1,
        # One per input element of a pooling layer, one per output element of an upsampling.
        "pool_input": 1, "upsampled": 1,
        # `+` and `*`, tanh, sigmoid, RMS norm, dropout and embeddings are not seen by it: they cost 0.
    },
    description="The price list behind calflops' published tables; what it does not see costs nothing.",
)  # fmt: skip

ELECTRA = Convention(
    "electra",
    {
        "mac": 2, "masked_mac": 2, "complex_mac": 8, "onehot_mac": 2,
        "softmax": 5, "masked_softmax": 5, "log_softmax": 5,
        "norm_statistics": 3, "normalize": 2, "affine": 0, "rms_norm": 3, "rms_scale": 1,
        "gelu": 8, "gelu_tanh": 8, "silu": 5, "dropout": 4,
        "integer": 0, "pool_input": 0, "upsampled": 0,
    },
    default=1,
    description="The constants of ELECTRA's flops_computation.py: dense embedding lookups, GELU 8, dropout 4.",
)  # fmt: skip

CONVENTIONS: Mapping[str, Convention] = {
    convention.name: convention for convention in (ARITHMETIC, MATMUL, CALFLOPS, ELECTRA)
}


def find_convention(convention: str | Convention) -> Convention:
    """Returns a shipped convention by name, or the given one.

    A name may end in `-causal` for the variant that leaves out what a causal kernel may skip.

    Raises:
        ValueError: No shipped convention has this name.
        TypeError: Neither a name nor a `Convention`.

    Example:
        >>> find_convention("matmul-causal").price(Work(mac=1, masked_mac=1))
        2
    """
    if isinstance(convention, Convention):
        return convention
    if not isinstance(convention, str):
        raise TypeError(f"convention must be a name or a Convention, not {type(convention).__name__}")
    name = convention.removesuffix("-causal")
    found = CONVENTIONS.get(name)
    if found is None:
        raise ValueError(f"unknown convention {convention!r}; the shipped ones are {', '.join(CONVENTIONS)}")
    return found if name == convention else found.causal()
