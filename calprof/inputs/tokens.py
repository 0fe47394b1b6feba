"""Inputs from a Hugging Face tokenizer: random ordinary tokens inside the frame of its special ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from calprof.inputs.arguments import Inputs
from calprof.inputs.sizes import checked_shape
from calprof.inputs.text import TOKEN_INPUTS, decoder_ids, describe_tokens
from calprof.inputs.traits import (
    check_length,
    config_of,
    forward_parameters,
    is_hugging_face,
    main_input,
    placement,
    positions,
    takes_anything,
    vocabulary,
)
from calprof.inputs.values import choices, filled

DEFAULT_LENGTH = 128
PROBES = ("x", "a", "the", "0", "hello world")
PIECES = 8


def from_tokenizer(model: nn.Module, tokenizer: Any, input_shape: Any = None) -> Inputs:
    """Exactly `(batch, length)` tokens for the model's forward, as this tokenizer would lay them out.

    Random non-special tokens stand between the special ones that the tokenizer adds around a text, so
    no position is padding. `token_type_ids` (0) and `attention_mask` (1) are given if both the tokenizer
    names them and the forward takes them; an encoder-decoder model gets `decoder_input_ids` of the same
    length. Ids are below the number of rows of the model's embedding.

    Args:
        model: a Hugging Face model, or any module whose forward takes token ids first.
        tokenizer: a Hugging Face tokenizer, fast or slow, with or without a padding token.
        input_shape: `(batch, length)`; by default one sequence of 128, or as many as the model has
            positions for.

    Raises:
        TypeError: not a tokenizer, or a shape that is not integers.
        ValueError: a shape that is not `(batch, length)`, a length without room for the special tokens
            and one more, or beyond the model's learned positions; a model that reads no tokens.
    """
    if not (callable(tokenizer) and hasattr(tokenizer, "encode") and hasattr(tokenizer, "get_vocab")):
        raise TypeError(f"tokenizer is {type(tokenizer).__name__}; expected a Hugging Face tokenizer.")
    batch, length = _batch_and_length(model, input_shape)
    check_length(model, length)
    name = main_input(model)
    if name is not None and name not in TOKEN_INPUTS and "input_ids" not in forward_parameters(model):
        raise ValueError(
            f"{type(model).__name__} reads {name}, which a tokenizer does not make; expected its processor."
        )
    ids = _framed(model, tokenizer, batch, length)
    _, device = placement(model)
    kwargs = {name: value.to(device) for name, value in _named(model, tokenizer, ids).items()}
    description = describe_tokens((batch, length), kwargs)
    if "input_ids" in forward_parameters(model) or takes_anything(model):
        return Inputs((), kwargs, description)
    return Inputs((kwargs.pop("input_ids"),), kwargs, description)


def _batch_and_length(model: nn.Module, input_shape: Any) -> tuple[int, int]:
    if input_shape is None:
        return 1, default_length(model)
    shape = checked_shape(input_shape)
    if len(shape) != 2:
        raise ValueError(
            f"input_shape is {shape}, of {len(shape)} dimensions; with a tokenizer, expected (batch, length)."
        )
    return shape[0], shape[1]


def default_length(model: nn.Module) -> int:
    """128 tokens, or as many as the model has positions for."""
    return min(DEFAULT_LENGTH, positions(model) or DEFAULT_LENGTH)


def _framed(model: nn.Module, tokenizer: Any, batch: int, length: int) -> torch.Tensor:
    """(batch, length) ids: the special tokens before, ordinary ones, the special tokens after."""
    before, after = special_frame(tokenizer)
    room = length - len(before) - len(after)
    if room < 1:
        special = length - room
        raise ValueError(
            f"input_shape is ({batch}, {length}), but the tokenizer adds {special} special tokens; "
            f"expected a length of at least {special + 1}."
        )
    rows = vocabulary(model)
    ids = torch.cat(
        [
            torch.tensor(before, dtype=torch.int64, device="cpu").expand(batch, -1),
            choices(ordinary_ids(tokenizer, rows), (batch, room)),
            torch.tensor(after, dtype=torch.int64, device="cpu").expand(batch, -1),
        ],
        dim=1,
    )
    return ids if rows is None else ids.clamp(max=rows - 1)


def _named(model: nn.Module, tokenizer: Any, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """The ids under their name, and what the tokenizer names and the forward takes besides."""
    taken = forward_parameters(model)
    fills = {"token_type_ids": 0, "attention_mask": 1}
    named = {"input_ids": ids}
    for name in tokenizer.model_input_names:
        if name in fills and (name in taken or takes_anything(model)):
            named[name] = filled(ids.shape, fills[name])
    if "decoder_input_ids" in taken and is_hugging_face(model):
        named["decoder_input_ids"] = decoder_ids(config_of(model), ids.shape, body=ids)
    return named


def special_frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that the tokenizer puts before and after one text."""
    framed: list[int] = []
    with _settings_kept(tokenizer):
        for probe in _probes(tokenizer):
            bare = list(tokenizer.encode(probe, add_special_tokens=False))
            framed = list(tokenizer.encode(probe, add_special_tokens=True))
            for start in range(len(framed) - len(bare) + 1):
                if bare and framed[start : start + len(bare)] == bare:
                    return framed[:start], framed[start + len(bare) :]
    # The tokenizer makes nothing of any probe, so the frame came back without a text in it.
    opening = (getattr(tokenizer, "cls_token_id", None), getattr(tokenizer, "bos_token_id", None))
    split = 1 if framed and framed[0] in opening else 0
    return framed[:split], framed[split:]


def _probes(tokenizer: Any) -> Iterator[str]:
    """Short texts that the tokenizer can read: common ones, then pieces of its own vocabulary."""
    known = tokenizer.get_vocab()
    # Without a token for the unknown, some tokenizers raise on a text outside their vocabulary.
    yield from (text for text in PROBES if text in known or tokenizer.unk_token is not None)
    yield from (tokenizer.decode([one]) for one in ordinary_ids(tokenizer, None)[:PIECES])


@contextlib.contextmanager
def _settings_kept(tokenizer: Any) -> Iterator[None]:
    """The backend's padding and truncation, which a call of a fast tokenizer sets, put back afterwards."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    padding, truncation = getattr(backend, "padding", None), getattr(backend, "truncation", None)
    try:
        yield
    finally:
        if padding is not None and backend is not None:
            backend.enable_padding(**padding)
        if truncation is not None and backend is not None:
            backend.enable_truncation(**truncation)


def ordinary_ids(tokenizer: Any, rows: int | None) -> list[int]:
    """The ids below `rows` that stand for text; every id below it if the tokenizer has no such token.

    Raises:
        ValueError: the tokenizer has no token at all.
    """
    known = {one for one in tokenizer.get_vocab().values() if rows is None or one < rows}
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {one for one, token in added.items() if getattr(token, "special", False)}
    ordinary = sorted(known - special - set(tokenizer.all_special_ids))
    if not known:
        raise ValueError(f"{type(tokenizer).__name__} has an empty vocabulary; expected tokens to draw from.")
    return ordinary or sorted(known)
