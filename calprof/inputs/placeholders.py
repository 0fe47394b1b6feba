"""The tokens that stand in a text for an image or a sound: which id, and how many of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from calprof.inputs.request import Request, lookup
from calprof.inputs.text import first_id
from calprof.inputs.traits import unwrapped
from calprof.inputs.trials import UNDECIDED, fake_mode_of, needed
from calprof.recording.restore import training_mode


@dataclass(frozen=True)
class Modality:
    """How one sense reaches a text model: the input it comes in, the method that encodes it, its token."""

    inputs: tuple[str, ...]
    method: str
    tokens: tuple[str, ...]
    lengths: tuple[str, ...]
    kind: int


MODALITIES = (
    Modality(
        ("pixel_values", "image_patches", "image_pixel_values"),
        "get_image_features",
        ("image_token_id", "image_token_index", "media_placeholder_token_id", "im_patch_id"),
        ("image_seq_length", "image_seq_len", "mm_tokens_per_image", "num_image_tokens", "latent_query_num"),
        1,
    ),
    Modality(
        ("pixel_values_videos",),
        "get_video_features",
        ("video_token_id", "video_token_index"),
        ("video_seq_length",),
        2,
    ),
    Modality(
        ("input_features", "input_values"),
        "get_audio_features",
        ("audio_token_id", "audio_token_index"),
        ("audio_seq_length",),
        3,
    ),
)

LENGTHS = "_get_feat_extract_output_lengths"


def has_placeholders(config: Any) -> bool:
    """Whether a text points to its images or sounds by tokens, so that it may as well have none."""
    names = tuple(name for modality in MODALITIES for name in modality.tokens)
    return first_id(lookup(config, names, (), None)) is not None


def placeholders(request: Request, named: Mapping[str, torch.Tensor]) -> list[tuple[int, int, int]]:
    """For each sense among the inputs that the text must point to: (token id, how many a sample, kind)."""
    found = []
    for modality in MODALITIES:
        if not any(name in named for name in modality.inputs):
            continue
        token = first_id(request.whole(*modality.tokens))
        if token is None and modality.kind == 1 and "image_embeds_position_mask" in request.taken:
            token = 0  # a mask, not a token, says where the image is
        if token is None:
            continue
        count = _asked(request, modality, named)
        if count is None:
            count = request.whole(*modality.lengths)
        if count is None and method_of(request.model, modality.method) is None and modality.kind == 3:
            count = _coded(request, named)
        if count:
            found.append((token, int(count), modality.kind))
    return found


def place(ids: torch.Tensor, counts: list[tuple[int, int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids with the placeholders after the first of them, and the kind of each (0 is text)."""
    batch = ids.shape[0]
    runs = [torch.full((batch, count), token, dtype=torch.int64, device="cpu") for token, count, _ in counts]
    kinds = [torch.full((batch, count), kind, dtype=torch.int64, device="cpu") for _, count, kind in counts]
    text = torch.zeros_like(ids)
    return (
        torch.cat([ids[:, :1], *runs, ids[:, 1:]], dim=1),
        torch.cat([text[:, :1], *kinds, text[:, 1:]], dim=1),
    )


def _asked(request: Request, modality: Modality, named: Mapping[str, torch.Tensor]) -> int | None:
    """How many rows the model's own encoder makes of one sample; `None` if there is nobody to ask.

    The encoder runs on fake tensors, which cost nothing; one that looks at values runs for real.
    """
    encode = method_of(request.model, modality.method)
    if encode is None:
        return None
    taken = inspect.signature(encode).parameters
    given = {name: value for name, value in named.items() if name in taken}
    missing = [name for name in needed(encode) if name not in given]
    if missing == ["input_ids"]:
        return _reckoned(request.model, given)
    if missing:
        return _patches(named)
    mode = fake_mode_of(request.model)
    with training_mode(request.model, False), torch.no_grad():
        try:
            with mode or FakeTensorMode(allow_non_fake_inputs=True):
                rows = rows_of(_tokenized(request.model, encode(**given), given))
        except (*UNDECIDED, RuntimeError, TypeError):
            if mode is not None:
                return None
            rows = rows_of(_tokenized(request.model, encode(**given), given))
    return rows // request.batch if rows else None


def _tokenized(model: nn.Module, features: Any, given: Mapping[str, torch.Tensor]) -> Any:
    """What stands in the text for an image: its features, or the codes that the model makes of them first."""
    tokenize = method_of(model, "get_image_tokens")
    if tokenize is None or "hidden_states" not in inspect.signature(tokenize).parameters:
        return features
    return tokenize(features.pooler_output, given.get("image_grid_thw"))[:, None]


def _reckoned(model: nn.Module, given: Mapping[str, torch.Tensor]) -> int | None:
    """How many rows the encoder says it makes of so many frames, where it reads the text beside them."""
    frames = next((value.sum(-1) for name, value in given.items() if name.endswith("_mask")), None)
    reckon = next((getattr(one, LENGTHS) for one in model.modules() if hasattr(one, LENGTHS)), None)
    if frames is None or reckon is None:
        return None
    lengths = reckon(frames)
    return int((lengths[-1] if isinstance(lengths, tuple) else lengths)[0])


def _coded(request: Request, named: Mapping[str, torch.Tensor]) -> int:
    """A token for each frame of the sound's codes, or one that the forward itself replaces by all of them."""
    samples = next((value.shape[-1] for name, value in named.items() if name == "input_values"), 1)
    step = request.audio("frame_size") if "input_values_cutoffs" in named else None
    return -(-samples // int(step)) if step else 1


def _patches(named: Mapping[str, torch.Tensor]) -> int | None:
    """How many patches a sample has, for models that embed each by itself."""
    found = named.get("image_patches")
    return None if found is None else found.shape[1]


def method_of(model: Any, name: str) -> Any:
    """The bound method of a built model or of the model inside it, where its arguments are named."""
    if not isinstance(model, nn.Module):
        return None
    inner = unwrapped(model)
    nested = [getattr(inner, part, None) for part in ("model", "thinker", "vlm")]
    for holder in (*nested, *(getattr(one, "model", None) for one in nested), inner):
        method = getattr(holder, name, None)
        # A head that only passes its arguments on names none of them.
        if callable(method) and not any(
            one.kind is one.VAR_POSITIONAL for one in inspect.signature(method).parameters.values()
        ):
            return method
    return None


def rows_of(features: Any) -> int:
    """How many vectors the encoder's output holds, over all its dimensions but the last.

    An encoder that hands on features for several layers of the text model has as many for each of them.
    """
    layers = getattr(features, "deepstack_features", None)
    if layers and getattr(features, "pooler_output", None) is None and isinstance(layers[0], tuple):
        return rows_of(layers[0][1])
    for name in ("pooler_output", "last_hidden_state"):
        if getattr(features, name, None) is not None:
            features = getattr(features, name)
    if isinstance(features, torch.Tensor):
        return features.numel() // features.shape[-1]
    if isinstance(features, (list, tuple)):
        return sum(rows_of(one) for one in features)
    return 0
