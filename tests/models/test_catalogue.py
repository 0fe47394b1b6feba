"""The catalogue's configurations build models of exactly the published size."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal

import pytest
import torch

from calprof.models.configs import build_config, untie_head
from calprof.models.heads import model_class
from calprof.models.known import KnownModel, closest, find_known, known_names

transformers = pytest.importorskip("transformers", reason="the catalogue configures transformers models")

UNITS = {"K": 10**3, "M": 10**6, "B": 10**9}
ENTRIES = [find_known(name) for name in known_names()]


def meta_model(known: KnownModel) -> torch.nn.Module:
    """The model whose parameters the entry's figure counts, without storage."""
    config = build_config(known)
    if known.model_type == "detr":
        pytest.importorskip("timm", reason="DETR's backbone comes from timm")
    with torch.device("meta"):
        model = model_class(config, known.counted or None)(config)
    model.tie_weights()
    if known.separate_head:
        untie_head(model)
    return model


def size(model: torch.nn.Module) -> int:
    """The number of parameters, one that is registered twice counted once."""
    return sum({id(p): p.numel() for p in model.parameters()}.values())


def rounded(count: int, like: str) -> str:
    """`count` in the unit of a published figure and with its digits: 6.7B, 125M; 110M for 109.5 million."""
    figure, unit = re.fullmatch(r"([\d.]+)([KMB])", like).groups()
    exact = Decimal(count) / UNITS[unit]
    step = Decimal(1).scaleb(Decimal(figure).as_tuple().exponent)
    if re.fullmatch(r"[1-9]\d0", figure):
        step *= 10
    return f"{(exact / step).quantize(Decimal(1), ROUND_HALF_UP) * step:f}{unit}"


@pytest.mark.parametrize("known", ENTRIES, ids=lambda known: known.name)
def test_the_published_size(known):
    model = meta_model(known)
    count = size(model) + known.buffers
    if known.params is None:
        assert rounded(count, known.params_published) == known.params_published
    else:
        assert count == known.params


@pytest.mark.parametrize("known", [k for k in ENTRIES if k.buffers], ids=lambda known: known.name)
def test_the_buffers_counted_with_the_parameters_are_the_routers_balancing_biases(known):
    state = meta_model(known).state_dict()
    biases = [value.numel() for name, value in state.items() if name.endswith("e_score_correction_bias")]
    assert sum(biases) == known.buffers


@pytest.mark.parametrize("known", ENTRIES, ids=lambda known: known.name)
def test_an_entry_says_what_it_counts_and_where_the_figure_is_from(known):
    assert (known.params is None) != (known.params_published == "")
    assert known.source.strip()
    assert known.name == known.name.lower()
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", known.hub)
    assert isinstance(getattr(transformers, known.architecture), type)


@pytest.mark.parametrize("known", ENTRIES, ids=lambda known: known.name)
def test_an_entry_is_found_by_every_one_of_its_names(known):
    for spelling in (known.name, known.name.upper(), known.hub, *known.aliases):
        assert find_known(spelling) is known


def test_no_name_hides_the_defaults_of_a_model_type():
    for known in ENTRIES:
        for spelling in (known.name, *known.aliases):
            if spelling in transformers.CONFIG_MAPPING:
                assert known.model_type == spelling
                assert not known.config


@pytest.mark.parametrize(
    "family",
    [
        *(
            "gpt2",
            "bert-",
            "roberta-",
            "t5-",
            "vit-",
            "whisper-",
            "clip-",
            "bloom-",
            "opt-",
            "gpt-neox",
            "pythia-",
        ),
        *("falcon-", "llama-7b", "llama-2-", "llama-3-", "llama-3.1-", "mistral-", "mixtral-", "qwen2-"),
        *(
            "qwen2.5-",
            "qwen3-",
            "gemma-7b",
            "gemma-2-",
            "gemma-3-",
            "phi-",
            "deepseek-v2",
            "deepseek-v3",
            "gpt-oss-",
        ),
    ],
)
def test_every_family_a_reader_expects_is_there(family):
    assert any(name.startswith(family) for name in known_names())


# The peers' table of language models at 128 tokens: what they print, and by which name it is here.
PRINTED = {
    "bloom-1b7": 1722408960,
    "bloomz-1b7": 1722408960,
    "bloom-7b1": 7069016064,
    "baichuan-7b": 7000559616,
    "chatglm2-6b": 6243584000,
    "qwen-7b": 7721324544,
    "llama-7b": 6738415616,
    "llama2-7b-chat": 6738415616,
    "chinese-llama-plus-7b": 6885486592,
    "moss-moon-003-sft": 16717980160,
}


@pytest.mark.parametrize(("name", "count"), PRINTED.items())
def test_the_sizes_calflops_prints(name, count):
    assert size(meta_model(find_known(name))) == count


@pytest.mark.parametrize(("name", "count"), [("pythia-1.4b", 1311625216), ("pythia-12b", 11586549760)])
def test_the_sizes_calflops_prints_without_the_output_head(name, count):
    config = build_config(name)
    with torch.device("meta"):
        assert size(model_class(config, "base")(config)) == count


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("vit-base-patch16-224", "ViT_B_16_Weights"),
        ("vit-large-patch16-224", "ViT_L_16_Weights"),
        ("swin-tiny-patch4-window7-224", "Swin_T_Weights"),
        ("swin-small-patch4-window7-224", "Swin_S_Weights"),
        ("swin-base-patch4-window7-224", "Swin_B_Weights"),
        ("deit-base-patch16-224", "ViT_B_16_Weights"),
    ],
)
def test_vision_models_are_as_large_as_torchvision_says(name, weights):
    published = pytest.importorskip("torchvision", reason="the figures are torchvision's").models
    meta = getattr(published, weights).IMAGENET1K_V1.meta
    assert size(meta_model(find_known(name))) == meta["num_params"]


def llama_size(vocabulary, width, inner, layers, heads, groups, tied=False):
    """Embedding and head; per layer q and o, k and v, gate, up and down, two norms; one norm at the end."""
    attention = 2 * width * width + 2 * width * (width // heads) * groups
    layer = attention + 3 * width * inner + 2 * width
    return vocabulary * width * (1 if tied else 2) + layers * layer + width


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("llama-2-7b", (32000, 4096, 11008, 32, 32, 32)),
        ("llama-65b", (32000, 8192, 22016, 80, 64, 64)),
        ("llama-3.1-70b", (128256, 8192, 28672, 80, 64, 8)),
        ("llama-3.1-405b", (128256, 16384, 53248, 126, 128, 8)),
        ("llama-3.2-1b", (128256, 2048, 8192, 16, 32, 8, True)),
    ],
)
def test_llama_in_closed_form(name, shape):
    assert find_known(name).params == llama_size(*shape)


def test_the_closest_names():
    assert closest("llama-3.1-450b")[0] == "llama-3.1-405b"
    assert closest("bert-base-uncasd", 1) == ("bert-base-uncased",)
    assert len(set(closest("mistral", 3))) == 3


def test_an_unknown_name_is_not_found():
    assert find_known("no-such-model") is None


def test_the_catalogue_loads_neither_torch_nor_transformers():
    code = (
        "import sys, types; package = types.ModuleType('calprof'); package.__path__ = [sys.argv[1]]; "
        "sys.modules['calprof'] = package; from calprof.models.known import closest; assert closest('gpt'); "
        "print(sorted({'torch', 'transformers'} & sys.modules.keys()))"
    )
    import calprof

    done = subprocess.run([sys.executable, "-c", code, calprof.__path__[0]], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
