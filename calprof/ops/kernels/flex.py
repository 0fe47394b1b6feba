"""`torch.nn.attention.flex_attention`: attention over the blocks of scores that a mask keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calprof.ops.attention import attention_core
from calprof.ops.registry import Uncountable, define
from calprof.ops.shape import Shape
from calprof.work import Cost


@dataclass(frozen=True, slots=True)
class Blocks:
    """What a block mask keeps.

    Attributes:
        scores: Every score there is: batch x heads x query length x key length.
        kept: Those in blocks that are computed; `None` where the mask's values are not there to be read.
    """

    scores: int
    kept: int | None


@define("attention", "higher_order.flex_attention")
def flex_attention(query: Shape, key: Shape, value: Shape, blocks: Blocks, *_: Any, out: Any, **__: Any) -> Cost:
    """softmax(score_mod(Q·Kᵀ·scale))·V over the blocks that the block mask keeps, wholly or in part.

    A kernel does nothing for the other blocks. What `score_mod` does is noted beside it, once for each score
    kept; `mask_mod` only compares.
    """
    if not isinstance(blocks, Blocks) or blocks.kept is None:
        raise Uncountable("which blocks the mask keeps is in its values, which fake tensors do not have")
    return attention_core(query, key, value, blocks.kept, blocks.kept)
