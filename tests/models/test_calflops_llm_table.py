"""calflops' table of language models, one sequence of 128 tokens, to the printed digits.

Three contents are mixed in that table: some rows leave out the output head, and of BLOOM's two attention
products one. A row here is profiled with the head its figure has; the rows without are named.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

import calprof
from calprof.models.fake import ShapesOnly, build
from calprof.models.known import find_known

LLAMA = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000}  # fmt: skip
BLOOM = {"model_type": "bloom", "vocab_size": 250880}
PYTHIA = {"model_type": "gpt_neox", "use_parallel_residual": True}
PYTHIA_1B4 = {**PYTHIA, "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16,
              "intermediate_size": 8192, "vocab_size": 50304}  # fmt: skip
PYTHIA_12B = {**PYTHIA, "hidden_size": 5120, "num_hidden_layers": 36, "num_attention_heads": 40,
              "intermediate_size": 20480, "vocab_size": 50688}  # fmt: skip
BLOOM_1B7 = {**BLOOM, "hidden_size": 2048, "n_layer": 24, "n_head": 16}
BLOOM_7B1 = {**BLOOM, "hidden_size": 4096, "n_layer": 30, "n_head": 32}
MOSS = {"model_type": "codegen", "n_embd": 6144, "n_layer": 34, "n_head": 24, "rotary_dim": 64, "n_ctx": 2048,
        "n_positions": 2048, "tie_word_embeddings": False}  # fmt: skip
CHATGLM2 = {"model_type": "glm", "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 28,
            "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 65024,
            "attention_bias": True, "pad_token_id": 0, "tie_word_embeddings": False}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A printed row: parameters and GMACs of the forward and of forward and backward; whether the head is in it."""

    config: dict
    params: int
    gmacs: str
    both: str
    head: bool = True
    products: int = 2


ROWS = {
    "bloom-1b7": Row(BLOOM_1B7, 1722408960, "155.42", "466.27", head=False, products=1),
    "bloom-7b1": Row(BLOOM_7B1, 7069016064, "775.11", "2325.32", head=False, products=1),
    "bloomz-1b7": Row(BLOOM_1B7, 1722408960, "155.42", "466.27", head=False, products=1),
    # The same layers as Llama-7B, with another vocabulary.
    "baichuan-7B": Row({**LLAMA, "vocab_size": 64000}, 7000559616, "866.78", "2600.33"),
    "chatglm2-6b": Row(CHATGLM2, 6243584000, "768.8", "2306.4"),
    "llama-7b": Row(LLAMA, 6738415616, "850", "2550"),
    "llama2-7b": Row(LLAMA, 6738415616, "850", "2550"),
    "llama2-7b-chat": Row(LLAMA, 6738415616, "850", "2550"),
    "chinese-llama-7b": Row({**LLAMA, "vocab_size": 49953}, 6885486592, "859.41", "2578.24"),
    "chinese-llama-plus-7b": Row({**LLAMA, "vocab_size": 49953}, 6885486592, "859.41", "2578.24"),
    "EleutherAI/pythia-1.4b": Row(PYTHIA_1B4, 1311625216, "156.23", "468.69", head=False),
    "EleutherAI/pythia-12b": Row(PYTHIA_12B, 11586549760, "1455.59", "4366.77", head=False),
    "moss-moon-003-sft": Row({**MOSS, "vocab_size": 107008}, 16717980160, "2062.39", "6187.17"),
    "moss-moon-003-sft-plugin": Row({**MOSS, "vocab_size": 107008}, 16060416000, "1978.24", "5934.71", head=False),
}
NOT_IN_TRANSFORMERS = {"chatglm-6b", "Qwen-7B"}


def profiled(row):
    config = AutoConfig.for_model(**row.config)
    config.use_cache = False
    library = AutoModelForCausalLM if row.head else AutoModel
    model = build(lambda: library.from_config(config), ShapesOnly())
    return calprof.profile(model, (1, 128))


@pytest.mark.parametrize("name", ROWS)
def test_a_row(name):
    row = ROWS[name]
    prof = profiled(row)
    macs = prof.macs
    if row.products == 1:
        # BLOOM adds its bias inside `baddbmm`, the product of queries and keys, which calflops does not see.
        config = AutoConfig.for_model(**row.config)
        macs -= config.n_layer * 128 * 128 * config.hidden_size
    assert f"{macs / 1e9:.2f}".rstrip("0").rstrip(".") == row.gmacs
    assert f"{3 * macs / 1e9:.2f}".rstrip("0").rstrip(".") == row.both
    assert prof.params == row.params


def test_the_names_of_the_catalogue_give_the_same():
    for name, row in (("llama-7b", "llama-7b"), ("llama-2-7b", "llama2-7b"), ("pythia-12b", "EleutherAI/pythia-12b")):
        known = find_known(name)
        prof = calprof.profile_by_name(name, seq=128, head=None if ROWS[row].head else "base")
        assert known is not None
        assert f"{prof.macs / 1e9:.2f}".rstrip("0").rstrip(".") == ROWS[row].gmacs


def test_calculate_flops_hf_prints_the_row():
    flops, macs, params = calprof.calculate_flops_hf("llama-2-7b", (1, 128), print_results=False, convention="calflops")
    assert (macs, params) == ("850.00 GMACs", "6.74 G")
    assert flops == "1.70 TFLOPs"
