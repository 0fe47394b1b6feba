"""Inputs from a Hugging Face configuration alone, by the names that the model's forward takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from calprof.inputs.arguments import Inputs, phrase
from calprof.inputs.arranged import arranged
from calprof.inputs.heads import model_class
from calprof.inputs.images import pixels, videos
from calprof.inputs.parts import embeddings
from calprof.inputs.placeholders import has_placeholders, place, placeholders
from calprof.inputs.request import Request
from calprof.inputs.required import reads_ids, required
from calprof.inputs.series import series, trajectory
from calprof.inputs.sizes import checked_edges, checked_size
from calprof.inputs.sound import features, waveform
from calprof.inputs.text import decoder_ids, describe_tokens, random_ids
from calprof.inputs.traits import (
    check_length,
    class_name,
    codes_a_step,
    config_vocabulary,
    forward_parameters,
    is_table,
    main_input,
    placement,
    positions,
    tables_of_codes,
    unwrapped,
    vocabulary,
)
from calprof.inputs.values import filled

DEFAULT_LENGTH = 128
TEXT = ("input_ids", "attention_mask", "decoder_input_ids", "token_type_ids")


def from_config(
    model_or_config: Any,
    batch: int = 1,
    seq: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    seconds: float | None = None,
    frames: int | None = None,
) -> Inputs:
    """Random inputs of the sizes that a Hugging Face configuration states, for the forward of its model.

    Args:
        model_or_config: a Hugging Face model, or its configuration; the class is then the first of its
            `architectures`, or the one of the auto classes that fits.
        batch: samples.
        seq: text tokens of each sample, the placeholders of images and sound not among them; by default
            128, or as many as the model has positions for. Decoders get as many.
        image_size: height and width in pixels, one number for both; by default the configuration's, or 224.
        seconds: length of the sound; by default the length the model is fixed to, or 1 s.
        frames: frames of a video; by default the configuration's, or 8. Models that take images and videos
            get a video when this is given, else an image.

    Raises:
        TypeError: not a Hugging Face model or configuration, or sizes that are not numbers.
        ValueError: sizes below 1, or more tokens than the model's learned positions.
    """
    request = _request(model_or_config, batch, seq, image_size, seconds, frames)
    named = arranged(request, _senses(request))
    if "qformer_input_ids" in request.taken:
        named.update(_queries(request))
    if _has_no_table(request):
        named["inputs_embeds"] = embeddings(request)
    elif reads_ids(request) and "input_ids" not in named and not _heard_instead(request, named):
        named.update(_text(request, named))
    if "decoder_input_ids" in request.taken:
        length = request.seq or _length(request)
        if isinstance(request.model, nn.Module):
            check_length(request.model, length)
        shape: tuple[int, ...] = (request.batch, length)
        channels = getattr(getattr(request.config, "decoder_config", None), "num_channels", None)
        if isinstance(channels, int):
            shape = (*shape, channels)  # one code of each codebook at every step
        books = getattr(getattr(request.config, "decoder", None), "num_codebooks", None)
        if isinstance(books, int):
            shape = (request.batch * books, length)  # a sequence of codes for each codebook
        named["decoder_input_ids"] = decoder_ids(request.config, shape)
    everything = {**named, **required(request, named)}
    _, device = placement(request.model) if isinstance(request.model, nn.Module) else (None, "cpu")
    kwargs = pytree.tree_map_only(torch.Tensor, lambda value: value.to(device), everything)
    return Inputs((), kwargs, description_of(kwargs))


def _request(model_or_config: Any, batch: Any, seq: Any, image_size: Any, seconds: Any, frames: Any) -> Request:
    """The request with every size checked and the forward's names looked up."""
    is_model = isinstance(model_or_config, nn.Module)
    config = getattr(unwrapped(model_or_config), "config", None) if is_model else model_or_config
    if not hasattr(config, "model_type"):
        kind = type(model_or_config).__name__
        raise TypeError(f"model_or_config is {kind}; expected a Hugging Face model or configuration.")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, (int, float))):
        raise TypeError(f"seconds is {seconds!r}; expected a positive number.")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds is {seconds!r}; expected a positive number.")
    model = model_or_config if is_model else model_class(config)
    return Request(
        model=model,
        config=config,
        taken=forward_parameters(model),
        main=main_input(model) or "",
        batch=checked_size(batch, "batch"),
        seq=None if seq is None else checked_size(seq, "seq"),
        image_size=checked_edges(image_size),
        seconds=seconds,
        frames=None if frames is None else checked_size(frames, "frames"),
        dtype=placement(model)[0] if is_model else torch.float32,
    )


def _senses(request: Request) -> dict[str, torch.Tensor]:
    """What the model sees, hears or forecasts: the one its main input is for, or the first it takes."""
    table = dict(BUILDERS)
    if hasattr(request.config, "audio_config") and hasattr(request.config, "video_config"):
        return {**waveform(request), **videos(request)}  # an encoder of both at once
    if request.main in table:
        return table[request.main](request)
    if request.frames and "pixel_values_videos" in request.taken:
        return videos(request)
    if getattr(request.config, "vision_config", request) is None and "pixel_values" in request.taken:
        return {}  # a multimodal model configured without its vision tower
    if "grid_thw" in request.taken:
        return pixels(request)
    order = [
        "pixel_values", *_sounds(request), "pixel_values_videos", "image_patches", "flattened_patches", "audio_mel",
    ]  # fmt: skip
    if request.seconds and not request.image_size:
        order = [*_sounds(request), "pixel_values"]
    return next((table[name](request) for name in order if name in request.taken), {})


