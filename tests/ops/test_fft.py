"""Fourier transforms, by hand: 5·n·log2(n) a complex transform, half of it for a real one."""

from __future__ import annotations

import math

import pytest
import torch
from support import work

from calprof.work import Work

R = torch.randn
Z = torch.randn(3, 5, 8, dtype=torch.complex64)
X = R(3, 5, 8)


def full(points):
    return math.ceil(5 * points * math.log2(points))


def half(points):
    return math.ceil(2.5 * points * math.log2(points))


ROWS = [
    # 15 lines of 8: 5·8·3 = 120 each; 16: 5·16·4 = 320; 4: 40.
    ("fft", lambda: torch.fft.fft(Z), 15 * 120),
    ("fft padded", lambda: torch.fft.fft(Z, 16), 15 * 320),
    ("fft dim", lambda: torch.fft.fft(Z, dim=1), 24 * full(5)),
    ("fft real", lambda: torch.fft.fft(X), 15 * 60),
    ("fft 1 point", lambda: torch.fft.fft(torch.ones(1, dtype=torch.complex64)), 0),
    ("ifft", lambda: torch.fft.ifft(Z), 15 * 120),
    ("aten.fft_fft", lambda: torch.ops.aten.fft_fft(Z), 15 * 120),
    ("rfft", lambda: torch.fft.rfft(X), 15 * 60),
    ("rfft padded", lambda: torch.fft.rfft(X, n=16), 15 * 160),
    ("rfft integers", lambda: torch.fft.rfft(torch.arange(8)), 60),
    ("ihfft", lambda: torch.fft.ihfft(X), 15 * 60),
    # 8 points of half a spectrum are 14 real ones.
    ("irfft", lambda: torch.fft.irfft(Z), 15 * half(14)),
    ("irfft size", lambda: torch.fft.irfft(Z, 16), 15 * 160),
    ("hfft", lambda: torch.fft.hfft(Z), 15 * half(14)),
    # 15 rows of 8 and 3·8 columns of 5.
    ("fft2", lambda: torch.fft.fft2(Z), 15 * 120 + 24 * full(5)),
    ("fft2 dim", lambda: torch.fft.fft2(Z, dim=(0, 2)), 15 * 120 + 40 * full(3)),
    ("fftn", lambda: torch.fft.fftn(Z), 15 * 120 + 24 * full(5) + 40 * full(3)),
    ("fftn s", lambda: torch.fft.fftn(Z, (4,)), 15 * 40),
    ("ifftn dim", lambda: torch.fft.ifftn(Z, dim=[1]), 24 * full(5)),
    # Real rows, then 3·5 columns (8 // 2 + 1 = 5 are left) of 5.
    ("rfft2", lambda: torch.fft.rfft2(X), 15 * 60 + 15 * full(5)),
    ("fft2 real", lambda: torch.fft.fft2(X), 15 * 60 + 15 * full(5)),
    ("rfftn", lambda: torch.fft.rfftn(X), 15 * 60 + 15 * full(5) + 25 * full(3)),
    ("rfftn s", lambda: torch.fft.rfftn(X, s=(5, 16)), 15 * 160 + 27 * full(5)),
    # Columns of the 8 // 2 + 1 = 5 that matter, then rows to 8 real points.
    ("irfft2", lambda: torch.fft.irfft2(Z, s=(5, 8)), 15 * full(5) + 15 * 60),
    ("irfftn", lambda: torch.fft.irfftn(Z, dim=(2,)), 15 * half(14)),
    ("hfft2", lambda: torch.fft.hfft2(Z, (5, 8)), 15 * full(5) + 15 * 60),
    ("ihfftn", lambda: torch.fft.ihfftn(X, dim=(-1,)), 15 * 60),
    ("aten._fft_c2c", lambda: torch.ops.aten._fft_c2c(Z, [1, 2], 0, True), 15 * 120 + 24 * full(5)),
    ("aten._fft_r2c", lambda: torch.ops.aten._fft_r2c(X, [1, 2], 0, True), 15 * 60 + 15 * full(5)),
    ("aten._fft_c2r", lambda: torch.ops.aten._fft_c2r(Z[..., :5], [1, 2], 0, 8), 15 * full(5) + 15 * 60),
    # 61 samples, centred: 61 // 4 + 1 = 16 frames of 16 points (a real transform is 160), 3 signals.
    ("stft", lambda: torch.stft(R(3, 61), 16, 4, return_complex=True), 48 * 160),
    ("stft window", lambda: torch.stft(R(61), 16, 4, window=torch.ones(16), return_complex=True), 16 * 176),
    ("Tensor.stft", lambda: R(61).stft(16, 4, return_complex=True), 16 * 160),
    ("stft two-sided", lambda: torch.stft(R(61), 16, 4, onesided=False, return_complex=True), 16 * 160),
    # 16 frames back: windowed, added, envelope added; 16 squares; 60 divisions.
    ("istft", lambda: torch.istft(HALF, 16, 4, window=WINDOW), 16 * (160 + 48) + 16 + 60),
]
WINDOW = torch.hann_window(16)
HALF = torch.stft(R(61), 16, 4, window=WINDOW, return_complex=True)


@pytest.mark.parametrize(("call", "flops"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, flops):
    assert work(call) == Work(flop=flops)


def test_shifting_moves_data():
    assert work(lambda: torch.fft.ifftshift(torch.fft.fftshift(X))) == Work()


def test_what_runs_inside_costs_the_same():
    # A two-dimensional transform is one along each dimension.
    assert work(lambda: torch.fft.fft2(Z)) == work(lambda: torch.fft.fft(torch.fft.fft(Z), dim=-2))
    assert work(lambda: torch.fft.rfft2(X)) == work(lambda: torch.fft.fft(torch.fft.rfft(X), dim=-2))
