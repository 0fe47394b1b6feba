"""Configurations from names, model types and files; the class a configuration asks for."""

from __future__ import annotations

import json

import pytest
from torch._subclasses.fake_tensor import FakeTensorMode

from calprof.models.configs import build_config, untie_head
from calprof.models.heads import head_names, model_class
from calprof.models.known import find_known

transformers = pytest.importorskip("transformers", reason="configurations are transformers'")


def write(folder, **fields):
    (folder / "config.json").write_text(json.dumps(fields))
    return folder


def test_a_name_a_hub_name_and_an_entry_give_the_same_configuration():
    by_entry = build_config(find_known("llama-3.2-1b")).to_dict()
    assert build_config("llama-3.2-1b").to_dict() == by_entry
    assert build_config("meta-llama/Llama-3.2-1B").to_dict() == by_entry
    assert by_entry["num_key_value_heads"] == 8
    assert by_entry["rope_parameters"]["rope_theta"] == 500000.0


def test_a_model_type_gives_its_defaults():
    assert build_config("llama").to_dict() == transformers.LlamaConfig().to_dict()


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_folder_and_its_file_give_what_is_written(tmp_path, as_file, as_text):
    shape = {"hidden_size": 22, "num_attention_heads": 11}
    path = write(tmp_path, model_type="llama", architectures=["LlamaModel"], **shape)
    path = path / "config.json" if as_file else path
    config = build_config(str(path) if as_text else path)
    assert (config.hidden_size, config.head_dim, config.architectures) == (22, 2, ["LlamaModel"])


def test_a_relative_folder_is_found_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine", model_type="gpt2", n_layer=7)
    assert build_config("mine").n_layer == 7


def test_overrides_reach_derived_fields_aliases_and_nested_configurations():
    assert build_config("llama-3.1-8b", hidden_size=1024).head_dim == 32
    assert build_config("gpt2-xl", num_hidden_layers=5).n_layer == 5
    assert len(build_config("gemma-3-1b", num_hidden_layers=31).layer_types) == 31
    depths = {"text_config.num_hidden_layers": 3, "vision_config.num_hidden_layers": 2}
    nested = build_config("llava-1.5-7b", **depths)
    assert (nested.text_config.num_hidden_layers, nested.vision_config.num_hidden_layers) == (3, 2)
    assert nested.text_config.vocab_size == 32064
    assert build_config("llava-1.5-7b", text_config={"hidden_size": 512}).text_config.vocab_size == 32064
    assert build_config("vit-base-patch16-224", num_labels=13).num_labels == 13
    assert build_config("llama", rope_theta=77.0).rope_parameters["rope_theta"] == 77.0


def test_overrides_leave_the_catalogue_as_it_was():
    build_config("llava-1.5-7b", **{"text_config.num_hidden_layers": 3})
    build_config("gpt2-xl", n_layer=3)
    assert build_config("llava-1.5-7b").text_config.num_hidden_layers == 32
    assert build_config("gpt2-xl").n_layer == 48


@pytest.mark.parametrize(("depth", "kinds"), [(2, ["sliding_attention"] * 2), (7, None)])
def test_a_written_list_of_layers_follows_the_depth(tmp_path, depth, kinds):
    period = ["sliding_attention", "sliding_attention", "full_attention"]
    write(tmp_path, model_type="gemma3_text", num_hidden_layers=6, layer_types=period * 2)
    expected = kinds or period + period + period[:1]
    assert build_config(tmp_path, num_hidden_layers=depth).layer_types == expected


def test_gpt_neo_repeats_its_attention_pattern():
    assert build_config("gpt-neo-2.7b", num_layers=4).attention_layers == ["global", "local"] * 2


def test_labels_written_in_a_file_give_way_to_their_number(tmp_path):
    write(tmp_path, model_type="vit", id2label={"0": "cat", "1": "dog", "2": "emu"})
    assert build_config(tmp_path).num_labels == 3
    assert build_config(tmp_path, num_labels=5).num_labels == 5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_hiden_layers": 4}, "num_hidden_layers"),
        ({"model_type": "gpt2"}, "no field 'model_type'"),
        ({"num_hidden_layers": 0}, "at least 1, not 0"),
        ({"hidden_size.inner": 4}, "no nested configuration"),
        ({"hidden_size": "wide"}, "cannot build a configuration"),
    ],
)
def test_an_override_that_cannot_be(overrides, message):
    with pytest.raises(ValueError, match=message):
        build_config("llama-2-7b", **overrides)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("swin-tiny-patch4-window7-224", {"num_hidden_layers": 2}, "derives 'num_hidden_layers'"),
        ("mt5-small", {"tie_word_embeddings": False}, "sets 'tie_word_embeddings' of 'mt5-small' to True"),
    ],
)
def test_an_override_is_never_lost(name, overrides, message):
    with pytest.raises(ValueError, match=message):
        build_config(name, **overrides)


