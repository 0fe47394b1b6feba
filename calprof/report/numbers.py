"""Counts, rates, shares, bytes and durations as text: the only place that formats a figure."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

PREFIXES = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "Z": 21, "Y": 24}
"""SI prefix to its power of ten."""

_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DURATIONS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "days"), (31_557_600.0, "years"))


def format_count(value: float, unit: str, precision: int = 2, prefix: str | None = None) -> str:
    """Returns a count or a rate with its unit.

    The prefix joins a unit that is a symbol (`FLOPs`, `MACs`, `FLOP/s`, `B`) and stands before one that is
    a word (`params`, `tokens`). Whole numbers below a thousand are written without decimals.

    Args:
        value: The count, any size.
        unit: What is counted.
        precision: Decimals.
        prefix: One of `PREFIXES` to force it; by default the largest that leaves at least one.

    Raises:
        ValueError: An unknown prefix, a negative precision or a value that is no number.

    Example:
        >>> format_count(8_178_368_512, "FLOPs"), format_count(25_557_032, "params", prefix="K")
        ('8.18 GFLOPs', '25557.03 K params')
    """
    number, prefix = scale(value, precision, prefix)
    joint = "" if unit[:1].isupper() or not prefix else " "
    return f"{number} {prefix}{joint}{unit}".rstrip()


def format_cell(value: float, precision: int = 2) -> str:
    """Returns a count for a column whose header names the unit, the digits of all cells in line.

    Example:
        >>> format_cell(4_089_184_256), format_cell(70)
        ('4.09 G', '70  ')
    """
    number, prefix = scale(value, precision)
    return f"{number} {prefix or ' '}"


def format_rate(value: float, unit: str = "FLOP/s", precision: int = 2, prefix: str | None = None) -> str:
    """Returns a rate.

    Example:
        >>> format_rate(312e12)
        '312.00 TFLOP/s'
    """
    return format_count(value, unit, precision, prefix)


def format_exact(value: int, unit: str = "") -> str:
    """Returns a count with all its digits.

    Example:
        >>> format_exact(4089184256, "MACs")
        '4,089,184,256 MACs'
    """
    return f"{value:,} {unit}".rstrip()


def format_share(part: float, whole: float, precision: int = 1) -> str:
    """Returns `part` of `whole` as a percentage; of nothing, 0 %.

    Example:
        >>> format_share(1, 8)
        '12.5%'
    """
    return f"{100 * part / whole if whole else 0:.{precision}f}%"


def format_factor(value: float) -> str:
    """Returns a multiple, such as `x2` or `x1.93`.

    Example:
        >>> format_factor(2.0)
        'x2'
    """
    return f"x{round(value, 2):g}"


def format_bytes(value: float, precision: int = 2, *, binary: bool = False) -> str:
    """Returns a size in decimal units (GB), or in binary ones (GiB).

    Example:
        >>> format_bytes(810e9), format_bytes(2**30, binary=True)
        ('810.00 GB', '1.00 GiB')
    """
    if not binary:
        return format_count(value, "B", precision)
    power = 0
    while power + 1 < len(_BINARY) and abs(value) >= 1024 ** (power + 1):
        power += 1
    scaled = value / 1024**power
    return f"{scaled:.{precision if power else 0}f} {_BINARY[power]}B"


def format_duration(seconds: float, precision: int = 2) -> str:
    """Returns a time in the unit that leaves at least one of it, from nanoseconds to years of 365.25 days.

    Example:
        >>> format_duration(0.0042), format_duration(298_944)
        ('4.20 ms', '3.46 days')
    """
    size = abs(seconds)
    if not size or not math.isfinite(size):
        return f"{seconds:g} s"
    for exponent, unit in ((-9, "ns"), (-6, "us"), (-3, "ms")):
        if size < 10.0 ** (exponent + 3):
            return f"{seconds / 10.0**exponent:.{precision}f} {unit}"
    span, unit = next(pair for pair in reversed(_DURATIONS) if size >= pair[0])
    return f"{seconds / span:.{precision}f} {unit}"


def scale(value: float, precision: int = 2, prefix: str | None = None) -> tuple[str, str]:
    """Returns a number's digits and its prefix, both as text.

    Raises:
        ValueError: An unknown prefix, a negative precision or a value that is no number.

    Example:
        >>> scale(999_999)
        ('1.00', 'M')
    """
    if type(precision) is not int or precision < 0:
        raise ValueError(f"precision must be a number of decimals >= 0, not {precision!r}")
    if prefix is not None and prefix not in PREFIXES:
        accepted = ", ".join(repr(name) for name in PREFIXES)
        raise ValueError(f"unknown unit prefix {prefix!r}; the accepted ones are {accepted}")
    if not math.isfinite(value):
        raise ValueError(f"a count must be a finite number, not {value!r}")
    digits = len(str(int(abs(value))))
    candidates = [*PREFIXES][min((digits - 1) // 3, len(PREFIXES) - 1) :] if prefix is None else [prefix]
    text, chosen = "", ""
    with localcontext(_EXACT):
        exact = Decimal(value)
        for chosen in candidates:
            scaled = exact.scaleb(-PREFIXES[chosen])
            whole = not chosen and exact == int(exact)
            text = f"{scaled:.{0 if whole else precision}f}"
            # Rounding may carry into the next prefix: 999,999 is 1.00 M, not 1000.00 K.
            if abs(Decimal(text)) < 1000:
                break
    return text, chosen
