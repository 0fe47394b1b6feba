from __future__ import annotations

from typing import Any

import transformers as hf
from inputs import tiny

from calprof.inputs.configs import from_config
from calprof.models.heads import model_class

SMALL = dict(hidden_size=32, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2)


def built(name: str, **settings: Any) -> Any:
    config = hf.CONFIG_MAPPING[name](**settings)
    return tiny.build(model_class(config), config)


def test_small_images_of_one_sample_come_in_one_batch() -> None:
    model = built("paddleocr_vl_vision", **SMALL, image_size=28, patch_size=7)
    made = from_config(model, batch=2, image_size=28)
    assert made.kwargs["pixel_values"].shape == (1, 2 * 16, 3, 7, 7)
    assert made.kwargs["grid_thw"].tolist() == [[1, 4, 4]] * 2
    tiny.run(model, made)


def test_patches_that_the_encoder_shapes_itself_come_as_rows() -> None:
    model = built("hunyuan_vl_vision", **SMALL, patch_size=8, max_image_size=64, text_hidden_size=12)
    made = from_config(model, batch=2, image_size=32)
    assert made.kwargs["pixel_values"].shape == (2 * 16, 3 * 8 * 8)
    tiny.run(model, made)


def test_an_encoder_without_a_vision_part_gets_images_cut_into_rows() -> None:
    rotary = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}
    model = built(
        "neomme", **SMALL, num_key_value_heads=1, head_dim=16, vocab_size=60, embedding_rank=8, patch_size=8,
        embedding_dim=6, layer_types=["full_attention"],
        rope_parameters={"full_attention": rotary, "sliding_attention": rotary},
    )  # fmt: skip
    made = from_config(model, batch=2, seq=5, image_size=(16, 24))
    assert made.kwargs["pixel_values"].shape == (2 * 6, 3 * 8 * 8)
    assert (made.kwargs["input_ids"] == 6).sum(1).tolist() == [6, 6]
    tiny.run(model, made)


def test_a_model_of_several_images_a_sample_gets_an_axis_for_them() -> None:
    text = dict(SMALL, model_type="modernbert", vocab_size=60, pad_token_id=0, eos_token_id=1, bos_token_id=2,
                cls_token_id=2, sep_token_id=1, max_position_embeddings=64)  # fmt: skip
    vision = dict(SMALL, model_type="siglip_vision_model", image_size=32, patch_size=4)
    vlm = dict(text_config=text, vision_config=vision, image_token_id=50, model_type="modernvbert")
    model = built("colmodernvbert", vlm_config=vlm, embedding_dim=6)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["pixel_values"].shape == (2, 1, 3, 32, 32)
    assert (made.kwargs["input_ids"] == 50).sum(1).tolist() == [4, 4]
    tiny.run(model, made)


def test_joined_patches_come_as_squares_that_the_grid_counts() -> None:
    model = built(
        "inkling2_vision", **SMALL, patch_size=5, spatial_merge_size=2, posemb_grid_size=4,
        projection_hidden_dim=12, text_hidden_size=14,
    )  # fmt: skip
    made = from_config(model, batch=2, image_size=(20, 30))
    assert made.kwargs["pixel_values"].shape == (2 * 6, 10, 10, 3)
    assert made.kwargs["image_grid_thw"].tolist() == [[1, 2, 3]] * 2
    tiny.run(model, made)


def test_patches_over_several_frames_are_read_one_by_one() -> None:
    model = built("inkling_vision", patch_size=4, temporal_patch_size=2, num_hidden_layers=4, text_hidden_size=12)
    made = from_config(model, batch=2, image_size=(8, 12))
    assert made.kwargs["pixel_values"].shape == (2 * 6, 2, 4, 4, 3)
    assert tiny.run(model, made).last_hidden_state.shape == (2 * 6, 1, 12)


def test_tiles_are_masked_as_a_whole() -> None:
    text = dict(SMALL, vocab_size=60, num_key_value_heads=1, pad_token_id=0, eos_token_id=1, bos_token_id=2)
    vision = dict(SMALL, image_size=32, patch_size=4, scale_factor=4, out_hidden_size=32,
                  deepstack_visual_indexes=[0])  # fmt: skip
    model = built("granite_docling", text_config=text, vision_config=vision, image_token_id=50, pad_token_id=0)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["pixel_values"].shape == (2, 1, 3, 32, 32)
    assert made.kwargs["pixel_attention_mask"].shape == (2, 1)
    tiny.run(model, made)
