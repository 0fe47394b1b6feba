"""What a forward takes besides text, sight and sound: embeddings, queries, prompts, states, regions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from calprof.inputs import parts
from calprof.inputs.pictures import channels, size
from calprof.inputs.request import Request
from calprof.inputs.sound import features
from calprof.inputs.text import random_ids
from calprof.inputs.traits import class_name, config_vocabulary, crosses, reads_vectors
from calprof.inputs.values import filled, noise

REGIONS = 36
CLASSES = 3


def required(request: Request, named: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The arguments without a default that nothing in `named` stands for, and those that go with them."""
    made: dict[str, Any] = {}
    for name, parameter in request.taken.items():
        needless = parameter.default is not inspect.Parameter.empty and not _expected(request, name, named)
        if name in named or (needless and (name != request.main or named)):
            continue
        builder = BUILDERS.get(name) or next((make for end, make in ENDINGS if name.endswith(end)), None)
        if builder is not None:
            made[name] = builder(request)
    if "query_embeds" in made and "encoder_hidden_states" in request.taken:
        wide = request.whole("encoder_hidden_size", "hidden_size", default=1)
        made["encoder_hidden_states"] = noise((request.batch, length(request), wide), request.dtype)
    return made


def _expected(request: Request, name: str, named: dict[str, torch.Tensor]) -> bool:
    """Whether the forward refuses to run without an argument, although it has a default."""
    if name == "encoder_hidden_states":
        return class_name(request.model).endswith("Decoder") and crosses(request.model)
    if name == "num_patches":
        return "patch_ids" in request.taken
    return name in EXPECTED or (name == "inputs_embeds" and not reads_ids(request) and not named)


def reads_ids(request: Request) -> bool:
    """Whether the forward is given token ids, rather than what they were embedded to."""
    given = "shared_kv_states" in request.taken or reads_vectors(request.model)
    return "input_ids" in request.taken and not given


def length(request: Request) -> int:
    """How many tokens a text has: the caller's number, or 128."""
    return request.length


def tokens(request: Request) -> torch.Tensor:
    """(batch, length) token ids."""
    return random_ids(request.config, config_vocabulary(request.config), (request.batch, length(request)))


def embeddings(request: Request) -> torch.Tensor:
    """(batch, length, width) vectors in place of embedded tokens, or the frames that an encoder of sound projects."""
    wide = request.whole("input_dim", "hidden_size", "d_model", "embed_dim", default=1)
    return noise((request.batch, length(request), wide), request.dtype)


def latents(request: Request) -> torch.Tensor:
    """(batch, width, frames) vectors that a decoder of sound starts from."""
    wide = request.whole("latent_dim", "hidden_size", default=1)
    return noise((request.batch, wide, length(request)), request.dtype)


def picture(request: Request) -> torch.Tensor:
    """(batch, channels, height, width) values."""
    return noise((request.batch, channels(request), *size(request)), request.dtype)


def context(request: Request) -> torch.Tensor:
    """(batch, length, width · layers) states of several layers of another model, side by side."""
    wide = request.whole("hidden_size", default=1) * len(request.whole("target_layer_ids", default=(0,)))
    return noise((request.batch, length(request), wide), request.dtype)


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
    shape = (request.batch * CLASSES, length(request))
    return random_ids(request.config, config_vocabulary(request.config), shape)


def class_mask(request: Request) -> torch.Tensor:
    """(batch · classes, length) ones."""
    return filled((request.batch * CLASSES, length(request)), 1)


def class_counts(request: Request) -> torch.Tensor:
    """(batch,) numbers of classes."""
    return filled((request.batch,), CLASSES)


def spectrum(request: Request) -> torch.Tensor:
    """The frames of the sound that the model also gets as samples."""
    return features(request)["input_features"]


def mask(request: Request) -> torch.Tensor:
    """(batch, length) ones."""
    return filled((request.batch, length(request)), 1)


# Arguments that have a default but are refused if they keep it.
EXPECTED = ("visual_feats", "visual_pos", "image", "feature_lens", "last_hidden_state", "vision_pos_embeds",
            "patch_ids", "shared_kv_states")  # fmt: skip

Builder = Callable[[Request], Any]
BUILDERS: dict[str, Builder] = {
    "inputs": tokens, "latents": latents, "prompt_pixel_values": picture, "prompt_masks": picture, "image": picture,
    "context_hidden_states": context, "task_inputs": task, "state": state, "visual_feats": regions,
    "visual_pos": boxes, "classes_input_ids": class_tokens, "classes_attention_mask": class_mask,
    "classes_structure": class_counts, "input_features": spectrum,
    "num_patches": parts.patch_count, "context": parts.context, "spectrogram": parts.spectrogram,
    "reference_mel": parts.spectrogram, "condition_vector": parts.spectrogram,
    "chunk_sample_lengths": parts.sample_counts, "hidden_states": parts.states, "speaker_embedding": parts.speaker,
    "conditioning": parts.conditioning, "quantized_code": parts.codes, "code": parts.codes, "time_step": parts.step,
    "patch_embeds": parts.feature_map, "text_features": parts.context, "decoder_queries": parts.queries,
    "marks": parts.marks, "num_options": parts.options, "question_type_ids": parts.question_types, "mask": mask,
    "feature_lens": parts.frame_counts, "last_hidden_state": parts.last_state,
    "vision_features": parts.vision_features, "vision_pos_embeds": parts.feature_maps,
    "backbone_features": parts.feature_maps, "encoder_hidden_states": parts.encoded, "inputs_embeds": parts.vectors,
    "patch_ids": parts.patch_ids, "shared_kv_states": parts.shared_states,
}  # fmt: skip
ENDINGS: tuple[tuple[str, Builder], ...] = (
    ("_input_ids", tokens), ("_embeds", embeddings), ("hidden_states", embeddings), ("_mask", mask),
)  # fmt: skip
