"""`calprof NAME` for models without weights: the options that build them, and mistakes in one sentence."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from calprof import profile_by_name
from calprof.cli import cli

TINY = ["--set", "num_hidden_layers=1", "--set", "hidden_size=32", "--set", "intermediate_size=48"]


def run(*words):
    return CliRunner().invoke(cli, words)


def test_a_model_type_with_settings_and_sizes():
    result = run("hf:llama", *TINY, "--batch", "2", "--seq", "7", "--dtype", "bfloat16", "--quiet")
    overrides = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 48}
    prof = profile_by_name("hf:llama", batch=2, seq=7, overrides=overrides)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"LlamaForCausalLM: [\d.]+ MFLOPs, .*2x7 tokens", result.stdout)
    assert f"{prof.macs / 1e6:.2f} MMACs" in result.stdout
    assert result.stderr == ""


def test_a_head_an_image_size_and_a_real_forward():
    result = run("hf:vit", *TINY, "--set", "num_attention_heads=4", "--head", "base", "--image-size", "32", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert "ViTModel" in result.stdout and "1x3x32x32" in result.stdout
    assert run("resnet18", "--image-size", "32x64", "--quiet", "--real").stdout.count("1x3x32x64") == 1


def test_the_users_own_model():
    words = ("torch.nn:Linear", "--set", "in_features=3", "--set", "out_features=5", "--shape", "2,3", "--quiet")
    assert "70 FLOPs, 30 MACs, 20 params" in run(*words).stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lama-3.1-405b"], "the closest names are llama-3.1-405b"),
        (["gpt2", "--set", "n_layer"], "'n_layer' is no setting: give a key and a value"),
        (["gpt2", "--set", "n_lyer=1"], "no field 'n_lyer'; the closest ones are n_layer"),
        (["gpt2", "--head", "detector"], "'detector' is neither a head nor a class"),
        (["gpt2", "--image-size", "1x2x3"], "no size of an image"),
        (["resnet18", "--seconds", "2"], "resnet18 takes images: seconds does not apply"),
        (["llama-3.1-405b", "--real"], "run it at reduced depth, as --set num_hidden_layers=2"),
        (["torch.nn:Lineer"], "'torch.nn' has no 'Lineer'; the closest names are Linear"),
        (["torch.nn:ReLU"], "nothing is known of the input of torch.nn:ReLU: give its shape"),
        (["hf:./nowhere"], "neither a config.json nor a folder"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_and_status_2(words, says):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("calprof: ") and result.stderr.count("\n") == 1
    assert says in result.stderr
