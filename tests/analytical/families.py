"""Tiny random models of each family, every dimension different so that a swapped one shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

GQA = {
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "vocab_size": 53,
}
NARROW = {name: size for name, size in GQA.items() if name != "head_dim"}
MHA = {name: size for name, size in NARROW.items() if name != "num_key_value_heads"}
BERT = {**MHA, "max_position_embeddings": 29, "type_vocab_size": 3}
T5 = {
    "d_model": 22,
    "d_kv": 6,
    "d_ff": 31,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 5,
    "vocab_size": 41,
}
VIT = {
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": (20, 27),
    "patch_size": (5, 4),
    "num_channels": 2,
    "num_labels": 7,
}
DEEPSEEK = {
    "hidden_size": 27,
    "intermediate_size": 37,
    "moe_intermediate_size": 11,
    "num_hidden_layers": 4,
    "first_k_dense_replace": 1,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "n_routed_experts": 6,
    "n_shared_experts": 2,
    "num_experts_per_tok": 3,
    "n_group": 2,
    "topk_group": 2,
    "kv_lora_rank": 13,
    "q_lora_rank": 17,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 9,
    "v_head_dim": 7,
    "vocab_size": 53,
}
MOE = {"num_local_experts": 5, "num_experts_per_tok": 3}
QWEN_MOE = {"num_experts": 5, "num_experts_per_tok": 3, "moe_intermediate_size": 19, "decoder_sparse_step": 2}

FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": (
        "GPT2Config",
        "GPT2LMHeadModel",
        {"n_embd": 24, "n_layer": 3, "n_head": 4, "vocab_size": 53, "n_positions": 29},
    ),
    "gpt2-wide": (
        "GPT2Config",
        "GPT2LMHeadModel",
        {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_inner": 31, "vocab_size": 53, "n_positions": 29},
    ),
    "llama-2": ("LlamaConfig", "LlamaForCausalLM", MHA),
    "llama-3": ("LlamaConfig", "LlamaForCausalLM", GQA),
    "llama-biased": ("LlamaConfig", "LlamaForCausalLM", {**GQA, "attention_bias": True, "mlp_bias": True}),
    "mistral": ("MistralConfig", "MistralForCausalLM", {**GQA, "sliding_window": 5}),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", NARROW),
    "qwen2.5-tied": ("Qwen2Config", "Qwen2ForCausalLM", {**NARROW, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", GQA),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", GQA),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", {**GQA, "sliding_window": 5}),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", {**GQA, "num_hidden_layers": 7, "sliding_window": 5}),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM", {**GQA, **MOE}),
    "qwen2-moe": (
        "Qwen2MoeConfig",
        "Qwen2MoeForCausalLM",
        {**NARROW, **QWEN_MOE, "shared_expert_intermediate_size": 23},
    ),
    "qwen3-moe": ("Qwen3MoeConfig", "Qwen3MoeForCausalLM", {**GQA, **QWEN_MOE, "mlp_only_layers": [0]}),
    "deepseek-v3": ("DeepseekV3Config", "DeepseekV3ForCausalLM", DEEPSEEK),
    "deepseek-v3-full-query": (
        "DeepseekV3Config",
        "DeepseekV3ForCausalLM",
        {**DEEPSEEK, "q_lora_rank": None},
    ),
    "bert": ("BertConfig", "BertModel", BERT),
    "bert-masked": ("BertConfig", "BertForMaskedLM", BERT),
    "bert-classifier": ("BertConfig", "BertForSequenceClassification", {**BERT, "num_labels": 7}),
    "roberta": ("RobertaConfig", "RobertaForMaskedLM", BERT),
    "electra": ("ElectraConfig", "ElectraForMaskedLM", {**BERT, "embedding_size": 14}),
    "t5": ("T5Config", "T5ForConditionalGeneration", T5),
    "t5-gated": ("T5Config", "T5ForConditionalGeneration", {**T5, "feed_forward_proj": "gated-gelu"}),
    "vit": ("ViTConfig", "ViTForImageClassification", VIT),
    "vit-unbiased": ("ViTConfig", "ViTForImageClassification", {**VIT, "qkv_bias": False}),
    "gpt-neox-unbiased": ("GPTNeoXConfig", "GPTNeoXForCausalLM", {**MHA, "attention_bias": False}),
    "vit-pooled": ("ViTConfig", "ViTModel", {**VIT, "pooler_output_size": 19}),
    "opt": (
        "OPTConfig",
        "OPTForCausalLM",
        {
            "hidden_size": 24,
            "ffn_dim": 37,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": 53,
            "max_position_embeddings": 29,
            "word_embed_proj_dim": 24,
        },
    ),
    "bloom": (
        "BloomConfig",
        "BloomForCausalLM",
        {"hidden_size": 24, "n_layer": 2, "n_head": 4, "vocab_size": 53},
    ),
    "gptj": (
        "GPTJConfig",
        "GPTJForCausalLM",
        {
            "n_embd": 24,
            "n_layer": 2,
            "n_head": 4,
            "vocab_size": 53,
            "n_positions": 29,
            "rotary_dim": 4,
            "n_inner": 37,
        },
    ),
    "falcon": (
        "FalconConfig",
        "FalconForCausalLM",
        {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 53},
    ),
    "falcon-new": (
        "FalconConfig",
        "FalconForCausalLM",
        {
            "hidden_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_kv_heads": 2,
            "new_decoder_architecture": True,
            "vocab_size": 53,
        },
    ),
    "phi": ("PhiConfig", "PhiForCausalLM", {**MHA, "partial_rotary_factor": 2 / 3}),
    "phi3": ("Phi3Config", "Phi3ForCausalLM", {**NARROW, "pad_token_id": 0}),
    "olmo2": ("Olmo2Config", "Olmo2ForCausalLM", NARROW),
    "olmoe": ("OlmoeConfig", "OlmoeForCausalLM", {**NARROW, "num_experts": 5, "num_experts_per_tok": 3}),
    "granite": ("GraniteConfig", "GraniteForCausalLM", NARROW),
    "stablelm": ("StableLmConfig", "StableLmForCausalLM", {**NARROW, "partial_rotary_factor": 2 / 3}),
    "starcoder2": ("Starcoder2Config", "Starcoder2ForCausalLM", NARROW),
    "deepseek-v2": (
        "DeepseekV2Config",
        "DeepseekV2ForCausalLM",
        {**DEEPSEEK, "topk_method": "greedy", "kv_lora_rank": 14, "qk_nope_head_dim": 8},
    ),
    "cohere": ("CohereConfig", "CohereForCausalLM", NARROW),
    "glm4": ("Glm4Config", "Glm4ForCausalLM", {**GQA, "pad_token_id": 0}),
    "gpt-oss": ("GptOssConfig", "GptOssForCausalLM", {**GQA, **MOE}),
    "mt5": ("MT5Config", "MT5ForConditionalGeneration", T5),
    "deit": ("DeiTConfig", "DeiTForImageClassification", VIT),
    "gpt-neox": ("GPTNeoXConfig", "GPTNeoXForCausalLM", MHA),
}


def build(family: str, seed: int = 0) -> tuple[Any, Any]:
    """Configuration and random model of one family, eager attention, experts run one by one."""
    config_name, model_name, sizes = FAMILIES[family]
    config = getattr(transformers, config_name)(**sizes, attn_implementation="eager")
    config.architectures = [model_name]
    if hasattr(config, "use_cache"):
        config.use_cache = False
    config._experts_implementation = "eager"
    torch.manual_seed(seed)
    return config, getattr(transformers, model_name)(config).eval()


def inputs(config: Any, batch: int, seq: int, target: int | None = None) -> dict[str, torch.Tensor]:
    """Random tokens, or pixels for an image model."""
    if getattr(config, "patch_size", None):
        return {"pixel_values": torch.rand(batch, config.num_channels, *config.image_size)}
    tokens = {"input_ids": torch.randint(4, 40, (batch, seq))}
    if config.is_encoder_decoder:
        tokens["decoder_input_ids"] = torch.randint(4, 40, (batch, target or seq))
    return tokens


def dispatched(call: Callable[[], object]) -> FlopCounterMode:
    """PyTorch's own counter, with attention on the path made of matrix products."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        call()
    return counter