def test_a_derived_depth_follows_what_it_derives_from():
    assert build_config("swin-tiny-patch4-window7-224", depths=[1, 3]).num_hidden_layers == 2


def test_a_field_of_a_nested_configuration_is_pointed_out():
    with pytest.raises(ValueError, match=r"text_config\.num_hidden_layers"):
        build_config("llava-1.5-7b", num_hidden_layers=2)


def test_an_unknown_name_gets_the_closest_ones_and_where_it_looked():
    with pytest.raises(ValueError, match=r"catalogue.*folder.*llama-3\.1-405b"):
        build_config("llama-3.1-406b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "mystery", "auto_map": {"AutoModel": "code.Model"}}', "never runs such code"),
        ('{"model_type": "lama"}', "closest ones are .*llama"),
        ('{"hidden_size": 8}', "names no model_type"),
        ("[1]", "names no model_type"),
        ("{", "not JSON"),
        ('{"model_type": "llama", "hidden_size": 7, "num_attention_heads": 2}', "cannot build"),
    ],
)
def test_a_file_that_describes_no_model(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        build_config(tmp_path)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"neither a config\.json nor a folder"):
        build_config(str(tmp_path / "nothing.json"))


def test_remote_code_with_a_model_type_of_the_library_is_ignored(tmp_path):
    write(tmp_path, model_type="falcon", auto_map={"AutoModel": "code.Model"}, num_hidden_layers=3)
    assert type(build_config(tmp_path)) is transformers.FalconConfig


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("bert-base-uncased", None, "BertForMaskedLM"),
        ("bert-base-uncased", "base", "BertModel"),
        ("bert-base-uncased", "classification", "BertForSequenceClassification"),
        ("bert-base-uncased", "BertForPreTraining", "BertForPreTraining"),
        ("llama-2-7b", "causal-lm", "LlamaForCausalLM"),
        ("t5-small", "seq2seq", "T5ForConditionalGeneration"),
        ("roberta-base", "masked-lm", "RobertaForMaskedLM"),
        ("whisper-tiny", "audio", "WhisperForConditionalGeneration"),
        ("whisper-tiny", "seq2seq", "WhisperForConditionalGeneration"),
        ("wav2vec2-base", "audio", "Wav2Vec2ForCTC"),
        ("vit-base-patch16-224", "vision", "ViTForImageClassification"),
        ("detr-resnet-50", "detection", "DetrForObjectDetection"),
        ("llava-1.5-7b", "multimodal", "LlavaForConditionalGeneration"),
        ("bert", None, "BertForMaskedLM"),
        ("gpt2", None, "GPT2LMHeadModel"),
        ("llama", None, "LlamaForCausalLM"),
        ("bart", None, "BartForConditionalGeneration"),
        ("whisper", None, "WhisperForConditionalGeneration"),
        ("clip", None, "CLIPModel"),
        ("vit", None, "ViTForImageClassification"),
        ("wav2vec2", None, "Wav2Vec2ForCTC"),
    ],
)
def test_the_class_a_configuration_asks_for(name, head, expected):
    assert model_class(build_config(name), head).__name__ == expected


def test_a_decoder_is_a_causal_language_model_and_an_unknown_architecture_falls_back():
    assert model_class(transformers.BertConfig(is_decoder=True)).__name__ == "BertLMHeadModel"
    assert model_class(transformers.LlamaConfig(architectures=["TheirOwn"])).__name__ == "LlamaForCausalLM"


def test_a_head_the_model_type_does_not_have():
    with pytest.raises(ValueError, match="'llama' has no 'vision' head in transformers; it has causal-lm"):
        model_class(build_config("llama"), "vision")


def test_a_head_nobody_has():
    with pytest.raises(ValueError, match=r"closest heads are .*causal-lm"):
        model_class(build_config("llama"), "causal")
    assert "causal-lm" in head_names()


def test_a_head_is_untied_once_and_only_where_it_was_tied():
    config = transformers.GPT2Config(vocab_size=7, n_embd=6, n_head=2, n_layer=1, n_positions=5)
    model = transformers.GPT2LMHeadModel(config)
    before = sum(p.numel() for p in model.parameters())
    untie_head(model)
    untie_head(model)
    assert sum(p.numel() for p in model.parameters()) == before + 7 * 6
    assert model.lm_head.weight.equal(model.transformer.wte.weight)
    base = transformers.GPT2Model(config)
    untie_head(base)
    assert sum(p.numel() for p in base.parameters()) == before


def test_a_fake_head_is_untied_too():
    config = build_config("flan-t5-small", num_layers=1)
    with FakeTensorMode():
        model = model_class(config)(config)
        before = sum(p.numel() for p in model.parameters())
        untie_head(model)
        assert sum(p.numel() for p in model.parameters()) == before + 32128 * 512
