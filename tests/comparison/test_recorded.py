"""The recording's products by row, whatever the modules are called and however attention and experts are run."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("transformers")

from analytical.families import FAMILIES, build, inputs
from torch import nn
from torch.nn import functional as F

import calprof
from calprof.analytical import Shape, forward, grouped
from calprof.comparison.recorded import recorded_rows


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_is_the_closed_form(family: str, implementation: str) -> None:
    config, model = build(family)
    if implementation == "sdpa" and not model._supports_sdpa:
        pytest.skip(f"{family} has no fused attention in transformers")
    model.set_attn_implementation(implementation)
    shape = Shape.from_config(config)
    for batch, seq, target in ((1, 7, 7), (3, 11, 5)):
        prof = calprof.profile(model, kwargs=inputs(config, batch, seq, target))
        length = None if shape.patches else seq
        assert recorded_rows(prof.recording) == grouped(forward(shape, batch, length, target=target))


@pytest.mark.parametrize("family", ["llama-3", "deepseek-v3"])
def test_a_length_like_the_head_size(family: str) -> None:
    """Scores and weighted values are then calls of one shape."""
    config, model = build(family)
    shape = Shape.from_config(config)
    for seq in (shape.head_size, shape.value_size):
        prof = calprof.profile(model, kwargs=inputs(config, 2, seq))
        assert recorded_rows(prof.recording) == grouped(forward(shape, 2, seq))


@pytest.mark.parametrize("implementation", ["eager", "batched_mm", "grouped_mm"])
@pytest.mark.parametrize("family", ["mixtral", "qwen3-moe", "deepseek-v3", "gpt-oss"])
def test_experts_however_they_are_run(family: str, implementation: str) -> None:
    config, model = build(family)
    config._experts_implementation = implementation
    # The grouped kernel wants sizes that are multiples of 16 bytes, so it is run on shapes alone.
    prof = calprof.profile(model, kwargs=inputs(config, 2, 7), fake=implementation == "grouped_mm")
    assert recorded_rows(prof.recording) == grouped(forward(Shape.from_config(config), 2, 7))


class Reference(nn.Module):
    """Llama as its authors name things, attention written out with einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(29, 12)
        self.layers = nn.ModuleList(nn.ModuleDict({"attention": Attention(), "feed_forward": Gated()}) for _ in "12")
        self.output = nn.Linear(12, 29, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = x + layer["attention"](x)
            x = x + layer["feed_forward"](x)
        return self.output(x)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wq, self.wo = nn.Linear(12, 12, bias=False), nn.Linear(12, 12, bias=False)
        self.wk, self.wv = nn.Linear(12, 12, bias=False), nn.Linear(12, 12, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (each(x).unflatten(-1, (3, 4)) for each in (self.wq, self.wk, self.wv))
        weights = torch.softmax(torch.einsum("bqhd,bkhd->bhqk", q, k), -1)
        return self.wo(torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w1, self.w3 = nn.Linear(12, 17, bias=False), nn.Linear(12, 17, bias=False)
        self.w2 = nn.Linear(17, 12, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


def test_a_model_that_is_not_from_transformers() -> None:
    prof = calprof.profile(Reference(), args=(torch.randint(0, 29, (2, 7)),), convention="matmul")
    shape = Shape(layers=2, hidden=12, heads=3, ffn=17, gated=True, vocabulary=29, norm=0)
    assert recorded_rows(prof.recording) == grouped(forward(shape, 2, 7))
    comparison = prof.compare(shape=shape, batch=2, seq=7)
    assert comparison["exact"].differences == {}
    with pytest.raises(ValueError, match="no Hugging Face configuration; give config= or shape="):
        prof.compare()


def test_torch_attention_in_one_call() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.self_attention = nn.MultiheadAttention(12, 3, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.self_attention(x, x, x, need_weights=True)[0]

    model = Block().train()
    prof = calprof.profile(model, (2, 7, 12), train_mode=True, convention="matmul")
    # 14 tokens of 12 into three projections and one out; 2 x 7 x 7 pairs of 3 heads of 4, both ways.
    assert recorded_rows(prof.recording) == {
        "qkv": 3 * 2 * 14 * 12 * 12,
        "scores": 2 * 2 * 7 * 7 * 12,
        "weighted values": 2 * 2 * 7 * 7 * 12,
        "projection": 2 * 14 * 12 * 12,
    }


def test_an_adapter_stays_with_what_it_adapts() -> None:
    peft = pytest.importorskip("peft")
    config, model = build("llama-3")
    plain = recorded_rows(calprof.profile(model, kwargs=inputs(config, 2, 7)).recording)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=5, target_modules=["q_proj", "down_proj"]))
    prof = calprof.profile(adapted, kwargs=inputs(config, 2, 7), convention="matmul")
    rows = recorded_rows(prof.recording)
    # Rank 5 between 24 and 40 in the query, between 37 and 24 in the MLP, in each of 3 layers on 14 tokens.
    lora = {"qkv": 3 * 2 * 14 * 5 * (24 + 40), "down": 3 * 2 * 14 * 5 * (37 + 24)}
    assert rows == {name: count + lora.get(name, 0) for name, count in plain.items()}
    comparison = prof.compare()
    assert comparison["exact"].differences == {"run: qkv": -lora["qkv"], "run: down": -lora["down"]}
    assert "other products than the shape" in comparison.notes[-1]


def test_what_fits_no_name_is_the_rest() -> None:
    model = nn.Sequential(nn.Conv2d(3, 5, 2), nn.Flatten(), nn.Linear(5 * 6 * 6, 11))
    prof = calprof.profile(model, (2, 3, 7, 7), convention="matmul")
    assert recorded_rows(prof.recording) == {"rest": prof.flops}
