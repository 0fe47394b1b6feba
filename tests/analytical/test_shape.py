"""Shapes: what is taken by default, what is refused, and what the configurations of real models say."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from calprof.analytical import Experts, Patches, Shape, flops, forward, known, params, subtotals, weights
from calprof.analytical.terms import add, group, pairs, scale
from calprof.analytical.transformer import block

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
GEMMA = {"num_hidden_layers": 28, "vocab_size": 256000, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh"}

# Parameter counts as published with the weights.
MODELS = {
    "llama-3.1-8b": (LLAMA, 8030261248),
    "llama-3.1-70b": (
        LLAMA
        | {
            "hidden_size": 8192,
            "intermediate_size": 28672,
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
        },
        70553706496,
    ),
    "llama-2-7b": (
        LLAMA | {"intermediate_size": 11008, "num_key_value_heads": 32, "vocab_size": 32000},
        6738415616,
    ),
    "mistral-7b": (
        LLAMA | {"model_type": "mistral", "vocab_size": 32000, "sliding_window": 4096},
        7241732096,
    ),
    "mixtral-8x7b": (
        LLAMA | {"model_type": "mixtral", "vocab_size": 32000, "num_local_experts": 8, "num_experts_per_tok": 2},
        46702792704,
    ),
    "qwen2.5-7b": (
        LLAMA
        | {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
        },
        7615616512,
    ),
    "qwen3-8b": (
        LLAMA
        | {
            "model_type": "qwen3",
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "head_dim": 128,
            "vocab_size": 151936,
        },
        8190735360,
    ),
    "gemma-7b": (
        GEMMA
        | {
            "model_type": "gemma",
            "hidden_size": 3072,
            "intermediate_size": 24576,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
        },
        8537680896,
    ),
    "gemma-2-9b": (
        GEMMA
        | {
            "model_type": "gemma2",
            "hidden_size": 3584,
            "intermediate_size": 14336,
            "num_hidden_layers": 42,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "sliding_window": 4096,
        },
        9241705984,
    ),
    "deepseek-v3": (
        {
            "model_type": "deepseek_v3",
            "hidden_size": 7168,
            "intermediate_size": 18432,
            "moe_intermediate_size": 2048,
            "num_hidden_layers": 61,
            "num_attention_heads": 128,
            "n_routed_experts": 256,
            "n_shared_experts": 1,
            "num_experts_per_tok": 8,
            "first_k_dense_replace": 3,
            "q_lora_rank": 1536,
            "kv_lora_rank": 512,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "vocab_size": 129280,
        },
        671026404352,
    ),
    "bert-base": (
        {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "vocab_size": 30522,
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
        },
        109482240,
    ),
    "t5-small": (
        {
            "model_type": "t5",
            "d_model": 512,
            "d_kv": 64,
            "d_ff": 2048,
            "num_layers": 6,
            "num_heads": 8,
            "vocab_size": 32128,
            "feed_forward_proj": "relu",
            "is_encoder_decoder": True,
            "relative_attention_num_buckets": 32,
        },
        60506624,
    ),
    "vit-b-16": (
        {
            "model_type": "vit",
            "architectures": ["ViTForImageClassification"],
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "image_size": 224,
            "patch_size": 16,
            "id2label": dict.fromkeys(range(1000), "label"),
        },
        86567656,
    ),
    **{
        name: (
            {"model_type": "gpt2", "n_embd": width, "n_layer": layers, "n_head": heads, "vocab_size": 50257}
            | {"n_positions": 1024},
            counted,
        )
        for name, width, layers, heads, counted in (
            ("gpt2", 768, 12, 12, 124439808),
            ("gpt2-medium", 1024, 24, 16, 354823168),
            ("gpt2-large", 1280, 36, 20, 774030080),
            ("gpt2-xl", 1600, 48, 25, 1557611200),
        )
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_published_parameter_counts(name: str) -> None:
    config, counted = MODELS[name]
    assert params(Shape.from_config(config)) == counted
    assert known(config)


def test_active_parameters() -> None:
    shape = Shape.from_config(MODELS["mixtral-8x7b"][0])
    idle = 32 * 6 * 3 * 4096 * 14336  # 6 of 8 experts, three matrices each
    assert params(shape, "active") == 46702792704 - idle == 12879925248


def test_published_forward_macs() -> None:
    """BERT, GPT-2, T5, a small Llama and a small Mixtral at 128 tokens, and ViT-B/16."""
    macs = {
        "bert-base": 11174215680,
        "gpt2": 16114089984,
        "t5-small": 8044675072,
        "vit-b-16": 17563828224,
    }
    for name, counted in macs.items():
        shape = Shape.from_config(MODELS[name][0])
        assert flops(shape, seq=None if shape.patches else 128) == 2 * counted
    small = LLAMA | {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 4}
    small |= {"num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 32000}
    assert flops(Shape.from_config(small), seq=128) == 2 * 3581935616
    mixed = small | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
    mixed |= {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2}
    assert flops(Shape.from_config(mixed), seq=128) == 2 * 1309147136


def test_defaults() -> None:
    shape = Shape(layers=2, hidden=12, heads=4)
    assert (shape.kv_heads, shape.head_size, shape.value_size, shape.ffn, shape.embedding) == (
        4,
        3,
        3,
        48,
        12,
    )
    assert (shape.query_width, shape.key_width, shape.value_width, shape.output_width) == (12, 12, 12, 12)


def test_nested_text_configuration_and_overrides() -> None:
    text = {**LLAMA, "model_type": "gemma3_text", "head_dim": 256, "sliding_window": 512}
    shape = Shape.from_config(SimpleNamespace(text_config=text), head="none")
    assert (shape.head, shape.head_size, shape.norms_per_block, shape.qk_norm) == ("none", 256, 4, "head")
    assert shape.windows[:7] == (512, 512, 512, 512, 512, 0, 512)


def test_an_unknown_family_is_read_by_its_attributes() -> None:
    config = {**LLAMA, "model_type": "something-new"}
    assert not known(config)
    assert Shape.from_config(config) == Shape.from_config(LLAMA)


def test_windows_of_each_family() -> None:
    windowed = {**LLAMA, "num_hidden_layers": 4, "sliding_window": 9}
    every = Shape.from_config({**windowed, "model_type": "mistral"}).windows
    alternate = Shape.from_config({**windowed, "model_type": "gemma2"}).windows
    late = Shape.from_config({**windowed, "model_type": "qwen2", "max_window_layers": 3}).windows
    off = Shape.from_config({**windowed, "model_type": "qwen2", "use_sliding_window": False}).windows
    assert (every, alternate, late, off) == ((9, 9, 9, 9), (9, 0, 9, 0), (0, 0, 0, 9), ())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"hidden": 13}, "hidden 13 is not a multiple of heads 4"),
        ({"kv_heads": 3}, "heads 4 is not a multiple of kv_heads 3"),
        ({"windows": (1,)}, r"one size per layer \(2\), got 1"),
        ({"head": "other"}, "head must be one of none, lm, mlm, classifier, got 'other'"),
        ({"experts": Experts(count=2, top_k=1, ffn=3, layers=(2,))}, "outside 0 to 1"),
    ],
)
def test_bad_shapes_are_refused(sizes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Shape(**{"layers": 2, "hidden": 12, "heads": 4, **sizes})


def test_other_bad_input_is_refused() -> None:
    shape = Shape(layers=2, hidden=12, heads=4, vocabulary=5)
    with pytest.raises(ValueError, match="num_attention_heads or n_head"):
        Shape.from_config({"hidden_size": 3, "num_hidden_layers": 2})
    with pytest.raises(ValueError, match="top_k must be between 1 and the 2 experts, got 3"):
        Experts(count=2, top_k=3, ffn=1, layers=())
    with pytest.raises(ValueError, match="batch and seq of at least 1"):
        forward(shape)
    with pytest.raises(ValueError, match="has 197 tokens, got seq 5"):
        forward(replace(shape, patches=Patches(image=(224, 224), patch=(16, 16))), seq=5)
    with pytest.raises(ValueError, match="layer must be between"):
        block(shape, 2, 1, 3, 3)
    with pytest.raises(ValueError, match="passes must be 1"):
        flops(shape, seq=3, passes=5)
    with pytest.raises(ValueError, match="which must be all"):
        params(shape, "some")


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (7, 7), (1, 13), (5, 11)])
@pytest.mark.parametrize("window", [0, 1, 3, 8, 50])
def test_pairs_by_enumeration(queries: int, keys: int, window: int) -> None:
    seen = [
        (q, k) for q in range(keys - queries, keys) for k in range(keys) if k <= q and (not window or k > q - window)
    ]
    assert pairs(queries, keys, "causal", window) == 2 * len(seen)
    assert pairs(queries, keys) == 2 * queries * keys
    assert pairs(keys, keys, "half") == keys**2


def test_prefill_is_the_sum_of_decoding_each_token_causally() -> None:
    shape = Shape(layers=3, hidden=12, heads=4, kv_heads=2, vocabulary=17, gated=True, windows=(0, 3, 5))
    steps = add(forward(shape, 2, 1, past=past, mask="causal") for past in range(9))
    assert steps == forward(shape, 2, 9, mask="causal")


def test_laws() -> None:
    shape = Shape(layers=3, hidden=12, heads=4, kv_heads=2, vocabulary=17, gated=True)
    assert forward(shape, 5, 7) == scale(forward(shape, 1, 7), 5)
    assert flops(shape, 1, 7, passes=3) == 3 * flops(shape, 1, 7)
    half, full = forward(shape, 1, 8, mask="half"), forward(shape, 1, 8)
    assert 2 * half["attention/scores"] == full["attention/scores"]
    assert forward(shape, 1, 7, logits=1)["logits"] == 2 * 12 * 17
    assert forward(replace(shape, causal=False), 1, 8, mask="causal") == full
    one_layer = add(block(shape, layer, 1, 7, 7) for layer in range(3))
    assert {name: n for name, n in forward(shape, 1, 7).items() if name != "logits"} == one_layer


def test_a_matrix_costs_two_flops_a_token_for_each_of_its_parameters() -> None:
    shape = Shape.from_config(MODELS["deepseek-v3"][0])
    terms, matrices = forward(shape, seq=3), weights(shape)
    for name, count in terms.items():
        if name.endswith(("scores", "weighted")):
            continue
        share = 8 / 256 if "/experts/" in name else 1
        assert count == 2 * 3 * share * matrices[name]


def test_subtotals_and_groups() -> None:
    tree = subtotals({"a/b/x": 1, "a/b/y": 2, "a/c": 4, "d": 8})
    assert (tree["a/b"], tree["a"], tree["total"]) == (3, 7, 15)
    rows = {name: group(name) for name in forward(Shape.from_config(MODELS["deepseek-v3"][0]), seq=3)}
    assert set(rows.values()) == {
        "qkv",
        "scores",
        "weighted values",
        "projection",
        "router",
        "up",
        "gate",
        "down",
        "logits",
    }
    assert group("embedding/token") == "embedding" and group("norm/final") == "rest"


def test_rotary_frequencies_as_a_product() -> None:
    """Versions of transformers that multiply (1, d/2, 1) by (1, 1, s): d/2 x s MACs, whatever the batch."""
    shape = Shape(layers=1, hidden=12, heads=2)
    assert forward(shape, 5, 7, rotary=3)["rotary/frequencies"] == 2 * 3 * 7
