"""MFU and HFU against published figures, and what is said when they come out above 1."""

from __future__ import annotations

import warnings

import pytest

from calprof.cost.utilization import hfu, mfu

PALM_PARAMS = 540.35e9
PALM_TOKENS_PER_SECOND = 238_300
PALM_ATTENTION = 12 * 118 * 48 * 256 * 2048  # 12 L H Q T per token, forward and backward


def test_nanogpt() -> None:
    # transformer_sizing.ipynb: GPT-2 at 1024 tokens, batch 20 x 5 accumulation steps, 755 ms on one A100.
    forward_and_backward = 874_944_921_600
    assert round(100 * mfu(forward_and_backward * 100, 0.755, "a100"), 2) == 37.14
    assert round(100 * mfu(forward_and_backward * 100, 0.755, 312e12), 2) == 37.14


def test_palm_540b() -> None:
    # Chowdhery et al. 2022, appendix B: 6144 TPU v4.
    linear = 6 * PALM_PARAMS * PALM_TOKENS_PER_SECOND
    total = (6 * PALM_PARAMS + PALM_ATTENTION) * PALM_TOKENS_PER_SECOND
    assert round(100 * mfu(linear, 1, "tpu-v4", 6144), 1) == 45.7
    assert round(100 * mfu(total, 1, "tpu-v4", 6144), 1) == 46.2
    # Three quarters of the forward, which is a third of the whole, run again.
    assert round(100 * hfu(total * (1 + 0.75 / 3), 1, "tpu-v4", 6144), 1) == 57.8


# Korthikanti et al. 2022, table 5: batch, devices, seconds per iteration, MFU and HFU in per cent.
MEGATRON = {
    "22B": (6144, 48, 4, 8, 1.10, 41.5, 43.7),
    "175B": (12288, 96, 64, 64, 13.75, 51.4, 52.8),
    "530B": (20480, 105, 280, 280, 37.83, 56.0, 57.0),
    "1T": (25600, 128, 512, 512, 71.49, 56.3, 57.0),
}


@pytest.mark.parametrize("size", MEGATRON)
def test_megatron_with_selective_recomputation(size: str) -> None:
    hidden, layers, batch, devices, seconds, model_percent, hardware_percent = MEGATRON[size]
    length, vocabulary = 2048, 51200
    scale = 72 * batch * layers * length * hidden**2
    logits = vocabulary / (12 * hidden * layers)
    model = scale * (1 + length / (6 * hidden) + logits)
    hardware = scale * (1 + length / (3 * hidden) + logits)  # the attention core is run once more
    # Time and percentages are printed rounded; the printed percentage is inside what the rounding allows.
    slow, fast = seconds + 0.005, seconds - 0.005
    assert 100 * mfu(model, slow, "a100", devices) < model_percent + 0.05
    assert 100 * mfu(model, fast, "a100", devices) > model_percent - 0.05
    assert 100 * hfu(hardware, slow, "a100", devices) < hardware_percent + 0.05
    assert 100 * hfu(hardware, fast, "a100", devices) > hardware_percent - 0.05
    ratio = hfu(hardware, seconds, "a100", devices) / mfu(model, seconds, "a100", devices)
    assert (model_percent - 0.05) * ratio < hardware_percent + 0.05
    assert (model_percent + 0.05) * ratio > hardware_percent - 0.05


# Narayanan et al. 2021, table 1: GPUs, achieved TFLOP/s per GPU, per cent of the peak, aggregate PFLOP/s.
NARAYANAN = [
    (32, 137, 44, 4.4), (64, 138, 44, 8.8), (128, 142, 46, 18.2), (256, 135, 43, 34.6), (512, 138, 44, 70.8),
    (1024, 140, 45, 143.8), (1536, 148, 47, 227.1), (1920, 155, 50, 297.4), (2520, 163, 52, 410.2),
    (3072, 163, 52, 502.0),
]  # fmt: skip


@pytest.mark.parametrize(("devices", "teraflops", "percent", "petaflops"), NARAYANAN)
def test_narayanan_table(devices: int, teraflops: int, percent: int, petaflops: float) -> None:
    assert round(100 * hfu(teraflops * 1e12, 1, "a100")) == percent
    # The aggregate over all GPUs has more digits; it must lie inside the rounding of the rate per GPU.
    lowest, highest = (hfu((teraflops + half) * 1e12, 1, "a100") for half in (-0.5, 0.5))
    assert lowest < hfu((petaflops + 0.05) * 1e15, 1, "a100", devices)
    assert hfu((petaflops - 0.05) * 1e15, 1, "a100", devices) < highest


def test_mt_nlg() -> None:
    # Smith et al. 2022: batch 1920, 60.1 s per iteration on 2240 A100, 126 TFLOP/s each with recomputation.
    # PaLM's appendix B makes an MFU of 30.2 % of it.
    hidden, layers, length = 20480, 105, 2048
    per_layer = 1 + length / (6 * hidden) + 51200 / (16 * layers * hidden)
    hardware = 96 * 1920 * length * layers * hidden**2 * per_layer
    assert round(hfu(hardware, 60.1, "a100", 2240) * 312) == 126
    assert round(100 * mfu(hardware * 3 / 4, 60.1, "a100", 2240), 1) == 30.2


