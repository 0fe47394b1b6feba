"""How large a configuration's pictures are: channels, height and width, frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from calprof.inputs.request import Request, pair

DEFAULT_SIZE = 224
DEFAULT_FRAMES = 8
JOINED = ("scale_factor", "downsample_ratio", "downsample_factor", "pixel_shuffle_factor")


def channels(request: Request) -> int:
    """How many colour channels the vision part reads."""
    found = request.vision("num_channels", "in_channels", "in_chans", "image_channels", "num_image_channels")
    return found if isinstance(found, int) else 3


def size(request: Request) -> tuple[int, int]:
    """Height and width: the caller's, the configuration's, or 224."""
    if request.image_size:
        return request.image_size
    stated = request.vision("image_size", "img_size", "input_image_size", "max_img_size")
    # The arguments of a timm model inside.
    arguments = request.vision("model_args")
    inner = arguments.get("img_size") if isinstance(arguments, Mapping) else None
    high, wide = pair(inner or stated or _built_for(request) or _decoded(request), DEFAULT_SIZE)
    if "prompt_pixel_values" in request.taken and stated is not None and high == 2 * wide:
        high = wide  # of the prompt and the image, one above the other
    patch, scale = request.vision("patch_size"), request.whole(*JOINED)
    windows = request.vision("num_windows")
    scale = scale if isinstance(scale, int) else windows
    if isinstance(patch, int) and isinstance(scale, int):
        # Squares of scale x scale patches are joined into one token, or all patches shared out among as many
        # windows along each side, so they must fill the image.
        step = patch * scale
        high, wide = max(high // step, 1) * step, max(wide // step, 1) * step
    ratios = request.whole("scaled_images_ratios")
    if isinstance(patch, int) and ratios:
        # The smallest of the scaled images is one patch.
        least = math.ceil(patch / min(ratios))
        high, wide = max(high, least), max(wide, least)
    return high, wide


def _built_for(request: Request) -> Any:
    """The one image size that a timm model inside accepts, where its configuration names only the architecture."""
    modules = list(request.model.modules()) if isinstance(request.model, nn.Module) else []
    strict = [one.img_size for one in modules if getattr(one, "strict_img_size", False)]
    if request.vision("architecture") is not None:
        strict += [one.img_size for one in modules if hasattr(one, "proj") and isinstance(_image_size(one), tuple)]
    return next(iter(strict), None)


def _image_size(module: Any) -> Any:
    return getattr(module, "img_size", None)


def _decoded(request: Request) -> int | None:
    """The side of an image that a codec makes of a fixed grid, doubled at every level but one."""
    grid, levels = request.vision("num_patches"), request.vision("channel_multiplier")
    return grid * 2 ** (len(levels) - 1) if isinstance(grid, int) and isinstance(levels, (list, tuple)) else None


def frames(request: Request) -> int:
    """How many frames a video has: the caller's, the configuration's, or 8."""
    found = request.frames or request.vision("num_frames", "frames_per_clip", "seg_num_frames")
    return found if isinstance(found, int) else DEFAULT_FRAMES
