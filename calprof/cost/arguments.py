"""Checks of the numbers a user hands to the cost functions: one clear sentence each."""

from __future__ import annotations

import math
from numbers import Integral, Real

__all__ = ["fraction", "not_negative", "positive", "whole"]


def real(value: object, name: str) -> int | float:
    """Return `value` as an int or a finite float.

    Raises:
        TypeError: it is not a number.
        ValueError: it is infinite or not a number in the arithmetic sense.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return number


def positive(value: object, name: str) -> int | float:
    """Return `value` if it is a number above zero, else raise."""
    number = real(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be above zero, got {value!r}")
    return number


def not_negative(value: object, name: str) -> int | float:
    """Return `value` if it is a number of zero or more, else raise."""
    number = real(value, name)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return number


def whole(value: object, name: str) -> int:
    """Return `value` as an int if it is a whole number of at least one, else raise."""
    number = real(value, name)
    if number < 1 or number != int(number):
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(number)


def fraction(value: object, name: str) -> float:
    """Return `value` if it lies above 0 and at most 1, else raise, with a word about per cent."""
    number = real(value, name)
    if not 0 < number <= 1:
        hint = f"; {number:g} % is {number / 100:g}" if 1 < number <= 100 else ""
        raise ValueError(f"{name} must be a fraction above 0 and at most 1, got {value!r}{hint}")
    return float(number)
