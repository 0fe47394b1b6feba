from __future__ import annotations

import transformers as hf
from inputs import tiny

from calprof.inputs.configs import from_config


def test_a_vision_encoder_alone_gets_rows_of_patches_and_a_grid() -> None:
    config = tiny.qwen2_vl().config.vision_config
    model = hf.models.qwen2_vl.modeling_qwen2_vl.Qwen2VisionTransformerPretrainedModel(config).eval()
    made = from_config(model, batch=2, image_size=(42, 70))
    assert made.kwargs["grid_thw"].tolist() == [[1, 6, 10]] * 2
    assert made.kwargs["hidden_states"].shape == (2 * 6 * 10, 3 * 2 * 7 * 7)
    assert tiny.run(model, made).pooler_output.shape == (2 * 15, 24)


def test_patches_with_their_places_fill_whole_squares() -> None:
    config = hf.Gemma4VisionConfig(
        hidden_size=24, intermediate_size=20, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=3,
        head_dim=8, patch_size=5, pooling_kernel_size=2, position_embedding_size=32,
    )  # fmt: skip
    model = tiny.build(hf.Gemma4VisionModel, config)
    made = from_config(model, batch=2, image_size=(21, 33))
    assert made.kwargs["pixel_values"].shape == (2, 4 * 6, 3 * 5 * 5)
    assert made.kwargs["pixel_position_ids"][1, -1].tolist() == [5, 3]
    assert tiny.run(model, made).last_hidden_state.shape == (2 * 2 * 3, 24)


def test_regions_of_a_detector_come_with_their_boxes() -> None:
    config = hf.LxmertConfig(
        vocab_size=300, hidden_size=12, num_attention_heads=2, intermediate_size=20, l_layers=1, x_layers=1,
        r_layers=1, visual_feat_dim=7, max_position_embeddings=32,
    )  # fmt: skip
    model = tiny.build(hf.LxmertModel, config)
    made = from_config(model, batch=2, seq=11)
    assert made.kwargs["visual_feats"].shape == (2, 36, 7)
    assert made.kwargs["visual_pos"].shape == (2, 36, 4)
    assert tiny.run(model, made).language_output.shape == (2, 11, 12)


def test_queries_come_with_what_they_attend_to() -> None:
    config = hf.Blip2QFormerConfig(
        vocab_size=300, hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20,
        encoder_hidden_size=10,
    )  # fmt: skip
    model = tiny.build(hf.Blip2QFormerModel, config)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["query_embeds"].shape == (2, 5, 12)
    assert made.kwargs["encoder_hidden_states"].shape == (2, 5, 10)
    assert tiny.run(model, made).last_hidden_state.shape == (2, 5, 12)


def test_a_decoder_of_sound_gets_a_code_of_each_codebook_at_every_step() -> None:
    common = dict(
        hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, head_dim=8,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    decoder = dict(
        common, vocab_size=37, num_channels=3, cross_num_attention_heads=2, cross_head_dim=8,
        cross_num_key_value_heads=2, cross_hidden_size=16,
    )  # fmt: skip
    config = hf.DiaConfig(
        encoder_config=dict(common, vocab_size=29), decoder_config=decoder, pad_token_id=35, eos_token_id=34,
        bos_token_id=36, delay_pattern=[0, 1, 2],
    )  # fmt: skip
    model = tiny.build(hf.DiaForConditionalGeneration, config)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["input_ids"].max() < 29
    assert made.kwargs["decoder_input_ids"].shape == (2, 5, 3)
    assert tiny.run(model, made).logits.shape == (2 * 3, 5, 37)


def test_a_decoder_with_a_table_for_each_codebook_gets_a_row_for_each() -> None:
    config = hf.MusicgenDecoderConfig(
        vocab_size=31, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=20, num_codebooks=3,
        max_position_embeddings=64,
    )  # fmt: skip
    model = tiny.build(hf.MusicgenForCausalLM, config)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["input_ids"].shape == (2 * 3, 5)
    assert tiny.run(model, made).logits.shape == (2 * 3, 5, 31)


def test_an_encoder_of_sound_gets_the_frames_it_projects() -> None:
    from transformers.models.granite_speech.configuration_granite_speech import GraniteSpeechEncoderConfig
    from transformers.models.granite_speech.modeling_granite_speech import GraniteSpeechCTCEncoder

    config = GraniteSpeechEncoderConfig(
        input_dim=10, hidden_dim=16, num_layers=2, feedforward_mult=2, num_heads=2, dim_head=8, output_dim=7,
        context_size=4, max_pos_emb=8, conv_kernel_size=3,
    )  # fmt: skip
    model = tiny.build(GraniteSpeechCTCEncoder, config)
    made = from_config(model, batch=2, seq=5)
    assert made.kwargs["hidden_states"].shape == (2, 5, 10)
    tiny.run(model, made)


def test_frames_that_are_taken_several_at_once_have_the_bins_that_are_stated() -> None:
    config = hf.CONFIG_MAPPING["nemotron3_diarization_audio"](
        hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, num_mel_bins=6, subsampling_factor=4,
    )  # fmt: skip
    model = tiny.build(hf.AutoModel._model_mapping[type(config)], config)
    made = from_config(model, batch=2)
    assert made.kwargs["input_features"].shape[-1] == 6
    tiny.run(model, made)
