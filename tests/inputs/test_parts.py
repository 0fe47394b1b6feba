from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from inputs import tiny

from calprof.inputs.configs import from_config
from calprof.models.heads import model_class

ATTENTION = dict(
    hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)  # fmt: skip


def built(name: str, **settings: Any) -> Any:
    config = hf.CONFIG_MAPPING[name](**settings)
    return tiny.build(model_class(config), config)


def test_a_decoder_without_a_table_gets_embedded_text_and_the_patches_it_attends_to() -> None:
    model = built("blt_local_decoder", **ATTENTION, vocab_size=30, hidden_size_global=24, cross_attn_k=2)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["inputs_embeds"].shape == (2, 5, 16)
    assert made.kwargs["patch_embeds"].shape == (2, 5, 24)
    assert tiny.run(model, made).shape == (2, 5, 16)


def test_a_decoder_of_sound_alone_gets_codes_at_every_step_and_what_it_attends_to() -> None:
    model = built(
        "dia_decoder", **ATTENTION, head_dim=8, vocab_size=37, num_channels=3, cross_num_attention_heads=2,
        cross_head_dim=8, cross_num_key_value_heads=2, cross_hidden_size=12, pad_token_id=35, eos_token_id=34,
        bos_token_id=36, max_position_embeddings=64,
    )  # fmt: skip
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["input_ids"].shape == (2, 5, 3)
    assert made.kwargs["input_ids"].max() < 37
    assert made.kwargs["attention_mask"].shape == (2, 5)
    assert made.kwargs["encoder_hidden_states"].shape == (2, 5, 12)
    assert tiny.run(model, made).last_hidden_state.shape == (2, 5, 16)


