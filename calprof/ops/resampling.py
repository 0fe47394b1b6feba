"""Interpolation, grid sampling and the affine grid.

A sample is the dot product of its taps with their weights: t products and t - 1 additions. Weights that only
depend on the row and the column are shared by all images and channels, and not charged.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument
from calprof.ops.pooling import adaptive_taps
from calprof.ops.products import product
from calprof.ops.registry import Formula, define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "resampling"

_TAPS = {
    "nearest": 1, "nearest-exact": 1, "linear": 2, "bilinear": 2, "trilinear": 2, "bicubic": 4, "lanczos": 6,
}  # fmt: skip
"""Taps along each dimension."""


def _interpolate(mode: str, antialias: bool, input: Shape, out: Shape) -> Work:
    elements = out.numel()
    if mode == "area":
        # Adaptive average pooling: an addition a tap and a product an output.
        return Work(add=adaptive_taps(input, out, len(out) - 2), multiply=elements, upsampled=elements)
    if antialias:
        return _antialiased(_TAPS[mode], input, out) + Work(upsampled=elements)
    taps = _TAPS[mode] ** (len(out) - 2)
    if taps == 1:
        return Work(upsampled=elements)
    return Work(multiply=taps * elements, add=(taps - 1) * elements, upsampled=elements)


def _antialiased(width: int, input: Shape, out: Shape) -> Work:
    """Two passes, first along rows, then along columns, with filters as wide as the reduction."""
    images = input[:2].numel()
    rows = images * input[2]
    columns = images * out[3]
    across, down = _support(input[3], out[3], width), _support(input[2], out[2], width)
    results = rows * out[3] + columns * out[2]
    taps = rows * across + columns * down
    return Work(multiply=taps, add=taps - results)


def _support(size: int, outputs: int, width: int) -> int:
    """Returns the taps of all outputs along one dimension: `width` of them, stretched when reducing."""
    if not outputs:
        return 0
    scale = size / outputs
    reach = width / 2 * max(scale, 1.0)
    centers = (scale * (i + 0.5) for i in range(outputs))
    return sum(min(int(center + reach + 0.5), size) - max(int(center - reach + 0.5), 0) for center in centers)


@define(FAMILY, "interpolate")
def interpolate(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each output element is a dot product of its taps: 2 a dimension, cubic 4, nearest none; area a mean."""
    mode = argument(args, kwargs, 2, "mode", "nearest")
    return _interpolate(mode, argument(args, kwargs, 5, "antialias", False), input, out)


def _upsample(mode: str, antialias: bool = False) -> Formula:
    def upsample(input: Shape, *_: Any, out: Shape, **__: Any) -> Work:
        """Each output element is a dot product of its taps: 2 a dimension, cubic 4, nearest none."""
        return _interpolate(mode, antialias, input, out)

    return upsample


_UPSAMPLES: dict[str, tuple[str, ...]] = {
    "nearest": ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    "nearest-exact": ("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
    "linear": ("upsample_linear1d",),
    "bilinear": ("upsample_bilinear2d", "upsample_trilinear3d"),
    "bicubic": ("upsample_bicubic2d",),
}

for _mode, _names in _UPSAMPLES.items():
    define(FAMILY, *_names)(_upsample(_mode))
for _mode in ("bilinear", "bicubic", "lanczos"):
    define(FAMILY, f"_upsample_{_mode}2d_aa")(_upsample(_mode, antialias=True))


@define(
    FAMILY, "grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "cudnn_grid_sampler",
    "_grid_sampler_2d_cpu_fallback",
)  # fmt: skip
def grid_sample(input: Shape, grid: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each output element is a dot product of 2 taps a dimension (cubic 4), with weights that each point has.

    A point's coordinate x becomes a·x + c and is rounded; its fraction f is a subtraction and gives the
    weights f and 1 - f, or four cubics of 12 products and 13 additions. A tap's weight is the product of its
    coordinates' weights. Nearest reads one tap. Keeping points inside the image is not charged.
    """
    dims, points = grid[-1], grid[:-1].numel()
    mode = argument(args, kwargs, 0, "mode", kwargs.get("interpolation_mode", "bilinear"))
    placed = Work(multiply=dims * points, add=dims * points, round=dims * points)
    if mode in ("nearest", 1):
        return placed
    cubic = mode in ("bicubic", 2)
    taps = (4 if cubic else 2) ** dims
    weights = Work(
        add=(1 + (13 if cubic else 1)) * dims * points,
        multiply=(12 * dims * points if cubic else 0) + (dims - 1) * taps * points,
    )
    return placed + weights + sampled(out.numel(), taps)


def sampled(samples: int, taps: int) -> Work:
    """Returns the work of `samples` dot products of taps and weights that are known."""
    return Work(multiply=taps * samples, add=(taps - 1) * samples)


@define(FAMILY, "affine_grid", "affine_grid_generator", "cudnn_affine_grid_generator")
def affine_grid(theta: Shape, *_: Any, out: Shape, **__: Any) -> Cost:
    """Each coordinate is the dot product of a row of theta with the point's homogeneous coordinates."""
    return product(out.numel() * theta[-1], theta)
