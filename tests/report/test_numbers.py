from __future__ import annotations

import pytest

from calprof.report.numbers import (
    format_bytes,
    format_cell,
    format_count,
    format_duration,
    format_exact,
    format_factor,
    format_rate,
    format_share,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (8_178_368_512, "FLOPs", "8.18 GFLOPs"),
        (4_089_184_256, "MACs", "4.09 GMACs"),
        (25_557_032, "params", "25.56 M params"),
        (25_557_032, "", "25.56 M"),
        (0, "FLOPs", "0 FLOPs"),
        (999, "MACs", "999 MACs"),
        (1_000, "MACs", "1.00 KMACs"),
        (999_994, "MACs", "999.99 KMACs"),
        (999_999, "MACs", "1.00 MMACs"),
        (0.5, "FLOPs", "0.50 FLOPs"),
        (-5_000, "FLOPs", "-5.00 KFLOPs"),
        (3.14e23, "FLOPs", "314.00 ZFLOPs"),
        (2**80, "FLOPs", "1.21 YFLOPs"),
        (1_500_000_000_000_000_000, "FLOPs", "1.50 EFLOPs"),
    ],
)
def test_the_largest_prefix_that_leaves_at_least_one_is_chosen(value: float, unit: str, text: str) -> None:
    assert format_count(value, unit) == text


def test_a_prefix_can_be_forced() -> None:
    assert format_count(8_178_368_512, "FLOPs", 3, "T") == "0.008 TFLOPs"
    assert format_count(8_178_368_512, "FLOPs", 1, "M") == "8178.4 MFLOPs"
    assert format_count(8_178_368_512, "FLOPs", prefix="") == "8178368512 FLOPs"


@pytest.mark.parametrize("prefix", ["k", "GB", "Mega", "X"])
def test_an_unknown_prefix_names_the_accepted_ones(prefix: str) -> None:
    with pytest.raises(ValueError, match=f"'{prefix}'.*'K', 'M', 'G', 'T', 'P', 'E'"):
        format_count(1, "FLOPs", prefix=prefix)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_count_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        format_count(value, "FLOPs")


@pytest.mark.parametrize("precision", [-1, 1.5, True])
def test_a_precision_is_a_number_of_decimals(precision: int) -> None:
    with pytest.raises(ValueError, match="precision"):
        format_count(1, "FLOPs", precision)


def test_large_integers_are_rounded_exactly() -> None:
    # As a double this is 0.1249999... or 0.1250001..., whichever is nearer.
    assert format_count(123_455_000_000_000_001, "FLOPs", 3) == "123.455 PFLOPs"


def test_rates_shares_factors_and_digits() -> None:
    assert format_rate(312e12) == "312.00 TFLOP/s"
    assert format_share(1, 8) == "12.5%"
    assert format_share(1, 0) == "0.0%"
    assert format_factor(2.0) == "x2"
    assert format_factor(29 / 15) == "x1.93"
    assert format_exact(4_089_184_256, "MACs") == "4,089,184,256 MACs"
    assert format_cell(70) == "70  "


def test_sizes() -> None:
    assert format_bytes(810e9) == "810.00 GB"
    assert format_bytes(2**30, binary=True) == "1.00 GiB"
    assert format_bytes(1023, binary=True) == "1023 B"
    assert format_bytes(1536, binary=True) == "1.50 KiB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (35e-9, "35.00 ns"),
        (1.5e-6, "1.50 us"),
        (0.0042, "4.20 ms"),
        (59.5, "59.50 s"),
        (90, "1.50 min"),
        (5400, "1.50 h"),
        (298_944, "3.46 days"),
        (2 * 365.25 * 86400, "2.00 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
