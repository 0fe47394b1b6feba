from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from inputs import tiny

from calprof.inputs.configs import from_config
from calprof.models.heads import model_class

CONFIGS = hf.CONFIG_MAPPING


def model_of(kind: str, **fields: Any) -> Any:
    config = CONFIGS[kind](**fields)
    return tiny.build(model_class(config), config)


def test_a_denoiser_gets_frames_for_each_code_and_the_voice_at_each_frame() -> None:
    model = model_of(
        "qwen2_5_omni_dit", hidden_size=16, num_hidden_layers=1, num_attention_heads=2, head_dim=8, emb_dim=6,
        repeats=2, num_embeds=11, mel_dim=5, enc_emb_dim=4, enc_dim=3, enc_channels=[8, 8, 8, 8, 24],
        enc_attention_channels=4, enc_se_channels=4,
    )  # fmt: skip
    made = from_config(model, batch=2, seq=6)
    assert made.kwargs["hidden_states"].shape == (2, 12, 5)
    assert made.kwargs["speaker_embedding"].shape == (2, 12, 4)
    assert made.kwargs["quantized_code"].shape == (2, 6)
    assert tiny.run(model, made).shape == (2 * 2, 12, 5)


def test_a_vocoder_gets_a_spectrogram() -> None:
    model = model_of("fastspeech2_conformer_hifigan", model_in_dim=7, upsample_initial_channel=32)
    made = from_config(model, batch=2, seconds=0.05)
    assert made.kwargs["spectrogram"].shape == (2, 5, 7)
    assert tiny.run(model, made).shape[0] == 2


def test_latents_attend_to_a_context() -> None:
    model = model_of(
        "idefics2_perceiver", hidden_size=16, resampler_n_latents=3, resampler_depth=1, resampler_n_heads=2,
        resampler_head_dim=8, num_key_value_heads=1,
    )  # fmt: skip
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["context"].shape == (2, 5, 16)
    assert tiny.run(model, made).shape == (2, 3, 16)


def test_maps_of_features_come_in_the_list_that_the_forward_names() -> None:
    fields = dict(hidden_size=16, num_attention_heads=2)
    encoder = model_of("sam3_detr_encoder", num_layers=1, intermediate_size=20, **fields)
    made = from_config(encoder, batch=2, seq=5, image_size=48)
    assert [tuple(one.shape) for one in made.kwargs["vision_features"]] == [(2, 16, 3, 3)]
    assert tiny.run(encoder, made).last_hidden_state.shape == (2, 9, 16)
    assert "vision_features 1 of float32 2x16x3x3" in made.description

    decoder = model_of("sam3_mask_decoder", num_upsampling_stages=2, **fields)
    made = from_config(decoder, batch=2, seq=5, image_size=48)
    assert [one.shape[-1] for one in made.kwargs["backbone_features"]] == [6, 3]
    assert tiny.run(decoder, made).pred_masks.shape == (2, 5, 6, 6)


def test_an_encoder_of_another_encoders_map_gets_a_vector_for_each_patch() -> None:
    model = model_of(
        "unlimited_ocr_vision_encoder", hidden_size=16, intermediate_size=20, num_hidden_layers=1,
        num_attention_heads=2, image_size=28, patch_size=7,
    )  # fmt: skip
    made = from_config(model, batch=2)
    assert made.kwargs["patch_embeds"].shape == (2, 16, 4, 4)
    assert tiny.run(model, made).last_hidden_state.shape == (2, 17, 16)


def test_a_decoder_that_starts_with_a_convolution_gets_its_channels_first() -> None:
    model = model_of(
        "vibevoice_acoustic_tokenizer_decoder", hidden_size=6, num_filters=4, downsampling_ratios=[2, 2],
        depths=[1, 1, 1],
    )  # fmt: skip
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["hidden_states"].shape == (2, 6, 5)
    tiny.run(model, made)


def test_a_decoder_with_layers_for_it_gets_what_the_encoder_hands_on() -> None:
    model = model_of(
        "canary_decoder", hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, vocab_size=64, pad_token_id=0,
    )  # fmt: skip
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["encoder_hidden_states"].shape == (2, 5, 16)
    assert tiny.run(model, made).last_hidden_state.shape == (2, 5, 16)


