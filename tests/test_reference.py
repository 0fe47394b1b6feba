"""The reference table, exact to the integer, and its agreement with PyTorch's dispatcher module by module."""

from __future__ import annotations

import pytest
import torch
from inputs.tokenizers_offline import wordpiece
from reference import LLAMA, MODELS, build
from scopes import dispatcher_macs_by_module
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

import calprof
from calprof.inputs.shapes import from_shape
from calprof.inputs.tokens import from_tokenizer

TEXT = [name for name, reference in MODELS.items() if reference.text]
# T5 and Mamba have one attention path each (T5's own bias rules out the fused kernel; Mamba has none).
BOTH_PATHS = ["bert", "gpt2", "llama", "mixtral"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return wordpiece()


def prepared(name, tokenizer):
    reference = MODELS[name]
    return dict(input_shape=reference.input_shape, **(dict(tokenizer=tokenizer) if reference.text else {}))


@pytest.mark.parametrize("name", MODELS)
def test_macs(name, tokenizer):
    prof = calprof.profile(build(name), **prepared(name, tokenizer))
    assert prof.macs == MODELS[name].macs
    assert prof.under("matmul").flops == 2 * prof.macs
    assert sum(node.own_macs for node in prof.root.walk()) == prof.macs
    assert not prof.uncounted


@pytest.mark.parametrize("name", BOTH_PATHS)
def test_eager_attention_is_the_same(name, tokenizer):
    assert calprof.profile(build(name, "eager"), **prepared(name, tokenizer)).macs == MODELS[name].macs


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "lstm", "transformer_encoder", "conv_transpose", *TEXT])
@pytest.mark.parametrize("train_mode", [False, True])
def test_grad_and_train_mode_change_nothing(name, train_mode, tokenizer):
    prof = calprof.profile(build(name), **prepared(name, tokenizer), grad=True, train_mode=train_mode)
    assert prof.macs == MODELS[name].macs


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("lstm", "mixtral")])
def test_every_module_equals_the_dispatcher(name, tokenizer):
    """The LSTM and `_grouped_mm` have no formula there on the CPU: the LSTM is held against meta instead."""
    model = build(name)
    prof = calprof.profile(model, **prepared(name, tokenizer))
    given = prepared(name, tokenizer)
    inputs = (
        from_tokenizer(model, tokenizer, given["input_shape"])
        if MODELS[name].text
        else from_shape(model, given["input_shape"])
    )
    expected = dispatcher_macs_by_module(model, inputs.args, inputs.kwargs)
    assert {path: node.own_macs for path, node in prof.by_module().items() if node.own_macs} == expected


def test_the_lstm_equals_the_dispatcher_on_meta_and_its_biases_are_additions():
    from support import dispatcher_macs

    model = build("lstm")
    prof = calprof.profile(model, (2, 32, 128))
    meta = build("lstm").to("meta")
    assert prof.macs == dispatcher_macs(lambda: meta(torch.empty(2, 32, 128, device="meta")))
    assert prof.macs + prof.work["linear_bias"] == 151519232


def test_published_flops_of_resnet50():
    prof = calprof.profile(build("resnet50"), (1, 3, 224, 224))
    assert prof.params == 25557032
    assert prof.under("matmul").flops == 8178368512
    assert prof.under("calflops").flops == 8211108352


def test_doubling_the_sequence_quadruples_a_llamas_attention():
    with torch.device("cpu"):
        model = LlamaForCausalLM(LLAMA)

    def attention(length):
        prof = calprof.profile(model, (1, length))
        return next(row.macs for row in prof.by_op() if row.op == "scaled_dot_product_attention")

    assert attention(64) == 4 * 2 * 512 * 64**2  # layers x (scores and values) x width x length²
    assert attention(128) == 4 * attention(64)
