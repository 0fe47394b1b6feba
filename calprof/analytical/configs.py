"""Reading the shape of a Hugging Face configuration, by the names its attributes carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calprof.analytical.families import (
    ALWAYS_WINDOWED,
    ATTENTION_BIAS,
    FAMILIES,
    LEARNED_POSITIONS,
    POOLED,
)
from calprof.analytical.shape import Experts, Latent, Patches

__all__ = ["known", "read"]

# One quantity, the names it goes by: today's first, then the older ones each family keeps.
NAMES: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model", "dim"),
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "head_size": ("head_dim", "d_kv", "kv_channels"),
    "ffn": ("intermediate_size", "n_inner", "d_ff", "ffn_dim", "ffn_hidden_size", "hidden_dim"),
    "vocabulary": ("vocab_size", "padded_vocab_size"),
    "experts": ("n_routed_experts", "num_local_experts", "num_experts"),
}
SIZES = ("layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "vocabulary")


def known(config: Any) -> bool:
    """Whether the family of `config` is one whose count is established; another is read by its attributes."""
    fields = Fields(config)
    return fields.get("model_type") in FAMILIES or Fields(fields.get("text_config")).get("model_type") in FAMILIES


class Fields:
    """A configuration read by name, whether an object or a dict; None counts as missing."""

    def __init__(self, config: Any) -> None:
        self._config = config

    def get(self, *names: str, default: Any = None) -> Any:
        """First of the named attributes that is set, else `default`."""
        for name in names:
            source = self._config
            value = source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
            if value is not None:
                return value
        return default

    def size(self, quantity: str) -> int:
        """The quantity under any of its names, 0 when it has none."""
        value = self.get(*NAMES[quantity], default=0)
        return int(value[0] if isinstance(value, (list, tuple)) else value)


def read(config: Any) -> dict[str, Any]:
    """Keyword arguments of the `Shape` that `config` describes.

    A configuration of several modalities is read through its ``text_config``. The family, from
    ``model_type``, decides what no attribute states: whether the MLP is gated (an unknown family is gated
    when its activation is SiLU), which products have a bias, what the norms are, which head follows. The
    head is the first architecture named, else the one the family is known for.

    Raises:
        ValueError: when the hidden size, number of layers or number of heads is missing.
    """
    fields = Fields(config)
    if not fields.size("hidden") and fields.get("text_config") is not None:
        fields = Fields(fields.get("text_config"))
    missing = [name for name in ("layers", "hidden", "heads") if not fields.size(name)]
    if missing:
        wanted = "; ".join(" or ".join(NAMES[name]) for name in missing)
        raise ValueError(f"the configuration does not say its {', '.join(missing)}: expected {wanted}")
    family = str(fields.get("model_type", default=""))
    facts = dict(FAMILIES.get(family, {}))
    found: dict[str, Any] = {
        **facts,
        **{name: fields.size(name) for name in SIZES},
        "windows": _windows(fields, family, fields.size("layers")),
        "experts": _experts(fields, family, fields.size("layers")),
        "gated": _gated(fields, facts),
        "tied": bool(fields.get("tie_word_embeddings", default=facts.get("tied", False))),
        "biases": _biases(fields, facts),
    }
    if family in LEARNED_POSITIONS:
        # OPT keeps two rows of its table for the padding offset.
        spare = 2 if family == "opt" else 0
        found["positions"] = int(fields.get("n_positions", "max_position_embeddings", default=-spare)) + spare
    if fields.get("kv_lora_rank") is not None:
        found.update(_latent(fields))
    if fields.get("patch_size") is not None:
        found.update(patches=_patches(fields, family), vocabulary=0)
    if facts.get("causal") is False and "patches" not in found:
        found.update(embedding=int(fields.get("embedding_size", default=0)))
        found.update(types=int(fields.get("type_vocab_size", default=0)))
    if fields.get("is_encoder_decoder", default=False):
        found["decoder_layers"] = int(fields.get("num_decoder_layers", default=found["layers"]))
        found["relative_buckets"] = int(fields.get("relative_attention_num_buckets", default=0))
    if family == "falcon" and not fields.get("new_decoder_architecture", default=False):
        found["norms_per_block"] = 1 if fields.get("parallel_attn", default=True) else 2
        found["kv_heads"] = 1 if fields.get("multi_query", default=True) else 0
    found.update(_head(fields, family, facts))
    return found


def _gated(fields: Fields, facts: dict[str, Any]) -> bool:
    projection = fields.get("feed_forward_proj")
    if projection is not None:
        return str(projection).startswith("gated")
    activation = fields.get("hidden_act", "hidden_activation", "activation_function", default="")
    return bool(facts.get("gated", str(activation) in ("silu", "swish")))


def _biases(fields: Fields, facts: dict[str, Any]) -> frozenset[str]:
    if "biases" in facts:
        stated: frozenset[str] = facts["biases"]
        dropped = ATTENTION_BIAS if fields.get("attention_bias") is False else frozenset()
        return stated - dropped - (frozenset({"qkv"}) if fields.get("qkv_bias") is False else frozenset())
    in_attention, in_mlp = fields.get("attention_bias", default=False), fields.get("mlp_bias", default=False)
    return (ATTENTION_BIAS if in_attention else frozenset()) | (frozenset({"ffn"}) if in_mlp else frozenset())


def _windows(fields: Fields, family: str, layers: int) -> tuple[int, ...]:
    window = fields.get("sliding_window")
    if window is None or fields.get("use_sliding_window", default=True) is False:
        return ()
    kinds = fields.get("layer_types")
    if kinds is not None:
        sliding = [kind == "sliding_attention" for kind in kinds]
    elif family in ALWAYS_WINDOWED:
        sliding = [True] * layers
    elif family.startswith("gemma"):
        every = int(fields.get("sliding_window_pattern", default=2 if family == "gemma2" else 6))
        sliding = [(index + 1) % every != 0 for index in range(layers)]
    else:
        first = int(fields.get("max_window_layers", default=layers))
        sliding = [index >= first for index in range(layers)]
    return tuple(int(window) if slides else 0 for slides in sliding) if any(sliding) else ()


def _experts(fields: Fields, family: str, layers: int) -> Experts | None:
    count = fields.size("experts")
    if not count:
        return None
    width = int(fields.get("moe_intermediate_size", default=fields.size("ffn")))
    dense = set(fields.get("mlp_only_layers", default=()))
    dense.update(range(int(fields.get("first_k_dense_replace", default=0))))
    step = int(fields.get("decoder_sparse_step", default=1))
    return Experts(
        count=count,
        top_k=int(fields.get("num_experts_per_tok", "top_k", default=1)),
        ffn=width,
        layers=tuple(i for i in range(layers) if i not in dense and (i + 1) % step == 0),
        shared=int(
            fields.get(
                "shared_expert_intermediate_size",
                default=width * int(fields.get("n_shared_experts", default=0)),
            )
        ),
        shared_gate=family == "qwen2_moe",
    )


def _latent(fields: Fields) -> dict[str, Any]:
    """DeepSeek's attention; its ``head_dim`` names the rotary part only, so it is not the head size."""
    nope, rope = int(fields.get("qk_nope_head_dim")), int(fields.get("qk_rope_head_dim"))
    ranks = {"kv_rank": int(fields.get("kv_lora_rank")), "q_rank": int(fields.get("q_lora_rank", default=0))}
    value = int(fields.get("v_head_dim"))
    return {"latent": Latent(nope=nope, rope=rope, **ranks), "head_size": nope + rope, "value_size": value}


