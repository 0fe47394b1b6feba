"""Hugging Face models of a few thousand parameters, with random weights."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf


def build(cls: Any, config: Any) -> Any:
    return cls(config).eval()


def bert(vocab: int = 300, positions: int = 64) -> Any:
    return build(
        hf.BertForMaskedLM,
        hf.BertConfig(
            vocab_size=vocab, hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=20, max_position_embeddings=positions,
        ),
    )  # fmt: skip


def gpt2(vocab: int = 257, positions: int = 64) -> Any:
    config = hf.GPT2Config(
        vocab_size=vocab, n_positions=positions, n_embd=12, n_layer=1, n_head=2,
        bos_token_id=256, eos_token_id=256,
    )  # fmt: skip
    return build(hf.GPT2LMHeadModel, config)


def llama(vocab: int = 300) -> Any:
    config = hf.LlamaConfig(
        vocab_size=vocab, hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=32,
    )  # fmt: skip
    return build(hf.LlamaForCausalLM, config)


def t5(cls: Any = hf.T5ForConditionalGeneration, vocab: int = 400) -> Any:
    config = hf.T5Config(
        vocab_size=vocab, d_model=12, d_kv=6, d_ff=20, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return build(cls, config)


def bart(cls: Any = hf.BartForSequenceClassification) -> Any:
    config = hf.BartConfig(
        vocab_size=300, d_model=12, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=20, decoder_ffn_dim=20, max_position_embeddings=64,
    )  # fmt: skip
    return build(cls, config)


def vit() -> Any:
    config = hf.ViTConfig(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20, image_size=20,
        patch_size=5,
    )  # fmt: skip
    return build(hf.ViTForImageClassification, config)


def videomae() -> Any:
    config = hf.VideoMAEConfig(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20, image_size=20,
        patch_size=5, num_frames=6, tubelet_size=2,
    )  # fmt: skip
    return build(hf.VideoMAEForVideoClassification, config)


def whisper() -> Any:
    config = hf.WhisperConfig(
        vocab_size=301, num_mel_bins=7, d_model=12, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=20, decoder_ffn_dim=20,
        max_source_positions=11, max_target_positions=29, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=3, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    return build(hf.WhisperForConditionalGeneration, config)


def wav2vec2() -> Any:
    config = hf.Wav2Vec2Config(
        vocab_size=13, hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20,
        conv_dim=(6, 6), conv_kernel=(10, 3), conv_stride=(5, 2), num_feat_extract_layers=2,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    return build(hf.Wav2Vec2ForCTC, config)


def clip() -> Any:
    text = dict(
        vocab_size=300, hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=23, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    vision = dict(
        hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, image_size=20,
        patch_size=5,
    )  # fmt: skip
    config = hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=6)
    return build(hf.CLIPModel, config)


def llava() -> Any:
    vision = hf.CLIPVisionConfig(
        hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2, image_size=20,
        patch_size=5,
    )  # fmt: skip
    config = hf.LlavaConfig(vision_config=vision, text_config=llama().config, image_token_index=3, image_seq_length=16)
    return build(hf.LlavaForConditionalGeneration, config)


def qwen2_vl() -> Any:
    vision = dict(
        depth=1, embed_dim=16, hidden_size=24, num_heads=2, patch_size=7, spatial_merge_size=2,
        temporal_patch_size=2, mlp_ratio=2,
    )  # fmt: skip
    text = dict(
        vocab_size=300, hidden_size=24, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e4},
    )  # fmt: skip
    config = hf.Qwen2VLConfig(
        vision_config=vision, text_config=text, image_token_id=290, video_token_id=291,
        vision_start_token_id=292, vision_end_token_id=293,
    )  # fmt: skip
    return build(hf.Qwen2VLForConditionalGeneration, config)


def forecaster() -> Any:
    config = hf.TimeSeriesTransformerConfig(
        prediction_length=5, context_length=11, lags_sequence=[1, 2, 3], num_time_features=2, d_model=12,
        encoder_layers=1, decoder_layers=1, encoder_ffn_dim=20, decoder_ffn_dim=20,
        encoder_attention_heads=2, decoder_attention_heads=2, num_static_categorical_features=1,
        cardinality=[7], embedding_dimension=[3],
    )  # fmt: skip
    return build(hf.TimeSeriesTransformerModel, config)


def patchtst() -> Any:
    config = hf.PatchTSTConfig(
        num_input_channels=3, context_length=32, patch_length=8, patch_stride=8, d_model=12,
        num_hidden_layers=1, num_attention_heads=2, ffn_dim=20, prediction_length=5,
    )  # fmt: skip
    return build(hf.PatchTSTForPrediction, config)


def run(model: Any, inputs: Any) -> Any:
    with torch.no_grad():
        return model(*inputs.args, **inputs.kwargs)
