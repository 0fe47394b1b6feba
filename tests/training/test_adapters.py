"""LoRA on attention and full-size runs without storage: exact, against the dispatcher and by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from training.zoo import dispatcher_step, with_input_gradients

import calprof
from calprof.models.fake import ShapesOnly, build

TARGETS = {"llama": ["q_proj", "v_proj"], "gpt2": ["c_attn"], "bert": ["query", "value"]}


def transformer(name, layers=2):
    import transformers

    if name == "llama":
        config = transformers.LlamaConfig(
            hidden_size=32, intermediate_size=44, num_hidden_layers=layers, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=101, use_cache=False,
        )  # fmt: skip
        return transformers.LlamaForCausalLM(config)
    if name == "gpt2":
        return transformers.GPT2LMHeadModel(
            transformers.GPT2Config(n_embd=32, n_layer=layers, n_head=4, vocab_size=101, use_cache=False)
        )
    config = transformers.BertConfig(
        hidden_size=32, intermediate_size=44, num_hidden_layers=layers, num_attention_heads=4, vocab_size=101
    )
    return transformers.BertModel(config)


def adapted(model, name, rank=3):
    import peft

    config = peft.LoraConfig(r=rank, target_modules=TARGETS[name], fan_in_fan_out=name == "gpt2", lora_dropout=0.0)
    return peft.get_peft_model(model, config)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("needs_input", [False, True])
def test_lora_equals_the_dispatcher(name, needs_input):
    model = adapted(transformer(name), name).eval()
    batch = {"kwargs": {"input_ids": torch.arange(7)[None]}}
    if needs_input:
        batch = with_input_gradients(model, batch)
    prof = calprof.profile(model, **batch, training="exact")
    step = prof.training(exact=True)
    assert (step.forward.macs, step.backward.macs) == dispatcher_step(model, batch)
    # Frozen weights need no gradient: far less than the factor of two.
    assert step.backward.macs < 1.3 * step.forward.macs < prof.training().backward.macs


def test_lora_by_hand():
    # In the first layer nothing flows back past the adapters, whose input is frozen.
    model = adapted(transformer("llama", layers=1), "llama", rank=3)
    step = calprof.profile(model, kwargs={"input_ids": torch.arange(7)[None]}, training="exact").training(exact=True)
    attention = "base_model.model.model.layers.0.self_attn"
    tokens, hidden, values, rank = 7, 32, 16, 3
    down, up = tokens * hidden * rank, tokens * rank * hidden
    query = step.modules[f"{attention}.q_proj"]
    assert query.forward.macs == tokens * hidden * hidden + down + up
    # The weight's gradient of the way down, both gradients of the way up.
    assert query.backward.macs == down + 2 * up
    assert step.modules[f"{attention}.v_proj"].backward.macs == down + 2 * tokens * rank * values
    assert step.modules[f"{attention}.k_proj"].backward.macs == 0
    # A frozen weight after the adapters passes the gradient on: once.
    assert step.modules[f"{attention}.o_proj"].backward.macs == tokens * hidden * hidden


def llama_70b():
    import transformers

    config = transformers.LlamaConfig(
        hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64,
        num_key_value_heads=8, vocab_size=128256, use_cache=False,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


@pytest.mark.slow
def test_a_70b_lora_run_on_fake_tensors():
    mode = ShapesOnly()
    model = build(lambda: adapted(llama_70b(), "llama", rank=16), mode)
    with mode:
        ids = torch.zeros(1, 4096, dtype=torch.long)
        prof = calprof.profile(model.eval(), kwargs={"input_ids": ids}, training="exact")
    assert 70e9 < prof.params < 71e9
    step = prof.training(exact=True)
    # The gradient passes every frozen product once, attention's twice; adapters add their own.
    assert 1.0 < step.backward.macs / step.forward.macs < 1.1


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.c_attn(self.ln_1(x)).split(width, dim=2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(batch, length, width))
        return x + self.down(F.gelu(self.up(self.ln_2(x))))


class NanoGPT(nn.Module):
    """GPT-2 of 124 M parameters as nanoGPT trains it: without biases, the head tied to the embedding."""

    def __init__(self, vocabulary=50257, positions=1024, width=768, layers=12, heads=12):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(width, bias=False)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        logits = self.lm_head(self.ln_f(self.blocks(x)))
        return {"loss": F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))}


def test_nanogpt_sizing():
    # https://github.com/karpathy/nanoGPT, transformer_sizing.ipynb: one sequence of 1024 tokens.
    ids = torch.zeros(1, 1024, dtype=torch.long)
    model = build(NanoGPT, ShapesOnly())
    prof = calprof.profile(model, args=(ids, ids), training="exact", convention="matmul")
    step = prof.training(exact=True)
    assert prof.params == 124337664
    assert step.forward.flops == 291648307200
    assert step.backward.flops == 583296614400
    assert step.total.flops == 874944921600 == prof.training().total.flops
    # 100 sequences in 0.755 s on one A100.
    assert round(prof.mfu(0.755, device="a100", times=100), 4) == 0.3714
    full = prof.hfu(0.755, device="a100", times=100, recompute=True)
    assert full == pytest.approx(prof.mfu(0.755, device="a100", times=100) * 4 / 3)
    # What the backward of the math path runs is the same; nothing needs storage for it.
    with sdpa_kernel(SDPBackend.MATH):
        measured = calprof.profile_step(model, (ids, ids), convention="matmul")
    assert (measured.backward.flops, measured.recompute.flops) == (583296614400, 0)


def test_mixtrals_grouped_experts_train_as_the_loop_over_them_does():
    import transformers

    def step(experts, dtype):
        config = transformers.MixtralConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            num_local_experts=4, vocab_size=101, use_cache=False, experts_implementation=experts,
        )  # fmt: skip
        model = transformers.MixtralForCausalLM(config).to(dtype)
        ids = torch.arange(8)[None]
        prof = calprof.profile(model, kwargs={"input_ids": ids}, training="exact")
        grouped = any("grouped_mm" in row.op for row in prof.by_op())
        return prof.training(exact=True), grouped

    loop, no = step("eager", torch.float32)
    grouped, yes = step("grouped_mm", torch.bfloat16)
    assert yes and not no
    assert (grouped.forward.macs, grouped.backward.macs) == (loop.forward.macs, loop.backward.macs)
