"""Small configurations of any transformers model type, consistent in themselves.

A default configuration is cut down by rules about the names of its fields: stacks of layers to two, widths
divided by one factor throughout (what was equal stays equal, what divided still divides), the vocabulary to
a thousand tokens with every special token inside it, experts to sixteen. Parts are cut like the whole.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tiny_agreement import agree, heads, joined, layers, outputs, pointers, projected, whole
from tiny_fields import KEPT, UNSET
from tiny_settings import ARGUMENTS, SETTINGS

FACTORS = (8, 4, 2, 1)
VOCABULARY = 1000
_DEPTH = re.compile(
    r"(^|_)(n_?layers?|num_layers|num_hidden_layers|depth|layers|num_blocks|n_blocks|num_hidden_blocks|num_self_attends_per_block)$"
    r"|^(num_\w+_layers|num_\w+_blocks|\w+_num_layers|\w+_depth)$"
)
_DEPTH_KEPT = re.compile(
    r"feat_extract|conv_layers|first_k|kv_shared|dense_layers|num_mem_blocks|upsampl|stem|downsample"
)
_WIDTH = re.compile(
    r"(^d_latents$|hidden_size|hidden_dim|hidden_sizes|embed_dim|embedding_size|embedding_dim|intermediate_size|ffn|d_model|"
    r"d_ff|d_kv|d_inner|n_embd|n_inner|width|channels|_dim$|_dims$|^dim$|^dims$|_rank$|head_size|mlp_size|"
    r"expand_size|out_channel$|neck_hidden|num_filters|n_filters|adapter_input_size|inner_dim|rotary_dim|upsample_groups)"
)  # fmt: skip
_WIDTH_KEPT = re.compile(
    r"^(num_channels|in_channels|in_chans|image_channels|audio_channels|num_input_channels|"
    r"num_image_channels|out_channels|input_channels|num_codebooks|state_dim|act_dim|input_dim|vocab_size|"
    r"feature_extraction_channels|target_dim|base_channels|pos_emb_width|feature_projection_input_dim|subsampling_conv_channels)$|ratio|multiplier|factor|time_embed_dim|_token_dim"
)
_EXPERTS = re.compile(r"^(num_experts|num_local_experts|n_routed_experts|moe_num_experts|num_routed_experts|"
                      r"expert_num|n_experts|num_moe_experts)$")  # fmt: skip
_GROUPS = {"n_group": 2, "topk_group": 1, "num_expert_group": 2}
_CHOSEN = re.compile(r"^(num_experts_per_tok|moe_k|moe_topk|top_k_experts|num_experts_per_token|experts_per_token|"
                     r"moe_top_k|moe_router_topk)$")  # fmt: skip
_SENSED = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "video_token_index",
    "audio_token_id",
    "audio_token_index",
)
_MISSING = {"prediction_length": 24, "attn_layer_indices": [1], "vocab_size": 64, "n_routed_experts": 16,
            "n_shared_experts": 1, "mask_token_id": 4, "pad_token_id": 1, "num_experts_per_tok": 2,
            **UNSET, **dict.fromkeys(_SENSED)}  # fmt: skip
# Derived where they are not given, but from the widths and depths of the large model.
_DERIVED = ("rope_parameters", "attention_types")
# Fields that say which layers are of another kind, or which share what others compute.
_KEPT_SMALL = {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1,
               "num_kv_shared_layers": 0, "mm_tokens_per_image": 4, "frames_per_clip": 8,
               "cross_attention_layers": [1], **KEPT,
               "block_types": ("recurrent", "attention"), "attention_types": [[["global", "local"], 1]]}  # fmt: skip
_TOKEN = re.compile(r"(_token_id|_token_index|_token_ids|_patch_id|_tokens_id)$|^(image_token|video_token)_")


def candidates(config_class: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yields small configurations of a class with a word for each, the smallest first.

    Widths cannot always be divided as far (groups of a normalisation, sections of a rotary embedding), so
    there are several, and the first that the model itself accepts is the one to use. In place of one that
    its own class refuses comes the error.

    Raises:
        Exception: What the class raises when it is built with its own defaults.
    """
    default = config_class(**ARGUMENTS.get(config_class.model_type, {}))
    for factor in FACTORS:
        for sections in ("", "time first", "time last") if factor == FACTORS[0] else ("",):
            word = f"widths / {factor}" + f", rotary sections, {sections}" * bool(sections)
            try:
                yield word, small(default, factor, sections)
            except Exception as error:  # a check in the configuration's own class
                yield word, error
    yield "default", default


