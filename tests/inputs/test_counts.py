from __future__ import annotations

from typing import Any

import transformers as hf
from inputs import tiny

from calprof.inputs.configs import from_config
from calprof.models.heads import model_class

TEXT = dict(
    hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
    vocab_size=60, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip


def built(name: str, **settings: Any) -> Any:
    config = hf.CONFIG_MAPPING[name](**settings)
    return tiny.build(model_class(config), config)


def test_a_token_stands_for_each_frame_of_the_codes_of_a_sound() -> None:
    codec = dict(
        model_type="mimi", hidden_size=16, num_filters=4, upsample_groups=16, codebook_size=16, codebook_dim=8,
        vector_quantization_hidden_dimension=8, num_quantizers=3, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=20,
    )  # fmt: skip
    depth = dict(TEXT, num_codebooks=3, backbone_hidden_size=16, max_position_embeddings=4)
    model = built(
        "csm", **TEXT, text_vocab_size=70, num_codebooks=3, audio_token_id=65, audio_eos_token_id=66,
        depth_decoder_config=depth, codec_config=codec, codebook_pad_token_id=3, codebook_eos_token_id=4,
    )  # fmt: skip
    made = from_config(model, seq=5, seconds=0.5)
    frames = -(-made.kwargs["input_values"].shape[-1] // model.config.codec_config.frame_size)
    assert (made.kwargs["input_ids"] == 65).sum().item() == frames == 7
    tiny.run(model, made)


def test_an_encoder_that_also_reads_the_text_is_asked_for_its_lengths() -> None:
    sound = dict(
        model_type="audioflamingo3_encoder", num_mel_bins=8, hidden_size=16, intermediate_size=20,
        num_hidden_layers=1, num_attention_heads=2, max_source_positions=40,
    )  # fmt: skip
    model = built("musicflamingo", audio_config=sound, text_config=dict(TEXT, model_type="qwen2"), audio_token_id=50)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["input_features"].shape == (2, 8, 80)
    assert (made.kwargs["input_ids"] == 50).sum(1).tolist() == [20, 20]
    tiny.run(model, made)


def test_an_image_stands_in_the_text_as_the_codes_made_of_its_features() -> None:
    vision = dict(
        hidden_size=16, intermediate_size=20, depth=1, num_heads=2, patch_size=4, image_size=16, spatial_merge_size=1
    )
    codes = dict(embed_dim=8, num_embeddings=10, latent_channels=16)
    rotary = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
    text = dict(TEXT, vision_vocab_size=20, rope_parameters=rotary)
    model = built(
        "glm_image", vision_config=vision, vq_config=codes, text_config=text, image_token_id=50,
        image_start_token_id=51, image_end_token_id=52,
    )  # fmt: skip
    made = from_config(model, seq=5, image_size=(8, 12))
    assert made.kwargs["image_grid_thw"].tolist() == [[1, 2, 3]] * 2
    assert made.kwargs["images_per_sample"].tolist() == [2]
    assert (made.kwargs["input_ids"] == 50).sum().item() == 6
    tiny.run(model, made)


def test_frames_have_the_only_size_that_a_timm_model_inside_accepts() -> None:
    sight = dict(
        model_type="timm_wrapper", architecture="vit_pe_core_tiny_patch16_384", num_classes=16,
        model_args={"depth": 1, "embed_dim": 16, "num_heads": 2, "attn_pool_num_heads": 2},
    )  # fmt: skip
    video = dict(
        hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, vision_config=sight,
    )  # fmt: skip
    model = built("pe_video_encoder", **video)
    made = from_config(model, frames=2)
    assert made.kwargs["pixel_values_videos"].shape == (1, 2, 3, 384, 384)
    tiny.run(model, made)
