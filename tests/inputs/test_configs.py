from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from inputs import tiny
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from calprof.inputs.configs import from_config


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (tiny.bert, ["input_ids", "attention_mask"]),
        (tiny.gpt2, ["input_ids", "attention_mask"]),
        (tiny.t5, ["input_ids", "attention_mask", "decoder_input_ids"]),
        (tiny.vit, ["pixel_values"]),
        (tiny.videomae, ["pixel_values"]),
        (tiny.whisper, ["input_features", "decoder_input_ids"]),
        (tiny.wav2vec2, ["input_values"]),
        (tiny.clip, ["pixel_values", "input_ids", "attention_mask"]),
        (tiny.llava, ["pixel_values", "input_ids", "attention_mask"]),
        (tiny.patchtst, ["past_values"]),
    ],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_forward_takes_them(build: Any, names: list[str], batch: int) -> None:
    model = build()
    made = from_config(model, batch=batch, seq=11)
    assert [name for name in made.kwargs if name != "image_sizes"] == names
    assert tiny.run(model, made)[0] is not None


def test_text_is_as_long_as_asked_or_as_there_are_positions() -> None:
    assert from_config(tiny.llama()).kwargs["input_ids"].shape == (1, 128)
    assert from_config(tiny.gpt2(positions=17), batch=3).kwargs["input_ids"].shape == (3, 17)
    with pytest.raises(ValueError, match="18 exceeds the 17 positions"):
        from_config(tiny.gpt2(positions=17), seq=18)


def test_images_are_of_the_size_in_the_configuration() -> None:
    assert from_config(tiny.vit(), batch=2).kwargs["pixel_values"].shape == (2, 3, 20, 20)
    resnet = hf.ResNetConfig(embedding_size=5, hidden_sizes=[5, 7], depths=[1, 1], layer_type="basic")
    model = tiny.build(hf.ResNetForImageClassification, resnet)
    assert from_config(model, image_size=(33, 47)).kwargs["pixel_values"].shape == (1, 3, 33, 47)
    assert from_config(model).kwargs["pixel_values"].shape == (1, 3, 224, 224)


def test_videos_have_the_frames_of_the_configuration() -> None:
    assert from_config(tiny.videomae()).kwargs["pixel_values"].shape == (1, 6, 3, 20, 20)


def test_sound_is_as_long_as_asked_or_as_the_encoder_is_fixed_to() -> None:
    assert from_config(tiny.wav2vec2(), seconds=0.25).kwargs["input_values"].shape == (1, 4000)
    assert from_config(tiny.whisper()).kwargs["input_features"].shape == (1, 7, 22)


def test_llava_gets_one_placeholder_for_each_patch() -> None:
    made = from_config(tiny.llava(), batch=2, seq=11)
    assert (made.kwargs["input_ids"] == 3).sum(1).tolist() == [16, 16]
    assert made.kwargs["input_ids"].shape == (2, 16 + 11)


def test_qwen2_vl_gets_merged_patches_a_grid_and_token_kinds() -> None:
    model = tiny.qwen2_vl()
    made = from_config(model, batch=2, seq=11, image_size=(42, 70))
    assert made.kwargs["image_grid_thw"].tolist() == [[1, 6, 10]] * 2
    assert made.kwargs["pixel_values"].shape == (2 * 60, 3 * 2 * 7 * 7)
    assert (made.kwargs["input_ids"] == 290).sum(1).tolist() == [15, 15]
    assert tiny.run(model, made).logits.shape == (2, 26, 300)


def test_frames_make_a_video_of_a_model_that_takes_both() -> None:
    model = tiny.qwen2_vl()
    made = from_config(model, seq=11, image_size=28, frames=6)
    assert made.kwargs["video_grid_thw"].tolist() == [[3, 4, 4]]
    assert (made.kwargs["input_ids"] == 291).sum() == 12
    assert tiny.run(model, made).logits.shape == (1, 23, 300)


def test_a_forecaster_gets_its_lags_and_its_horizon() -> None:
    model = tiny.forecaster()
    made = from_config(model, batch=2).kwargs
    assert made["past_values"].shape == (2, 11 + 3)
    assert made["future_time_features"].shape == (2, 5, 2)
    assert made["static_categorical_features"].shape == (2, 1)
    with torch.no_grad():
        assert model(**made).last_hidden_state.shape == (2, 5, 12)


