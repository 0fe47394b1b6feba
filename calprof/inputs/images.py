"""Images and videos for a configuration: as pixels, as tiles, or already cut into patches."""

from __future__ import annotations

import torch

from calprof.inputs.heads import matches
from calprof.inputs.patches import (
    blocks,
    flattened,
    folds,
    gridded,
    numbered,
    packed,
    padded,
    patches,
    placed,
    pooled,
    reads_rows,
    row_shape,
    rows,
    strip,
)
from calprof.inputs.pictures import channels, frames, size
from calprof.inputs.request import Request, pair
from calprof.inputs.values import filled, noise

# Vision towers of one image size, which never look at the sizes of the images.
FIXED_TOWERS = ("clip_vision_model", "siglip_vision_model")


def pixels(request: Request) -> dict[str, torch.Tensor]:
    """Images under `pixel_values`, with the sizes, masks and positions that go with this model's layout."""
    for name, layout in LAYOUTS:
        if name in request.taken:
            return layout(request)
    height, width = size(request)
    shape: tuple[int, ...] = (request.batch, channels(request), height, width)
    if matches(request.config):
        shape = (request.batch, 2, *shape[1:])
    elif reads_rows(request):
        patch = int(request.vision("patch_size"))
        shape = (request.batch, *row_shape(request, (height // patch) * (width // patch)))
    elif folds(request.model) or (request.vision("temporal_patch_size") and "input_ids" not in request.taken):
        return blocks(request)
    elif hasattr(request.config, "mit_hidden_size"):
        shape = (request.batch * frames(request), *shape[1:])  # one by one: they meet in another model
    elif _is_video(request):
        shape = (request.batch, frames(request), *shape[1:])
    return {"pixel_values": noise(shape, request.dtype)}


def _is_video(request: Request) -> bool:
    """Whether `pixel_values` are the frames of a video."""
    if "pixel_values_videos" in request.taken:
        return False
    if request.main != "pixel_values":
        return bool(request.vision("num_frames"))
    named = request.vision("num_frames") or request.whole("video_token_id", "video_token_index")
    return bool(request.frames or named)


def videos(request: Request) -> dict[str, torch.Tensor]:
    """Videos under `pixel_values_videos`: (batch, frames, channels, height, width), or patches and a grid."""
    if "video_grid_thw" in request.taken:
        return patches(request, "pixel_values_videos", "video_grid_thw", frames(request))
    shape = (request.batch, frames(request), channels(request), *size(request))
    return {"pixel_values_videos": noise(shape, request.dtype)}


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
    # A robot's mask says which of its cameras there are, that of a document which of its tiles.
    whole = bool({"state", "tile_fine_mask"} & {*request.taken})
    return {
        "pixel_values": noise((request.batch, 1, channels(request), height, width), request.dtype),
        "pixel_attention_mask": filled((request.batch, 1), 1).bool() if whole
        else filled((request.batch, 1, height, width), 1),
    }  # fmt: skip


def crops(request: Request) -> dict[str, torch.Tensor]:
    """Several images per sample, (batch, images, channels, height, width), and which of them a text sees."""
    shape = (request.batch, 1, channels(request), *size(request))
    length = request.seq or 128
    return {
        "pixel_values": noise(shape, request.dtype),
        "image_attention_mask": filled((request.batch, length, 1), 1),
    }


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
    ("grid_thw", rows),
    ("pixel_position_ids", placed),
    ("image_position_ids", placed),
    ("target_sizes", strip),
    ("high_res_pixel_values", twofold),
    ("image_encoder_embeddings", crops),
    ("image_patches", flattened),
    ("flattened_patches", numbered),
    ("aspect_ratio_ids", tiled),
    ("spatial_shapes", padded),
    ("pixel_attention_mask", masked),
    ("image_sizes", sized),
    ("image_grid_hw", packed),
    ("image_token_pooling", pooled),
)
