"""Training time and money against published runs, and how utilization and recomputation play together."""

from __future__ import annotations

import dataclasses
import warnings

import pytest

from calprof.cost.device import Device
from calprof.cost.schedule import TrainingTime, training_time

GPT2 = 124_337_664


def test_nanogpt() -> None:
    # transformer_sizing.ipynb: GPT-2 on 300B tokens, 8 A100 at 30 % MFU.
    run = training_time(params=GPT2, tokens=300e9, device="a100", count=8, mfu=0.3)
    assert run.flops == 6 * GPT2 * 300 * 10**9
    assert round(run.days, 2) == 3.46
    assert run.seconds == pytest.approx(run.flops / (8 * 312e12 * 0.3))


# Narayanan et al. 2021, section 5.1: parameters, tokens, A100s, achieved TFLOP/s per GPU, days. Their time is
# 8TP/(nX): the rate counts the forward that full recomputation runs again.
@pytest.mark.parametrize(
    ("params", "tokens", "count", "teraflops", "days"),
    [(175e9, 300e9, 1024, 140, 34), (1.008e12, 450e9, 3072, 163, 84)],
)
def test_narayanan_days(params: float, tokens: float, count: int, teraflops: int, days: int) -> None:
    run = training_time(params=params, tokens=tokens, device="a100", count=count, hfu=teraflops / 312, recompute=True)
    assert round(run.days) == days
    assert run.hardware_flops == 8 * int(params) * int(tokens)
    assert run.flops == 6 * int(params) * int(tokens)


def test_profiled_flops_per_token_are_the_models_flops() -> None:
    # nanoGPT's count of GPT-2, forward and backward at 1024 tokens.
    by_profile = training_time(flops_per_token=874_944_921_600 / 1024, tokens=300e9, device="a100", mfu=0.3)
    assert by_profile.flops == 874_944_921_600 * 300 * 10**9 // 1024
    by_factor = training_time(params=GPT2, tokens=300e9, device="a100", mfu=0.3)
    assert by_profile.days / by_factor.days == pytest.approx(874_944_921_600 / 1024 / (6 * GPT2))


def test_given_an_mfu_recomputation_costs_no_time() -> None:
    plain = training_time(params=7e9, tokens=2e12, device="h100", count=64, mfu=0.4)
    again = training_time(params=7e9, tokens=2e12, device="h100", count=64, mfu=0.4, recompute=True)
    assert again.seconds == plain.seconds
    assert again.flops == plain.flops == 6 * 7 * 10**9 * 2 * 10**12
    assert plain.hardware_flops == plain.flops
    assert again.hardware_flops == 8 * 7 * 10**9 * 2 * 10**12
    assert plain.hfu == plain.mfu == 0.4
    assert again.hfu == pytest.approx(0.4 * 4 / 3)


def test_given_an_hfu_recomputation_takes_a_third_longer() -> None:
    plain = training_time(params=7e9, tokens=2e12, device="h100", count=64, hfu=0.4)
    again = training_time(params=7e9, tokens=2e12, device="h100", count=64, hfu=0.4, recompute=True)
    assert again.seconds == pytest.approx(plain.seconds * 4 / 3)
    assert again.seconds == pytest.approx(again.hardware_flops / (64 * 989.4e12 * 0.4))
    assert (again.hfu, plain.mfu) == (0.4, 0.4)
    assert again.mfu == pytest.approx(0.3)


def test_the_implied_utilization_gives_the_same_time_back() -> None:
    by_mfu = training_time(params=3e9, tokens=5e9, device="a100", mfu=0.45, recompute=0.75)
    by_hfu = training_time(params=3e9, tokens=5e9, device="a100", hfu=by_mfu.hfu, recompute=0.75)
    assert by_hfu.seconds == pytest.approx(by_mfu.seconds)
    assert by_hfu.mfu == pytest.approx(0.45)


def test_palms_partial_recomputation() -> None:
    # 46.2 % MFU and 57.8 % HFU: three quarters of the forward are run again.
    run = training_time(params=540.35e9, tokens=780e9, device="tpu v4", count=6144, mfu=0.4623, recompute=0.75)
    assert round(100 * run.hfu, 1) == 57.8


def test_money() -> None:
    run = training_time(params=GPT2, tokens=300e9, device="a100", count=8, mfu=0.3, price=2.0)
    assert run.device_hours == pytest.approx(run.days * 24 * 8)
    assert run.cost == pytest.approx(2.0 * run.device_hours)
    assert round(run.cost or 0) == 1328
    assert training_time(params=1, tokens=1, device="a100", mfu=1, price=0).cost == 0
    assert training_time(params=1, tokens=1, device="a100", mfu=1).cost is None


