"""What work a call does: how many of each elementary step, never a price.

`Work` adds up; a `Convention` turns it into FLOPs. The kinds are a closed glossary, `KINDS`, so that a
misspelt kind is an error and every price list can be checked against it.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass

KINDS: Mapping[str, str] = {
    # Products
    "mac": "one multiply-accumulate of a matrix product, convolution or attention",
    "masked_mac": "a multiply-accumulate above the diagonal of causal attention, which a causal kernel may skip",
    "complex_mac": "one multiply-accumulate of complex numbers: 4 real multiplications and 4 real additions",
    "onehot_mac": "a multiply-accumulate of the dense one-hot product an embedding lookup stands for",
    # Biases
    "linear_bias": "the addition of a linear layer's bias to one output element",
    "conv_bias": "the addition of a convolution's bias to one output element",
    "bias": "the addition of the input term of addmm, baddbmm and their family to one output element",
    # Elementary arithmetic, per element
    "add": "one addition, subtraction, negation or absolute value",
    "multiply": "one multiplication, division or remainder",
    "compare": "one comparison, maximum, minimum, clamp bound or sign test",
    "round": "one rounding to an integer: floor, ceil, round, trunc, frac",
    "transcendental": "one exp, log, sin, tanh, erf, square root, power or other special function",
    "flop": "one floating-point operation of a textbook count: FFT, factorisations, a user's formula",
    "integer": "one elementwise operation on integers or booleans, no floating-point operation",
    # Softmax
    "softmax": "one element through softmax: maximum, subtract, exp, sum, divide",
    "log_softmax": "one element through log-softmax: maximum, subtract, exp, sum, subtract",
    "masked_softmax": "a softmax element above the diagonal of causal attention",
    # Normalisation
    "norm_statistics": "one element through mean and variance: sum, square, sum",
    "normalize": "one element through x·a + c: the multiply and the add of applying the statistics",
    "affine": "one element of a norm with a learned scale and shift, which fold into `normalize`",
    "rms_norm": "one element through RMS norm: square, sum, multiply by the reciprocal root",
    "rms_scale": "one element multiplied by RMS norm's learned scale",
    # Activations that published price lists name
    "relu": "one element through ReLU",
    "relu6": "one element through ReLU6 (two bounds)",
    "leaky_relu": "one element through leaky ReLU",
    "prelu": "one element through PReLU",
    "elu": "one element through ELU",
    "silu": "one element through SiLU, x·sigmoid(x)",
    "gelu": "one element through exact GELU, 0.5·x·(1 + erf(x/√2))",
    "gelu_tanh": "one element through tanh GELU, 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))",
    "dropout": "one element through active dropout: compare, mask, rescale",
    # Pooling and resampling
    "pool_tap": "one input element read by one pooling window: an addition or a comparison",
    "pool_input": "one input element of a pooling layer, however many windows read it",
    "upsampled": "one output element of an interpolation, however many taps it reads",
}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Work(Mapping[str, int]):
    """How many of each elementary step, as a mapping from kind to count that adds.

    Kinds absent from the mapping count zero, so `work["mac"]` never raises for a known kind.

    Raises:
        ValueError: A kind outside `KINDS`, or a negative count.
        TypeError: A count that is not an integer.

    Example:
        >>> Work(mac=120, bias=30) + Work(mac=1)
        Work(mac=121, bias=30)
    """

    _counts: dict[str, int]

    def __init__(self, **counts: int) -> None:
        for kind, count in counts.items():
            if kind not in KINDS:
                raise ValueError(f"unknown kind of work {kind!r}; the glossary has {', '.join(KINDS)}")
            if type(count) is not int:
                raise TypeError(f"the count of {kind!r} is {count!r}, not an integer")
            if count < 0:
                raise ValueError(f"the count of {kind!r} is negative: {count}")
        object.__setattr__(self, "_counts", {kind: count for kind, count in counts.items() if count})

    @classmethod
    def _of(cls, counts: dict[str, int]) -> Work:
        """Skips the checks: for sums and multiples of works that passed them."""
        work = object.__new__(cls)
        object.__setattr__(work, "_counts", counts)
        return work

    def __getitem__(self, kind: str) -> int:
        count = self._counts.get(kind)
        if count is None:
            if kind not in KINDS:
                raise KeyError(kind)
            return 0
        return count

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def items(self) -> ItemsView[str, int]:
        """Returns kinds and counts, without the mapping protocol's look-up for each."""
        return self._counts.items()

    def __add__(self, other: Work) -> Work:
        if not isinstance(other, Work):
            return NotImplemented
        if not other._counts:
            return self
        counts = dict(self._counts)
        for kind, count in other._counts.items():
            counts[kind] = counts.get(kind, 0) + count
        return Work._of(counts)

    def __radd__(self, other: object) -> Work:
        # sum() starts from 0.
        return self if other == 0 else NotImplemented

    def __mul__(self, times: int) -> Work:
        if type(times) is not int or times < 0:
            raise TypeError(f"work is multiplied by a non-negative integer, not by {times!r}")
        if times == 1:
            return self
        return Work._of({kind: count * times for kind, count in self._counts.items()} if times else {})

    __rmul__ = __mul__

    def __hash__(self) -> int:
        return hash(frozenset(self._counts.items()))

    def __repr__(self) -> str:
        return f"Work({', '.join(f'{kind}={count}' for kind, count in self._counts.items())})"


NOTHING = Work()


@dataclass(frozen=True, slots=True)
class Cost:
    """The work of a call and the work its gradient needs.

    Example:
        >>> Cost(Work(mac=6), Work(mac=12)) + Cost(Work(bias=2))
        Cost(forward=Work(mac=6, bias=2), backward=Work(mac=12))
    """

    forward: Work
    backward: Work = NOTHING

    def __add__(self, other: Cost | Work) -> Cost:
        if isinstance(other, Work):
            other = Cost(other)
        return Cost(self.forward + other.forward, self.backward + other.backward)

    def __mul__(self, times: int) -> Cost:
        return self if times == 1 else Cost(self.forward * times, self.backward * times)