def test_an_encoder_gets_what_its_first_layer_reads() -> None:
    pixels = built("florence_vision", embed_dim=[8, 8, 8, 8], num_heads=[2] * 4, num_groups=[2] * 4, depths=[1] * 4)
    made = from_config(pixels, batch=2, image_size=(64, 96))
    assert made.kwargs["hidden_states"].shape == (2, 3, 64, 96)
    assert tiny.run(pixels, made).last_hidden_state.shape == (2, 8, 2, 3)
    sound = built(
        "vibevoice_acoustic_tokenizer_encoder", hidden_size=8, num_filters=4, downsampling_ratios=[2, 5],
        depths=[1, 1, 1],
    )  # fmt: skip
    made = from_config(sound, batch=2, seconds=0.05)
    assert made.kwargs["hidden_states"].shape[:2] == (2, 1)
    assert tiny.run(sound, made).latents.shape == (2, made.kwargs["hidden_states"].shape[-1] // 10, 8)


def test_windows_of_an_image_count_as_samples() -> None:
    model = built("lw_detr_vit", hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_windows=4)
    made = from_config(model, batch=2, seq=9)
    assert made.kwargs["hidden_states"].shape == (2 * 4, 9, 16)
    tiny.run(model, made)


def test_latents_are_as_wide_as_the_first_layer_of_the_decoder_reads() -> None:
    model = built(
        "pocket_tts_audio_tokenizer_decoder", **ATTENTION, head_dim=8, num_filters=4, upsample_groups=16,
        latent_dim=6, max_position_embeddings=64,
    )  # fmt: skip
    made = from_config(model, batch=2, seq=3)
    assert made.kwargs["latents"].shape == (2, 16, 3)
    tiny.run(model, made)


@pytest.mark.parametrize(
    ("name", "settings", "argument", "shape"),
    [
        (
            "speecht5_hifigan", dict(model_in_dim=10, upsample_initial_channel=32), "spectrogram", (2, 50, 10),
        ),
        (
            "qwen2_5_omni_bigvgan", dict(mel_dim=10, upsample_initial_channel=64), "mel_spectrogram", (2, 10, 50),
        ),
        (
            "univnet",
            dict(
                model_in_channels=8, model_hidden_channels=4, num_mel_bins=10, kernel_predictor_num_blocks=1,
                kernel_predictor_hidden_channels=8,
            ),
            "input_features", (2, 56, 10),
        ),
    ],
)  # fmt: skip
def test_a_vocoder_gets_a_spectrum(name: str, settings: Any, argument: str, shape: tuple[int, ...]) -> None:
    model = built(name, **settings)
    made = from_config(model, batch=2, seconds=0.5)
    assert made.kwargs[argument].shape == shape
    tiny.run(model, made)


def test_the_frames_of_several_sounds_are_joined_where_their_lengths_are_taken() -> None:
    model = built(
        "qwen3_omni_moe_audio_encoder", num_mel_bins=16, encoder_layers=1, encoder_attention_heads=2,
        encoder_ffn_dim=20, d_model=16, output_dim=12, n_window=50, n_window_infer=200, downsample_hidden_size=6,
    )  # fmt: skip
    made = from_config(model, batch=2, seconds=1.5)
    assert made.kwargs["input_features"].shape == (16, 2 * 200)
    assert made.kwargs["feature_lens"].tolist() == [200, 200]
    assert tiny.run(model, made).last_hidden_state.shape[-1] == 12


def test_a_codec_that_also_reads_a_spectrum_gets_a_frame_for_each_hop() -> None:
    semantic = dict(
        ATTENTION, model_type="wav2vec2-bert", feature_projection_input_dim=14, hidden_size=32,
        conv_depthwise_kernel_size=3,
    )  # fmt: skip
    model = built(
        "xcodec2", **ATTENTION | {"hidden_size": 32}, head_dim=16, encoder_hidden_size=4,
        semantic_model_config=semantic, quantization_dim=64,
    )  # fmt: skip
    made = from_config(model, batch=1, seconds=0.1)
    assert made.kwargs["input_values"].shape == (1, 1, 1600)
    assert made.kwargs["input_features"].shape == (1, 1600 // 320, 14)
    tiny.run(model, made)


def test_codes_of_sound_have_an_axis_for_the_codebooks() -> None:
    model = built("inkling_audio", n_mel_bins=6, mel_vocab_size=5, text_hidden_size=8)
    made = from_config(model, batch=2, seq=7)
    assert made.kwargs["audio_input_ids"].shape == (2, 7, 6)
    assert made.kwargs["audio_input_ids"].max() < 5
    assert tiny.run(model, made).last_hidden_state.shape == (2, 7, 8)


def test_a_projector_gets_the_states_of_its_layers_and_the_patches_of_each_token() -> None:
    model = built(
        "molmo2_adapter", vision_feature_layer=[-1, -2], hidden_size=16, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, intermediate_size=20, text_hidden_size=12,
    )  # fmt: skip
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["image_features"].shape == (2, 4 * 5, 2 * 16)
    assert made.kwargs["pooled_patches_idx"].shape == (2 * 5, 4)
    assert tiny.run(model, made).last_hidden_state.shape == (2 * 5, 12)


def test_a_decoder_of_boxes_gets_features_of_sight_and_text() -> None:
    model = built(
        "sam3_detr_decoder", hidden_size=16, num_layers=1, num_queries=4, num_attention_heads=2, intermediate_size=20
    )
    made = from_config(model, batch=2, seq=5, image_size=64)
    # A vector for each of 4 x 4 patches, and for each token.
    shapes = {name: tuple(value.shape) for name, value in made.kwargs.items()}
    assert shapes == {
        "vision_features": (2, 16, 16), "text_features": (2, 5, 16), "vision_pos_encoding": (2, 16, 16),
    }  # fmt: skip
    tiny.run(model, made)


def test_a_decoder_of_masks_gets_features_of_every_level() -> None:
    model = built("sam3_mask_decoder", hidden_size=16, num_upsampling_stages=3, num_attention_heads=2)
    made = from_config(model, batch=2, seq=11, image_size=48)
    # The coarsest level is of patches of 16 x 16 pixels.
    assert [value.shape for value in made.kwargs["backbone_features"]] == [(2, 16, edge, edge) for edge in (12, 6, 3)]
    assert made.kwargs["encoder_hidden_states"].shape == (2, 9, 16)
    assert tiny.run(model, made).pred_masks.shape == (2, 11, 12, 12)


def test_a_codec_of_images_gets_the_size_of_its_grid() -> None:
    model = built(
        "janus_vqgan", base_channels=32, latent_channels=4, embed_dim=4, num_embeddings=10, num_res_blocks=1,
        channel_multiplier=[1, 1, 1], num_patches=6,
    )  # fmt: skip
    made = from_config(model, batch=2)
    assert made.kwargs["pixel_values"].shape == (2, 3, 24, 24)
    assert isinstance(tiny.run(model, made)[0], torch.Tensor)