# MosaicML llm-foundry, MPT on H100 at 2048 tokens: N, layers, width, GPUs, tokens/s, MFU, HFU in per cent.
MOSAIC = [
    (64_862_437_376, 80, 8192, 512, 515_636, 41.25, 55.0),
    (64_862_437_376, 80, 8192, 256, 265_149, 42.42, 56.56),
    (64_862_437_376, 80, 8192, 128, 135_490, 43.36, 57.81),
    (29_975_214_080, 48, 7168, 512, 1_083_366, 40.27, 53.69),
    (29_975_214_080, 48, 7168, 256, 550_022, 40.89, 54.52),
    (29_975_214_080, 48, 7168, 128, 281_491, 41.85, 55.80),
    (12_853_954_560, 40, 5120, 512, 2_535_811, 41.12, 54.83),
    (12_853_954_560, 40, 5120, 256, 1_277_214, 41.42, 55.23),
    (12_853_954_560, 40, 5120, 128, 650_264, 42.18, 56.24),
    (6_658_859_008, 32, 4096, 512, 4_951_479, 42.20, 42.20),
    (6_658_859_008, 32, 4096, 256, 2_590_548, 44.15, 44.15),
    (6_658_859_008, 32, 4096, 128, 1_340_830, 45.71, 45.71),
    (2_651_837_440, 32, 2560, 512, 11_092_218, 39.24, 39.24),
    (2_651_837_440, 32, 2560, 256, 5_829_686, 41.25, 41.25),
    (2_651_837_440, 32, 2560, 128, 2_998_098, 42.43, 42.43),
]


@pytest.mark.parametrize(("params", "layers", "width", "devices", "rate", "model", "hardware"), MOSAIC)
def test_mosaic(params: int, layers: int, width: int, devices: int, rate: int, model: float, hardware: float) -> None:
    per_token = 6 * params + 3 * 4 * layers * width * 2048
    factor = 1 if model == hardware else 4 / 3
    # Within one unit of the last digit they print; they divide by 1979 / 2 TFLOP/s, this table by 989.4.
    device = "NVIDIA H100 80GB HBM3"
    assert 100 * mfu(per_token * rate, 1, device, devices) == pytest.approx(model, abs=0.01)
    assert 100 * hfu(factor * per_token * rate, 1, device, devices) == pytest.approx(hardware, abs=0.01)


def test_the_definition() -> None:
    assert mfu(6e12, 3, 5e12, count=2) == pytest.approx(6e12 / (3 * 2 * 5e12))
    assert hfu(7e12, 3, 5e12, count=2) == pytest.approx(7e12 / (3 * 2 * 5e12))
    assert mfu(0, 1, "a100") == 0
    assert mfu(312e12, 1, "a100", dtype="fp16") == 1
    assert mfu(156e12, 1, "a100", dtype="tf32") == 1


def warned(*args: object, **kwargs: object) -> str:
    with pytest.warns(UserWarning, match="MFU is") as record:
        mfu(*args, **kwargs)  # type: ignore[arg-type]
    assert len(record) == 1
    assert record[0].filename == __file__
    return str(record[0].message)


def test_above_one_names_the_causes() -> None:
    text = warned(1.2 * 989.4e12, 1, "h100")
    assert "MFU is 1.200, above 1" in text
    assert "attention counted in full while the kernel is causal" in text
    assert "sparse (2:4)" in text
    assert "products that ran in fp8 (1978.9 TFLOP/s) or int8" in text
    assert "recomputation" in text


def test_above_one_says_whether_causal_attention_explains_it() -> None:
    explained = warned(1.2 * 312e12, 1, "a100", attention_flops=0.6 * 312e12)
    assert "counting half of it gives 0.900" in explained
    unexplained = warned(1.2 * 312e12, 1, "a100", attention_flops=0.2 * 312e12)
    assert "causal attention is not it: counting half of attention still gives 1.100" in unexplained
    assert "in full" not in unexplained


def test_above_two_rules_causal_and_sparse_out() -> None:
    text = warned(3 * 312e12, 1, "a100")
    assert "a factor above 2 is more than a causal or a sparse kernel explains" in text
    assert "products that ran" not in text  # no dtype of an A100 is three times bf16
    assert "in full" not in text
    assert "recomputation" not in text  # that adds a third at most
    assert "clock" in text


def test_above_one_with_a_number_doubts_the_number() -> None:
    assert "a peak that is too low" in warned(1.5e12, 1, 1e12)


def test_hfu_above_one_warns_too() -> None:
    with pytest.warns(UserWarning, match=r"HFU is 1\.250, above 1") as record:
        hfu(1.25e12, 1, 1e12)
    assert "recomputation" not in str(record[0].message)


def test_at_most_one_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mfu(312e12, 1, "a100") == 1
        assert hfu(312e12, 1, "a100") == 1


@pytest.mark.parametrize("function", [mfu, hfu])
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((-1, 1, "a100"), "_flops must not be negative, got -1"),
        ((1, 0, "a100"), "seconds must be above zero, got 0"),
        ((1, -0.5, "a100"), "seconds must be above zero"),
        ((1, float("nan"), "a100"), "seconds must be finite"),
        ((1, 1, "a100", 0), "count must be a whole number of at least 1, got 0"),
        ((1, 1, "a100", -8), "count must be a whole number"),
        ((1, 1, "a100", 1.5), "count must be a whole number"),
        ((1, 1, "abacus"), "unknown device 'abacus'"),
        ((1, 1, "v100"), "V100 SXM 32GB has no bf16 peak; it has fp64, fp32, fp16"),
    ],
)
def test_bad_input(function: object, args: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(*args)  # type: ignore[operator]


@pytest.mark.parametrize("bad", [None, "1", True])
def test_numbers_must_be_numbers(bad: object) -> None:
    with pytest.raises(TypeError, match="seconds must be a number"):
        mfu(1, bad, "a100")  # type: ignore[arg-type]


def test_attention_is_part_of_the_model() -> None:
    with pytest.raises(ValueError, match="attention_flops are part of model_flops"):
        mfu(1e12, 1, "a100", attention_flops=2e12)
    with pytest.raises(ValueError, match="attention_flops must not be negative"):
        mfu(1e12, 1, "a100", attention_flops=-1)