def _patches(fields: Fields, family: str) -> Patches:
    return Patches(
        image=_pair(fields.get("image_size", default=224)),
        patch=_pair(fields.get("patch_size")),
        channels=int(fields.get("num_channels", default=3)),
        extra=2 if family == "deit" else 1,
    )


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, (list, tuple)) else (int(value), int(value))


def _head(fields: Fields, family: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The head named by the first architecture: ``BertModel`` pools, ``BertForMaskedLM`` does not."""
    named = str((fields.get("architectures", default=()) or ("",))[0])
    width = int(fields.get("pooler_output_size", default=fields.size("hidden")))
    pooler = {"pooler": width} if family in POOLED else {}
    kinds = {
        ("ForMaskedLM",): "mlm",
        ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"): "lm",
        ("ForSequenceClassification", "ForImageClassification"): "classifier",
        ("Model",): "none",
    }
    stated = [kind for endings, kind in kinds.items() if named.endswith(endings) and "LMHead" not in named]
    kind = "lm" if "LMHead" in named else (stated or [facts.get("head", "lm")])[0]
    if kind == "classifier":
        # BERT classifies what its pooler returns; an image model classifies the token itself.
        return {"head": kind, "labels": _labels(fields), **(pooler if family == "bert" else {})}
    return {"head": kind, **(pooler if kind == "none" else {})}


def _labels(fields: Fields) -> int:
    labels = fields.get("num_labels", "id2label", default=2)
    return len(labels) if isinstance(labels, Mapping) else int(labels)