def test_a_predictor_of_codes_gets_vectors() -> None:
    model = model_of(
        "qwen3_omni_moe_talker_code_predictor", vocab_size=64, hidden_size=16, intermediate_size=20,
        num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8, num_code_groups=3,
        layer_types=["full_attention"],
    )  # fmt: skip
    made = from_config(model, batch=2, seq=5)
    assert {name: tuple(value.shape) for name, value in made.kwargs.items()} == {"inputs_embeds": (2, 5, 16)}
    assert tiny.run(model, made).last_hidden_state.shape == (2, 5, 16)


def test_the_codes_of_one_step_come_one_after_the_other() -> None:
    model = model_of(
        "moshi_depth", vocab_size=64, audio_vocab_size=64, hidden_size=16, input_size=12, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, num_codebooks=3, ffn_dim=20,
    )  # fmt: skip
    made = from_config(model, batch=2)
    assert made.kwargs["input_ids"].shape == (2, 3)
    assert made.kwargs["last_hidden_state"].shape == (2, 1, 12)
    tiny.run(model, made)


def test_a_step_of_text_and_sound_is_a_token_and_a_code_of_each_codebook() -> None:
    config = hf.KyutaiSpeechToTextConfig(
        codebook_vocab_size=21, vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, num_codebooks=3, ffn_dim=20, audio_bos_token_id=20, audio_pad_token_id=19,
        pad_token_id=3, bos_token_id=48,
    )  # fmt: skip
    model = tiny.build(hf.KyutaiSpeechToTextForConditionalGeneration, config)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["input_ids"].shape == (2, 5, 4)
    assert made.kwargs["input_ids"].max() < 21
    assert made.kwargs["attention_mask"].shape == (2, 5)
    assert tiny.run(model, made).logits.shape == (2, 5, 64)


def test_answers_are_read_at_the_marks_of_a_question() -> None:
    text = dict(
        vocab_size=64, hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, layer_types=["full_attention"],
    )  # fmt: skip
    model = model_of("jev", hidden_size=16, text_config=text)
    made = from_config(model, seq=5)
    assert made.kwargs["marks"].tolist() == [[5, 5]]
    assert tiny.run(model, made).numel() == 4


@pytest.mark.parametrize("batch", [1, 2])
def test_sounds_of_known_length_come_in_one_row_of_frames(batch: int) -> None:
    model = model_of(
        "qwen2_5_omni_audio_encoder", num_mel_bins=8, d_model=16, encoder_layers=1, encoder_attention_heads=2,
        encoder_ffn_dim=20, output_dim=12, max_source_positions=10, n_window=5,
    )  # fmt: skip
    made = from_config(model, batch=batch)
    assert made.kwargs["input_features"].shape == (8, batch * 20)
    assert made.kwargs["feature_lens"].tolist() == [20] * batch
    tiny.run(model, made)


def test_chunks_of_sound_come_with_the_samples_they_were_made_of() -> None:
    model = model_of(
        "dots3_note_audio_encoder", feature_size=16, hidden_size=16, intermediate_size=20, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, downsample_hidden_size=6, adapter_input_size=16,
        adapter_out_dim=12,
    )  # fmt: skip
    made = from_config(model, batch=2, seconds=0.2)
    assert made.kwargs["input_features"].shape == (2, 16, 24)
    assert made.kwargs["chunk_sample_lengths"].tolist() == [24 * 160] * 2
    assert torch.isfinite(tiny.run(model, made).pooler_output).all()


def test_bytes_come_with_the_patches_they_make() -> None:
    model = model_of(
        "blt_local_encoder", vocab_size=64, hidden_size=16, hidden_size_global=16, num_attention_heads=2,
        num_key_value_heads=2, num_hidden_layers=1, intermediate_size=20,
    )  # fmt: skip
    made = from_config(model, batch=2, seq=6)
    assert made.kwargs["patch_ids"].tolist() == [[0, 0, 0, 0, 1, 1]] * 2
    assert made.kwargs["num_patches"].item() == 2
    assert tiny.run(model, made)[0].shape == (2, 6, 16)


def test_a_model_that_drafts_gets_states_and_keys_and_values_of_the_larger_one() -> None:
    text = dict(
        vocab_size=64, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, layer_types=["sliding_attention", "full_attention"], sliding_window=4,
    )  # fmt: skip
    model = model_of("gemma4_unified_assistant", text_config=text, backbone_hidden_size=12)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["inputs_embeds"].shape == (2, 5, 24)
    assert {kind: keys.shape[:3] for kind, (keys, _) in made.kwargs["shared_kv_states"].items()} == {
        "sliding_attention": (2, 2, 5), "full_attention": (2, 2, 5),
    }  # fmt: skip
    assert tiny.run(model, made).logits.shape == (2, 5, 64)
