"""What no attribute of a Hugging Face configuration states, by its ``model_type``.

Which norms, which biases, whether the MLP is gated, which head follows: `Shape` arguments of each family.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ALWAYS_WINDOWED", "ATTENTION_BIAS", "FAMILIES", "LEARNED_POSITIONS", "POOLED"]

ATTENTION_BIAS = frozenset({"qkv", "output"})
EVERY_BIAS = ATTENTION_BIAS | {"ffn"}
ENCODER: dict[str, Any] = {
    "gated": False,
    "causal": False,
    "norm": 2,
    "embedding_norm": True,
    "final_norm": False,
    "tied": True,
    "biases": EVERY_BIAS | {"logits", "classifier"},
    "head": "none",
}
IMAGE: dict[str, Any] = {
    "gated": False,
    "causal": False,
    "norm": 2,
    "biases": EVERY_BIAS | {"classifier"},
    "head": "classifier",
}
PLAIN: dict[str, Any] = {"gated": False, "norm": 2, "tied": True, "biases": EVERY_BIAS}
LLAMA: dict[str, Any] = {"gated": True}
GEMMA: dict[str, Any] = {"gated": True, "tied": True}
FAMILIES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), ENCODER),
    **dict.fromkeys(("vit", "deit"), IMAGE),
    **dict.fromkeys(("gpt2", "opt"), PLAIN),
    "bloom": PLAIN | {"embedding_norm": True},
    "gpt_neo": PLAIN | {"biases": frozenset({"output", "ffn"})},
    "gpt_neox": PLAIN | {"tied": False},
    "gptj": PLAIN | {"tied": False, "norms_per_block": 1, "biases": frozenset({"ffn", "logits"})},
    "phi": PLAIN | {"tied": False, "norms_per_block": 1, "biases": EVERY_BIAS | {"logits"}},
    "falcon": PLAIN | {"biases": frozenset()},
    "starcoder2": PLAIN,
    **dict.fromkeys(("llama", "mistral", "mixtral", "phi3", "granite", "deepseek_v2", "deepseek_v3"), LLAMA),
    **dict.fromkeys(("qwen2", "qwen2_moe"), LLAMA | {"biases": frozenset({"qkv"})}),
    **dict.fromkeys(("qwen3", "qwen3_moe"), LLAMA | {"qk_norm": "head"}),
    **dict.fromkeys(("olmo2", "olmoe"), LLAMA | {"qk_norm": "width"}),
    "stablelm": LLAMA | {"norm": 2},
    "cohere": GEMMA | {"norms_per_block": 1},
    "glm4": LLAMA | {"norms_per_block": 4, "biases": frozenset({"qkv"})},
    "gpt_oss": LLAMA | {"biases": EVERY_BIAS | {"router"}, "sinks": True},
    "gemma": GEMMA,
    "gemma2": GEMMA | {"norms_per_block": 4},
    **dict.fromkeys(("gemma3", "gemma3_text"), GEMMA | {"norms_per_block": 4, "qk_norm": "head"}),
    "t5": {"tied": True},
    "mt5": {"tied": True},
}
LEARNED_POSITIONS = frozenset({"gpt2", "gpt_neo", "opt", "bert", "roberta", "xlm-roberta", "camembert", "electra"})
ALWAYS_WINDOWED = frozenset({"mistral", "mixtral", "phi3"})
POOLED = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "vit", "deit"})
