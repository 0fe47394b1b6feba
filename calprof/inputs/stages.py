"""What the parts of multimodal models take, run by themselves: maps of features, codes, steps, states of a draft."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from calprof.inputs.pictures import size
from calprof.inputs.request import Request, lookup, pair
from calprof.inputs.sound import DEFAULT_RATE, FRAMES_PER_SECOND, frame_count
from calprof.inputs.text import draw_ids
from calprof.inputs.values import filled, noise

QUESTIONS = 2
PATCH = 4  # bytes of a patch
WIDTHS = ("hidden_size", "d_model", "embed_dim")


def patch_count(request: Request) -> torch.Tensor:
    """How many of the embedded tokens, from the first on, are patches: half of them; or how many patches bytes make."""
    made = -(-request.length // PATCH) if "patch_ids" in request.taken else request.length // 2
    return filled((), max(made, 1))


def patch_ids(request: Request) -> torch.Tensor:
    """(batch, length) numbers of the patch that each byte belongs to."""
    return (torch.arange(request.length, device="cpu") // PATCH).expand(request.batch, -1).contiguous()


def sample_counts(request: Request) -> torch.Tensor:
    """(batch,) samples that the frames of each chunk of sound were made of."""
    step = request.audio("hop_length", default=DEFAULT_RATE // FRAMES_PER_SECOND)
    return filled((request.batch,), frame_count(request) * int(step))


def speaker(request: Request) -> torch.Tensor:
    """(batch, frames, width) of the embedded voice, once for each frame that is denoised."""
    return noise(_denoised(request, _stated(request, "enc_emb_dim", default=1)), request.dtype)


def conditioning(request: Request) -> torch.Tensor:
    """(batch, width) of the embedded voice."""
    return noise((request.batch, _stated(request, "enc_emb_dim", default=1)), request.dtype)


def codes(request: Request) -> torch.Tensor:
    """(batch, length) codes of the tokens of a codec."""
    return draw_ids(int(_stated(request, "num_embeds", "vocab_size", default=2)), (), (request.batch, request.length))


def step(request: Request) -> torch.Tensor:
    """(batch,) times of a diffusion."""
    return torch.full((request.batch,), 0.5, dtype=request.dtype, device="cpu")


def feature_map(request: Request) -> torch.Tensor:
    """(batch, width, height, width) vectors, one for each patch of an image."""
    patch = pair(request.vision("patch_size"), 16)
    grid = (max(side // one, 1) for side, one in zip(size(request), patch, strict=True))
    return noise((request.batch, request.whole("hidden_size", default=1), *grid), request.dtype)


def feature_maps(request: Request) -> list[torch.Tensor]:
    """Maps of features at several resolutions, each half as fine as the one before, the last one of patches."""
    last = feature_map(request)
    count = int(request.whole("num_upsampling_stages", default=1))
    return [
        noise((*last.shape[:2], *(side << finer for side in last.shape[2:])), request.dtype)
        for finer in reversed(range(count))
    ]


def vision_features(request: Request) -> torch.Tensor | list[torch.Tensor]:
    """Maps of features where the forward names a list of them, else one map as (batch, places, width)."""
    if "list" in str(request.taken["vision_features"].annotation):
        return feature_maps(request)
    return places(request)


def places(request: Request) -> torch.Tensor:
    """(batch, places, width) vectors, one for each patch of an image."""
    return feature_map(request).flatten(2).transpose(1, 2).contiguous()


def denoised(request: Request) -> torch.Tensor:
    """(batch, frames, bins) of a spectrogram that is denoised along with codes, several frames for each code."""
    return noise(_denoised(request, _stated(request, "mel_dim", default=80)), request.dtype)


def shared_states(request: Request) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Keys and values for each kind of layer, of the model that a smaller one drafts for."""
    found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    modules: Iterable[Any] = request.model.modules() if isinstance(request.model, nn.Module) else ()
    for module in modules:
        if getattr(module, "is_kv_shared_layer", False):
            heads = module.config.num_attention_heads // module.num_key_value_groups
            one = noise((request.batch, heads, request.length, module.head_dim), request.dtype)
            found[module.layer_type] = (one, one.clone())
    return found


def vectors(request: Request) -> torch.Tensor:
    """(batch, length, width) vectors in place of tokens; a token and a state side by side for a model that drafts."""
    wide = request.whole("input_dim", *WIDTHS, default=1)
    if "shared_kv_states" in request.taken:
        wide = 2 * request.whole("backbone_hidden_size", default=wide)
    return noise((request.batch, request.length, wide), request.dtype)


def queries(request: Request) -> torch.Tensor:
    """(batch, queries, width) vectors, one for each object that is looked for."""
    count = request.whole("num_queries", default=request.length)
    return noise((request.batch, count, request.whole("hidden_size", default=1)), request.dtype)


def last_state(request: Request) -> torch.Tensor:
    """(batch, 1, width) state of the model that a decoder of one step's codebooks goes on from."""
    return noise((request.batch, 1, request.whole("input_size", "hidden_size", default=1)), request.dtype)


def marks(request: Request) -> torch.Tensor:
    """(batch, questions) places in the text, counted from one, that are asked about."""
    return filled((request.batch, QUESTIONS), request.length)


def options(request: Request) -> torch.Tensor:
    """(batch, questions) numbers of answers."""
    return filled((request.batch, QUESTIONS), 2)


def question_types(request: Request) -> torch.Tensor:
    """(batch, questions) kinds of questions: the first."""
    return filled((request.batch, QUESTIONS), 0)


def _stated(request: Request, *names: str, default: int) -> int:
    """The first of these fields that the part of the configuration that denoises, or the whole, has."""
    return int(lookup(request.config, names, ("dit_config",), default))


def _denoised(request: Request, wide: int) -> tuple[int, int, int]:
    return request.batch, request.length * int(_stated(request, "repeats", default=1)), wide
