"""Every figure printed in the documents the formulas come from, to the digits printed."""

from __future__ import annotations

import pytest

from calprof.analytical import conversions, kaplan, layers, nanogpt, narayanan

GPT2 = {"layers": 12, "heads": 12, "hidden": 768, "seq": 1024, "vocabulary": 50257}

# name, count, percent of the total, as the notebook prints them
NANOGPT_PARAMS = """
embedding/position      786432     0.6325
embedding/token       38597376    31.0424
embedding             39383808    31.6749
attention/ln               768     0.0006
attention/kqv          1769472     1.4231
attention/proj          589824     0.4744
attention              2360064     1.8981
mlp/ln                     768     0.0006
mlp/ffw                2359296     1.8975
mlp/proj               2359296     1.8975
mlp                    4719360     3.7956
block                  7079424     5.6937
transformer           84953088    68.3245
ln_f                       768     0.0006
dense                        0     0.0000
total                124337664   100.0000
"""
NANOGPT_FLOPS = """
attention/kqv            3623878656     1.2426
attention/scores         1610612736     0.5522
attention/reduce         1610612736     0.5522
attention/proj           1207959552     0.4142
attention                8053063680     2.7612
mlp/ffw1                 4831838208     1.6567
mlp/ffw2                 4831838208     1.6567
mlp                      9663676416     3.3135
block                   17716740096     6.0747
transformer            212600881152    72.8963
dense                   79047426048    27.1037
forward_total          291648307200   100.0000
backward_total         583296614400   200.0000
total                  874944921600   300.0000
"""


@pytest.mark.parametrize(
    ("table", "whole", "printed"),
    [(nanogpt.params, "total", NANOGPT_PARAMS), (nanogpt.flops, "forward_total", NANOGPT_FLOPS)],
)
def test_nanogpt_tables(table, whole: str, printed: str) -> None:
    computed = table(**GPT2)
    rows = [line.split() for line in printed.strip().splitlines()]
    assert list(computed) == [name for name, _, _ in rows]
    for name, count, percent in rows:
        assert computed[name] == int(count)
        assert f"{computed[name] / computed[whole] * 100:.4f}" == percent


def test_nanogpt_checkpoint_memory_palm_mfu_and_days() -> None:
    params = nanogpt.params(**GPT2)["total"]
    size = conversions.checkpoint_bytes(params)
    assert f"{size / 1e9:.2f}" == "1.49"
    assert f"{1542470366 / size * 100:.2f}" == "103.38"
    assert f"{size / 40e9 * 100:.2f}" == "3.73"
    total = nanogpt.flops(**GPT2)["total"]
    assert nanogpt.palm(**GPT2) == 875062886400
    assert f"{nanogpt.palm(**GPT2) / total:.4f}" == "1.0001"
    assert f"{100 * conversions.mfu(100 * total, 0.755, 1, 312e12):.2f}" == "37.14"
    needed = sum(conversions.training_compute(params, int(300e9)).values())
    seconds = conversions.seconds(needed, 8, 312e12, 0.3)
    assert f"{seconds / conversions.SECONDS_PER_DAY:.2f}" == "3.46"


def test_convolution_and_dense_formulas() -> None:
    # 2·H·W·(C_in·K² + 1)·C_out and (2I - 1)·O, written out for 5 x 7 maps of 2 channels, 3 x 3, 11 filters
    assert layers.convolution(5, 7, 2, 3, 11) == 2 * 5 * 7 * 19 * 11
    assert layers.dense(13, 17) == 25 * 17


def test_matrix_product_exact_and_with_bias() -> None:
    # H·W·(D + (D - 1)); a bias adds one sum per output
    assert layers.matrix_product(3, 5, 7) == 3 * 7 * (5 + 4)
    assert layers.matrix_product(3, 5, 7, bias=True) == 2 * 3 * 5 * 7
    # 2 x input size x parameters
    assert layers.matrix_product(3, 5, 7, bias=True) == 2 * 3 * (5 * 7)


def test_training_is_6pd_and_8pd_with_recomputation() -> None:
    assert conversions.training_compute(7, 11) == {"forward": 2 * 77, "backward": 4 * 77}
    assert sum(kaplan.training(7, 11).values()) == 6 * 77
    assert sum(kaplan.training(7, 11, recompute=True).values()) == 8 * 77
    # 1 forward + 2 backward + 1 recomputation = 4 forwards
    assert 8 == 2 * (1 + 2 + 1)
    assert conversions.compute(3.0, 5.0) == 15.0
    assert conversions.throughput(8, 312e12) == 8 * 312e12


