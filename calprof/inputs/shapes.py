"""Inputs from a shape: a random tensor of the dtype, the device and the kind that the model starts with."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from calprof.inputs.arguments import Inputs, phrase
from calprof.inputs.configs import from_config
from calprof.inputs.placeholders import has_placeholders
from calprof.inputs.sizes import checked_shape
from calprof.inputs.text import TOKEN_INPUTS, decoder_ids, describe_tokens, random_ids
from calprof.inputs.traits import (
    check_length,
    config_of,
    first_embedding,
    forward_parameters,
    main_input,
    placement,
    vocabulary,
)
from calprof.inputs.values import noise

SENSES = ("pixel_values", "input_features", "input_values")


def from_shape(model: nn.Module, input_shape: Any) -> Inputs:
    """One random tensor of `input_shape` for the model's forward.

    Token ids (int64, uniform over the vocabulary) when the model starts with an embedding or is a Hugging
    Face text model; else standard normal values of the model's dtype. Hugging Face models get it by the name
    of their main input, and encoder-decoder ones get `decoder_input_ids` as well: as long as the token ids,
    or a single start token where the encoder reads no tokens. Models that compare or caption images get
    an image and a text, whichever of them the shape is for.

    >>> from_shape(nn.Linear(3, 5), (2, 3)).description
    'float32 2x3'

    Raises:
        TypeError: `input_shape` is not a tuple or list of integers.
        ValueError: a size below 1, no size, or more tokens than the model's learned positions.
    """
    shape = checked_shape(input_shape)
    name = main_input(model)
    if name is None:
        return _positional(model, shape)
    if name in TOKEN_INPUTS and any(one in forward_parameters(model) for one in SENSES):
        if len(shape) == 4:
            return from_config(model, batch=shape[0], image_size=shape[2:])
        if not has_placeholders(config_of(model)):
            return from_config(model, batch=shape[0], seq=shape[-1])
    dtype, device = placement(model)
    kwargs: dict[str, torch.Tensor] = {}
    if name in TOKEN_INPUTS:
        check_length(model, shape[-1])
        kwargs[name] = random_ids(config_of(model), vocabulary(model), shape).to(device)
    else:
        kwargs[name] = noise(shape, dtype, device)
    if "decoder_input_ids" in forward_parameters(model) and name != "decoder_input_ids":
        length = shape[1] if name in TOKEN_INPUTS and len(shape) == 2 else 1
        kwargs["decoder_input_ids"] = decoder_ids(config_of(model), (shape[0], length)).to(device)
    if name in TOKEN_INPUTS and len(shape) == 2:
        return Inputs((), kwargs, describe_tokens(shape, kwargs))
    return Inputs((), kwargs, ", ".join(f"{key} {phrase(value)}" for key, value in kwargs.items()))


def _positional(model: nn.Module, shape: tuple[int, ...]) -> Inputs:
    dtype, device = placement(model)
    if first_embedding(model) is not None:
        tensor = random_ids(None, vocabulary(model), shape).to(device)
    else:
        tensor = noise(shape, dtype, device)
    return Inputs((tensor,), {}, phrase(tensor))
