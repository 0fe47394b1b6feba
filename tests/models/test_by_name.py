"""Models by name: what a name means, what it costs at full size, and what a wrong name is told."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import textwrap

import pytest
import torch
from huggingface_hub import errors
from transformers import BertConfig, LlamaConfig

import calprof
from calprof.models import hub
from calprof.models.blueprint import Sizes
from calprof.models.resolve import resolve


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No network, and a hub cache with nothing in it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("resnet50", "torchvision resnet50"),
        ("torchvision:resnet50", "torchvision resnet50"),
        ("timm:resnet50", "timm resnet50"),
        ("vit_tiny_patch16_224", "timm vit_tiny_patch16_224"),
        ("gpt2", "transformers gpt2"),
        ("Llama-3.1-405B", "transformers Llama-3.1-405B"),
        ("hf:llama", "transformers llama"),
        ("llama", "transformers llama"),
        ("meta-llama/Llama-3.1-8B", "transformers meta-llama/Llama-3.1-8B"),
        ("torch.nn:Linear", "torch.nn:Linear"),
    ],
)
def test_what_a_name_means(name, label):
    assert resolve(name).label == label


def llama_macs(tokens, hidden, layers, feedforward, vocabulary, groups):
    """One sequence: query, output, key, value and three feed-forward products, two of attention, the head."""
    layer = 2 * hidden * hidden + 2 * hidden * hidden // groups + 3 * hidden * feedforward
    return tokens * (layers * (layer + 2 * tokens * hidden) + hidden * vocabulary)


def test_llama_405b_at_full_size():
    prof = calprof.profile_by_name("llama-3.1-405b", seq=8192)
    assert prof.params == 405853388800
    assert prof.macs == llama_macs(8192, 16384, 126, 53248, 128256, groups=16)
    assert not prof.uncounted
    assert prof.recording.seconds < 20


LARGE = """
import resource, sys, time
import torch, transformers, calprof
from calprof.named import profile_by_name
profile_by_name("hf:llama", overrides={"num_hidden_layers": 1})
profile_by_name("deepseek-v3", overrides={"num_hidden_layers": 4})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
prof = profile_by_name(sys.argv[1], (1, int(sys.argv[2])))
seconds = time.perf_counter() - started
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
print(prof.params, prof.macs, seconds, grown)
"""


def deepseek_v3_macs(tokens):
    """DeepSeek-V3: latent attention, three dense layers, 58 with one shared and eight of 256 experts."""
    hidden, heads, q_rank, kv_rank, nope, rope, value = 7168, 128, 1536, 512, 128, 64, 128
    attention = hidden * q_rank + q_rank * heads * (nope + rope) + hidden * (kv_rank + rope)
    attention += kv_rank * heads * (nope + value) + heads * value * hidden
    attention += tokens * heads * (nope + rope + value)
    dense = 3 * hidden * 18432
    sparse = (8 + 1) * 3 * hidden * 2048 + 256 * hidden
    return tokens * (61 * attention + 3 * dense + 58 * sparse + hidden * 129280)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read in kilobytes")
@pytest.mark.parametrize(
    ("name", "tokens", "params", "macs"),
    [
        ("llama-3.1-405b", 8192, 405853388800, llama_macs(8192, 16384, 126, 53248, 128256, groups=16)),
        ("deepseek-v3", 4096, 671026404352, deepseek_v3_macs(4096)),
    ],
)
def test_the_largest_take_seconds_and_little_memory(name, tokens, params, macs):
    done = subprocess.run([sys.executable, "-c", LARGE, name, str(tokens)], capture_output=True, text=True, check=True)
    found_params, found_macs, seconds, gigabytes = done.stdout.split()
    assert (int(found_params), int(found_macs)) == (params, macs)
    assert float(seconds) < 10
    assert float(gigabytes) < 1


def test_deepseek_v3_at_full_size():
    prof = calprof.profile_by_name("deepseek-v3", (1, 64))
    assert prof.macs == deepseek_v3_macs(64)
    assert prof.params == 671026404352


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("altclip_text_model", "AltCLIPTextModel"),  # no table of tasks has a part of a model
        ("blip_text_model", "BlipTextModel"),  # written in a file of its own
        ("superglue", "SuperGlueForKeypointMatching"),
        ("bert", "BertForMaskedLM"),
    ],
)
def test_a_model_type_without_a_task_is_built_from_the_class_beside_its_configuration(name, kind):
    from calprof.models.configs import build_config
    from calprof.models.heads import model_class

    assert model_class(build_config(name)).__name__ == kind


def test_a_configuration_that_belongs_to_no_model_is_told_so():
    with pytest.raises(ValueError, match="no model class for the model type 'sam_prompt_encoder'"):
        calprof.profile_by_name("hf:sam_prompt_encoder")


def test_building_stores_nothing():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    calprof.profile_by_name("timm:vit_giant_patch14_224")
    calprof.profile_by_name("mixtral-8x7b", seq=16)
    # The two have 48 billion parameters; a hundredth of one per cent of them would show.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize(
    ("name", "sizes", "described"),
    [
        ("resnet18", {"batch": 3, "image_size": 64}, "float32 3x3x64x64"),
        ("r3d_18", {"frames": 5}, "float32 1x3x5x112x112"),
        ("vit_b_16", {"image_size": 64}, "float32 1x3x64x64"),
        ("timm:vit_tiny_patch16_224", {"batch": 2, "image_size": 64}, "float32 2x3x64x64"),
        ("timm:resnet18", {"image_size": (64, 96)}, "float32 1x3x64x96"),
        ("hf:vit", {"image_size": 64}, "pixel_values float32 1x3x64x64"),
        ("gpt2", {"batch": 2, "seq": 7}, "2x7 tokens (input_ids, attention_mask)"),
        ("gpt2", {"input_shape": (2, 7)}, "2x7 tokens (input_ids, attention_mask)"),
        ("t5-small", {"seq": 7}, "1x7 tokens (input_ids, attention_mask, decoder_input_ids)"),
    ],
)
def test_sizes_of_the_input(name, sizes, described):
    assert calprof.profile_by_name(name, **sizes).input == described


def test_overrides_head_and_dtype():
    config = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 96}
    config["vocab_size"] = 101
    prof = calprof.profile_by_name("hf:bert", seq=5, head="classification", overrides=config, dtype="bfloat16")
    assert prof.kind == "BertForSequenceClassification"
    layer = 4 * 64 * 64 + 2 * 64 * 96 + 2 * 5 * 64
    assert prof.macs == 5 * 2 * layer + 64 * 64 + 64 * 2
    assert {dtype for call in prof.recording.calls if call.op == "linear" for dtype in call.dtypes} == {"bfloat16"}
    assert torch.get_default_dtype() is torch.float32


def test_a_configuration_file_and_its_folder(tmp_path):
    LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, vocab_size=97,
        num_key_value_heads=2, architectures=["LlamaForCausalLM"],
    ).save_pretrained(tmp_path)  # fmt: skip
    for name in (f"hf:{tmp_path}", str(tmp_path / "config.json")):
        assert calprof.profile_by_name(name, seq=7).macs == llama_macs(7, 32, 3, 48, 97, groups=2)


def test_a_hub_model_is_read_from_the_cache(monkeypatch, tmp_path):
    BertConfig(num_hidden_layers=1, architectures=["BertModel"]).save_pretrained(tmp_path)
    monkeypatch.setattr(hub, "_cached", lambda name: str(tmp_path / "config.json"))
    prof = calprof.profile_by_name("hf:somebody/theirs", seq=8)
    assert (prof.kind, prof.macs) == ("BertModel", 8 * (12 * 768 * 768 + 2 * 8 * 768) + 768 * 768)


def test_catalogue_models_need_no_hub():
    assert calprof.profile_by_name("hf:meta-llama/Llama-3.2-1B", seq=8).kind == "LlamaForCausalLM"


MODULE = """
import torch

