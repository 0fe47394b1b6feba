"""The block mask of `flex_attention`: which blocks of scores its kernel computes at all."""

from __future__ import annotations

from typing import Any

import torch

from calprof.ops.kernels.flex import Blocks

_NO_MASK = 1 << 30
"""The block size with which PyTorch stands for no mask: one block holds everything."""


def blocks_of(query: torch.Tensor, key: torch.Tensor, block_mask: Any) -> Blocks:
    """Returns how many scores lie in the blocks that a mask keeps, wholly or in part.

    Args:
        query: (batch, heads, query length, width).
        key: (batch, heads, key length, width).
        block_mask: `BlockMask.as_tuple()`.
    """
    rows, columns = query.shape[-2], key.shape[-2]
    scores = query.shape[0] * query.shape[1] * rows * columns
    row_block, column_block = [item for item in block_mask if type(item) is int][-2:]
    if row_block >= _NO_MASK and column_block >= _NO_MASK:
        return Blocks(scores, scores)
    # The partial blocks' numbers and indices, then those of the full ones, if there are any.
    tables = [item for item in block_mask if isinstance(item, torch.Tensor) or item is None][:4]
    if any(type(table) is not torch.Tensor for table in tables if table is not None):
        return Blocks(scores, None)
    kept = sum(
        _scores_in(number, indices, (rows, columns), (row_block, column_block), query.shape[:2])
        for number, indices in (tables[:2], tables[2:])
        if number is not None and indices is not None
    )
    return Blocks(scores, kept)


def _scores_in(
    number: torch.Tensor, indices: torch.Tensor, sizes: tuple[int, int], block: tuple[int, int], batch: torch.Size
) -> int:
    """The scores in the first `number` blocks listed for each row of blocks; the last block may be cut off."""
    listed = torch.arange(indices.shape[-1], device=indices.device) < number[..., None]
    widths = (sizes[1] - indices.long() * block[1]).clamp(0, block[1]) * listed
    heights = (sizes[0] - torch.arange(indices.shape[-2], device=indices.device) * block[0]).clamp(0, block[0])
    repeats = (batch[0] // indices.shape[0]) * (batch[1] // indices.shape[1])
    return int((widths.sum(-1) * heights).sum()) * repeats
