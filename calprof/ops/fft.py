"""Fourier transforms: 5·n·log2(n) FLOPs for a complex transform of n points, half as many for a real one.

The count of the radix-2 algorithm (Van Loan, Computational Frameworks for the Fast Fourier Transform, 1992,
section 1.4), by which the FFTW project rates transforms of every length. Rounded up to an integer for each
transform. The scaling by 1/n is not charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2
from typing import Any

from calprof.ops.operands import argument
from calprof.ops.registry import define, free
from calprof.ops.shape import Shape
from calprof.work import Work

FAMILY = "fft"


def complex_transform(points: int) -> int:
    """Returns the FLOPs of a transform of complex numbers.

    Example:
        >>> complex_transform(8)  # 5 x 8 x 3
        120
    """
    return ceil(5 * points * log2(points)) if points else 0


def real_transform(points: int) -> int:
    """Returns the FLOPs of a transform from or to real numbers.

    Example:
        >>> real_transform(8)
        60
    """
    return ceil(5 * points * log2(points) / 2) if points else 0


def _transform(spectrum: Shape, dims: Sequence[int], real_points: int | None) -> Work:
    """Transforms along `dims`; the last one has `real_points` real numbers on one side, unless complex.

    The other dimensions are transformed on the side of the spectrum.
    """
    elements, flops = spectrum.numel(), 0
    *others, last = dims
    if elements:
        rows = elements // spectrum[last]
        along_last = complex_transform(spectrum[last]) if real_points is None else real_transform(real_points)
        flops += rows * along_last
        flops += sum(elements // spectrum[dim] * complex_transform(spectrum[dim]) for dim in others)
    return Work(flop=flops)


def _half(shape: Shape, dim: int, points: int) -> Shape:
    """Returns the shape of the half spectrum that belongs to `points` real numbers along `dim`."""
    sizes = list(shape)
    sizes[dim] = points // 2 + 1
    return Shape(tuple(sizes))


def _forward(input: Shape, out: Shape, dims: Sequence[int]) -> Work:
    if not dims:
        return Work()
    points = out[dims[-1]]
    if input.is_complex:
        return _transform(out, dims, None)
    # The spectrum of real numbers is symmetric: half of it is computed.
    return _transform(_half(out, dims[-1], points), dims, points)


def _from_real(input: Shape, out: Shape, dims: Sequence[int], points: int | None) -> Work:
    if not dims:
        return Work()
    return _transform(out, dims, input[dims[-1]] if points in (None, -1) else points)


def _to_real(out: Shape, dims: Sequence[int]) -> Work:
    if not dims:
        return Work()
    points = out[dims[-1]]
    return _transform(_half(out, dims[-1], points), dims, points)


def _one(args: Any, kwargs: Any) -> list[int]:
    return [argument(args, kwargs, 1, "dim", -1)]


def _several(input: Shape, args: Any, kwargs: Any, default: Sequence[int] | None) -> list[int]:
    """Returns the dimensions an n-dimensional transform runs over."""
    dims = argument(args, kwargs, 1, "dim", default)
    if isinstance(dims, int):
        return [dims]
    if dims is not None:
        return list(dims)
    sizes = argument(args, kwargs, 0, "s")
    count = len(input) if sizes is None else len(sizes) if isinstance(sizes, (list, tuple)) else 1
    return list(range(len(input) - count, len(input)))


def _last_size(args: Any, kwargs: Any) -> int | None:
    sizes = argument(args, kwargs, 0, "s")
    if isinstance(sizes, (list, tuple)):
        return sizes[-1] if sizes else None
    return sizes if isinstance(sizes, int) else None


@define(FAMILY, "fft.fft", "fft.ifft")
def fft(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """5·n·log2(n) FLOPs for each transform of n complex points, half of it for real input."""
    return _forward(input, out, _one(args, kwargs))


@define(FAMILY, "fft.rfft", "fft.ihfft")
def rfft(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """2.5·n·log2(n) FLOPs for each transform of n real points."""
    return _from_real(input, out, _one(args, kwargs), argument(args, kwargs, 0, "n"))


@define(FAMILY, "fft.irfft", "fft.hfft")
def irfft(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """2.5·n·log2(n) FLOPs for each transform to n real points."""
    return _to_real(out, _one(args, kwargs))


@define(FAMILY, "fft.fft2", "fft.ifft2")
def fft2(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Transforms along two dimensions: 5·n·log2(n) FLOPs for each row and column of n complex points."""
    return _forward(input, out, _several(input, args, kwargs, (-2, -1)))


@define(FAMILY, "fft.fftn", "fft.ifftn")
def fftn(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Transforms along each dimension in turn: 5·n·log2(n) FLOPs for each line of n complex points."""
    return _forward(input, out, _several(input, args, kwargs, None))


@define(FAMILY, "fft.rfft2", "fft.ihfft2")
def rfft2(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Real transforms of the rows, then complex ones of the n/2 + 1 columns that are left."""
    return _from_real(input, out, _several(input, args, kwargs, (-2, -1)), _last_size(args, kwargs))


@define(FAMILY, "fft.rfftn", "fft.ihfftn")
def rfftn(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Real transforms along the last dimension, then complex ones on the n/2 + 1 points left."""
    return _from_real(input, out, _several(input, args, kwargs, None), _last_size(args, kwargs))


@define(FAMILY, "fft.irfft2", "fft.hfft2")
def irfft2(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Complex transforms of the n/2 + 1 columns, then transforms of the rows to real points."""
    return _to_real(out, _several(input, args, kwargs, (-2, -1)))


@define(FAMILY, "fft.irfftn", "fft.hfftn")
def irfftn(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Complex transforms on the n/2 + 1 points of the last dimension, then ones to real points along it."""
    return _to_real(out, _several(input, args, kwargs, None))


@define(FAMILY, "_fft_c2c")
def fft_c2c(input: Shape, dim: Sequence[int], *_: Any, out: Shape, **__: Any) -> Work:
    """5·n·log2(n) FLOPs for each line of n complex points along each dimension."""
    return _forward(input, out, dim)


@define(FAMILY, "_fft_r2c")
def fft_r2c(input: Shape, dim: Sequence[int], *_: Any, out: Shape, **__: Any) -> Work:
    """Real transforms along the last of the dimensions, complex ones along the others."""
    return _to_real(input, dim)


@define(FAMILY, "_fft_c2r")
def fft_c2r(input: Shape, dim: Sequence[int], *_: Any, out: Shape, **__: Any) -> Work:
    """Complex transforms along all dimensions but the last, along which they are to real points."""
    return _to_real(out, dim)


@define(FAMILY, "stft")
def stft(input: Shape, n_fft: int, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each frame is multiplied by the window, if there is one, and transformed."""
    frames = out.numel() // (out[-2] if out.is_complex else out[-3] * 2)
    transform = complex_transform(n_fft) if input.is_complex else real_transform(n_fft)
    windowed = argument(args, kwargs, 2, "window") is not None
    return Work(flop=frames * (transform + (n_fft if windowed else 0)))


@define(FAMILY, "istft")
def istft(input: Shape, n_fft: int, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each frame is transformed, windowed and added; the result is divided by the sum of squared windows.

    Source: `torch.istft`.
    """
    frames = input.numel() // (input[-2] if input.is_complex else input[-3] * 2)
    transform = complex_transform(n_fft) if out.is_complex else real_transform(n_fft)
    return Work(flop=frames * (transform + 3 * n_fft) + n_fft + out.numel())


free("moves the zero frequency", "fft.fftshift", "fft.ifftshift")
