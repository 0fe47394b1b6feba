"""The throughput meter on a clock of its own."""

from __future__ import annotations

import dataclasses
import math

import pytest

from calprof.cost.throughput import ThroughputMeter


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_rates_of_a_steady_loop() -> None:
    clock = Clock()
    meter = ThroughputMeter("a100", flops_per_token=6 * 7 * 10**9, count=8, clock=clock)
    meter.start()
    for _ in range(5):
        clock.now += 2.0
        meter.step(tokens=30_000, samples=15)
    reading = meter.read()
    assert (reading.steps, reading.seconds) == (5, 10.0)
    assert reading.steps_per_second == 0.5
    assert reading.tokens_per_second == 15_000
    assert reading.samples_per_second == 7.5
    assert reading.flops_per_second_per_device == pytest.approx(42e9 * 15_000 / 8)
    assert reading.mfu == pytest.approx(42e9 * 15_000 / 8 / 312e12)


def test_nanogpts_mfu() -> None:
    clock = Clock()
    meter = ThroughputMeter("a100", flops_per_sample=874_944_921_600, clock=clock)
    meter.start()
    clock.now += 0.755
    meter.step(samples=100)
    assert round(100 * meter.read().mfu, 2) == 37.14


def test_the_first_step_only_starts_the_clock() -> None:
    clock = Clock()
    meter = ThroughputMeter(1e12, flops_per_step=3e11, clock=clock)
    clock.now += 60  # compilation
    meter.step()
    assert meter.read().steps == 0
    assert math.isnan(meter.read().mfu)
    assert math.isnan(meter.read().steps_per_second)
    clock.now += 0.5
    meter.step()
    assert meter.read().mfu == pytest.approx(0.6)


def test_only_the_window_is_averaged() -> None:
    clock = Clock()
    meter = ThroughputMeter(1e12, flops_per_step=1e11, window=3, clock=clock)
    meter.start()
    for seconds in (10, 10, 10, 1, 2, 3):
        clock.now += seconds
        meter.step(tokens=6)
    reading = meter.read()
    assert (reading.steps, reading.seconds) == (3, 6.0)
    assert reading.tokens_per_second == 3
    assert reading.mfu == pytest.approx(3e11 / 6 / 1e12)


def test_start_leaves_an_evaluation_out() -> None:
    clock = Clock()
    meter = ThroughputMeter(1e12, flops_per_step=1e11, clock=clock)
    meter.start()
    clock.now += 1
    meter.step()
    clock.now += 500
    meter.start()
    assert meter.read().steps == 0
    clock.now += 0.25
    meter.step()
    assert meter.read().mfu == pytest.approx(0.4)


def test_steps_of_different_size() -> None:
    clock = Clock()
    by_token = ThroughputMeter(1e12, flops_per_token=1e9, clock=clock)
    by_step = ThroughputMeter(1e12, clock=clock)
    by_token.start()
    by_step.start()
    for tokens in (100, 200, 300):
        clock.now += 1
        by_token.step(tokens=tokens)
        by_step.step(flops=tokens * 1e9)
    assert by_token.read().mfu == pytest.approx(0.2)
    assert by_step.read().mfu == pytest.approx(0.2)
    assert by_step.read().tokens_per_second is None
    assert by_token.read().samples_per_second is None


def test_a_steps_own_flops_replace_the_meters() -> None:
    clock = Clock()
    meter = ThroughputMeter(1e12, flops_per_step=1e11, clock=clock)
    meter.start()
    clock.now += 1
    meter.step(flops=5e11)
    assert meter.read().mfu == pytest.approx(0.5)


def test_above_one_warns_once() -> None:
    clock = Clock()
    meter = ThroughputMeter("a100", flops_per_step=400e12, clock=clock)
    meter.start()
    clock.now += 1
    meter.step()
    with pytest.warns(UserWarning, match=r"MFU is 1\.282, above 1.*causal") as record:
        first = meter.read()
        assert meter.read() == first
    assert len(record) == 1
    assert first.mfu == pytest.approx(400 / 312)


def test_a_clock_that_stands_still_reads_nan() -> None:
    meter = ThroughputMeter("a100", flops_per_step=1, clock=Clock())
    meter.start()
    meter.step()
    assert meter.read().steps == 1
    assert math.isnan(meter.read().mfu)


def test_the_real_clock_runs() -> None:
    meter = ThroughputMeter(1e12, flops_per_step=1)
    meter.start()
    meter.step()
    reading = meter.read()
    assert reading.steps_per_second > 0
    assert dataclasses.asdict(reading)["steps"] == 1


def test_bad_construction() -> None:
    with pytest.raises(ValueError, match="pass one of flops_per_step, flops_per_token and flops_per_sample"):
        ThroughputMeter("a100", flops_per_step=1, flops_per_token=1)
    with pytest.raises(ValueError, match="unknown device"):
        ThroughputMeter("abacus", flops_per_step=1)
    with pytest.raises(ValueError, match="has no bf16 peak"):
        ThroughputMeter("t4", flops_per_step=1)
    with pytest.raises(ValueError, match="flops_per_token must be above zero"):
        ThroughputMeter("a100", flops_per_token=-1)
    with pytest.raises(ValueError, match="count must be"):
        ThroughputMeter("a100", flops_per_step=1, count=0)
    with pytest.raises(ValueError, match="window must be"):
        ThroughputMeter("a100", flops_per_step=1, window=0)


def test_bad_steps() -> None:
    with pytest.raises(ValueError, match=r"made with flops_per_token needs tokens=\.\.\. in every step"):
        ThroughputMeter("a100", flops_per_token=1).step()
    with pytest.raises(ValueError, match=r"made with flops_per_sample needs samples=\.\.\."):
        ThroughputMeter("a100", flops_per_sample=1).step(tokens=3)
    with pytest.raises(ValueError, match=r"without a count of FLOPs needs flops=\.\.\."):
        ThroughputMeter("a100").step(tokens=3)
    with pytest.raises(ValueError, match="tokens must not be negative"):
        ThroughputMeter("a100", flops_per_step=1).step(tokens=-3)
