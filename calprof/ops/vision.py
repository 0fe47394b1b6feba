"""torchvision's ops: deformable convolution, regions of interest, non-maximum suppression."""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, first_shape
from calprof.ops.products import product
from calprof.ops.registry import Uncountable, define, uncountable
from calprof.ops.resampling import sampled
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "vision"


@define(FAMILY, "torchvision.deform_conv2d")
def deform_conv2d(
    input: Shape, weight: Shape, offset: Shape, mask: Shape, bias: Shape, *args: Any, out: Shape, **names: Any
) -> Cost:
    """Each output element is a dot product over (in_channels / groups) x kernel bilinear samples, plus bias.

    A sampling point adds two offsets, rounds two coordinates, takes two fractions and their complements, and
    four products for the weights, which a group of channels shares; a sample is four products and three
    additions, and one product more with a mask. Source: Dai et al., Deformable Convolutional Networks (2017).
    """
    kernel = weight[-2:].numel()
    positions = out[0] * out[-2:].numel()
    points = offset[1] // 2 * positions
    samples = input[1] * kernel * positions
    masked = argument(args, names, 8, "use_mask", False)
    placed = Work(add=6 * points, round=2 * points, multiply=4 * points + (samples if masked else 0))
    macs = out.numel() * weight[1:].numel()
    return product(macs, input, weight) + Work(conv_bias=out.numel()) + placed + sampled(samples, 4)


@define(FAMILY, "torchvision.roi_align", "torchvision.ps_roi_align")
def roi_align(
    input: Shape,
    rois: Shape,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    *_: Any,
    out: Any,
    **__: Any,
) -> Work:
    """The mean of sampling_ratio² bilinear samples in each bin: four products and four additions each.

    A sampling point of a region is two products and two additions for its place, two roundings, four
    additions and four products for its weights, which channels share. Source: He et al., Mask R-CNN (2017).
    """
    if sampling_ratio <= 0:
        raise Uncountable("with sampling_ratio <= 0 the number of samples depends on the sizes of the boxes")
    result = first_shape(out)
    assert result is not None
    ratio = sampling_ratio**2
    points = rois[0] * pooled_height * pooled_width * ratio
    samples = result.numel() * ratio
    placed = Work(multiply=6 * points, add=6 * points, round=2 * points)
    return placed + sampled(samples, 4) + Work(add=samples, multiply=result.numel())


uncountable(
    "how many elements a bin reads depends on the sizes of the boxes",
    "torchvision.roi_pool", "torchvision.ps_roi_pool",
    family=FAMILY,
)  # fmt: skip
uncountable(
    "how many boxes are compared depends on how many are suppressed; at most n·(n - 1)/2 pairs",
    "torchvision.nms",
    family=FAMILY,
)
