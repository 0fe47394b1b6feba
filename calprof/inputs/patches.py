"""Images and videos that are already cut into patches when a model gets them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from calprof.inputs.arranged import first_accepted
from calprof.inputs.pictures import channels, size
from calprof.inputs.request import Request, pair
from calprof.inputs.values import filled, noise


def gridded(request: Request) -> dict[str, torch.Tensor]:
    """Images as one long row of flattened patches and a (time, height, width) grid for each."""
    if request.vision("posemb_grid_size") is not None:
        return squares(request)
    return patches(request, "pixel_values", "image_grid_thw", 1)


def squares(request: Request) -> dict[str, torch.Tensor]:
    """Images as (tokens, side, side, channels), a square of joined patches for each, and a grid counted in them."""
    side = int(request.vision("patch_size", default=14)) * int(request.vision("spatial_merge_size", default=1))
    high, wide = (max(edge // side, 1) for edge in size(request))
    grid = torch.tensor([[1, high, wide]] * request.batch, dtype=torch.int64, device="cpu")
    shape = (request.batch * high * wide, side, side, channels(request))
    return {"pixel_values": noise(shape, request.dtype), "image_grid_thw": grid}


def blocks(request: Request) -> dict[str, torch.Tensor]:
    """Images as (patches, frames of each, patch, patch, channels), each patch read by itself."""
    deep, patch = (int(request.vision(name, default=1)) for name in ("temporal_patch_size", "patch_size"))
    high, wide = (max(side // patch, 1) for side in size(request))
    return {"pixel_values": noise((request.batch * high * wide, deep, patch, patch, channels(request)), request.dtype)}


def patches(request: Request, name: str, grid_name: str, count: int) -> dict[str, torch.Tensor]:
    """(patches of all images, channels · frames per patch · patch²) values and an (images, 3) grid.

    Both sides of the grid are whole multiples of the merge size, as the models join neighbouring patches.
    """
    patch = int(pair(request.vision("patch_size", "spatial_patch_size"), 14)[0])
    merge = request.vision("spatial_merge_size", "merge_size", default=2)
    merge = merge if isinstance(merge, int) else 2
    deep = request.vision("temporal_patch_size", "patch_temporal", default=1)
    high, wide = (max(side // (patch * merge), 1) * merge for side in size(request))
    time = max(-(-count // deep), 1)
    count = request.batch * time * high * wide
    shape: tuple[int, ...] = (count, channels(request) * deep * patch * patch)
    if getattr(request.config, "vlm_config", None) is not None:
        shape = (request.batch, count // request.batch, *shape[1:])  # padded to the largest image of the batch
    layouts = [_layout(request, (name, grid_name), shape, (time, high, wide))]
    if deep == 1 and _convolves(request, patch):
        images = _layout(request, (name, grid_name), (count, channels(request), patch, patch), (time, high, wide))
        layouts.insert(0, images)
    elif deep == 1 and not _convolves(request):
        # Squares of pixels, one for each token, with their colours last.
        side = merge * patch
        squares = (count // merge**2, side, side, channels(request))
        layouts.append(_layout(request, (name, grid_name), squares, (time, high // merge, wide // merge)))
    if "images_per_sample" in request.taken:
        # The grid of the image to make follows that of each image given.
        two = filled((request.batch,), 2)
        layouts = [
            {**one, grid_name: one[grid_name].repeat_interleave(2, 0), "images_per_sample": two} for one in layouts
        ]
    merges = grid_name.replace("grid_thw", "merge_sizes")
    if merges in request.taken:
        layouts = [{**one, merges: filled((request.batch,), merge)} for one in layouts]
    return layouts[0] if len(layouts) == 1 else first_accepted(request, layouts)


def _layout(
    request: Request, names: tuple[str, str], shape: tuple[int, ...], grid: tuple[int, int, int]
) -> dict[str, torch.Tensor]:
    """Values of this shape and this grid for each image, under the two names."""
    grids = torch.tensor([grid] * request.batch, dtype=torch.int64, device="cpu")
    return {names[0]: noise(shape, request.dtype), names[1]: grids}


def _convolves(request: Request, patch: int | None = None) -> bool:
    """Whether each patch goes through a convolution as a small image, not through a product as a row.

    Without `patch`: whether there is a convolution at all, over space or over space and time.
    """
    return isinstance(request.model, nn.Module) and any(
        (isinstance(one, (nn.Conv2d, nn.Conv3d)) and patch is None)
        or (isinstance(one, nn.Conv2d) and one.kernel_size == (patch, patch))
        for one in request.model.modules()
    )


def packed(request: Request) -> dict[str, torch.Tensor]:
    """All patches of all images as rows of values, and each image's (height, width) in patches.

    An encoder by itself takes whole images as well.
    """
    patch = int(request.vision("patch_size", default=16))
    if "input_ids" not in request.taken:
        return {"pixel_values": noise((request.batch, channels(request), *size(request)), request.dtype)}
    merge = max(round(1 / request.whole("downsample_ratio", default=1)), 1)
    high, wide = (max(side // (patch * merge), 1) * merge for side in size(request))
    shape = (request.batch * high * wide, channels(request) * patch * patch)
    grid = torch.tensor([[high, wide]] * request.batch, dtype=torch.int64, device="cpu")
    return {"pixel_values": noise(shape, request.dtype), "image_grid_hw": grid}


def pooled(request: Request) -> dict[str, torch.Tensor]:
    """Images as (crops, patches, channels · patch²), the patches that become each token, and the grid of tokens.

    A small image is one crop, beside the whole image scaled down; squares of two by two patches become a token.
    """
    patch = int(request.vision("patch_size", default=14))
    high, wide = (max(side // patch, 1) for side in size(request))
    down, across = -(-high // 2), -(-wide // 2)
    places = torch.full((2 * down, 2 * across), -1, dtype=torch.int64, device="cpu")  # beyond the edge there is none
    places[:high, :wide] = torch.arange(high * wide, device="cpu").reshape(high, wide)
    crop = places.reshape(down, 2, across, 2).transpose(1, 2).reshape(-1, 4)
    crops = 2 * request.batch
    named = {"pixel_values": noise((crops, *row_shape(request, high * wide)), request.dtype)}
    named["image_token_pooling"] = torch.cat(
        [torch.where(crop < 0, crop, crop + one * high * wide) for one in range(crops)]
    )
    grids = [[down, across, down, across]] * request.batch
    named["image_grids"] = torch.tensor(grids, dtype=torch.int64, device="cpu")
    named["image_num_crops"] = filled((request.batch,), 2)
    return named


def folds(model: Any) -> bool:
    """Whether a built model folds the time and space of each patch into its width, layer by layer."""
    return isinstance(model, nn.Module) and any(hasattr(one, "t_fold") for one in model.modules())


def row_shape(request: Request, count: int) -> tuple[int, int]:
    """So many patches as rows of their values."""
    return count, channels(request) * int(request.vision("patch_size", default=14)) ** 2


def reads_rows(request: Request) -> bool:
    """Whether a product, not a convolution, embeds the patches of an image, and no grid says where they are."""
    if not isinstance(request.model, nn.Module) or not isinstance(request.vision("patch_size"), int):
        return False
    modules = list(request.model.modules())
    first = next((one for one in modules if isinstance(one, nn.Linear)), None)
    convolves = any(isinstance(one, (nn.Conv2d, nn.Conv3d)) for one in modules)
    table = isinstance(getattr(request.model, "positional_embedding", None), nn.Parameter)
    return table and not convolves and first is not None and first.in_features == row_shape(request, 1)[1]


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


def rows(request: Request) -> dict[str, torch.Tensor]:
    """The patches of images as a vision encoder alone gets them, under the name it has for them, and a grid."""
    name = "hidden_states" if "hidden_states" in request.taken else "pixel_values"
    return patches(request, name, "grid_thw", 1)


def placed(request: Request) -> dict[str, torch.Tensor]:
    """Images as (batch, patches, channels · patch²), and the (column, row) of each patch.

    Squares of `pooling_kernel_size` patches become one token, so they fill the image.
    """
    patch = int(request.vision("patch_size", default=16))
    pool = int(request.vision("pooling_kernel_size", default=1))
    high, wide = (max(side // (patch * pool), 1) * pool for side in size(request))
    cells = [[column, row] for row in range(high) for column in range(wide)]
    name = next(one for one in ("pixel_position_ids", "image_position_ids") if one in request.taken)
    return {
        "pixel_values": noise((request.batch, high * wide, channels(request) * patch * patch), request.dtype),
        name: torch.tensor([cells] * request.batch, dtype=torch.int64, device="cpu"),
    }
