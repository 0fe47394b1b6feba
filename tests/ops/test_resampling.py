"""Interpolation, grid sampling and affine grids, by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import cost, work

from calprof.conventions import CALFLOPS, MACS
from calprof.work import Work

R = torch.randn
L, X, V = R(2, 3, 5), R(2, 3, 5, 7), R(2, 3, 5, 7, 11)
G = R(2, 11, 13, 2)
# 2·11·13 = 286 points, 3 channels: 858 samples.
PLACED = Work(multiply=572, add=572, round=572)

ROWS = [
    ("nearest", lambda: F.interpolate(X, scale_factor=2), Work(upsampled=840)),
    ("nearest-exact", lambda: F.interpolate(X, size=(11, 13), mode="nearest-exact"), Work(upsampled=858)),
    ("nearest int size", lambda: F.interpolate(X, 11), Work(upsampled=6 * 121)),
    # 66 outputs of 2 taps.
    ("linear", lambda: F.interpolate(L, size=11, mode="linear"), Work(multiply=132, add=66, upsampled=66)),
    # 858 outputs of 4 taps.
    (
        "bilinear",
        lambda: F.interpolate(X, (11, 13), None, "bilinear"),
        Work(multiply=3432, add=2574, upsampled=858),
    ),
    (
        "bilinear corners",
        lambda: F.interpolate(X, (11, 13), mode="bilinear", align_corners=True),
        Work(multiply=3432, add=2574, upsampled=858),
    ),
    # 6·2·3·5 = 180 outputs of 8 taps.
    (
        "trilinear",
        lambda: F.interpolate(V, (2, 3, 5), mode="trilinear"),
        Work(multiply=1440, add=1260, upsampled=180),
    ),
    (
        "bicubic",
        lambda: F.interpolate(X, (11, 13), mode="bicubic"),
        Work(multiply=16 * 858, add=15 * 858, upsampled=858),
    ),
    # 5 -> 2: windows of 3 and 3; 7 -> 3: 3, 3, 3; 6·6·9 = 324 taps of 36 outputs.
    ("area", lambda: F.interpolate(X, (2, 3), mode="area"), Work(add=324, multiply=36, upsampled=36)),
    # Same size: output i reads from ⌊i + 0.5 - 1 + 0.5⌋ to ⌊i + 0.5 + 1 + 0.5⌋, i and i + 1, the last only
    # i: 13 taps along a row of 7, 9 along a column of 5. 2·3·5 rows, then 2·3·7 columns.
    (
        "antialias",
        lambda: F.interpolate(X, (5, 7), mode="bilinear", antialias=True),
        Work(multiply=30 * 13 + 42 * 9, add=30 * (13 - 7) + 42 * (9 - 5), upsampled=210),
    ),
    (
        "aten.upsample_bilinear2d",
        lambda: torch.ops.aten.upsample_bilinear2d(X, [11, 13], False),
        Work(multiply=3432, add=2574, upsampled=858),
    ),
    ("aten.upsample_nearest1d", lambda: torch.ops.aten.upsample_nearest1d(L, [11]), Work(upsampled=66)),
    # Fraction and complement of 2 coordinates; 4 weights of one product; 4 products, 3 additions a sample.
    (
        "grid_sample",
        lambda: F.grid_sample(X, G),
        PLACED + Work(add=2 * 572, multiply=4 * 286) + Work(multiply=4 * 858, add=3 * 858),
    ),
    ("grid_sample nearest", lambda: F.grid_sample(X, G, "nearest"), PLACED),
    # 14 additions and 12 products a coordinate; 16 weights of a product; 16 products, 15 additions a sample.
    (
        "grid_sample bicubic",
        lambda: F.grid_sample(X, G, mode="bicubic"),
        PLACED + Work(add=14 * 572, multiply=12 * 572 + 16 * 286) + Work(multiply=16 * 858, add=15 * 858),
    ),
    # 2·2·3·5 = 60 points of 3 coordinates, 180 samples: 8 weights of two products, 8 taps.
    (
        "grid_sample 3d",
        lambda: F.grid_sample(V, R(2, 2, 3, 5, 3)),
        Work(multiply=180, add=180, round=180) + Work(add=360, multiply=16 * 60) + Work(multiply=8 * 180, add=7 * 180),
    ),
    ("torch.grid_sampler", lambda: torch.grid_sampler(X, G, 1, 0, False), PLACED),
    (
        "torch.grid_sampler_2d",
        lambda: torch.grid_sampler_2d(X, G, 0, 0, False),
        PLACED + Work(add=1144, multiply=1144) + Work(multiply=3432, add=2574),
    ),
    # 2·5·7·2 coordinates, each a dot product of 3; 2·3·5·7·3 of 4.
    ("affine_grid", lambda: F.affine_grid(R(2, 2, 3), (2, 3, 5, 7)), Work(mac=420)),
    ("affine_grid 3d", lambda: F.affine_grid(R(2, 3, 4), [2, 3, 3, 5, 7]), Work(mac=2520)),
    (
        "affine_grid_generator",
        lambda: torch.affine_grid_generator(R(2, 2, 3), [2, 3, 5, 7], False),
        Work(mac=420),
    ),
]


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, expected):
    assert work(call) == expected


@pytest.mark.parametrize(("size", "outputs"), [((17, 13), (5, 7)), ((5, 7), (11, 13)), ((19, 3), (2, 3))])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiasing_taps_are_those_pytorch_reads(size, outputs, mode):
    # A row of inputs, one output at a time: the inputs with a gradient are its taps, and as many as fit.
    height, width = size
    out_height, out_width = outputs

    def reads(length, results):
        eye = torch.eye(length).reshape(1, length, length, 1).expand(1, length, length, 2)
        weights = F.interpolate(eye, (results, 2), mode=mode, antialias=True)[0, :, :, 0]
        return int((weights.abs() > 1e-9).sum())

    found = work(lambda: F.interpolate(R(1, 1, *size), outputs, mode=mode, antialias=True))
    taps = height * reads(width, out_width) + out_width * reads(height, out_height)
    # A tap that falls on a zero of the filter is read and multiplied all the same.
    assert taps <= found["multiply"] <= taps + height * 2 * out_width + out_width * 2 * out_height


def test_upsampling_sizes_of_a_known_bug():
    # size=8 of a 1 x 4 x 4 x 4 input is 4·8·8 elements; scale 2 the same.
    assert CALFLOPS.price(work(lambda: F.interpolate(R(1, 4, 4, 4), size=8))) == 256
    # `upsample` calls `interpolate`: counted once.
    assert CALFLOPS.price(work(lambda: F.upsample(R(1, 4, 4, 4), scale_factor=2))) == 256


def test_the_affine_grids_gradient_is_one_product_more():
    theta = R(2, 2, 3, requires_grad=True)
    found = cost(lambda: F.affine_grid(theta, (2, 3, 5, 7)), grads=True)
    assert (MACS.price(found.forward), MACS.price(found.backward)) == (420, 420)
