"""Token ids without a tokenizer: ordinary ones in the middle, the ones a model insists on at the ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from calprof.inputs.traits import text_config
from calprof.inputs.values import choices, integers

TOKEN_INPUTS = ("input_ids", "decoder_input_ids")


def random_ids(config: Any, rows: int | None, shape: Sequence[int]) -> torch.Tensor:
    """Uniform token ids below `rows`, the special ids that the configuration names left out.

    An encoder-decoder model gets its end-of-sequence id last: its classification heads pool there.
    """
    rows = rows or 2
    ids = draw_ids(rows, special_ids(config), shape)
    end = first_id(getattr(config, "eos_token_id", None))
    if getattr(config, "is_encoder_decoder", False) and end is not None and end < rows:
        ids[..., -1] = end
    return ids


def draw_ids(rows: int, avoid: Collection[int], shape: Sequence[int]) -> torch.Tensor:
    """Uniform ids in [0, rows) outside `avoid`; over all of them if nothing else is left."""
    if not avoid:
        return integers(0, rows, shape)
    ordinary = [one for one in range(rows) if one not in avoid]
    return choices(ordinary or range(rows), shape)


def special_ids(config: Any) -> set[int]:
    """The ids that a configuration and its text part name `…_token_id` or `…_token_index`."""
    found: set[int] = set()
    for part in (config, text_config(config)):
        for name, value in vars(part).items() if part is not None else ():
            if name.endswith(("_token_id", "_token_index", "_token_ids")):
                values = value if isinstance(value, (list, tuple)) else (value,)
                found.update(one for one in values if isinstance(one, int))
    return found


def first_id(value: Any) -> int | None:
    """The id, or the first of several; `None` for none and for the negative ids of old configurations."""
    value = value[0] if isinstance(value, (list, tuple)) and value else value
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def start_id(config: Any) -> int:
    """The id a decoder starts with: its own, else the beginning of a sequence, else padding, else 0."""
    parts = (config, getattr(config, "decoder", None), text_config(config))
    for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id"):
        for part in parts:
            found = first_id(getattr(part, name, None))
            if found is not None:
                return found
    return 0


def decoder_rows(config: Any) -> int | None:
    """How many token ids the decoder's embedding has rows for."""
    for part in (
        getattr(config, "decoder", None),
        getattr(config, "decoder_config", None),
        config,
        text_config(config),
    ):
        for name in ("decoder_vocab_size", "vocab_size"):
            size = getattr(part, name, None)
            if isinstance(size, int):
                return size
    return None


def decoder_ids(config: Any, shape: Sequence[int], body: torch.Tensor | None = None) -> torch.Tensor:
    """Token ids for a decoder: the start token, then `body` (random ids by default) shifted right by one."""
    rows = decoder_rows(config) or 2
    ids = draw_ids(rows, special_ids(config), shape) if body is None else body.clamp(max=rows - 1).roll(1, -1)
    ids[..., 0] = min(start_id(config), rows - 1)
    return ids


def describe_tokens(shape: Sequence[int], kwargs: Mapping[str, Any]) -> str:
    """One line for token inputs, such as "1x128 tokens (input_ids, attention_mask)"."""
    return f"{'x'.join(map(str, shape))} tokens ({', '.join(kwargs)})"
