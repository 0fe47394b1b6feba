"""Conversions between FLOPs, MACs, parameters, tokens, time and utilisation: each undoes its inverse."""

from __future__ import annotations

import pytest

from calprof.analytical import conversions


def test_macs_and_flops() -> None:
    assert conversions.flops_from_macs(7) == 14
    assert conversions.macs_from_flops(14) == 7
    with pytest.raises(ValueError, match="even"):
        conversions.macs_from_flops(15)


def test_budget_to_tokens_and_parameters() -> None:
    budget = sum(conversions.training_compute(1000, 700).values())
    assert conversions.tokens_from_compute(budget, 1000) == 700
    assert conversions.params_from_compute(budget, 700) == 1000
    recomputed = sum(conversions.training_compute(1000, 700, recompute=True).values())
    assert conversions.tokens_from_compute(recomputed, 1000, factor=8) == 700


def test_time_and_throughput() -> None:
    rate = conversions.throughput(4, 100e12, 0.5)
    assert rate == 200e12
    assert conversions.seconds(conversions.compute(rate, 30.0), 4, 100e12, 0.5) == pytest.approx(30)
    day = conversions.compute(100e12, 24 * 3600)
    assert conversions.gpu_days(day, 100e12) == pytest.approx(1)
    assert conversions.gpu_days(day, 100e12, 0.25) == pytest.approx(4)
    assert conversions.tokens_per_second(200e12, 6 * 1e9) == pytest.approx(33333.33, abs=0.01)


def test_utilization() -> None:
    assert conversions.achieved(600.0, 3.0, gpus=4) == 50
    assert conversions.mfu(600.0, 3.0, 4, peak=100.0) == 0.5
    assert conversions.hfu(0.3) == pytest.approx(0.4)
    assert conversions.hfu(0.3, recomputed=0) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="fraction"):
        conversions.hfu(0.3, recomputed=1.5)
    with pytest.raises(ValueError, match="fraction"):
        conversions.throughput(1, 1.0, 2.0)


def test_checkpoint_of_adam_is_three_copies() -> None:
    assert conversions.checkpoint_bytes(7) == 7 * 4 * 3
    assert conversions.checkpoint_bytes(7, bytes_per_param=2, optimizer_buffers=0) == 14
