"""`calprof NAME` for models without weights: the options that build them, and mistakes in one sentence."""

from __future__ import annotations

import logging
import re
import traceback

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
        (["gpt2", "--head", "detector"], "'detector' is neither a head nor a model class"),
        (["gpt2", "--image-size", "1x2x3"], "no size of an image"),
        (["resnet18", "--seconds", "2"], "resnet18 takes images: seconds does not apply"),
        (["llama-3.1-405b", "--real"], "run it at reduced depth, as --set num_hidden_layers=2"),
        (["torch.nn:Lineer"], "'torch.nn' has no 'Lineer'; the closest names are Linear"),
        (["torch.nn:ReLU"], "nothing is known of the input of torch.nn:ReLU: give its shape"),
        (["hf:./nowhere"], "neither a config.json nor a folder"),
        (["hf:"], "'hf:' names no model: give one such as"),
        ([":"], "':' names no model"),
        (["torch.nn:"], "'torch.nn:' is no path of a model"),
        ([":Linear"], "':Linear' is no path of a model"),
        (["hf:bert", "--head", "BertTokenizer"], "'BertTokenizer' is neither a head nor a model class"),
        (["hf:bert", "--head", "GPT2Model"], "GPT2Model is built from a GPT2Config, not from a BertConfig"),
        (["hf:bert", "--head", "detection"], "'bert' has no 'detection' head in transformers; it has causal-lm"),
        (["hf:bert", "--set", "hidden_size=-8"], "transformers bert cannot be built (RuntimeError: Trying to create"),
        (["hf:bert", "--set", "hidden_size=0"], "change the fields of its configuration (--set KEY=VALUE, overrides=)"),
        (["hf:bert", "--set", "num_attention_heads=7"], "is not a multiple of the number of attention heads (7)"),
        (["hf:bert", "--set", "hidden_size=wide"], "expected int, got str"),
        (["hf:bert", "--set", "num_hidden_layers=0"], "an integer number of layers of at least 1, not 0"),
        (["hf:bert", "--seq", "100000"], "exceeds the 512 positions"),
        (["resnet18", "--set", "num_classes=-1"], "change what its builder is given (--set KEY=VALUE, overrides=)"),
        (["resnet18", "--set", "clases=1"], "resnet18 takes no option 'clases'"),
        (["resnet18", "--shape", "1,5,64,64"], "to have 3 channels, but got 5 channels"),
        (["resnet18", "--shape", "1,3,0,64"], "is no shape: give sizes >= 1"),
        (["timm:vit_tiny_patch16_224", "--set", "depht=1", "--image-size", "64"], "takes no option 'depht'"),
        (["timm:resnet18", "--set", "clases=1", "--image-size", "64"], "resnet18 takes no option 'clases'"),
        (["resnet18", "--dtype", "int8"], "dtype must be a floating-point dtype"),
        (["hf:a/b/c"], "is no name of a hub repository"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_and_status_2(words, says):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("calprof: ") and result.stderr.count("\n") == 1
    assert says in result.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1]", "names no model_type"),
        (b'{"model_type": "lama"}', "which transformers does not have; the closest ones are llama"),
        (b'{"model_type": "mine", "auto_map": {"AutoModel": "x.Y"}}', "it needs code from its repository"),
    ],
    ids=str,
)
def test_a_file_that_is_no_configuration(content, says, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    for name in (f"hf:{tmp_path}", str(tmp_path / "config.json")):
        result = run(name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert says in result.stderr and result.stderr.count("\n") == 1


def test_debug_shows_where_a_model_cannot_be_built():
    error = run("hf:bert", "--set", "num_attention_heads=7", "--debug").exception
    assert isinstance(error, ValueError)
    assert "modeling_bert.py" in "".join(traceback.format_exception(error))


def test_a_forward_that_fails_is_told_once():
    logger, told = logging.getLogger("torch._subclasses.fake_tensor"), []
    handler = logging.Handler()
    handler.emit = told.append
    logger.addHandler(handler)
    try:
        result = run("torch.nn:Linear", "--set", "in_features=4", "--set", "out_features=2", "--shape", "1,9")
    finally:
        logger.removeHandler(handler)
    assert result.exit_code == 2 and "must have same reduction dim" in result.stderr
    assert told == [] and not logger.disabled
