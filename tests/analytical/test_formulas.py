"""The catalogue: closed form equals decomposition, scopes say what is counted, differences are named."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from calprof.analytical import (
    FORMULAS,
    Experts,
    Latent,
    Scope,
    Shape,
    applicable,
    chinchilla,
    differences,
    formula,
    forward,
    group,
    megatron,
    narayanan,
    params,
)
from calprof.analytical.terms import scale

GPT = Shape(
    layers=3,
    hidden=24,
    heads=4,
    vocabulary=53,
    positions=29,
    tied=True,
    norm=2,
    biases=frozenset({"qkv", "ffn"}),
)
LLAMA = Shape(layers=3, hidden=24, heads=4, kv_heads=2, head_size=10, ffn=37, gated=True, vocabulary=53)
MIXTRAL = replace(LLAMA, experts=Experts(count=5, top_k=2, ffn=19, layers=(0, 2), shared=7))
DEEPSEEK = Shape(
    layers=2,
    hidden=24,
    heads=3,
    value_size=7,
    ffn=31,
    gated=True,
    vocabulary=41,
    latent=Latent(kv_rank=13, nope=9, rope=4, q_rank=17),
    experts=Experts(count=6, top_k=3, ffn=11, layers=(1,), shared=22),
)
SHAPES = {"gpt": GPT, "llama": LLAMA, "mixtral": MIXTRAL, "deepseek": DEEPSEEK}
LLAMA_3_1_8B = Shape(layers=32, hidden=4096, heads=32, kv_heads=8, ffn=14336, gated=True, vocabulary=128256)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("shape", SHAPES)
def test_terms_sum_to_the_closed_form(name: str, shape: str) -> None:
    entry = FORMULAS[name]
    for batch, seq in ((1, 7), (5, 12)):
        assert sum(entry.decompose(SHAPES[shape], batch, seq).values()) == entry(SHAPES[shape], batch, seq)


@pytest.mark.parametrize("name", FORMULAS)
def test_plain_numbers_give_the_same_as_the_shape(name: str) -> None:
    """On a dense decoder the numbers alone say everything, whether or not `arguments` reads them."""
    entry = FORMULAS[name]
    known = {
        **{field: getattr(LLAMA, field) for field in ("layers", "hidden", "heads", "vocabulary", "kv_heads")},
        **{field: getattr(LLAMA, field) for field in ("head_size", "ffn", "gated", "embedding")},
        "attention": LLAMA.query_width,
        "head_sizes": 20,
        "embedding_params": 53 * 24,
        "seq": 7,
        "batch": 2,
    }
    known["params"] = {
        "palm": params(LLAMA) - 53 * 24,
        "huggingface": params(LLAMA, "non-embedding"),
    }.get(name, params(LLAMA))
    given = {field: known[field] for field in entry.parameters}
    assert entry.plain(**given) == entry(LLAMA, 2, 7)


def test_required_parameters_are_marked() -> None:
    assert formula("palm").parameters == {
        "params": ...,
        "layers": ...,
        "heads": ...,
        "head_size": ...,
        "seq": ...,
        "batch": 1,
    }


def test_formulas_agree_on_the_model_they_were_made_for() -> None:
    """On a GPT-2 without biases nanoGPT, Narayanan, Korthikanti and the exact count are one number."""
    shape = replace(GPT, biases=frozenset())
    exact = formula("exact-training")(shape, 2, 12)
    for name in ("nanogpt-training", "narayanan-model", "korthikanti"):
        assert formula(name)(shape, 2, 12) == exact
    core = sum(n for name, n in forward(shape, 2, 12).items() if group(name) in ("scores", "weighted values"))
    assert formula("megatron")(shape, 2, 12) == exact - 3 * core // 2
    assert formula("korthikanti-selective")(shape, 2, 12) == exact + 3 * core
    assert formula("narayanan")(shape, 2, 12) == exact + sum(
        n for name, n in forward(shape, 2, 12).items() if name != "logits"
    )
    norms = 6 * 2 * 12 * (3 * 2 + 1) * 2 * 24
    assert formula("palm")(shape, 2, 12) == exact + norms


def test_llama_differences_are_named_and_complete() -> None:
    """Each formula's difference from the exact training count is the sum of its differences by term."""
    exact = formula("exact-training").decompose(LLAMA_3_1_8B, 1, 8192)
    explained = {}
    for entry in applicable(LLAMA_3_1_8B):
        terms = entry.decompose(LLAMA_3_1_8B, 1, 8192)
        gaps = differences(terms, exact)
        assert sum(gaps.values()) == entry(LLAMA_3_1_8B, 1, 8192) - sum(exact.values())
        explained[entry.name] = gaps
    assert explained["exact-training"] == {}
    core = 2 * 32 * 8192**2 * 4096
    assert explained["megatron"] == {"attention/scores": -3 * core // 2, "attention/weighted": -3 * core // 2}
    # one MAC a token and pass for each gain of the 65 norms, and nothing else
    assert explained["palm"] == {
        "norm/block": 6 * 8192 * 64 * 4096,
        "norm/final": 6 * 8192 * 4096,
    }
    assert explained["torchtitan"] == explained["palm"]
    assert explained["6nd"] == {
        **explained["palm"],
        "embedding/token": 6 * 8192 * 128256 * 4096,
        "attention/scores": -3 * core,
        "attention/weighted": -3 * core,
    }
    # the published GPT shape: no gate, 4h instead of 14336, keys as wide as queries
    assert explained["nanogpt-training"]["mlp/gate"] == -3 * 2 * 32 * 8192 * 4096 * 14336
    assert explained["nanogpt-training"]["attention/key"] == 3 * 2 * 32 * 8192 * 4096 * (4096 - 1024)


def test_gated_coefficient_on_plain_numbers() -> None:
    """32 in the factored form: the blocks of a gated MLP of 4h, attention and logits a third too many."""
    batch, seq, layers, hidden, vocabulary = 2, 12, 3, 24, 64
    logged = narayanan.megatron_deepspeed(batch, seq, layers, hidden, vocabulary, gated=True)
    right = narayanan.forward(batch, seq, layers, hidden, vocabulary, gated=True)
    core = right["attention/scores"] + right["attention/weighted"]
    blocks = sum(right.values()) - right["logits"]
    excess = Fraction(4, 3) * core - core
    assert logged == 4 * (blocks + excess) + Fraction(4, 3) * 3 * right["logits"]


@pytest.mark.parametrize(("ffn", "gated"), [(0, False), (0, True), (37, True), (37, False)])
def test_decomposed_narayanan_for_any_width(ffn: int, gated: bool) -> None:
    shape = replace(GPT, ffn=ffn, gated=gated)
    assert narayanan.forward(2, 7, 3, 24, 53, ffn, gated) == forward(shape, 2, 7)
    coefficient = narayanan.block_coefficient(24, ffn, gated)
    assert coefficient * 2 * 7 * 24**2 + 4 * 2 * 7**2 * 24 == sum(
        n // 3 for name, n in forward(shape, 2, 7).items() if name != "logits"
    )


def test_megatron_by_hand() -> None:
    """One block of each kind, with the numbers of the shape written out."""
    tokens, squares = 14, 98  # two sequences of 7
    terms = megatron.training(DEEPSEEK, 2, 7)
    query = 24 * 17 + 17 * 3 * 13
    keys = 24 * (13 + 4) + 13 * 3 * 9 + 13 * 3 * 7
    norms = 17 + 13
    output = 3 * 7 * 24
    core = Fraction(squares, 2) * (3 * 13 + 3 * 7)
    dense = 3 * 24 * 31
    experts = 3 * 24 * (11 * 3 + 22)
    assert sum(terms.values()) == 6 * (
        tokens * (2 * (query + keys + norms + output) + dense + experts + 24 * 41) + 2 * core
    )


def test_megatron_packed_sequences_and_multi_token_prediction() -> None:
    packed = megatron.training(LLAMA, 1, 12, tokens=11, squares=3**2 + 8**2)
    separate = [megatron.training(LLAMA, 1, length) for length in (3, 8)]
    assert sum(packed.values()) == sum(sum(terms.values()) for terms in separate)
    plain, deeper = megatron.training(LLAMA, 1, 7), megatron.training(LLAMA, 1, 7, mtp=2)
    block = (sum(plain.values()) - plain["logits"]) // 3
    extra = 2 * (plain["logits"] + 6 * 7 * (3 * 24 + 2 * 24**2))
    assert sum(deeper.values()) - sum(plain.values()) == 2 * block + extra


def test_megatron_hybrid_layers() -> None:
    mamba = megatron.Mamba(state=5, head_size=6, groups=2, heads=3).forward(24, 7)
    assert mamba["mamba/in"] == 2 * 7 * 24 * (2 * 48 + 2 * 2 * 5 + 3)
    assert mamba["mamba/scan"] == 7 * 7 * 48 * 5
    assert mamba["mamba/out"] == 2 * 7 * 48 * 24
    delta = megatron.GatedDeltaNet(key_size=3, value_size=5, key_heads=2, value_heads=4, kernel=3).forward(24, 7)
    assert sum(delta.values()) == 2 * 7 * (24 * (12 + 40 + 8) + 3 * (12 + 20) + 4 * 25 * 4 + 24 * 20)
    # as many attention and MLP layers as a plain model has blocks is that model
    same = megatron.hybrid(LLAMA, 2, 7, attention_layers=3, mlp_layers=3)
    assert sum(same.values()) == sum(megatron.training(LLAMA, 2, 7).values())
    mixed = megatron.hybrid(MIXTRAL, 1, 7, attention_layers=1, moe_layers=2, mamba_layers=1, delta_layers=1)
    assert {name.split("/")[0] for name in mixed} == {"attention", "mlp", "mamba", "delta", "logits"}


def test_megatron_experts_in_a_latent_width() -> None:
    terms = megatron.mlp(MIXTRAL, 7, experts=True, latent=11)
    assert terms["mlp/experts/up"] == 2 * 7 * 11 * 19 * 2
    assert terms["mlp/experts/latent"] == 2 * 7 * 24 * 2 * 11
    assert terms["mlp/shared/up"] == 2 * 7 * 24 * 7


def test_chinchilla_is_the_exact_count_with_a_softmax_and_a_dense_lookup() -> None:
    shape = replace(GPT, biases=frozenset())
    terms = formula("chinchilla").decompose(shape, 2, 7)
    softmax, lookup = terms.pop("attention/softmax"), terms.pop("embedding/token")
    assert terms == scale(forward(shape, 2, 7), 3)
    assert softmax == 3 * 2 * 3 * 3 * 4 * 7**2
    assert lookup == terms["logits"]
    assert chinchilla.flops(7, 53, 24, 4, 3, 96) * 2 == formula("chinchilla")(shape, 2, 7)


def test_scopes_in_words() -> None:
    palm, exact = formula("palm").scope, formula("exact-training").scope
    assert palm.differences(exact) == ["elementwise operations: counted instead of not counted"]
    assert formula("megatron").scope.differences(exact) == ["attention core: half instead of full"]
    assert formula("narayanan").scope.differences(exact)[0] == "passes: 4 instead of 3"
    assert "assumes plain" in formula("nanogpt").scope.differences(exact)
    assert Scope().differences(Scope()) == []


@pytest.mark.parametrize("name", FORMULAS)
def test_scopes_tell_the_truth(name: str) -> None:
    """What the flags say is what the terms hold, on an untied model."""
    entry, seq = FORMULAS[name], 8
    terms, once = entry.decompose(LLAMA, 1, seq), forward(LLAMA, 1, seq)
    assert entry.scope.embedding == ("embedding/token" in terms)
    assert entry.scope.logits == ("logits" in terms)
    assert (entry.scope.attention != "none") == ("attention/scores" in terms)
    if entry.scope.attention == "half":
        assert 2 * terms["attention/scores"] == entry.scope.passes * once["attention/scores"]
    assert entry.scope.elementwise == any(
        name.startswith("norm/") or name.endswith(("softmax", "dropout")) for name in terms
    )
    assert ("plain" in entry.scope.assumes) == (not any(name.endswith("gate") for name in terms))
    if "mha" in entry.scope.assumes and "attention/key" in terms and name != "mosaicml":
        assert terms["attention/key"] == terms["attention/query"]
    # the projection of a query is in every formula, as often as it says
    square = 2 * seq * 3 * 24 * (24 if "4h" in entry.scope.assumes or name == "electra" else 40)
    query = terms["attention/query"]
    assert query // square == entry.scope.passes
    routed = entry.decompose(MIXTRAL, 1, seq).get("mlp/experts/up")
    experts = 2 * seq * 2 * 24 * 19 * entry.scope.passes
    assert routed == {"routed": 2 * experts, "all": 5 * experts, "unknown": None}[entry.scope.experts]


def test_bad_input_is_refused() -> None:
    two_stacks = Shape(layers=2, hidden=8, heads=2, decoder_layers=2, vocabulary=5)
    with pytest.raises(ValueError, match="single stack"):
        formula("palm")(two_stacks, 1, 3)
    with pytest.raises(ValueError, match="no formula is called 'plam'"):
        formula("plam")
    with pytest.raises(ValueError, match="seq must be a positive number"):
        formula("palm")(GPT)
    with pytest.raises(ValueError, match="none or selective"):
        narayanan.korthikanti(1, 1, 1, 1, 1, "full")  # type: ignore[arg-type]
    assert formula("exact")(two_stacks, 1, 3) == sum(forward(two_stacks, 1, 3).values())
