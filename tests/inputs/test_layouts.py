from __future__ import annotations

import transformers as hf
from inputs import tiny

from calprof.inputs.configs import from_config
from calprof.models.heads import model_class

CONFIGS = hf.CONFIG_MAPPING
SMALL = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2)


def test_frames_that_meet_in_another_model_come_one_by_one() -> None:
    config = hf.XCLIPVisionConfig(
        **SMALL, image_size=20, patch_size=5, num_frames=3, mit_hidden_size=12, mit_num_attention_heads=2,
        mit_intermediate_size=12,
    )  # fmt: skip
    model = tiny.build(hf.XCLIPVisionModel, config)
    made = from_config(model, batch=2)
    assert made.kwargs["pixel_values"].shape == (2 * 3, 3, 20, 20)
    tiny.run(model, made)


def test_a_prompt_and_an_image_fill_the_stated_size_together() -> None:
    config = hf.SegGptConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, image_size=[32, 16], patch_size=4, mlp_dim=20,
        pretrain_image_size=16, decoder_hidden_size=8, merge_index=0, intermediate_hidden_state_indices=[1, 2],
    )  # fmt: skip
    model = tiny.build(hf.SegGptForImageSegmentation, config)
    made = from_config(model, batch=2)
    assert made.kwargs["pixel_values"].shape == made.kwargs["prompt_masks"].shape == (2, 3, 16, 16)
    tiny.run(model, made)


def vision_of_molmo(**fields: object) -> dict[str, object]:
    return dict(SMALL, num_key_value_heads=2, head_dim=8, image_size=[21, 21], patch_size=7, **fields)


def test_patches_that_a_product_embeds_are_rows_of_values() -> None:
    config = CONFIGS["molmo2_vision"](**vision_of_molmo())
    model = tiny.build(model_class(config), config)
    made = from_config(model, batch=2)
    assert made.kwargs["pixel_values"].shape == (2, 9, 3 * 7 * 7)
    assert tiny.run(model, made).last_hidden_state.shape == (2, 9, 16)


def test_squares_of_patches_are_pooled_into_tokens_and_those_at_the_edge_are_cut() -> None:
    text = dict(SMALL, vocab_size=64, num_key_value_heads=1, head_dim=8)
    adapter = dict(
        vision_feature_layer=[0], hidden_size=16, num_attention_heads=2, num_key_value_heads=2, head_dim=8,
        intermediate_size=20, text_hidden_size=16,
    )  # fmt: skip
    config = CONFIGS["molmo2"](
        vision_config=vision_of_molmo(), adapter_config=adapter, text_config=text, image_token_id=60
    )
    model = tiny.build(hf.Molmo2ForConditionalGeneration, config)
    made = from_config(model, batch=2, seq=5)
    pooling = made.kwargs["image_token_pooling"]
    assert pooling.shape == (4 * 4, 4)
    assert pooling[0].tolist() == [0, 1, 3, 4]
    assert pooling[3].tolist() == [8, -1, -1, -1]
    assert made.kwargs["input_ids"].shape == (2, 5 + 8)
    assert tiny.run(model, made).logits.shape == (2, 13, 64)


def test_patches_of_a_batch_are_padded_to_the_largest_image() -> None:
    inner = tiny.qwen2_vl().config
    config = hf.ColQwen2Config(vlm_config=inner, embedding_dim=6)
    model = tiny.build(hf.ColQwen2ForRetrieval, config)
    made = from_config(model, batch=2, seq=5, image_size=28)
    assert made.kwargs["pixel_values"].shape == (2, 16, 3 * 2 * 7 * 7)
    assert tiny.run(model, made).embeddings.shape == (2, 5 + 4, 6)


def test_a_codec_inside_hears_one_channel_in_whole_codes() -> None:
    codec = {"encoder_hidden_size": 4, "downsampling_ratios": [2, 4], "codebook_dim": 4, "n_codebooks": 2}
    audio = dict(SMALL, num_key_value_heads=2, head_dim=8, dac_config=codec)
    model = tiny.build(hf.PeAudioEncoder, hf.PeAudioEncoderConfig(**audio))
    made = from_config(model, batch=2, seconds=0.0101)
    assert made.kwargs["input_values"].shape == (2, 1, 168)
    tiny.run(model, made)


