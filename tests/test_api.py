"""The front doors: what they take, what they return, what they refuse."""

from __future__ import annotations

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import calprof

R = torch.randn


def net():
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 7, bias=False))


MACS, FLOPS, PARAMS = 2 * (15 + 35), 2 * 2 * (15 + 35) + 2 * 5 + 2 * 5, 15 + 5 + 35


def flops_of(**options):
    return calprof.calculate_flops(net(), (2, 3), print_results=False, output_as_string=False, **options)


def test_calculate_flops_returns_integers_or_strings():
    assert flops_of() == (FLOPS, MACS, PARAMS)
    strings = calprof.calculate_flops(net(), (2, 3), print_results=False)
    assert all(isinstance(each, str) for each in strings)
    assert "FLOPs" in strings[0] and "MACs" in strings[1]
    assert "FLOPS" not in "".join(strings)


def test_backward_and_recompute():
    assert flops_of(include_backPropagation=True)[:2] == (3 * FLOPS, 3 * MACS)
    assert flops_of(include_backPropagation=True, include_recompute=True)[:2] == (4 * FLOPS, 4 * MACS)
    assert flops_of(include_backPropagation=True, compute_bp_factor=1.5)[1] == MACS * 5 // 2


def test_conventions():
    assert flops_of(convention="matmul")[0] == 2 * MACS
    assert flops_of(convention="calflops")[0] == 2 * MACS + 10
    assert flops_of(convention=calprof.Convention("mine", {"relu": 7}))[0] == 70


def test_the_signature_of_calflops_is_kept():
    names = list(inspect.signature(inspect.unwrap(calprof.api.calculate_flops)).parameters)
    assert names[:14] == [
        "model", "input_shape", "transformer_tokenizer", "args", "kwargs", "forward_mode", "include_backPropagation",
        "compute_bp_factor", "print_results", "print_detailed", "output_as_string", "output_precision",
        "output_unit", "ignore_modules",
    ]  # fmt: skip


def test_printing(capsys):
    calprof.calculate_flops(net(), (2, 3))
    detailed = capsys.readouterr().out
    calprof.calculate_flops(net(), (2, 3), print_detailed=False)
    short = capsys.readouterr().out
    calprof.calculate_flops(net(), (2, 3), print_results=False)
    assert not capsys.readouterr().out
    assert "Linear" in detailed and len(short) < len(detailed) and "MACs" in short


def test_arguments_of_any_nesting_pass_through_untouched():
    marker = object()

    class Model(nn.Module):
        def forward(self, pair, *, table, flag):
            assert flag is marker and table["deep"][0][1] == "text"
            return pair[0] @ pair[1] + table["deep"][0][0]

    args, kwargs = [(R(2, 3), R(3, 5))], {"table": {"deep": [(R(2, 5), "text")]}, "flag": marker}
    prof = calprof.profile(Model(), args=args, kwargs=kwargs)
    assert prof.macs == 30
    assert list(kwargs) == ["table", "flag"] and len(args) == 1


def test_generate():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, vocab_size=37)
    model = LlamaForCausalLM(config)
    kwargs = dict(input_ids=torch.arange(5)[None] + 3, max_new_tokens=3, do_sample=False, pad_token_id=0,
                  eos_token_id=None)  # fmt: skip
    prof = calprof.profile(model, kwargs=kwargs, forward_mode="generate")
    # The prompt of 5 in one forward, then 2 more tokens from the cache, one at a time; the head sees the
    # last position of each. Attention pairs: 25 in the prefill, 6 and 7 after.
    tokens, pairs = 5 + 2, 25 + 6 + 7
    layer = tokens * (4 * 64 + 3 * 96) + pairs * 2 * 8
    assert prof.macs == 2 * layer + 3 * 8 * 37
    assert kwargs["max_new_tokens"] == 3


def test_a_train_mode_forward_gives_batch_statistics_back():
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.5)).eval()
    before = model[0].running_mean.clone()
    prof = calprof.profile(model, args=[R(7, 5)], train_mode=True)
    assert torch.equal(model[0].running_mean, before) and not model.training
    assert prof.work["norm_statistics"] == 35 and prof.work["dropout"] == 35
    assert calprof.profile(model, args=[R(7, 5)]).work["dropout"] == 0


