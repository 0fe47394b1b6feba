"""What a forward takes besides text, sight and sound: embeddings, queries, prompts, states, regions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from calprof.inputs import parts, stages
from calprof.inputs.request import Request
from calprof.inputs.text import random_ids
from calprof.inputs.traits import class_name, config_vocabulary, crosses, reads_vectors
from calprof.inputs.values import filled, noise

REGIONS = 36
CLASSES = 3


def required(request: Request, named: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The arguments without a default that nothing in `named` stands for, and those that go with them."""
    made: dict[str, Any] = {}
    for name, parameter in request.taken.items():
        needless = parameter.default is not inspect.Parameter.empty and not _expected(request, name, named)
        if name in named or (needless and (name != request.main or named)):
            continue
        builder = BUILDERS.get(name) or next((make for end, make in ENDINGS if name.endswith(end)), None)
        if builder is not None:
            made[name] = builder(request)
    for name, other, build in FOLLOWING:
        if name in {**named, **made} and other in request.taken and other not in named:
            made[other] = build(request)
    return made


def _expected(request: Request, name: str, named: Mapping[str, torch.Tensor]) -> bool:
    """Whether the argument is needed though it has a default."""
    if name == "encoder_hidden_states" and class_name(request.model).endswith("Decoder") and crosses(request.model):
        return True
    if name == "num_patches":
        return "patch_ids" in request.taken
    if name == "inputs_embeds":
        return not reads_ids(request) and not named
    return name in EXPECTED or (name in STATED and request.whole(STATED[name]) is not None)


def reads_ids(request: Request) -> bool:
    """Whether the forward is given token ids, rather than what they were embedded to."""
    given = "shared_kv_states" in request.taken or reads_vectors(request.model)
    return "input_ids" in request.taken and not given


def task(request: Request) -> torch.Tensor:
    """(batch, length) values of a task written as text."""
    return noise((request.batch, int(request.whole("task_seq_len", default=77))), request.dtype)


def state(request: Request) -> torch.Tensor:
    """(batch, size) values of a robot's joints."""
    return noise((request.batch, request.whole("max_state_dim", default=1)), request.dtype)


def regions(request: Request) -> torch.Tensor:
    """(batch, regions, width) features of what a detector found in an image."""
    return noise((request.batch, REGIONS, request.whole("visual_feat_dim", default=1)), request.dtype)


def boxes(request: Request) -> torch.Tensor:
    """(batch, regions, 4) corners of what a detector found in an image."""
    return noise((request.batch, REGIONS, request.whole("visual_pos_dim", default=4)), request.dtype)


def class_tokens(request: Request) -> torch.Tensor:
    """(batch · classes, length) token ids of the names of the classes to find."""
    shape = (request.batch * CLASSES, request.length)
    return random_ids(request.config, config_vocabulary(request.config), shape)


def class_mask(request: Request) -> torch.Tensor:
    """(batch · classes, length) ones."""
    return filled((request.batch * CLASSES, request.length), 1)


def class_counts(request: Request) -> torch.Tensor:
    """(batch,) numbers of classes."""
    return filled((request.batch,), CLASSES)


# Arguments that have a default but are refused if they keep it.
EXPECTED = (
    "visual_feats", "visual_pos", "image", "last_hidden_state", "vision_pos_embeds", "patch_ids",
    "shared_kv_states",
)  # fmt: skip
# The same for models whose configuration has the field.
STATED = {"encoder_hidden_states": "cross_hidden_size"}

Builder = Callable[[Request], Any]
BUILDERS: dict[str, Builder] = {
    "inputs": parts.tokens, "latents": parts.latents, "prompt_pixel_values": parts.picture,
    "prompt_masks": parts.picture, "image": parts.picture, "context_hidden_states": parts.context,
    "task_inputs": task, "state": state, "visual_feats": regions, "visual_pos": boxes,
    "classes_input_ids": class_tokens, "classes_attention_mask": class_mask, "classes_structure": class_counts,
    "input_features": parts.spectrum, "spectrogram": parts.spectrogram, "mel_spectrogram": parts.mel_spectrogram,
    "hidden_states": parts.states, "image_features": parts.layered, "pooled_patches_idx": parts.pooled,
    "audio_input_ids": parts.codes, "encoder_hidden_states": parts.encoded, "mask": parts.mask,
    "num_patches": stages.patch_count, "context": parts.embeddings, "reference_mel": parts.spectrogram,
    "condition_vector": parts.spectrogram, "chunk_sample_lengths": stages.sample_counts,
    "speaker_embedding": stages.speaker, "conditioning": stages.conditioning, "quantized_code": stages.codes,
    "code": stages.codes, "time_step": stages.step, "patch_embeds": stages.feature_map,
    "text_features": parts.embeddings, "decoder_queries": stages.queries, "marks": stages.marks,
    "num_options": stages.options, "question_type_ids": stages.question_types,
    "last_hidden_state": stages.last_state, "vision_features": stages.vision_features,
    "vision_pos_encoding": stages.places, "vision_pos_embeds": stages.feature_maps,
    "backbone_features": stages.feature_maps, "inputs_embeds": stages.vectors, "patch_ids": stages.patch_ids,
    "shared_kv_states": stages.shared_states,
}  # fmt: skip
ENDINGS: tuple[tuple[str, Builder], ...] = (
    ("_input_ids", parts.tokens), ("_embeds", parts.embeddings), ("hidden_states", parts.embeddings),
    ("_features", parts.embeddings), ("_pos_encoding", parts.embeddings), ("_queries", parts.embeddings),
    ("_mask", parts.mask),
)  # fmt: skip
# With the first argument goes the second, though it has a default.
FOLLOWING: tuple[tuple[str, str, Builder], ...] = (
    ("query_embeds", "encoder_hidden_states", parts.encoded),
    ("inputs_embeds", "patch_embeds", parts.patched),
)
