"""How the fields of a small configuration agree: depths with lists, parts with each other, heads with widths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

JOINED = ("downsample_factor", "scale_factor", "pixel_shuffle_factor")


def outputs(config: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    """The stages that a backbone hands on, where they are others than by default."""
    chosen = getattr(config, "out_features", None)
    if "num_hidden_layers" in held or not chosen or chosen == getattr(type(config)(), "out_features", None):
        return {}
    return {"out_features": list(chosen)}


def joined(held: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes that follow from another part: of the whole from its parts, of the stem from the first stage."""
    if "fusion_hidden_sizes" in held and hasattr(held.get("backbone_config"), "hidden_size"):
        return {"hidden_size": held["backbone_config"].hidden_size}
    if "stem_channels" in held and held.get("stage_in_channels"):
        return {"stem_channels": [*held["stem_channels"][:-1], held["stage_in_channels"][0]]}
    size = getattr(held.get("vision_config"), "image_size", None)
    pins = held.get("image_grid_pinpoints")
    if pins and type(size) is int and any(side % size for pin in pins for side in pin):
        return {"image_grid_pinpoints": [[size, 2 * size], [2 * size, size], [2 * size, 2 * size]]}
    if "visual_indicator_token_ids" in held:
        return {"hidden_size": held["text_config"].hidden_size}
    return {}


def pointers(held: Mapping[str, Any]) -> dict[str, Any]:
    """Lists of layers by number, with every number below the depth."""
    layers = {
        name: type(value)(max(min(one, 1), -2) for one in value)
        for name, value in held.items()
        if name.endswith(("_feature_layers", "_feature_layer")) and isinstance(value, (list, tuple)) and whole(value)
    }
    depth = next(
        (
            held[name]
            for name in ("num_hidden_layers", "depth", "num_layers", "n_layers")
            if type(held.get(name)) is int
        ),
        None,
    )
    if depth is None:
        return layers
    return layers | {
        name: type(value)(min(one, depth - 1) for one in value)
        for name, value in held.items()
        if name.endswith(("_indices", "_indexes", "_hook_ids")) and name != "out_indices"
        and isinstance(value, (list, tuple)) and whole(value) and max(value) >= depth
    }  # fmt: skip


def projected(held: Mapping[str, Any]) -> dict[str, Any]:
    """The widths of a projector that reads squares of patches, after one division of all of them."""
    shuffle, read = held.get("pixel_shuffle_ratio"), held.get("projector_input_dim")
    if shuffle is None or read is None:
        return {}
    wide = int(held["hidden_size"] / shuffle**2)
    return {"intermediate_size": wide, "projector_output_dim": read, "vision_output_dim": read}