def test_ignored_modules_are_really_left_out():
    model = nn.Sequential(net(), nn.Sequential(nn.Linear(7, 11)))
    full = calprof.profile(model, (2, 3)).macs
    assert full == MACS + 154
    for rule in (nn.Linear, "Linear", [nn.Linear]):
        assert calprof.profile(model, (2, 3), ignore_modules=rule).macs == 0
    assert calprof.profile(model, (2, 3), ignore_modules="0").macs == 154
    assert calprof.profile(model, (2, 3), ignore_modules=["1"]).macs == MACS


def test_integer_inputs_for_a_model_that_starts_with_an_embedding():
    model = nn.Sequential(nn.Embedding(11, 3), nn.Linear(3, 5))
    assert calprof.profile(model, (2, 7)).macs == 14 * 15


def test_dtype_and_device_are_the_models():
    model = nn.Linear(3, 5, dtype=torch.float64)
    (call,) = calprof.profile(model, (2, 3)).recording.calls
    assert call.dtypes[0] == "float64"


def test_parameters_with_no_gradient_are_counted_beside_the_trainable_ones():
    model = net()
    model[0].requires_grad_(False)
    prof = calprof.profile(model, (2, 3))
    assert (prof.params, prof.trainable_params) == (PARAMS, 35)


def test_a_profile_sees_other_conventions_without_running():
    class Once(nn.Module):
        runs = 0

        def forward(self, x):
            type(self).runs += 1
            return x @ x

    prof = calprof.profile(Once(), (3, 3))
    assert prof.under("matmul").flops == 54 and prof.under("electra").macs == 27
    assert prof.training().total.macs == 81 and "MACs" in str(prof)
    assert Once.runs == 1


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        (dict(), ValueError, "input_shape=, tokenizer=, args= or kwargs="),
        (dict(input_shape=(2, 3), args=[R(2, 3)]), ValueError, "not both"),
        (dict(input_shape=(2, 3.5)), TypeError, "3.5"),
        (dict(input_shape="2,3"), TypeError, "input_shape"),
        (dict(input_shape=(2, -3)), ValueError, "-3"),
        (dict(input_shape=(2, 3), convention="flops"), ValueError, "arithmetic, matmul, calflops, electra"),
        (dict(input_shape=(2, 3), ignore_modules="Conv9d"), ValueError, "Conv9d"),
        (dict(input_shape=(2, 3), ignore_modules=[3]), TypeError, "3"),
        (dict(input_shape=(2, 3), forward_mode="generate"), ValueError, "generate"),
        (dict(input_shape=(2, 3), training="yes"), ValueError, "exact"),
        (dict(args=R(2, 3)), TypeError, "args"),
        (dict(kwargs=[R(2, 3)]), TypeError, "kwargs"),
    ],
)
def test_bad_input_gets_one_clear_sentence(options, kind, words):
    with pytest.raises(kind) as caught:
        calprof.profile(net(), **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_that_is_no_module():
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        calprof.profile(F.relu, (2, 3))


@pytest.mark.parametrize("unit", ["X", "FLOPs", 3])
def test_unknown_units_are_refused_before_anything_runs(unit):
    class Never(nn.Module):
        def forward(self, x):
            raise AssertionError("ran")

    with pytest.raises((ValueError, TypeError)) as caught:
        calprof.calculate_flops(Never(), (2, 3), output_unit=unit)
    assert "G" in str(caught.value)


def test_the_models_own_exception_passes_through():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        calprof.profile(net(), (2, 4))


def test_importing_calprof_loads_no_torch_and_the_front_doors_load_no_models():
    import subprocess
    import sys

    code = (
        "import sys, calprof; assert 'torch' not in sys.modules\n"
        "calprof.profile\n"
        "heavy = {'transformers', 'torchvision', 'timm', 'lightning', 'rich', 'peft'} & set(sys.modules)\n"
        "assert 'torch' in sys.modules and not heavy, heavy\n"
        "assert callable(calprof.profile)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