def test_a_decision_model_gets_its_episode() -> None:
    config = hf.DecisionTransformerConfig(
        state_dim=5, act_dim=3, hidden_size=12, n_layer=1, n_head=2, max_ep_len=40, n_positions=64
    )
    model = tiny.build(hf.DecisionTransformerModel, config)
    made = from_config(model, batch=2, seq=7)
    assert made.kwargs["states"].shape == (2, 7, 5)
    assert tiny.run(model, made).action_preds.shape == (2, 7, 3)


def test_heads_with_a_rule_about_their_ids() -> None:
    assert tiny.run(tiny.bart(), from_config(tiny.bart(), batch=2, seq=7)).logits.shape == (2, 3)
    choice = tiny.build(hf.BertForMultipleChoice, tiny.bert().config)
    made = from_config(choice, seq=7)
    assert made.kwargs["input_ids"].shape == (1, 2, 7)
    assert tiny.run(choice, made).logits.shape == (1, 2)


@pytest.mark.parametrize(
    ("build", "seq"), [(tiny.gpt2, 11), (tiny.t5, 11), (tiny.vit, 11), (tiny.clip, 11), (tiny.wav2vec2, 11)]
)
def test_the_configuration_alone_gives_the_same_as_its_model(build: Any, seq: int) -> None:
    model = build()
    model.config.architectures = [type(model).__name__]
    alone, whole = from_config(model.config, seq=seq), from_config(model, seq=seq)
    assert alone.description == whole.description
    assert all(torch.equal(alone.kwargs[name], value) for name, value in whole.kwargs.items())


def test_a_model_on_fake_tensors_gets_fake_inputs_with_as_many_placeholders() -> None:
    with FakeTensorMode():
        made = from_config(tiny.llava(), seq=11)
        assert all(isinstance(value, FakeTensor) for value in made.kwargs.values())
        assert made.kwargs["input_ids"].shape == (1, 16 + 11)


def test_asking_the_encoder_leaves_no_trace() -> None:
    model = tiny.llava().train()
    before = torch.get_rng_state()
    from_config(model, seq=11)
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), before)
    assert all(one.grad is None for one in model.parameters())


@pytest.mark.parametrize(
    ("given", "error", "named"),
    [
        ({"batch": 0}, ValueError, "batch is 0"),
        ({"seq": 2.5}, TypeError, "seq is 2.5"),
        ({"seconds": -1}, ValueError, "seconds is -1"),
        ({"seconds": "long"}, TypeError, "'long'"),
        ({"image_size": (1, 2, 3)}, ValueError, r"\(1, 2, 3\)"),
        ({"frames": True}, TypeError, "frames is True"),
    ],
)
def test_bad_sizes_are_named(given: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        from_config(tiny.vit(), **given)


def test_not_a_hugging_face_model() -> None:
    with pytest.raises(TypeError, match="Linear"):
        from_config(torch.nn.Linear(3, 5))


def test_a_decoder_is_no_longer_than_its_positions() -> None:
    assert from_config(tiny.whisper()).kwargs["decoder_input_ids"].shape == (1, 29)
    with pytest.raises(ValueError, match="30 exceeds the 29 positions"):
        from_config(tiny.whisper(), seq=30)


def test_pix2struct_gets_patches_with_their_places() -> None:
    text = dict(vocab_size=300, hidden_size=12, d_kv=6, d_ff=20, num_layers=1, num_heads=2)
    vision = dict(
        hidden_size=12, patch_embed_hidden_size=48, d_ff=20, d_kv=6, num_hidden_layers=1,
        num_attention_heads=2, patch_size=4, seq_len=64,
    )  # fmt: skip
    config = hf.Pix2StructConfig(text_config=text, vision_config=vision, decoder_start_token_id=0)
    model = tiny.build(hf.Pix2StructForConditionalGeneration, config)
    made = from_config(model, batch=2, seq=5, image_size=(12, 20))
    assert made.kwargs["flattened_patches"].shape == (2, 15, 2 + 3 * 4 * 4)
    assert made.kwargs["flattened_patches"][0, -1, :2].tolist() == [3.0, 5.0]
    assert tiny.run(model, made).logits.shape == (2, 5, 300)