def test_gated_coefficient_derivation() -> None:
    batch, seq, hidden = 2, 3, 5
    plain = layers.mlp(batch * seq, hidden)
    gated = layers.glu(batch * seq, hidden)
    unit = batch * seq * hidden**2
    assert plain["up"] == 8 * unit and sum(plain.values()) == 16 * unit
    assert gated["up"] + gated["gate"] == 16 * unit and sum(gated.values()) == 24 * unit
    assert narayanan.block_coefficient(hidden) == 24
    assert narayanan.block_coefficient(hidden, gated=True) == 32
    # Llama's 8/3 keeps the gated MLP at the plain one's cost
    assert narayanan.block_coefficient(3, 8, gated=True) == 24


def test_decoder_table() -> None:
    rows = kaplan.table(layers=2, hidden=6, seq=5, vocabulary=11, ffn=13, attention=4)
    assert rows["embed"] == ((11 + 5) * 6, 4 * 6)
    assert rows["qkv"] == (2 * 6 * 3 * 4, 2 * 2 * 6 * 3 * 4)
    assert rows["mask"] == (0, 2 * 2 * 5 * 4)
    assert rows["project"] == (2 * 4 * 6, 2 * 2 * 4 * 6)
    assert rows["ffn"] == (2 * 2 * 6 * 13, 2 * 2 * 2 * 6 * 13)
    assert rows["de-embed"] == (0, 2 * 6 * 11)
    inside = [row for name, row in rows.items() if name not in ("embed", "de-embed")]
    assert sum(count for count, _ in inside) == kaplan.params(2, 6, 13, 4)
    assert sum(flops for _, flops in inside) == kaplan.forward_per_token(2, 6, 5, 13, 4)


# One forward of ResNet-50 on a 224 x 224 image as five tools report it: the same products, other extras.
CONVOLUTIONS = [  # output size, kernel, in, out, times
    (112, 7, 3, 64, 1),
    *[(56, 1, 64, 64, 1), (56, 1, 256, 64, 2), (56, 3, 64, 64, 3), (56, 1, 64, 256, 4)],
    *[(56, 1, 256, 128, 1), (28, 3, 128, 128, 4), (28, 1, 512, 128, 3), (28, 1, 128, 512, 4)],
    *[(28, 1, 256, 512, 1), (28, 1, 512, 256, 1), (14, 3, 256, 256, 6), (14, 1, 1024, 256, 5)],
    *[(14, 1, 256, 1024, 6), (14, 1, 512, 1024, 1), (14, 1, 1024, 512, 1), (7, 3, 512, 512, 3)],
    *[(7, 1, 2048, 512, 2), (7, 1, 512, 2048, 3), (7, 1, 1024, 2048, 1)],
]
DOWNSAMPLED = [(56, 256), (28, 512), (14, 1024), (7, 2048)]


def test_resnet50_as_each_tool_reports_it() -> None:
    convolved = sum(
        times * layers.convolution_macs((size, size), (kernel, kernel), inputs, outputs)
        for size, kernel, inputs, outputs, times in CONVOLUTIONS
    )
    normalised = sum(size * size * outputs * times for size, _, _, outputs, times in CONVOLUTIONS)
    rectified = normalised - sum(size * size * outputs for size, outputs in DOWNSAMPLED)
    max_pooled, averaged = 64 * 112 * 112, 2048 * 7 * 7
    macs = convolved + 2048 * 1000
    weights = sum(k * k * i * o * times for _, k, i, o, times in CONVOLUTIONS)
    gains = sum(2 * outputs * times for _, _, _, outputs, times in CONVOLUTIONS)
    assert weights + gains + 2048 * 1000 + 1000 == 25557032
    assert macs == 4089184256
    # calflops: 2 a MAC, 2 a normalised element, 1 a ReLU and a pooled element, no bias of the last layer
    assert 2 * macs + 2 * normalised + rectified + max_pooled + averaged == 8211108352
    # thop: MACs, 4 a normalised element, the average pool with its division
    assert macs + 4 * normalised + averaged + 2048 == 4133742592
    # fvcore of the time: MACs, 5 a normalised element, the average pool
    assert macs + 5 * normalised + averaged == 4144854528
    # ptflops of the time: MACs, 2 a normalised element, ReLU, pools, the last bias
    assert macs + 2 * normalised + rectified + max_pooled + averaged + 1000 == 4121925096
    # torchstat's two columns, exchanged as printed: MACs and a pass over norm, ReLU and pool; and exact dot
    # products (one addition fewer for each output), 4 a normalised element, 1 a ReLU
    assert f"{(macs + 2 * normalised + rectified + max_pooled) / 1e9:.2f}" == "4.12"
    assert f"{(2 * macs - normalised + 4 * normalised + rectified) / 1e9:.2f}" == "8.22"