def make(width=3):
    return torch.nn.Linear(width, 5)

def wrong():
    return 3

built = torch.nn.Linear(3, 7)
text = "no model"
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "somebodys_models.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    yield "somebodys_models"
    sys.modules.pop("somebodys_models", None)


def test_the_users_own_model(module):
    assert calprof.profile_by_name(f"{module}:make", (2, 3)).macs == 30
    assert calprof.profile_by_name(f"{module}:make", (2, 11), overrides={"width": 11}).macs == 110
    assert calprof.profile_by_name(f"{module}:built", (2, 3)).macs == 42
    assert isinstance(sys.modules[module].built.weight.data_ptr(), int)
    assert sys.path[0] != str(sys.modules[module].__file__)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing_there:make", "there is no module 'nothing_there'"),
        ("somebodys_models:mike", "has no 'mike'; the closest names are make"),
        ("somebodys_models:wrong", "returned int, not a torch.nn.Module"),
        ("somebodys_models:text", "is str; expected a model"),
        ("somebodys_models:make", "give its shape"),
    ],
)
def test_a_wrong_path(module, name, says):
    with pytest.raises(ValueError, match=says):
        calprof.profile_by_name(name)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: resolve("resnet5O"), r"'resnet5O'; the closest names are resnet50, \S+, \S+ \(looked in calprof"),
        (lambda: resolve("lama-3.1-405b"), "llama-3.1-405b"),
        (lambda: resolve("torchvision:resnet5O"), "closest of torchvision's"),
        (lambda: resolve("timm:resnet5O"), r"closest names are resnet50.*\(looked in timm\)"),
        (lambda: resolve("hf:lllama"), "closest names are .*llama"),
        (lambda: resolve(""), "the name of a model"),
        (lambda: resolve("hf:./nowhere"), "neither a config.json nor a folder"),
        (lambda: resolve("hf:nobody/nothing"), "not in the hub's cache, and HF_HUB_OFFLINE"),
        (lambda: resolve("hf:a/b/c"), "no name of a hub repository"),
        (lambda: resolve("gpt2", head="detection"), "no 'detection' head"),
        (lambda: resolve("resnet50", head="causal-lm"), "takes no head"),
        (lambda: resolve("gpt2", options={"n_lyer": 3}), "no field 'n_lyer'; the closest ones are n_layer"),
        (lambda: resolve("resnet50", Sizes(seq=3)), "resnet50 takes images: seq does not apply"),
        (lambda: Sizes(batch=0), "batch must be a positive number"),
        (lambda: calprof.profile_by_name("resnet18", overrides={"wings": 2}), "takes no option 'wings'"),
        (lambda: calprof.profile_by_name("gpt2", seq=5000), "5000 exceeds the 1024 positions"),
        (lambda: calprof.profile_by_name("gpt2", dtype="int8"), "floating-point dtype"),
        (lambda: calprof.profile_by_name("resnet18", (1, 4, 32, 32)), "resnet18 refuses float32 1x4x32x32 .*: change"),
        (lambda: calprof.profile_by_name("hf:gemma3"), "the forward of transformers gemma3 refuses 1x.* tokens"),
        (lambda: calprof.profile_by_name("llama-3.1-405b", real=True), "GiB are free: run it at reduced depth"),
        (lambda: calprof.calculate_flops_hf("gpt2", library_name="jax"), "'transformers' or 'timm', not 'jax'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_sentence(call, says):
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def refused(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "refused")
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.GatedRepoError, "'a/b' is gated: accept its terms .*HF_TOKEN"),
        (errors.RepositoryNotFoundError, "the hub has no model 'a/b'"),
        (errors.OfflineModeIsEnabled, "HF_HUB_OFFLINE forbids"),
        (errors.EntryNotFoundError, "'a/b' has no config.json"),
        (ConnectionError, "does not give the configuration of 'a/b': refused"),
    ],
)
def test_what_the_hub_refuses(monkeypatch, error, says):
    import huggingface_hub

    def download(*args, **kwargs):
        raise refused(error)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(ValueError, match=says):
        resolve("hf:a/b")