def small(config: Any, factor: int = FACTORS[0], sections: str = "") -> Any:
    """Returns a configuration like `config`, with two layers in each stack and widths divided by `factor`.

    With `sections` a rotary embedding of text is told how to share a head among time, height and width, and
    whether "time first" or "time last"; some models have a constant in their code that only fits their own width.
    """
    settings = shrunk(config, factor, _identities(config))
    if sections:
        inner = (one for value in settings.values() if hasattr(value, "to_dict") for one in parts(value))
        for part in (settings, *(vars(one) for one in inner)):
            _add_sections(config, part, sections)
    return type(config)(**settings)


def _add_sections(config: Any, part: dict[str, Any], order: str) -> None:
    """Adds sections that fill half a head to the rotary settings of a text model, if it has any."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    heads = part.get("num_attention_heads") or getattr(text, "num_attention_heads", None)
    width = part.get("hidden_size")
    if not hasattr(text, "rope_parameters") or not heads or not width:
        return
    rotary = dict(
        part.get("rope_parameters") or text.rope_parameters or {"rope_type": "default", "rope_theta": 10000.0}
    )
    half = int((part.get("head_dim") or width // heads) * rotary.get("partial_rotary_factor", 1)) // 2
    third = 3 * half // 8
    sections = [half - 2 * third, third, third]
    part["rope_parameters"] = {**rotary, "mrope_section": sections[:: -1 if order == "time last" else 1]}


def shrunk(config: Any, factor: int, ids: Mapping[Any, int]) -> dict[str, Any]:
    """Returns the arguments of a configuration like `config`, but small; special tokens renumbered by `ids`."""
    if vars(config).get("architecture"):
        return _of_timm(config)
    settings: dict[str, Any] = {}
    fresh, declared, held = _fresh(config), _declared(config), _fields(config)
    for name, value in held.items():
        if hasattr(value, "to_dict"):
            settings[name] = type(value)(**shrunk(value, factor, ids))
        elif isinstance(value, list) and value and all(hasattr(one, "to_dict") for one in value):
            settings[name] = [type(one)(**shrunk(one, factor, ids)) for one in value]
        elif (
            declared.get(name, value) is not None
            or name in _DERIVED
            or value != fresh.get(name, value)
            or name in _MISSING
        ):
            found = _small(name, value, factor, ids)
            if found != value or value != fresh.get(name, value):
                settings[name] = found
    settings |= outputs(config, held) | layers(config, held)
    settings |= SETTINGS.get(config.model_type, {})
    settings |= pointers({**held, **settings}) | projected({**held, **settings})
    agree({**held, **settings})
    settings |= joined({**held, **settings})
    return settings | heads({**held, **settings})


def _of_timm(config: Any) -> dict[str, Any]:
    """The fields of a timm model's configuration, whose widths are its own; of a transformer two layers."""
    fields = _fields(config)
    fields["architecture"] = vars(config).get("archirecture", fields["architecture"])  # so misspelt in one default
    if str(fields["architecture"]).startswith("vit_"):
        fields["model_args"] = {**(fields.get("model_args") or {}), "depth": 2}
    # What it hands on may be stated beside its fields.
    return fields | {name: vars(config)[name] for name in ("hidden_size",) if name in vars(config)}


