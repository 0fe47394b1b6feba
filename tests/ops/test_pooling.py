"""Pooling, by hand and by counting the windows of PyTorch's own gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import work

from calprof.conventions import CALFLOPS
from calprof.ops.pooling import windows
from calprof.work import Work

R = torch.randn
L, X, V = R(2, 3, 17), R(2, 3, 17, 19), R(2, 3, 7, 11, 13)
GRADIENT, INDICES = F.max_pool2d(X, (2, 3), (3, 2), return_indices=True)

ROWS = [
    # 17 -> 5 windows of 3; 2·3·5 = 30 outputs of 3 taps; 2·3·17 = 102 inputs.
    ("max_pool1d", lambda: F.max_pool1d(L, 3), Work(pool_tap=90, pool_input=102)),
    ("max_pool1d list", lambda: F.max_pool1d(L, [3], stride=[3]), Work(pool_tap=90, pool_input=102)),
    ("max_pool1d unbatched", lambda: F.max_pool1d(R(3, 17), 3), Work(pool_tap=45, pool_input=51)),
    ("avg_pool1d", lambda: F.avg_pool1d(L, 3), Work(pool_tap=90, pool_input=102, multiply=30)),
    # 17 x 19, kernel 2 x 3, stride 3 x 2: 6 x 9 outputs, 2·3·54 = 324, 6 taps each; 1,938 inputs.
    ("max_pool2d", lambda: F.max_pool2d(X, (2, 3), (3, 2)), Work(pool_tap=1944, pool_input=1938)),
    (
        "max_pool2d indices",
        lambda: F.max_pool2d(X, (2, 3), (3, 2), return_indices=True),
        Work(pool_tap=1944, pool_input=1938),
    ),
    ("torch.max_pool2d", lambda: torch.max_pool2d(X, [2, 3], [3, 2]), Work(pool_tap=1944, pool_input=1938)),
    # Padding 1 makes 19 x 21: 6 x 7 outputs of kernel 3, 252 of 9 taps.
    ("max_pool2d padding", lambda: F.max_pool2d(X, 3, padding=1), Work(pool_tap=2268, pool_input=1938)),
    # Over the edge: 6 x 7 outputs too.
    (
        "max_pool2d ceil_mode",
        lambda: F.max_pool2d(X, 3, ceil_mode=True),
        Work(pool_tap=2268, pool_input=1938),
    ),
    (
        "avg_pool2d",
        lambda: F.avg_pool2d(X, (2, 3), (3, 2)),
        Work(pool_tap=1944, pool_input=1938, multiply=324),
    ),
    (
        "avg_pool2d unbatched",
        lambda: F.avg_pool2d(R(3, 17, 19), 2),
        Work(pool_tap=3 * 8 * 9 * 4, pool_input=969, multiply=216),
    ),
    # 7 x 11 x 13, kernel 2 x 3 x 5: 3 x 3 x 2 = 18 outputs, 108 of 30 taps; 6,006 inputs.
    ("max_pool3d", lambda: F.max_pool3d(V, (2, 3, 5)), Work(pool_tap=3240, pool_input=6006)),
    ("avg_pool3d", lambda: F.avg_pool3d(V, (2, 3, 5)), Work(pool_tap=3240, pool_input=6006, multiply=108)),
    # A power an input and one an output.
    ("lp_pool1d", lambda: F.lp_pool1d(L, 2, 3), Work(pool_tap=90, pool_input=102, transcendental=132)),
    (
        "lp_pool2d",
        lambda: F.lp_pool2d(X, 3, (2, 3), (3, 2)),
        Work(pool_tap=1944, pool_input=1938, transcendental=2262),
    ),
    # 2·3·5·7 = 210 outputs of 2 x 3 taps.
    (
        "fractional_max_pool2d",
        lambda: F.fractional_max_pool2d(X, (2, 3), (5, 7)),
        Work(pool_tap=1260, pool_input=1938),
    ),
    (
        "fractional_max_pool3d",
        lambda: F.fractional_max_pool3d(V, 2, (3, 5, 7)),
        Work(pool_tap=6 * 105 * 8, pool_input=6006),
    ),
    # 17 -> 5: windows 4, 4, 5, 4, 4 (0-4, 3-7, 6-11, 10-14, 13-17) = 21 taps.
    ("adaptive_max_pool1d", lambda: F.adaptive_max_pool1d(L, 5), Work(pool_tap=126, pool_input=102)),
    (
        "adaptive_avg_pool1d",
        lambda: F.adaptive_avg_pool1d(L, 5),
        Work(pool_tap=126, pool_input=102, multiply=30),
    ),
    # 19 -> 7: 3, 4, 4, 3, 4, 4, 3 = 25 (0-3, 2-6, 5-9, 8-11, 10-14, 13-17, 16-19).
    (
        "adaptive_max_pool2d",
        lambda: F.adaptive_max_pool2d(X, (5, 7)),
        Work(pool_tap=6 * 21 * 25, pool_input=1938),
    ),
    (
        "adaptive_avg_pool2d",
        lambda: F.adaptive_avg_pool2d(X, (5, 7)),
        Work(pool_tap=3150, pool_input=1938, multiply=210),
    ),
    (
        "adaptive_avg_pool2d None",
        lambda: F.adaptive_avg_pool2d(X, (None, 7)),
        Work(pool_tap=6 * 17 * 25, pool_input=1938, multiply=714),
    ),
    ("global average", lambda: F.adaptive_avg_pool2d(X, 1), Work(pool_tap=1938, pool_input=1938, multiply=6)),
    (
        "adaptive indices",
        lambda: F.adaptive_max_pool2d(X, 1, return_indices=True),
        Work(pool_tap=1938, pool_input=1938),
    ),
    (
        "adaptive_avg_pool3d",
        lambda: F.adaptive_avg_pool3d(V, 1),
        Work(pool_tap=6006, pool_input=6006, multiply=6),
    ),
    (
        "adaptive_max_pool3d",
        lambda: F.adaptive_max_pool3d(V, (7, 11, 1)),
        Work(pool_tap=6006, pool_input=6006),
    ),
    (
        "aten.max_pool2d_with_indices",
        lambda: torch.ops.aten.max_pool2d_with_indices(X, [2, 3], [3, 2]),
        Work(pool_tap=1944, pool_input=1938),
    ),
    # One gradient of each of 324 windows is added.
    (
        "max_pool2d backward",
        lambda: torch.ops.aten.max_pool2d_with_indices_backward(
            GRADIENT, X, [2, 3], [3, 2], [0, 0], [1, 1], False, INDICES
        ),
        Work(add=324),
    ),
    (
        "aten._adaptive_avg_pool2d",
        lambda: torch.ops.aten._adaptive_avg_pool2d(X, [1, 1]),
        Work(pool_tap=1938, pool_input=1938, multiply=6),
    ),
]


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, expected):
    assert work(call) == expected


@pytest.mark.parametrize(("size", "outputs"), [(7, 5), (17, 5), (3, 7), (5, 5), (11, 1), (2, 13)])
def test_adaptive_windows_are_those_pytorch_reads(size, outputs):
    reads = 0
    for position in range(outputs):
        x = torch.zeros(1, 1, size, requires_grad=True)
        F.adaptive_avg_pool1d(x, outputs)[0, 0, position].backward()
        reads += int((x.grad != 0).sum())
    assert windows(size, outputs) == reads


def test_unpooling_moves_data():
    pooled, indices = F.max_pool2d(R(2, 3, 4, 6), 2, return_indices=True)
    assert work(lambda: F.max_unpool2d(pooled, indices, 2)) == Work()


def test_calflops_charges_each_input_once():
    assert CALFLOPS.price(work(lambda: F.max_pool2d(X, 3, 2))) == 1938
    assert CALFLOPS.price(work(lambda: F.adaptive_avg_pool2d(X, 1))) == 1938
