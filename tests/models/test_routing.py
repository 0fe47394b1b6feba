"""Experts that are looped over: the rows of all of them add up to what the tokens chose."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch import nn

import calprof
from calprof.models.routing import ASSUMPTION, shares
from calprof.models.values import ValueNeeded

TOKENS, HIDDEN, EXPERTS, TOP = 11, 5, 4, 2
ROUTER = TOKENS * HIDDEN * EXPERTS
ROWS = TOKENS * TOP * HIDDEN * HIDDEN


class Routed(nn.Module):
    """A mixture of experts; `loop` says how the tokens of each are found."""

    def __init__(self, loop):
        super().__init__()
        self.router = nn.Linear(HIDDEN, EXPERTS, bias=False)
        self.experts = nn.ModuleList(nn.Linear(HIDDEN, HIDDEN, bias=False) for _ in range(EXPERTS))
        self.loop = loop

    def forward(self, x):
        weights, chosen = self.router(x).softmax(-1).topk(TOP, dim=-1)
        return self.loop(self, x, weights, chosen)


def by_where(self, x, weights, chosen):
    out = torch.zeros_like(x)
    for place, expert in enumerate(self.experts):
        rows, slot = torch.where(chosen == place)
        out[rows] += expert(x[rows]) * weights[rows, slot, None]
    return out


def by_mask(self, x, weights, chosen):
    flat = chosen.view(-1)
    repeated = x.repeat_interleave(TOP, dim=0)
    out = torch.empty_like(repeated)
    for place, expert in enumerate(self.experts):
        out[flat == place] = expert(repeated[flat == place])
    return (out.view(TOKENS, TOP, HIDDEN) * weights.unsqueeze(-1)).sum(1)


def by_one_hot(self, x, weights, chosen):
    out = torch.zeros_like(x)
    mask = nn.functional.one_hot(chosen, num_classes=EXPERTS + 1).permute(2, 1, 0)
    for hit in torch.greater(mask.sum(dim=(-1, -2)), 0).nonzero():
        place = hit[0]
        if place == EXPERTS:
            continue
        slot, rows = torch.where(mask[place])
        out.index_add_(0, rows, self.experts[place](x[rows]) * weights[rows, slot, None])
    return out


def by_split(self, x, weights, chosen):
    gates = torch.zeros(TOKENS, EXPERTS).scatter(1, chosen, 1)
    sizes = gates.long().sum(0).tolist()
    order = chosen.flatten().argsort(stable=True)
    parts = x[order // TOP].split(sizes, dim=0)
    done = torch.cat([expert(part) for expert, part in zip(self.experts, parts, strict=True)])
    return torch.zeros_like(x).index_add(0, order // TOP, done * weights.flatten()[order][:, None])


def by_bincount(self, x, weights, chosen):
    sizes = chosen.flatten().bincount(minlength=EXPERTS).cpu().numpy()
    order = chosen.flatten().argsort()
    start = 0
    for expert, size in zip(self.experts, sizes, strict=True):
        expert(x[order[start : start + size] // TOP])
        start += size
    return x


@pytest.mark.parametrize("loop", [by_where, by_mask, by_one_hot, by_split, by_bincount])
def test_the_rows_of_all_experts(loop):
    model = Routed(loop)
    x = torch.randn(TOKENS, HIDDEN)
    real = calprof.profile(model, args=(x,))
    fake = calprof.profile(model, args=(x,), fake=True)
    assert fake.macs == real.macs == ROUTER + ROWS
    assert fake.recording.notes == (ASSUMPTION,)
    assert real.recording.notes == ()
    rows = [fake.by_module()[f"experts.{place}"].own_macs // HIDDEN**2 for place in range(EXPERTS)]
    assert rows == shares(TOKENS * TOP, EXPERTS) == [6, 6, 5, 5]


def test_nothing_is_said_of_other_masks():
    class Kept(nn.Module):
        def forward(self, x):
            return x[x > 0]

    with pytest.raises(ValueNeeded, match=r"return x\[x > 0\]"):
        calprof.profile(Kept(), (3, 5), fake=True)


@pytest.mark.parametrize("implementation", ["eager", "grouped_mm", "batched_mm"])
def test_mixtral_has_the_same_macs_on_every_path(implementation):
    config = hf.MixtralConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        num_local_experts=4, vocab_size=97, use_cache=False,
    )  # fmt: skip
    model = hf.MixtralForCausalLM(config)
    model.set_experts_implementation(implementation)
    prof = calprof.profile(model, kwargs={"input_ids": torch.zeros(1, 7, dtype=torch.long)}, fake=True)
    layer = 2 * 32 * 32 + 2 * 32 * 16 + 2 * 7 * 32 + 32 * 4 + 2 * 3 * 32 * 48
    assert prof.macs == 7 * (2 * layer + 32 * 97)
    assert (ASSUMPTION in prof.recording.notes) == (implementation == "eager")
