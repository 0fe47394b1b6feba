"""What a model costs at any batch and length: an exact polynomial, fitted to a few profiles and then verified.

The work of a network of products, attention and elementwise functions is a polynomial in the batch (of degree 1)
and the length (of degree 2, from attention's scores). Its coefficients are solved in fractions, not approximated,
and checked on a profile that took no part in the fit: a model that is no such polynomial, because it pads to a
multiple, slides a window or routes by value, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from calprof.cost.arguments import whole

QUANTITIES = ("flops", "macs", "backward_flops", "backward_macs")
"""What is fitted: FLOPs and MACs of the forward, and of its backward."""

Counts = Mapping[str, int]
Run = Callable[[int, int], Counts]
"""Profiles the model at a batch and a length; returns a count for each of `QUANTITIES`."""


@dataclass(frozen=True)
class Polynomial:
    """Σ c[i][j]·batchⁱ·lengthʲ with exact coefficients.

    Example:
        >>> Polynomial(((Fraction(0),), (Fraction(0), Fraction(3)))).at(2, 5)
        30
    """

    coefficients: tuple[tuple[Fraction, ...], ...]

    def at(self, batch: int, length: int) -> int:
        """Returns the value at a batch and a length.

        Raises:
            ValueError: It is no whole number, so the polynomial does not hold there.
        """
        value = sum(
            (c * batch**i * length**j for i, row in enumerate(self.coefficients) for j, c in enumerate(row)),
            Fraction(0),
        )
        if value.denominator != 1:
            raise ValueError(f"the fitted cost is no whole number at batch {batch} and length {length}: {value}")
        return int(value)

    def __str__(self) -> str:
        names = {(0, 0): "1", (0, 1): "L", (0, 2): "L²", (1, 0): "B", (1, 1): "B·L", (1, 2): "B·L²"}
        terms = [
            f"{c}·{names.get((i, j), f'B^{i}·L^{j}')}"
            for i, row in reversed(list(enumerate(self.coefficients)))
            for j, c in reversed(list(enumerate(row)))
            if c
        ]
        return " + ".join(terms) or "0"


@dataclass(frozen=True)
class Scaling:
    """Forward and backward of a model as functions of batch and length.

    Attributes:
        polynomials: One for each of `QUANTITIES`.
        convention: Name of the price list the FLOPs are under.
        verified_at: The batch and length it was verified at.

    Example:
        >>> prof.scaling(model).flops(batch=8, length=2048)
    """

    polynomials: Mapping[str, Polynomial]
    convention: str
    verified_at: tuple[int, int]

    def flops(self, batch: int, length: int) -> int:
        """Returns the FLOPs of one forward.

        Raises:
            ValueError: A batch or length that is not a whole number of at least 1.
        """
        return self._at("flops", batch, length)

    def macs(self, batch: int, length: int) -> int:
        """Returns the MACs of one forward; raises as `flops`."""
        return self._at("macs", batch, length)

    def training_flops(self, batch: int, length: int) -> int:
        """Returns the FLOPs of forward and backward; raises as `flops`."""
        return self._at("flops", batch, length) + self._at("backward_flops", batch, length)

    def training_macs(self, batch: int, length: int) -> int:
        """Returns the MACs of forward and backward; raises as `flops`."""
        return self._at("macs", batch, length) + self._at("backward_macs", batch, length)

    def _at(self, quantity: str, batch: int, length: int) -> int:
        return self.polynomials[quantity].at(whole(batch, "batch"), whole(length, "length"))


def fit_scaling(
    run: Run,
    convention: str,
    batches: Sequence[int] = (1, 2),
    lengths: Sequence[int] = (8, 16, 24),
    verify_at: tuple[int, int] = (3, 40),
) -> Scaling:
    """Fits the cost of a model to a grid of profiles and verifies it at a point outside.

    Args:
        run: Profiles the model at a batch and a length.
        convention: Name of the price list `run` counts under.
        batches: Batches to profile; the degree in the batch is one less than their number.
        lengths: Lengths to profile; the degree in the length is one less than their number.
        verify_at: The held-out batch and length.

    Raises:
        ValueError: The held-out profile differs from the fit, or lies on the grid, or the grid repeats a number.
    """
    if len(set(batches)) < len(batches) or len(set(lengths)) < len(lengths):
        raise ValueError(f"batches and lengths must not repeat, got {list(batches)} and {list(lengths)}")
    if verify_at[0] in batches and verify_at[1] in lengths:
        raise ValueError(f"verify_at must be held out of the fit, but {verify_at} is one of its points")
    counts = {point: run(*point) for point in product(batches, lengths)}
    polynomials = {
        name: _interpolate({point: each[name] for point, each in counts.items()}, batches, lengths)
        for name in QUANTITIES
    }
    found = run(*verify_at)
    for name, polynomial in polynomials.items():
        expected = polynomial.at(*verify_at)
        if expected != found[name]:
            raise ValueError(
                f"the cost of this model is no polynomial of degree {len(batches) - 1} in the batch and "
                f"{len(lengths) - 1} in the length: at batch {verify_at[0]} and length {verify_at[1]} it is "
                f"{found[name]:,} {name.replace('_', ' ')} where the fit gives {expected:,}; profile each shape instead"
            )
    return Scaling(polynomials, convention, verify_at)


def _interpolate(values: Mapping[tuple[int, int], int], batches: Sequence[int], lengths: Sequence[int]) -> Polynomial:
    """Returns the one polynomial through every point of a grid (Lagrange, in each variable)."""
    by_batch, by_length = [_basis(batches, b) for b in batches], [_basis(lengths, n) for n in lengths]
    coefficients = [[Fraction(0)] * len(lengths) for _ in batches]
    for (row, batch), (column, length) in product(enumerate(batches), enumerate(lengths)):
        for i, first in enumerate(by_batch[row]):
            for j, second in enumerate(by_length[column]):
                coefficients[i][j] += values[batch, length] * first * second
    return Polynomial(tuple(tuple(row) for row in coefficients))


def _basis(points: Sequence[int], chosen: int) -> list[Fraction]:
    """Returns the coefficients of the polynomial that is 1 at `chosen` and 0 at the other points."""
    coefficients = [Fraction(1)]
    for point in points:
        if point == chosen:
            continue
        scale = Fraction(1, chosen - point)
        shifted = [Fraction(0), *coefficients]
        coefficients = [
            scale * (up - point * same) for up, same in zip(shifted, [*coefficients, Fraction(0)], strict=True)
        ]
    return coefficients