def test_more_devices_take_less_time_and_the_same_hours() -> None:
    one = training_time(params=11e6, tokens=13e6, device="t4", dtype="fp16", mfu=0.2)
    many = training_time(params=11e6, tokens=13e6, device="t4", dtype="fp16", mfu=0.2, count=7)
    assert one.seconds == pytest.approx(7 * many.seconds)
    assert one.device_hours == pytest.approx(many.device_hours)
    assert many.tokens_per_second == pytest.approx(13e6 / many.seconds)


def test_counts_are_exact_integers() -> None:
    run = training_time(params=70_553_706_496, tokens=15_000_000_000_001, device="h100", mfu=0.4, recompute=True)
    assert run.flops == 6 * 70_553_706_496 * 15_000_000_000_001
    assert run.hardware_flops == 8 * 70_553_706_496 * 15_000_000_000_001
    assert type(run.flops) is type(run.hardware_flops) is int


def test_devices_as_a_number_or_ones_own() -> None:
    by_name = training_time(params=1e9, tokens=1e9, device="NVIDIA A100-SXM4-80GB", mfu=0.5)
    assert training_time(params=1e9, tokens=1e9, device=312e12, mfu=0.5).seconds == by_name.seconds
    mine = Device("mine", {"bf16": 312e12})
    assert training_time(params=1e9, tokens=1e9, device=mine, mfu=0.5).seconds == by_name.seconds


def test_the_assumptions_are_said() -> None:
    run = training_time(params=7e9, tokens=2e12, device="h100", count=64, mfu=0.4, recompute=True, price=2.5)
    text = "\n".join(run.assumptions)
    for part in (
        "6 FLOPs per parameter and token (forward 2, backward 4), 7e+09 parameters, 2e+12 tokens",
        "64 x H100 SXM (one GPU), dense bf16 peak 989.4 TFLOP/s (NVIDIA H100",
        "MFU 40.00%, given; HFU 53.33%, implied",
        "100% of the forward is run again: hardware FLOPs are 1.333 x the model's",
        "2.5 per device and hour",
    ):
        assert part in text
    other = training_time(flops_per_token=10, tokens=20, device=3e12, hfu=0.4).assumptions
    assert other == (
        "10 FLOPs per token, forward and backward, 20 tokens",
        "1 x a device with a peak of 3 TFLOP/s, as given",
        "HFU 40.00%, given; MFU 40.00%, implied",
        "no recomputation",
    )


def test_a_result_is_plain_frozen_data() -> None:
    run = training_time(params=GPT2, tokens=300e9, device="a100", mfu=0.3)
    assert isinstance(run, TrainingTime)
    assert dataclasses.asdict(run)["days"] == run.days
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.days = 1.0  # type: ignore[misc]


def test_an_impossible_hardware_utilization_warns() -> None:
    with pytest.warns(UserWarning, match=r"an MFU of 0\.9 with this recomputation needs an HFU of 1\.200"):
        training_time(params=1e9, tokens=1e9, device="a100", mfu=0.9, recompute=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training_time(params=1e9, tokens=1e9, device="a100", mfu=0.9)


GOOD: dict[str, object] = {"params": 1e9, "tokens": 1e9, "device": "a100", "mfu": 0.4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": None}, "exactly one of params and flops_per_token"),
        ({"flops_per_token": 6e9}, "exactly one of params and flops_per_token"),
        ({"params": -1}, "params must be above zero, got -1"),
        ({"params": None, "flops_per_token": 0}, "flops_per_token must be above zero"),
        ({"tokens": 0}, "tokens must be above zero"),
        ({"count": 0}, "count must be a whole number of at least 1"),
        ({"mfu": None}, "exactly one of mfu and hfu"),
        ({"hfu": 0.5}, "exactly one of mfu and hfu"),
        ({"mfu": 0}, "mfu must be a fraction above 0 and at most 1, got 0"),
        ({"mfu": 30}, "mfu must be a fraction above 0 and at most 1, got 30; 30 % is 0.3"),
        ({"mfu": None, "hfu": 1.5}, "hfu must be a fraction"),
        ({"recompute": 2}, "recompute must be True, False or a share"),
        ({"recompute": -0.1}, "recompute must be True, False or a share"),
        ({"price": -2}, "price must not be negative"),
        ({"device": "abacus"}, "unknown device"),
        ({"dtype": "fp8"}, "has no fp8 peak"),
    ],
)
def test_bad_input(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training_time(**(GOOD | change))  # type: ignore[arg-type]


def test_numbers_must_be_numbers() -> None:
    with pytest.raises(TypeError, match="params must be a number, got '7b'"):
        training_time(**(GOOD | {"params": "7b"}))  # type: ignore[arg-type]