def _sounds(request: Request) -> tuple[str, str]:
    """The two inputs for sound, the one that the encoder inside reads first."""
    encoder = getattr(request.config, "encoder", None)
    raw = encoder is not None and "conv_dim" in vars(encoder)
    return ("input_values", "input_features") if raw else ("input_features", "input_values")


def _length(request: Request) -> int:
    longest = positions(request.model) if isinstance(request.model, nn.Module) else None
    return min(DEFAULT_LENGTH, longest or DEFAULT_LENGTH)


def _text(request: Request, named: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Token ids with the placeholders of what else the model gets, and the masks that go with them."""
    is_model = isinstance(request.model, nn.Module)
    rows = _rows(request)
    length = request.seq or _length(request)
    if is_model:
        check_length(request.model, length)
    shape: tuple[int, ...] = (request.batch, length)
    if class_name(request.model).endswith("ForMultipleChoice"):
        shape = (request.batch, 2, length)
    masked = shape = _with_codes(request, shape) if is_model else shape
    if is_model:
        shape = (*shape, *codes_a_step(request.model))
    if hasattr(request.config, "codebook_vocab_size") and hasattr(request.config, "num_codebooks"):
        shape = (*shape, request.config.num_codebooks + 1)  # a token of the text and a code of each codebook
    ids, kinds = random_ids(request.config, rows, shape), filled(shape, 0)
    found = placeholders(request, named)
    if found:
        ids, kinds = place(ids, found)
    text = {"input_ids": ids}
    # Between bytes and patches there are masks that the model around makes.
    if "attention_mask" in request.taken and "patch_ids" not in request.taken:
        text["attention_mask"] = filled(ids.shape[: len(masked)], 1)
    for name in ("mm_token_type_ids", "token_type_ids"):
        if found and name in request.taken:
            text[name] = kinds
    if found and "image_embeds_position_mask" in request.taken:
        text["image_embeds_position_mask"] = kinds
    if "lang_ids" in request.taken:
        text["lang_ids"] = filled(shape[:1], 0)
    if "bbox" in request.taken:
        text["bbox"] = filled((*ids.shape, 4), 0)
    return text


def _with_codes(request: Request, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of token ids for a model that may be one of sound, with codes of several codebooks."""
    if "last_hidden_state" in request.taken and hasattr(request.config, "num_codebooks"):
        return (request.batch, request.config.num_codebooks)  # the codes of one step, one after the other
    return (request.batch * tables_of_codes(request.model), *shape[1:])


def _heard_instead(request: Request, named: dict[str, torch.Tensor]) -> bool:
    """Whether the encoder of an encoder-decoder model reads sound in the place of tokens."""
    sound = "input_features" in named and not hasattr(request.config, "text_encoder")
    return sound and "decoder_input_ids" in request.taken and not has_placeholders(request.config)


def _has_no_table(request: Request) -> bool:
    """Whether the model gets embedded text from another one, as it has nothing to embed any with but codes."""
    if not isinstance(request.model, nn.Module) or not {"input_ids", "inputs_embeds"} <= {*request.taken}:
        return False
    return all("codec" in name for name, one in request.model.named_modules() if is_table(one))


def _rows(request: Request) -> int | None:
    """How many token ids every embedding of the input knows: a sound decoder's may be another."""
    parts = (getattr(request.config, name, None) for name in ("text_config", "encoder_config"))
    stated = [getattr(part, "vocab_size", None) for part in parts] + [config_vocabulary(request.config)]
    stated.append(getattr(request.config, "codebook_vocab_size", None))
    found = vocabulary(request.model) if isinstance(request.model, nn.Module) else None
    return min((one for one in (*stated, found) if isinstance(one, int) and one), default=None)


def _queries(request: Request) -> dict[str, torch.Tensor]:
    """The text that a query transformer reads beside the image."""
    shape = (request.batch, request.seq or _length(request))
    rows = request.config.qformer_config.vocab_size
    return {
        "qformer_input_ids": random_ids(request.config.qformer_config, rows, shape),
        "qformer_attention_mask": filled(shape, 1),
    }


def description_of(kwargs: Mapping[str, Any]) -> str:
    """Tokens as tokens, everything else by dtype and shape."""
    tokens = {name: value for name, value in kwargs.items() if name in TEXT}
    parts = [f"{name} {phrase(value)}" for name, value in kwargs.items() if name not in TEXT]
    if "input_ids" in tokens:
        parts.insert(0, describe_tokens(tokens["input_ids"].shape, tokens))
    else:
        parts += [f"{name} {phrase(value)}" for name, value in tokens.items()]
    return ", ".join(parts)


BUILDERS = (
    ("pixel_values", pixels),
    ("pixel_values_videos", videos),
    ("image_patches", pixels),
    ("flattened_patches", pixels),
    ("input_values", waveform),
    ("input_features", features),
    ("audio_mel", features),
    ("past_values", series),
    ("states", trajectory),
)