def agree(held: Mapping[str, Any]) -> None:
    """Makes the parts of a model fit each other where the default ones do not.

    What the vision part hands on is as wide as the text part; the image has a whole number of the squares of
    patches that become one token, and no more than a few hundred patches.
    """
    vision, text = held.get("vision_config"), held.get("text_config")
    heard, projector = held.get("encoder_config"), held.get("projector_config")
    if hasattr(projector, "encoder_hidden_size") and hasattr(heard, "hidden_dim"):
        projector.encoder_hidden_size = heard.hidden_dim
    sound = held.get("audio_config")
    if type(getattr(sound, "output_dim", None)) is int and hasattr(text, "hidden_size"):
        sound.output_dim = text.hidden_size
    if hasattr(held.get("decoder_config"), "vocab_size") and hasattr(held.get("speech_config"), "vocab_size"):
        held["speech_config"].vocab_size = held["decoder_config"].vocab_size  # of what the decoder says
    if hasattr(held.get("sam_config"), "downsample_channels") and hasattr(heard, "hidden_size"):
        held["sam_config"].downsample_channels = [*held["sam_config"].downsample_channels[:-1], heard.hidden_size]
    if vision is None:
        return
    if hasattr(vision, "projection_dim") and hasattr(vision, "num_image_tokens") and hasattr(text, "hidden_size"):
        vision.projection_dim = text.hidden_size
    if type(getattr(vision, "out_hidden_size", None)) is int and hasattr(text, "hidden_size"):
        vision.out_hidden_size = text.hidden_size
    if hasattr(vision, "embed_dim") and hasattr(vision, "spatial_merge_size") and hasattr(text, "hidden_size"):
        vision.hidden_size = text.hidden_size  # of what it hands on; its own width is the other
    for part in held.values():
        if hasattr(part, "text_hidden_size") and hasattr(text, "hidden_size"):
            part.text_hidden_size = text.hidden_size
    scale = next((held[name] for name in JOINED if held.get(name)), None)
    if isinstance(held.get("downsample_rate"), str):
        scale = int(held["downsample_rate"].rpartition("/")[2])  # the side of a window
    size, patch = getattr(vision, "image_size", None), getattr(vision, "patch_size", None)
    if type(size) is not int or type(patch) is not int:
        return
    if size > 448 and size % patch == 0:
        vision.image_size = size = 16 * patch
    queries = held.get("projector_patch_to_query_dict")
    if queries:
        vision.image_size = size = math.isqrt(min(queries)) * patch
    if type(scale) is int and size % (scale * patch):
        vision.image_size = max(size // (scale * patch), 1) * scale * patch


def layers(config: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    """Lists with an entry for each layer, cut to one layer of each kind but at least two, and the depth."""
    depth = getattr(config, "num_hidden_layers", None)
    name = getattr(config, "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
    if type(depth) is not int or depth <= 2 or name not in held:
        return {}
    outputs = held.get("out_indices") or held.get("_out_indices")
    if outputs and "out_features" in vars(config) | held:
        count = len(outputs)
        return {name: max(count, 2), "out_indices": list(range(1, count + 1)), "out_features": None}
    lists = {
        key: list(value)
        for key, value in held.items()
        if isinstance(value, (list, tuple)) and len(value) == depth and not key.startswith("_")
    }
    named = [value for key, value in lists.items() if key.endswith(("_types", "_type"))]
    kinds = [tuple(str(value[layer]) for value in named) for layer in range(depth)]
    first = sorted({kinds.index(kind) for kind in kinds})
    chosen = sorted((first + [layer for layer in range(depth) if layer not in first])[: max(len(first), 2)])
    if held.get("layer_types", ()) is None:
        lists["layer_types"] = ["full_attention"] * depth
    for key in ("layer_types", "layers_block_type"):
        only = {*lists.get(key, ())}
        if only and only <= {"mamba", "linear_attention"}:
            # A cache of states alone is refused by models that expect attention in some layer.
            lists[key] = ["attention" if "mamba" in only else "full_attention", *lists[key][1:]]
    if [*lists.get("layers_block_type", ())].count("hybrid") > 1 and "attn_layer_period" in held:
        # A shared layer has to be shared with another.
        hybrid = [layer for layer, kind in enumerate(lists["layers_block_type"]) if kind == "hybrid"]
        chosen = sorted({*chosen, *hybrid[:2]})
    return {name: len(chosen)} | {key: [value[layer] for layer in chosen] for key, value in lists.items()}


def heads(held: Mapping[str, Any]) -> dict[str, Any]:
    """Heads of a multiple of four each where the given ones divide the width into anything else.

    A rotary embedding of rows and columns takes a quarter of a head at a time.
    """
    width = next((held[name] for name in ("embed_dim", "d_model", "hidden_size") if type(held.get(name)) is int), None)
    heads = held.get("num_attention_heads")
    shared = {"num_key_value_heads": heads} if held.get("num_key_value_heads", heads) is None and heads else {}
    if width is None or width % 4 or held.get("head_dim") is not None:
        return shared
    if "head_dim" in held and type(heads) is int and heads > 0 and width % (4 * heads) == 0:
        return {"head_dim": width // heads} | shared
    settings: dict[str, Any] = {
        name: next(fewer for fewer in range(held[name], 0, -1) if width % (4 * fewer) == 0)
        for name in ("num_attention_heads", "num_heads", "attention_heads", "n_heads")
        if type(held.get(name)) is int and held[name] > 0 and width % (4 * held[name])
    }
    if not settings:
        return shared
    if type(held.get("num_key_value_heads")) is int:
        settings["num_key_value_heads"] = next(iter(settings.values()))
    return settings


def whole(values: Any) -> bool:
    """Whether these are integers, at least one."""
    return bool(values) and all(type(one) is int for one in values)
