"""The exact backward of whole models equals PyTorch's dispatcher around `loss.backward()`, to the integer."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from training.zoo import FORWARD_MACS, MODELS, dispatcher_step, freeze_first_half, with_input_gradients

import calprof
from calprof.models.fake import ShapesOnly, build

# Where the dispatcher decomposes an LSTM, which it does not see into on the CPU.
META = {"lstm"}
# Models that read the values of their routing: they run for real, and are small.
REAL = {"mixtral"}
QUICK = {"transformer_encoder", "conv_transpose", "llama", "mixtral"}
# Its scan over 128 positions is 128 calls a layer.
LONG = {"mamba"}


def make(name):
    """Builds a model at full size without storage; returns it with its input and what to run it under."""
    if name in META:
        with torch.device("meta"):
            return *MODELS[name](), nullcontext()
    if name in REAL:
        return *MODELS[name](), nullcontext()
    mode = ShapesOnly()
    return *build(MODELS[name], mode), mode


def check(model, batch):
    prof = calprof.profile(model.eval(), **batch, training="exact")
    step = prof.training(exact=True)
    assert (step.forward.macs, step.backward.macs) == dispatcher_step(model, batch)
    assert step.forward.macs == prof.macs and not prof.recording.notes
    return step


def cases():
    for name in MODELS:
        for case in ("all", "frozen", "input"):
            quick = name in QUICK or (case == "all" and name not in LONG)
            yield pytest.param(name, case, id=f"{name}-{case}", marks=[] if quick else [pytest.mark.slow])


@pytest.mark.parametrize(("name", "case"), cases())
def test_full_size(name, case):
    model, batch, mode = make(name)
    with mode:
        if case == "frozen":
            freeze_first_half(model)
        if case == "input":
            batch = with_input_gradients(model, batch)
        step = check(model, batch)
    if case != "input":
        assert step.forward.macs == FORWARD_MACS[name]
    if case == "all":
        assert step.backward.macs <= 2 * step.forward.macs


@pytest.mark.parametrize("case", ["all", "frozen"])
def test_a_short_state_space_model(case):
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(hidden_size=16, num_hidden_layers=2, state_size=5, vocab_size=101, use_cache=False)
    model = MambaForCausalLM(config)
    if case == "frozen":
        freeze_first_half(model)
    check(model, {"kwargs": {"input_ids": torch.arange(7)[None]}})
