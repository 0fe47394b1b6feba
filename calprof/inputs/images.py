"""Images and videos for a configuration: as pixels, as tiles, or already cut into patches."""

from __future__ import annotations

import torch
from torch import nn

from calprof.inputs.request import Request, pair
from calprof.inputs.values import filled, noise

DEFAULT_SIZE = 224
DEFAULT_FRAMES = 8
# Vision towers of one image size, which never look at the sizes of the images.
FIXED_TOWERS = ("clip_vision_model", "siglip_vision_model")


def channels(request: Request) -> int:
    """How many colour channels the vision part reads."""
    found = request.vision("num_channels", "in_channels", "in_chans", "image_channels", "num_image_channels")
    return found if isinstance(found, int) else 3


def size(request: Request) -> tuple[int, int]:
    """Height and width: the caller's, the configuration's, or 224."""
    if request.image_size:
        return request.image_size
    high, wide = pair(request.vision("image_size", "img_size", "input_image_size"), DEFAULT_SIZE)
    patch, scale = request.vision("patch_size"), request.whole("scale_factor", "downsample_ratio", "downsample_factor")
    if isinstance(patch, int) and isinstance(scale, int):
        # Squares of scale x scale patches are joined into one token, so they must fill the image.
        step = patch * scale
        high, wide = max(high // step, 1) * step, max(wide // step, 1) * step
    return high, wide


def frames(request: Request) -> int:
    """How many frames a video has: the caller's, the configuration's, or 8."""
    found = request.frames or request.vision("num_frames", "frames_per_clip", "seg_num_frames")
    return found if isinstance(found, int) else DEFAULT_FRAMES


def pixels(request: Request) -> dict[str, torch.Tensor]:
    """Images under `pixel_values`, with the sizes, masks and positions that go with this model's layout."""
    for name, layout in LAYOUTS:
        if name in request.taken:
            return layout(request)
    height, width = size(request)
    shape: tuple[int, ...] = (request.batch, channels(request), height, width)
    if request.main == "pixel_values" and _is_video(request):
        shape = (request.batch, frames(request), *shape[1:])
    return {"pixel_values": noise(shape, request.dtype)}


def _is_video(request: Request) -> bool:
    """Whether `pixel_values` are the frames of a video."""
    if "pixel_values_videos" in request.taken:
        return False
    named = request.vision("num_frames") or request.whole("video_token_id", "video_token_index")
    return bool(request.frames or named)


def videos(request: Request) -> dict[str, torch.Tensor]:
    """Videos under `pixel_values_videos`: (batch, frames, channels, height, width), or patches and a grid."""
    if "video_grid_thw" in request.taken:
        return patches(request, "pixel_values_videos", "video_grid_thw", frames(request))
    shape = (request.batch, frames(request), channels(request), *size(request))
    return {"pixel_values_videos": noise(shape, request.dtype)}


def gridded(request: Request) -> dict[str, torch.Tensor]:
    """Images as one long row of flattened patches and a (time, height, width) grid for each."""
    return patches(request, "pixel_values", "image_grid_thw", 1)


def patches(request: Request, name: str, grid_name: str, count: int) -> dict[str, torch.Tensor]:
    """(patches of all images, channels · frames per patch · patch²) values and an (images, 3) grid.

    Both sides of the grid are whole multiples of the merge size, as the models join neighbouring patches.
    """
    patch = int(pair(request.vision("patch_size", "spatial_patch_size"), 14)[0])
    merge = request.vision("spatial_merge_size", "merge_size", default=2)
    merge = merge if isinstance(merge, int) else 2
    deep = request.vision("temporal_patch_size", default=1)
    high, wide = (max(side // (patch * merge), 1) * merge for side in size(request))
    time = max(-(-count // deep), 1)
    rows = request.batch * time * high * wide
    shape: tuple[int, ...] = (rows, channels(request) * deep * patch * patch)
    if deep == 1 and _convolves(request, patch):
        shape = (rows, channels(request), patch, patch)
    values = noise(shape, request.dtype)
    grid = torch.tensor([[time, high, wide]] * request.batch, dtype=torch.int64, device="cpu")
    return {name: values, grid_name: grid}


def _convolves(request: Request, patch: int) -> bool:
    """Whether each patch goes through a convolution as a small image, not through a product as a row."""
    return isinstance(request.model, nn.Module) and any(
        isinstance(one, nn.Conv2d) and one.kernel_size == (patch, patch) for one in request.model.modules()
    )


def strip(request: Request) -> dict[str, torch.Tensor]:
    """All patches of all images side by side in one strip, and each image's (height, width) in patches."""
    patch = int(request.vision("patch_size", default=14))
    # Windows of two by two patches are merged twice.
    high, wide = (max(side // (4 * patch), 1) * 4 for side in size(request))
    shape = (1, channels(request), patch, patch * high * wide * request.batch)
    grid = torch.tensor([[high, wide]] * request.batch, dtype=torch.int64, device="cpu")
    return {"pixel_values": noise(shape, request.dtype), "target_sizes": grid}


def padded(request: Request) -> dict[str, torch.Tensor]:
    """Images as (batch, patches, channels · patch²), each with its (height, width) in patches and a mask."""
    patch = int(request.vision("patch_size", default=16))
    merge = request.vision("downsample_factor", default=1)
    limit = request.vision("num_patches", default=256)
    if request.image_size:
        high, wide = (max(side // (patch * merge), 1) * merge for side in request.image_size)
    else:
        high = wide = max(int(limit**0.5) // merge, 1) * merge
    count = high * wide
    return {
        "pixel_values": noise((request.batch, count, channels(request) * patch * patch), request.dtype),
        "spatial_shapes": torch.tensor([[high, wide]] * request.batch, dtype=torch.int64, device="cpu"),
        "pixel_attention_mask": filled((request.batch, count), 1),
    }


def sized(request: Request) -> dict[str, torch.Tensor]:
    """Images with their (height, width); as tiles of the vision tower's size if the model cuts images up."""
    height, width = size(request)
    shape: tuple[int, ...] = (request.batch, channels(request), height, width)
    if request.whole("image_grid_pinpoints") is not None:
        pins = request.whole("image_grid_pinpoints")
        # The whole image scaled down, then the tiles of the smallest grid that holds it.
        tiles = 1 + min((h // height) * (w // width) for h, w in pins if h >= height and w >= width)
        shape = (request.batch, tiles, *shape[1:])
        area = min((h * w, h, w) for h, w in pins if h >= height and w >= width)
        height, width = area[1:]
    elif getattr(getattr(request.config, "vision_config", None), "model_type", None) in FIXED_TOWERS:
        return {"pixel_values": noise(shape, request.dtype)}
    return {
        "pixel_values": noise(shape, request.dtype),
        "image_sizes": torch.tensor([[height, width]] * request.batch, dtype=torch.int64, device="cpu"),
    }


def masked(request: Request) -> dict[str, torch.Tensor]:
    """Several images per sample, (batch, images, channels, height, width), and a mask of their pixels."""
    height, width = size(request)
    return {
        "pixel_values": noise((request.batch, 1, channels(request), height, width), request.dtype),
        "pixel_attention_mask": filled((request.batch, 1, height, width), 1),
    }


def crops(request: Request) -> dict[str, torch.Tensor]:
    """Several images per sample, (batch, images, channels, height, width), and which of them a text sees."""
    shape = (request.batch, 1, channels(request), *size(request))
    length = request.seq or 128
    return {
        "pixel_values": noise(shape, request.dtype),
        "image_attention_mask": filled((request.batch, length, 1), 1),
    }


def flattened(request: Request) -> dict[str, torch.Tensor]:
    """Images as (batch, patches, channels · patch²) under `image_patches`."""
    patch = int(request.vision("patch_size", default=30))
    high, wide = (max(side // patch, 1) for side in size(request))
    shape = (request.batch, high * wide, channels(request) * patch * patch)
    return {"image_patches": noise(shape, request.dtype)}


def numbered(request: Request) -> dict[str, torch.Tensor]:
    """Images as (batch, patches, 2 + channels · patch²): row, column and values of each patch."""
    patch = int(request.vision("patch_size", default=16))
    high, wide = (max(side // patch, 1) for side in request.image_size or (32 * patch, 64 * patch))
    cells = [[row, column] for row in range(1, high + 1) for column in range(1, wide + 1)]
    places = torch.tensor([cells] * request.batch, dtype=request.dtype, device="cpu")
    deep = request.vision("patch_embed_hidden_size", default=channels(request) * patch * patch)
    values = noise((request.batch, high * wide, deep), request.dtype)
    named = {"flattened_patches": torch.cat([places, values], dim=-1)}
    if "input_ids" not in request.taken:
        named["attention_mask"] = filled((request.batch, high * wide), 1)
    return named


def twofold(request: Request) -> dict[str, torch.Tensor]:
    """Images in the resolution of each of the two towers."""
    high, wide = pair(getattr(request.config.high_res_vision_config, "image_size", 1024), 1024)
    shape = (request.batch, channels(request))
    return {
        "pixel_values": noise((*shape, *size(request)), request.dtype),
        "high_res_pixel_values": noise((*shape, high, wide), request.dtype),
    }


def tiled(request: Request) -> dict[str, torch.Tensor]:
    """One image per sample in as many tiles as the model allows, with the id of its aspect ratio."""
    height, width = size(request)
    tiles = int(request.vision("max_num_tiles", default=4))
    shape = (request.batch, 1, tiles, channels(request), height, width)
    return {
        "pixel_values": noise(shape, request.dtype),
        "aspect_ratio_ids": filled((request.batch, 1), 1),
        "aspect_ratio_mask": filled((request.batch, 1, tiles), 1),
    }


# The argument that gives a model's image layout away, the most telling first.
LAYOUTS = (
    ("image_grid_thw", gridded),
    ("target_sizes", strip),
    ("high_res_pixel_values", twofold),
    ("image_attention_mask", crops),
    ("image_patches", flattened),
    ("flattened_patches", numbered),
    ("aspect_ratio_ids", tiled),
    ("spatial_shapes", padded),
    ("pixel_attention_mask", masked),
    ("image_sizes", sized),
)
