"""Inputs from a Hugging Face processor: a random image or sound, put through the processor itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from calprof.inputs.arguments import Inputs, phrase
from calprof.inputs.configs import description_of
from calprof.inputs.request import pair
from calprof.inputs.sizes import checked_edges, checked_size
from calprof.inputs.text import decoder_ids, first_id
from calprof.inputs.tokens import default_length, from_tokenizer, ordinary_ids, special_frame
from calprof.inputs.traits import (
    config_of,
    forward_parameters,
    is_hugging_face,
    main_input,
    placement,
    takes_anything,
    vocabulary,
)
from calprof.inputs.values import choices, integers, noise

DEFAULT_SIZE = 224
DEFAULT_SECONDS = 1.0
ALIGNED = ("attention_mask", "token_type_ids", "mm_token_type_ids")


def from_processor(
    model: nn.Module,
    processor: Any,
    batch: int = 1,
    seq: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    seconds: float | None = None,
) -> Inputs:
    """What a processor makes of a random image, a random sound, and random text with their placeholders.

    Args:
        model: the model whose forward the inputs are for.
        processor: an image processor, a feature extractor, a tokenizer, or a processor that holds several.
        batch: samples, all alike in size.
        seq: ordinary text tokens, besides the special ones and the placeholders; by default 128, or as many
            as the model has positions for.
        image_size: height and width of the image before processing, one number for both; by default the
            size that the processor scales to, or 224.
        seconds: length of the sound; by default 1 s.

    Raises:
        TypeError: not a processor, or sizes that are not numbers.
        ValueError: sizes below 1.
    """
    batch = checked_size(batch, "batch")
    length = default_length(model) if seq is None else checked_size(seq, "seq")
    if hasattr(processor, "get_vocab"):
        return from_tokenizer(model, processor, (batch, length))
    see, hear = _part(processor, "image_processor"), _part(processor, "feature_extractor")
    if see is None and hear is None:
        kind = type(processor).__name__
        raise TypeError(f"processor is {kind}; expected a Hugging Face image processor or feature extractor.")
    senses: dict[str, Any] = {}
    taken = forward_parameters(model)
    if see is not None and (hear is None or "pixel_values" in taken):
        senses["images"] = random_image(see, image_size)
    elif hear is not None:
        senses["audio"] = random_sound(hear, seconds)
    named = _processed(model, processor, senses, see, hear, length)
    if "decoder_input_ids" in taken and is_hugging_face(model):
        named["decoder_input_ids"] = decoder_ids(config_of(model), (1, length))
    dtype, device = placement(model)
    kwargs = {
        name: value.to(device=device, dtype=dtype if value.is_floating_point() else value.dtype)
        for name, value in repeated(named, batch).items()
        if name in taken or takes_anything(model)
    }
    if not kwargs:  # not a Hugging Face model: what it sees or hears is its first argument
        first = next(iter(repeated(named, batch).values())).to(device=device, dtype=dtype)
        return Inputs((first,), {}, phrase(first))
    return Inputs((), kwargs, description_of(kwargs))


def _part(processor: Any, name: str) -> Any:
    """The part of a processor by this name; the processor itself if that is what it is."""
    part = getattr(processor, name, None)
    if part is not None:
        return part
    if not callable(processor) or hasattr(processor, "tokenizer"):
        return None
    hears = hasattr(processor, "sampling_rate")
    sees = hasattr(processor, "image_mean") or "pixel_values" in getattr(processor, "model_input_names", ())
    return processor if (hears if name == "feature_extractor" else sees and not hears) else None


def random_image(processor: Any, image_size: int | tuple[int, int] | None) -> Any:
    """A (height, width, 3) uint8 array."""
    edges = checked_edges(image_size)
    chosen = edges or getattr(processor, "crop_size", None) or getattr(processor, "size", None)
    height, width = pair(dict(chosen) if isinstance(chosen, Mapping) else chosen, DEFAULT_SIZE)
    return integers(0, 256, (height, width, 3)).to(torch.uint8).numpy()


def random_sound(extractor: Any, seconds: float | None) -> Any:
    """A float32 array at the extractor's sampling rate."""
    samples = int((seconds or DEFAULT_SECONDS) * getattr(extractor, "sampling_rate", 16000))
    return noise((max(samples, 1),)).numpy()


def _processed(
    model: nn.Module, processor: Any, senses: dict[str, Any], see: Any, hear: Any, length: int
) -> dict[str, torch.Tensor]:
    """One sample's tensors, through the whole processor if a placeholder ties its parts together."""
    tokenizer = getattr(processor, "tokenizer", None)
    mark = placeholder(model, processor, "image" if "images" in senses else "audio")
    rate = {"sampling_rate": hear.sampling_rate} if "audio" in senses else {}
    if tokenizer is not None and mark is not None:
        given = {name: [value] for name, value in senses.items()}
        made = processor(text=[mark], return_tensors="pt", **given, **rate)
        return lengthened(model, tokenizer, dict(made), length)
    value = next(iter(senses.values()))
    sense = see if "images" in senses else hear
    made = sense(value, return_tensors="pt", **rate)
    named = {name: one for name, one in dict(made).items() if isinstance(one, torch.Tensor)}
    if tokenizer is not None and "input_ids" in forward_parameters(model) and main_input(model) is not None:
        named.update(from_tokenizer(model, tokenizer, (1, length)).kwargs)
    return named


def placeholder(model: nn.Module, processor: Any, sense: str) -> str | None:
    """The token that stands for an image or a sound in this processor's texts; `None` if it has none."""
    mark = getattr(processor, f"{sense}_token", None)
    tokenizer = getattr(processor, "tokenizer", None)
    if mark is None and tokenizer is not None:
        config = config_of(model)
        number = first_id(getattr(config, f"{sense}_token_id", getattr(config, f"{sense}_token_index", None)))
        mark = None if number is None else tokenizer.convert_ids_to_tokens(number)
    return None if mark is None else str(mark)


def lengthened(model: nn.Module, tokenizer: Any, made: dict[str, Any], length: int) -> dict[str, torch.Tensor]:
    """The processor's tensors with `length` ordinary tokens before the closing special ones of the text."""
    named = {name: one for name, one in made.items() if isinstance(one, torch.Tensor)}
    ids = named["input_ids"]
    _, after = special_frame(tokenizer)
    cut = ids.shape[1] - (len(after) if after and ids[0, -len(after) :].tolist() == after else 0)
    extra = choices(ordinary_ids(tokenizer, vocabulary(model)), (ids.shape[0], length))
    fills = {"input_ids": extra, "attention_mask": torch.ones_like(extra)}
    for name in ("input_ids", *ALIGNED):
        if name in named:
            middle = fills.get(name, torch.zeros_like(extra)).to(named[name].dtype)
            named[name] = torch.cat([named[name][:, :cut], middle, named[name][:, cut:]], dim=1)
    return named


def repeated(named: Mapping[str, torch.Tensor], batch: int) -> dict[str, torch.Tensor]:
    """Every tensor `batch` times along its first dimension, which also the patches of all images share."""
    return {name: value.repeat(batch, *(1,) * (value.dim() - 1)) for name, value in named.items()}
