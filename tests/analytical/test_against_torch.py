"""The term-by-term count against what PyTorch's dispatcher sees the real models do."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers  # noqa: E402 - after the skips
from analytical.families import FAMILIES, build, dispatched, inputs  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from calprof.analytical import Shape, flops, formula, forward, group, known, params  # noqa: E402


@pytest.mark.parametrize("family", FAMILIES)
def test_forward_equals_the_dispatcher(family: str) -> None:
    config, model = build(family)
    shape = Shape.from_config(config)
    for batch, seq, target in ((1, 7, 7), (3, 11, 5)):
        counted = dispatched(lambda b=batch, s=seq, t=target: model(**inputs(config, b, s, t)))
        length = None if shape.patches else seq
        terms = forward(shape, batch, length, target=target)
        assert sum(terms.values()) == counted.get_total_flops(), (
            batch,
            seq,
            terms,
            counted.get_flop_counts(),
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_equal_the_model(family: str) -> None:
    config, model = build(family)
    assert params(Shape.from_config(config)) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_dict_reads_like_the_configuration(family: str) -> None:
    config, _ = build(family)
    assert Shape.from_config(config.to_dict() | {"architectures": config.architectures}) == Shape.from_config(config)
    assert known(config)


@pytest.mark.parametrize("family", ["gpt2", "llama-3", "bert", "gemma2", "deepseek-v3", "vit"])
def test_backward_is_twice_forward(family: str) -> None:
    config, model = build(family)
    shape = Shape.from_config(config)
    given = inputs(config, 2, 7)

    def step() -> None:
        output = model(**given)
        sum(value.sum() for value in output.values() if value is not None).backward()

    counter = FlopCounterMode(display=False)
    with counter:
        step()
    counted = counter.get_total_flops()
    once = forward(shape, 2, None if shape.patches else 7)
    # Pixels need no gradient, so the patch convolution has one product less to do backward.
    assert counted == 3 * sum(once.values()) - once.get("embedding/patches", 0)


# Which module performs which terms; what is left in a module is the products of attention itself.
MODULES = {
    "llama-3": {
        "self_attn.q_proj": "attention/query",
        "self_attn.k_proj": "attention/key",
        "self_attn.v_proj": "attention/value",
        "self_attn.o_proj": "attention/output",
        "mlp.gate_proj": "mlp/gate",
        "mlp.up_proj": "mlp/up",
        "mlp.down_proj": "mlp/down",
        "lm_head": "logits",
    },
    "deepseek-v3": {
        "self_attn.q_a_proj": "attention/query_down",
        "self_attn.q_b_proj": "attention/query_up",
        "self_attn.kv_a_proj_with_mqa": "attention/latent_down",
        "self_attn.o_proj": "attention/output",
        "mlp.gate": "mlp/router",
        "mlp.shared_experts.gate_proj": "mlp/shared/gate",
        "mlp.shared_experts.up_proj": "mlp/shared/up",
        "mlp.shared_experts.down_proj": "mlp/shared/down",
        "mlp.gate_proj": "mlp/gate",
        "lm_head": "logits",
    },
    "bert-masked": {
        "attention.self.query": "attention/query",
        "attention.self.key": "attention/key",
        "attention.self.value": "attention/value",
        "attention.output.dense": "attention/output",
        "intermediate.dense": "mlp/up",
        "transform.dense": "head/transform",
        "decoder": "logits",
    },
}


@pytest.mark.parametrize("family", MODULES)
def test_each_term_is_its_module(family: str) -> None:
    config, model = build(family)
    counted = dispatched(lambda: model(**inputs(config, 2, 7))).get_flop_counts()
    terms = forward(Shape.from_config(config), 2, 7)
    for suffix, term in MODULES[family].items():
        assert sum(sum(ops.values()) for name, ops in counted.items() if name.endswith("." + suffix)) == terms[term]
    core = sum(n for name, n in terms.items() if group(name) in ("scores", "weighted values"))
    attention = {name: ops for name, ops in counted.items() if name.endswith(("self_attn", "attention.self"))}
    assert sum(count for ops in attention.values() for op, count in ops.items() if "bmm" in str(op)) == core


@pytest.mark.parametrize("family", ["llama-3", "gpt2", "qwen3", "gemma"])
def test_decoding_one_token(family: str) -> None:
    config, model = build(family)
    config.use_cache = True
    prompt = inputs(config, 3, 7)["input_ids"]
    with torch.no_grad():
        cache = model(input_ids=prompt, use_cache=True).past_key_values
    counted = dispatched(lambda: model(input_ids=prompt[:, :1], past_key_values=cache, use_cache=True))
    assert sum(forward(Shape.from_config(config), 3, 1, past=7).values()) == counted.get_total_flops()


def test_logits_of_the_last_token_only() -> None:
    config, model = build("llama-3")
    counted = dispatched(lambda: model(**inputs(config, 2, 7), logits_to_keep=1))
    assert sum(forward(Shape.from_config(config), 2, 7, logits=1).values()) == counted.get_total_flops()


@pytest.mark.parametrize("family", FAMILIES)
def test_huggingface_rule_is_the_trainers_own(family: str) -> None:
    """``6 * inputs[main_input_name].numel() * model.num_parameters(exclude_embeddings=True)``."""
    config, model = build(family)
    given = inputs(config, 2, 7)[model.main_input_name]
    logged = 6 * given.numel() * model.num_parameters(exclude_embeddings=True)
    shape = Shape.from_config(config)
    assert formula("huggingface")(shape, 2, None if shape.patches else 7) == logged


def test_text_part_of_a_multimodal_configuration() -> None:
    text = build("gemma3")[0]
    whole = transformers.Gemma3Config(text_config=text.to_dict())
    assert Shape.from_config(whole) == Shape.from_config(text)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_attention_implementations_do_the_same_products(implementation: str) -> None:
    config, model = build("llama-3")
    model.set_attn_implementation(implementation)
    counted = dispatched(lambda: model(**inputs(config, 2, 7))).get_total_flops()
    assert flops(Shape.from_config(config), 2, 7) == counted


def test_experts_cost_the_same_however_they_are_run() -> None:
    config, model = build("mixtral")
    expected = flops(Shape.from_config(config), 2, 7)
    for implementation in ("eager", "batched_mm"):
        config._experts_implementation = implementation
        assert dispatched(lambda: model(**inputs(config, 2, 7))).get_total_flops() == expected