def test_an_encoder_of_sound_and_video_gets_both() -> None:
    part = dict(SMALL, num_key_value_heads=2, head_dim=8)
    codec = {"encoder_hidden_size": 4, "downsampling_ratios": [2, 4], "codebook_dim": 4, "n_codebooks": 2}
    timm = {
        "architecture": "vit_pe_core_large_patch14_336", "do_pooling": True, "num_classes": 16, "global_pool": "map",
        "model_args": {"depth": 1, "embed_dim": 16, "num_heads": 2, "img_size": 28},
    }  # fmt: skip
    config = hf.PeAudioVideoEncoderConfig(
        **part, audio_config=dict(part, dac_config=codec), video_config=dict(part, vision_config=timm)
    )
    model = tiny.build(hf.PeAudioVideoEncoder, config)
    made = from_config(model, seconds=0.01, frames=3)
    assert made.kwargs["input_values"].shape == (1, 1, 160)
    assert made.kwargs["pixel_values_videos"].shape == (1, 3, 3, 28, 28)
    tiny.run(model, made)


def test_all_patches_of_all_images_come_in_rows_with_a_grid_for_each() -> None:
    vision = dict(SMALL, patch_size=4, image_size=16, video_temporal_patch_size=2)
    text = dict(
        vocab_size=64, hidden_size=16, intermediate_size=20, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        layers_block_type=["attention", "moe"], n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=8,
        moe_shared_expert_intermediate_size=8, n_group=1, topk_group=1,
    )  # fmt: skip
    config = CONFIGS["nemotron_h_omni"](
        vision_config=vision, text_config=text, image_token_id=60, vision_hidden_size=16, projector_hidden_size=8
    )
    model = tiny.build(model_class(config), config)
    made = from_config(model, batch=2, seq=5, image_size=(16, 24))
    assert made.kwargs["pixel_values"].shape == (2 * 4 * 6, 3 * 4 * 4)
    assert made.kwargs["image_grid_hw"].tolist() == [[4, 6]] * 2
    assert made.kwargs["input_ids"].shape == (2, 5 + 6)
    tiny.run(model, made)


def test_features_for_several_layers_of_the_text_model_take_the_place_of_one_run_of_tokens() -> None:
    text = dict(SMALL, vocab_size=64, num_key_value_heads=1)
    config = CONFIGS["granite4_vision"](
        vision_config=dict(SMALL, hidden_size=64, image_size=16, patch_size=4), text_config=text,
        image_token_index=60, image_grid_pinpoints=[[16, 32], [32, 16]], downsample_rate="1/2",
        deepstack_layer_map=[[0, 0]], spatial_target_layers=[0, 0, 0, 0],
    )  # fmt: skip
    model = tiny.build(hf.Granite4VisionForConditionalGeneration, config)
    made = from_config(model, batch=2, seq=5)
    placeholders = int((made.kwargs["input_ids"] == 60).sum()) // 2
    assert placeholders < config.image_seq_length
    assert tiny.run(model, made).logits.shape == (2, 5 + placeholders, 64)


def test_patches_are_rows_images_or_squares_as_the_encoder_itself_accepts() -> None:
    rows = CONFIGS["hunyuan_vl_vision"](
        **SMALL, patch_size=4, spatial_merge_size=2, max_image_size=16, text_hidden_size=12, num_channels=3
    )
    model = tiny.build(model_class(rows), rows)
    made = from_config(model, batch=2, image_size=16)
    assert made.kwargs["pixel_values"].shape == (2 * 16, 3 * 4 * 4)
    tiny.run(model, made)

    images = CONFIGS["video_llama_3_vision"](**SMALL, patch_size=4)
    model = tiny.build(model_class(images), images)
    made = from_config(model, batch=2, image_size=16)
    assert made.kwargs["pixel_values"].shape == (2 * 16, 3, 4, 4)
    tiny.run(model, made)

    squares = CONFIGS["inkling2_vision"](**SMALL, patch_size=4, spatial_merge_size=2, posemb_grid_size=4)
    model = tiny.build(model_class(squares), squares)
    made = from_config(model, batch=2, image_size=16)
    assert made.kwargs["pixel_values"].shape == (2 * 4, 8, 8, 3)
    assert made.kwargs["image_grid_thw"].tolist() == [[1, 2, 2]] * 2
    tiny.run(model, made)


def test_patches_that_are_folded_layer_by_layer_have_time_and_their_colours_last() -> None:
    config = CONFIGS["inkling_vision"](
        text_hidden_size=16, patch_size=4, temporal_patch_size=2, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2,
    )  # fmt: skip
    model = tiny.build(model_class(config), config)
    made = from_config(model, batch=2, image_size=(8, 12))
    assert made.kwargs["pixel_values"].shape == (2 * 6, 2, 4, 4, 3)
    assert tiny.run(model, made).pooler_output.shape == (12, 1, 16)
