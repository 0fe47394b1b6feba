"""Every formula beside Llama-3.1-8B: each difference is the one that can be written down by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("transformers")

import torch
from analytical.families import build, inputs

import calprof
from calprof import profile_by_name
from calprof.analytical import FORMULAS, Shape
from calprof.comparison.entries import Comparison
from calprof.conventions import Convention

# Llama-3.1-8B on 37 tokens: layers, width, key and value width, MLP, vocabulary, parameters, norms.
T, L, H, KV, F, V, N = 37, 32, 4096, 1024, 14336, 128256, 8_030_261_248
NORMS = (2 * L + 1) * H
PASSES = {"exact": 1, "nanogpt": 1, "2n": 1, "kaplan": 1}

CORE = L * 4 * T * T * H
GATE = L * 2 * T * H * F
SHARED = L * 2 * 2 * T * H * (H - KV)
WIDER = L * 2 * 2 * T * H * (4 * H - F)
LOGITS = 2 * T * H * V
GPT_BLOCKS = L * (24 * T * H * H + 4 * T * T * H)
GPT = {"MLP gate": -GATE, "MLP width": WIDER, "shared keys": SHARED}

FORWARD = {
    "exact": {},
    "nanogpt": GPT,
    "2n": {"embedding lookup": LOGITS, "attention core": -CORE, "norms": 2 * T * NORMS},
    "kaplan": {"MLP gate": -GATE, "shared keys": SHARED, "logits": -LOGITS, "causal half": -CORE // 2},
}
TRAINING = {
    "exact-training": {},
    "nanogpt-training": GPT,
    "6nd": FORWARD["2n"],
    "8nd": {**FORWARD["2n"], "recomputation": (2 * N * T, 3)},
    "chinchilla": {
        "MLP gate": -GATE, "shared keys": SHARED, "embedding lookup": LOGITS, "elementwise": L * 3 * 32 * T * T,
    },
    "palm": {"norms": 2 * T * NORMS},
    "narayanan": {**GPT, "recomputation": (GPT_BLOCKS, 3)},
    "narayanan-model": GPT,
    "korthikanti": GPT,
    "korthikanti-selective": {**GPT, "recomputation": CORE},
    "megatron": {"causal half": -CORE // 2},
    "torchtitan": {"norms": 2 * T * NORMS},
    "huggingface": {"norms": 2 * T * NORMS, "attention core": -CORE},
    "mosaicml": {"norms": 2 * T * NORMS, "embedding lookup": LOGITS},
}  # fmt: skip


@pytest.fixture(scope="module")
def prof() -> calprof.Profile:
    return profile_by_name("llama-3.1-8b", seq=T)


@pytest.fixture(scope="module")
def products(prof: calprof.Profile) -> Comparison:
    return prof.under("matmul").compare()


def test_every_difference_is_the_sum_of_its_causes(prof: calprof.Profile) -> None:
    for convention in ("arithmetic", "matmul", "matmul-causal", "arithmetic-causal", "electra", "calflops"):
        seen = prof.under(convention)
        comparison = seen.compare()
        assert [entry.name for entry in comparison.entries] == [*FORMULAS]
        for entry in comparison.entries:
            assert entry.passes == PASSES.get(entry.name, 3)
            assert entry.profile == entry.passes * seen.flops
            assert sum(entry.differences.values()) == entry.value - entry.profile
            assert entry.ratio == entry.value / entry.profile
            assert not any(cause.startswith("run") or cause == "other" for cause in entry.differences)
        assert sum(comparison.recorded.values()) + sum(comparison.extra.values()) == seen.flops


@pytest.mark.parametrize("name", FORWARD)
def test_a_forward_by_hand(products: Comparison, name: str) -> None:
    assert products[name].differences == FORWARD[name]


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_step_by_hand(products: Comparison, name: str) -> None:
    expected = {}
    for cause, amount in TRAINING[name].items():
        # A redone forward is one of its own, everything else is three times that of a forward.
        count, share = amount if isinstance(amount, tuple) else (amount, 1)
        expected[cause] = 3 * count // share
    assert products[name].differences == expected


def test_a_gated_coefficient_scales_attention_and_logits_too(products: Comparison) -> None:
    found = products["megatron-deepspeed"].differences
    # 16 instead of 12 B·s²·h, 8 instead of 6 B·s·h·V, and a fourth pass of it all; thirds are rounded.
    for cause, amount in {"attention core": CORE, "logits": LOGITS, "recomputation": GPT_BLOCKS * 4 // 3}.items():
        assert abs(found[cause] - amount) <= 2
    assert found["MLP width"] == 3 * L * 3 * 2 * T * H * (4 * H - F)
    assert set(found) == {"attention core", "logits", "MLP width", "recomputation", "shared keys"}


def test_the_script_with_two_passes(products: Comparison) -> None:
    entry = products["electra"]
    assert entry.differences["backward"] == -entry.value // 2
    assert entry.differences["MLP gate"] == -3 * GATE


def test_what_the_convention_adds(prof: calprof.Profile) -> None:
    found = prof.compare()["exact"].differences
    assert found == {"elementwise": 2 * prof.macs - prof.flops}
    masked = prof.work["masked_mac"]
    causal = prof.under("matmul-causal").compare()
    assert masked == L * H * 2 * T * (T - 1) // 2
    assert causal["exact"].differences == {"causal half": 2 * masked}
    # Half of all pairs is half of the diagonal less than what a causal kernel computes.
    assert causal["megatron"].differences == {"causal half": -3 * L * 2 * T * H}
    assert causal["6nd"].differences["attention core"] == 3 * (2 * masked - CORE)


def test_closest_and_its_terms(products: Comparison) -> None:
    assert products.closest.name == "exact"
    assert products.closest_published.name == "palm"
    rows = {row.name: row for row in products.terms("kaplan")}
    assert rows["scores"].difference == -CORE // 4
    assert rows["qkv"].recorded == L * 2 * T * H * (H + 2 * KV)
    assert rows["gate"].formula == 0
    assert rows["logits"].difference == -LOGITS
    assert all(row.difference == 0 for row in products.terms())
    assert products["kaplan"].counted == {"shared keys": SHARED}
    assert [*products["kaplan"].missing] == ["MLP gate", "logits", "causal half"]
    with pytest.raises(KeyError, match="no applicable formula is called 'plam'"):
        products["plam"]


def test_as_text_and_as_data(prof: calprof.Profile) -> None:
    comparison = prof.compare()
    text = str(comparison)
    assert max(map(len, text.splitlines())) <= 100
    assert "32 layers of 4096, 32 heads of 128 (8 key and value heads), gated MLP of 14336" in text
    assert "+116.62 G embedding lookup" in text
    assert "-2.15 G attention core" in text
    data = comparison.to_dict()
    assert data["closest"] == "exact"
    for entry in data["formulas"]:
        assert sum(entry["differences"].values()) == entry["value"] - entry["profile"]
    assert sum(row["recorded"] for row in data["terms"]) == 2 * prof.macs


@pytest.mark.parametrize(
    "family", ["gpt2", "gemma2", "qwen3", "mixtral", "deepseek-v3", "bert-masked", "electra", "t5", "vit", "opt"]
)
@pytest.mark.parametrize("convention", ["arithmetic", "matmul-causal"])
def test_other_shapes_are_explained_completely_too(family: str, convention: str) -> None:
    config, model = build(family)
    prof = calprof.profile(model, kwargs=inputs(config, 2, 7, 5), convention=convention)
    comparison = prof.compare()
    assert comparison.notes == ()
    for entry in comparison.entries:
        assert sum(entry.differences.values()) == entry.value - 3 ** (entry.passes == 3) * prof.flops
        assert not any(cause.startswith("run") or cause == "other" for cause in entry.differences)


def test_a_tied_table_is_the_output_layer() -> None:
    config, model = build("gpt2")
    prof = calprof.profile(model, kwargs=inputs(config, 2, 7), convention="matmul")
    found = prof.compare()["2n"].differences
    # 29 learned positions are looked up; the table of tokens is multiplied with, once, by the output layer.
    assert found["embedding lookup"] == 2 * 14 * 29 * 24
    assert "logits" not in found
    assert prof.compare()["huggingface"].differences["logits"] == -6 * 14 * 53 * 24


def test_pixels_in_place_of_patches() -> None:
    config, model = build("vit")
    prof = calprof.profile(model, kwargs=inputs(config, 2, 0), convention="matmul")
    found = prof.compare()["huggingface"].differences
    weights = sum(each.numel() for each in model.parameters())
    assert found["pixels as tokens"] == 6 * 2 * weights * (2 * 20 * 27 - (4 * 6 + 1))


def test_sizes_and_shapes_from_the_caller() -> None:
    config, model = build("llama-3")
    tokens = inputs(config, 3, 7)["input_ids"]
    embeds = model.get_input_embeddings()(tokens).detach()
    prof = calprof.profile(model, args=(tokens,), convention="matmul")
    assert (prof.compare().batch, prof.compare().seq) == (3, 7)
    beside = calprof.profile(model, kwargs={"inputs_embeds": embeds}, convention="matmul").compare()
    assert beside["exact"].differences == {}
    assert prof.compare(config=config).shape == prof.compare(config=config.to_dict()).shape == prof.compare().shape
    shape = replace(prof.compare().shape, head="none")
    assert prof.compare(shape=shape)["exact"].differences == {"run: logits": -2 * 21 * 24 * 53}
    assert prof.compare(seq=5)["exact"].differences["run: logits"] == -2 * 3 * 2 * 24 * 53
    with pytest.raises(ValueError, match="either config or shape"):
        prof.compare(config=config, shape=shape)
    with pytest.raises(ValueError, match="seq must be an integer of at least 1, not 0"):
        prof.compare(seq=0)
    with pytest.raises(TypeError, match="not dict"):
        prof.compare(shape={"layers": 3})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not tell the batch"):
        calprof.profile(torch.nn.Linear(3, 5), (2, 3)).compare(shape=shape)
    with pytest.raises(ValueError, match="charges 1 FLOPs a MAC"):
        prof.under(Convention("one", {"mac": 1})).compare()


def test_the_class_that_ran_decides_the_head() -> None:
    config, model = build("llama-3")
    prof = calprof.profile(model.model, kwargs=inputs(config, 2, 7), convention="matmul")
    assert prof.compare()["exact"].differences == {}
    assert prof.compare().shape.head == "none"


def test_an_image_of_another_size() -> None:
    import transformers

    sizes = {"hidden_size": 12, "intermediate_size": 17, "num_hidden_layers": 2, "num_attention_heads": 3}
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes, image_size=20, patch_size=5))
    given = {"pixel_values": torch.rand(2, 3, 25, 41), "interpolate_pos_encoding": True}
    prof = calprof.profile(model, kwargs=given, convention="matmul")
    comparison = prof.compare()
    assert comparison.seq == 5 * 8 + 1
    assert comparison["exact"].differences == {}


def test_notes_say_what_is_doubtful() -> None:
    import transformers

    config = transformers.DistilBertConfig(dim=12, n_layers=2, n_heads=3, hidden_dim=17, vocab_size=29)
    model = transformers.DistilBertForMaskedLM(config)
    prof = calprof.profile(model, args=(torch.randint(0, 29, (2, 7)),))
    assert "'distilbert' is not among those whose count is established" in prof.compare().notes[0]
    mamba = transformers.MambaConfig(hidden_size=12, num_hidden_layers=1, vocab_size=29, state_size=4)
    prof = calprof.profile(transformers.MambaForCausalLM(mamba), args=(torch.randint(0, 29, (1, 7)),))
    with pytest.raises(ValueError, match="mamba is no shape of a transformer"):
        prof.compare()
    assert prof.compare(shape=Shape(layers=1, hidden=12, heads=3, vocabulary=29)).notes