def test_no_network(monkeypatch):
    import socket

    from huggingface_hub import constants

    def lookup(*args, **kwargs):
        raise socket.gaierror("no such host")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(ValueError, match="the hub cannot be reached: check the network"):
        resolve("hf:a/b")


def test_a_repository_with_its_own_code(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "theirs", "auto_map": {"AutoConfig": "a.B"}}))
    with pytest.raises(ValueError, match="needs code from its repository"):
        resolve(f"hf:{tmp_path}")


def test_a_small_model_that_asks_for_values_runs_for_real_and_says_so():
    prof = calprof.profile_by_name("ssdlite320_mobilenet_v3_large")
    (note,) = prof.recording.notes
    assert note.startswith("run for real, with random weights, because torchvision/models/detection/ssd.py:")
    # torchvision publishes 0.583 G operations for this detector at its own size.
    assert round(prof.macs / 1e9, 3) == 0.583
    with pytest.raises(ValueError, match=r"ssd\.py:\d+ asks for a value"):
        calprof.profile_by_name("ssdlite320_mobilenet_v3_large", real=False)


def test_real_and_fake_by_name_agree():
    options = {"overrides": {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 96, "vocab_size": 101}}
    fake = calprof.profile_by_name("hf:llama", seq=7, **options)
    real = calprof.profile_by_name("hf:llama", seq=7, **options, real=True)
    assert (fake.macs, fake.flops, fake.params) == (real.macs, real.flops, real.params)


def test_calculate_flops_hf_returns_what_calflops_does():
    given = {"overrides": {"num_hidden_layers": 1}, "print_results": False}
    prof = calprof.profile_by_name("gpt2", seq=16, overrides={"num_hidden_layers": 1})
    figures = calprof.calculate_flops_hf("gpt2", (1, 16), output_as_string=False, **given)
    assert figures == (prof.flops, prof.macs, prof.params)
    *both, params = calprof.calculate_flops_hf(
        "gpt2", (1, 16), output_as_string=False, include_backPropagation=True, **given
    )
    assert (both, params) == ([3 * prof.flops, 3 * prof.macs], prof.params)
    *strings, text = calprof.calculate_flops_hf("gpt2", (1, 16), return_results=True, access_token="", **given)
    assert strings[1].endswith("MMACs") and "GPT2LMHeadModel" in text
