"""Price lists: linear, complete, and the published rate of each."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from support import work
from torch import nn
from transformers import BertConfig, BertModel

import calprof
from calprof import CONVENTIONS, Convention, Work
from calprof.conventions import MACS, find_convention
from calprof.work import KINDS, NOTHING

R = torch.randn
works = st.dictionaries(st.sampled_from(list(KINDS)), st.integers(0, 10**15)).map(lambda counts: Work(**counts))


@given(works, works, st.integers(0, 1000))
def test_pricing_is_linear(a, b, times):
    for convention in (*CONVENTIONS.values(), MACS):
        assert convention.price(a + b) == convention.price(a) + convention.price(b)
        assert convention.price(a * times) == times * convention.price(a)


@given(works, works)
def test_work_adds_commutatively(a, b):
    assert a + b == b + a and a + NOTHING == a and sum([a, b]) == a + b
    assert all((a + b)[kind] == a[kind] + b[kind] for kind in KINDS)


def test_every_convention_decides_on_every_kind():
    # Left to the default on purpose: ELECTRA's "every other operation is one"; the others' zero.
    free = {kind for kind in KINDS if CONVENTIONS["arithmetic"].price_of(kind) == 0}
    assert free == {"onehot_mac", "integer", "affine", "pool_input", "upsampled"}
    assert {kind for kind in KINDS if CONVENTIONS["matmul"].price_of(kind)} == {"mac", "masked_mac", "complex_mac"}


X = R(3, 5)
# Price per element of the result, by convention: (arithmetic, matmul, calflops, electra).
RATES = [
    ("softmax", lambda: F.softmax(X, -1), (5, 0, 1, 5)),
    ("layer norm", lambda: F.layer_norm(X, (5,), R(5), R(5)), (5, 0, 5, 5)),
    ("layer norm, no affine", lambda: F.layer_norm(X, (5,)), (5, 0, 4, 5)),
    ("batch norm in eval", lambda: F.batch_norm(X, R(5), torch.ones(5), R(5), R(5)), (2, 0, 2, 2)),
    ("gelu", lambda: F.gelu(X), (5, 0, 1, 8)),
    ("tanh gelu", lambda: F.gelu(X, approximate="tanh"), (8, 0, 1, 8)),
    ("relu", lambda: F.relu(X), (1, 0, 1, 1)),
    ("dropout", lambda: F.dropout(X, 0.5, True), (3, 0, 0, 4)),
    ("exp", lambda: X.exp(), (1, 0, 0, 1)),
    ("tanh", lambda: X.tanh(), (1, 0, 0, 1)),
    ("erf", lambda: X.erf(), (1, 0, 0, 1)),
    ("add", lambda: X + X, (1, 0, 0, 1)),
    ("integers", lambda: X.long() + 1, (0, 0, 0, 0)),
]


@pytest.mark.parametrize(("name", "call", "rates"), RATES, ids=[row[0] for row in RATES])
def test_rates(name, call, rates):
    amount = work(call)
    assert tuple(convention.price(amount) for convention in CONVENTIONS.values()) == tuple(15 * r for r in rates)


def test_linear_bias_is_one_addition_except_for_calflops():
    amount = work(lambda: F.linear(R(2, 3), R(5, 3), R(5)))
    assert {name: each.price(amount) for name, each in CONVENTIONS.items()} == {
        "arithmetic": 70, "matmul": 60, "calflops": 60, "electra": 70,
    }  # fmt: skip


def test_causal_variants_leave_out_what_a_kernel_may_skip():
    prof = calprof.profile(Causal(), args=[R(2, 5, 3)])
    kept, skipped = 2 * 15 * 6, 2 * 10 * 6
    assert prof.under("matmul").flops == 2 * (kept + skipped)
    assert prof.under("matmul-causal").flops == 2 * kept
    causal = prof.under(find_convention("arithmetic").causal())
    assert causal.macs == kept and prof.macs == kept + skipped
    # The skipped scores are not exponentiated either.
    assert prof.flops - causal.flops == 2 * skipped + 5 * 20


class Causal(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, is_causal=True)


def test_electra_prices_a_real_bert_as_the_published_script():
    """The script's block formula times layers, with the `* h` its attention layer norm lacks."""
    for h, layers, s, heads, i in ((64, 3, 16, 4, 256), (128, 2, 32, 2, 512)):
        config = BertConfig(
            hidden_size=h, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=i, vocab_size=31,
            attn_implementation="eager",
        )  # fmt: skip
        model = BertModel(config, add_pooling_layer=False)
        prof = calprof.profile(model.encoder, args=[R(1, s, h)], train_mode=True, convention="electra")
        kqv = h
        block = (
            3 * 2 * h * kqv + 3 * kqv + 2 * kqv * s + 5 * s * heads + 4 * s * heads + s * heads + 2 * h * s
            + 2 * h * h + h + 4 * h + h + 5 + 2 * h * i + 8 * i + i + 2 * h * i + h + 4 * h + h + 5 * h
        )  # fmt: skip
        missing = 5 * (h - 1)
        assert prof.flops == (block + missing) * s * layers


@pytest.mark.parametrize("name", ["flops", "", "Arithmetic", "matmul-half"])
def test_unknown_names(name):
    with pytest.raises(ValueError, match="arithmetic, matmul, calflops, electra"):
        find_convention(name)


def test_bad_conventions():
    with pytest.raises(ValueError, match=r"'macs'"):
        Convention("mine", {"macs": 1})
    with pytest.raises(ValueError, match="-1"):
        Convention("mine", {"mac": -1})
    with pytest.raises(TypeError, match="int"):
        find_convention(3)


def test_bad_work():
    with pytest.raises(ValueError, match="glossary"):
        Work(macs=1)
    with pytest.raises(ValueError, match="negative"):
        Work(mac=-1)
    with pytest.raises(TypeError, match=r"1\.5"):
        Work(mac=1.5)
    with pytest.raises(KeyError):
        NOTHING["flops"]