def _small(name: str, value: Any, factor: int, ids: Mapping[Any, int]) -> Any:
    if isinstance(value, bool):
        return value
    if value is None:
        return ids.get(name) if name in _SENSED else _MISSING.get(name)
    if name in _KEPT_SMALL:
        return _KEPT_SMALL[name]
    if _TOKEN.search(name):
        return _renumbered(value, ids)
    if isinstance(value, dict) and name in ("rope_parameters", "rope_scaling"):
        return _rotary(value, factor)
    if isinstance(value, int):
        if "vocab" in name:
            return min(value, VOCABULARY)
        if _EXPERTS.search(name):
            return min(value, 16)
        if _CHOSEN.search(name):
            return min(value, 4)
        if name in _GROUPS:
            return min(value, _GROUPS[name])
        if _DEPTH.search(name) and not _DEPTH_KEPT.search(name):
            return min(value, 2)
    if isinstance(value, (list, tuple)) and name in ("depths", "num_blocks", "layers") and whole(value):
        return type(value)(min(one, 2) for one in value)
    if name == "image_size" and type(value) is int:
        return _smaller_image(value)
    if _WIDTH.search(name) and not _WIDTH_KEPT.search(name):
        divided = _divided(value, factor)
        # Grouped products take rows of whole vectors.
        return divided // 4 * 4 if name == "moe_intermediate_size" and type(divided) is int else divided
    return value


def _smaller_image(size: int) -> int:
    """An image halved while it has more than 448 pixels a side and stays a multiple of 32."""
    while size > 448 and size % 64 == 0:
        size //= 2
    return size


def _divided(value: Any, factor: int) -> Any:
    if isinstance(value, int) and value >= 8 * factor and value % factor == 0:
        return value // factor
    if isinstance(value, (list, tuple)) and whole(value) and all(one % factor == 0 and one for one in value):
        return type(value)(one // factor for one in value)
    return value


def _rotary(value: dict[str, Any], factor: int) -> dict[str, Any]:
    """Rotary settings, those of each kind of layer included, with their sections divided."""
    changed = dict(value)
    for name, inner in value.items():
        if isinstance(inner, dict):
            changed[name] = _rotary(inner, factor)
        elif name.endswith("section") and inner and sum(inner) % factor == 0:
            # The sections fill half a head, before and after.
            less = [one // factor for one in inner]
            changed[name] = [less[0] + sum(inner) // factor - sum(less), *less[1:]]
    return changed


def _renumbered(value: Any, ids: Mapping[Any, int]) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_renumbered(one, ids) for one in value)
    return ids.get(value, value) if isinstance(value, int) else value


def _identities(config: Any) -> dict[Any, int]:
    """New numbers below the vocabulary for the special tokens beyond it, counted down from its end."""
    found: set[int] = set()
    sizes: list[int] = [VOCABULARY]
    for part in parts(config):
        for name, value in _fields(part).items():
            if _TOKEN.search(name):
                found.update(
                    one for one in (value if isinstance(value, (list, tuple)) else [value]) if type(one) is int
                )
            if name == "vocab_size" and type(value) is int and value > 64:
                sizes.append(value)
    size = min(sizes)
    taken = {one for one in found if 0 <= one < size}
    free = (one for one in range(size - 1, 0, -1) if one not in taken)
    return {one: next(free) for one in (*sorted(found), *_SENSED) if isinstance(one, str) or one >= size}


def parts(config: Any) -> Iterator[Any]:
    """Yields a configuration and every one nested in it."""
    yield config
    for value in _fields(config).values():
        if hasattr(value, "to_dict"):
            yield from parts(value)


def _fields(config: Any) -> dict[str, Any]:
    """The fields a configuration is built from, with their values."""
    held = vars(config)
    if dataclasses.is_dataclass(config):
        names = [each.name for each in dataclasses.fields(config) if each.init]
        kept = {name: getattr(config, "attribute_map", {}).get(name, name) for name in names}
        return {name: held[other] for name, other in kept.items() if other in held}
    return {name: value for name, value in held.items() if not name.startswith("_")}


def _fresh(config: Any) -> dict[str, Any]:
    """The fields of a configuration of the same class without arguments, derived ones included."""
    try:
        return _fields(type(config)())
    except Exception:  # a part that cannot stand alone: all of its fields count as set
        return {}


def _declared(config: Any) -> dict[str, Any]:
    """The declared defaults, before anything is derived from them."""
    if not dataclasses.is_dataclass(config):
        return {}
    return {each.name: each.default for each in dataclasses.fields(config)}
