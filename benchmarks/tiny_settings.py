"""Settings by model type that default configurations lack, though their models do not run without them.

Most are left at `None` because every published checkpoint states them; the values have the checkpoints' shapes,
scaled to the small configurations. A few are attributes that the model reads and the class does not declare.
"""

from __future__ import annotations

from typing import Any

CODES = 64
_IMAGE, _LINE_END, _FIRST_CODE = 900, 901, 800


def _letters(code: int) -> str:
    """A number with a letter for each digit."""
    return "".join(chr(ord("A") + int(digit)) for digit in str(code))


_CHAMELEON_WORDS = {"<image>": _IMAGE} | {f"IMGIMG{_letters(code)}Z": _FIRST_CODE + code for code in range(CODES)}
_EMU3_WORDS = {"<image>": _IMAGE, "<|extra_200|>": _LINE_END} | {
    f"<|visual token {code:06d}|>": _FIRST_CODE + code for code in range(CODES)
}
_INTRACLASS = {
    "reduce_channel": [1, 1, 0], "return_channel": [1, 1, 0],
    "vertical_long_to_small_conv_longratio": [[7, 1], [1, 1], [3, 0]],
    "vertical_long_to_small_conv_midratio": [[5, 1], [1, 1], [2, 0]],
    "vertical_long_to_small_conv_shortratio": [[3, 1], [1, 1], [1, 0]],
    "horizontal_small_to_long_conv_longratio": [[1, 7], [1, 1], [0, 3]],
    "horizontal_small_to_long_conv_midratio": [[1, 5], [1, 1], [0, 2]],
    "horizontal_small_to_long_conv_shortratio": [[1, 3], [1, 1], [0, 1]],
    "symmetric_conv_long_longratio": [[7, 7], [1, 1], [3, 3]],
    "symmetric_conv_long_midratio": [[5, 5], [1, 1], [2, 2]],
    "symmetric_conv_long_shortratio": [[3, 3], [1, 1], [1, 1]],
}  # fmt: skip

_STAGES = ["stage1", "stage2", "stage3", "stage4"]
_REPVIT = {
    "model_type": "timm_wrapper", "architecture": "repvit_m1", "num_classes": 2,
    "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
}  # fmt: skip
_PERCEIVING = {
    "model_type": "timm_wrapper", "architecture": "vit_pe_core_large_patch14_336", "do_pooling": False,
    "model_args": {
        "depth": 2, "embed_dim": 128, "num_heads": 2, "img_size": [112, 112], "global_pool": "",
        "use_post_transformer_norm": False, "init_values": 0.1, "ref_feat_shape": [8, 8],
    },
}  # fmt: skip

ARGUMENTS: dict[str, dict[str, Any]] = {
    "perception_lm": {"vision_config": _PERCEIVING},
}
"""Arguments without which a class does not build its own default configuration, or builds one without a model."""

SETTINGS: dict[str, dict[str, Any]] = {
    "chameleon": {"vocabulary_map": _CHAMELEON_WORDS},
    "chameleon_vqgan": {"num_embeddings": CODES},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}}
    },
    "deepseek_ocr2_sam_vision_model": {"downsample_channels": [64, 512]},
    "deepseek_ocr2_text": {"mlp_layer_types": ["dense", "sparse"], "num_experts_per_tok": 2},
    "diffusion_gemma_text": {"num_experts": 16, "top_k_experts": 4, "moe_intermediate_size": 64},
    "emu3": {"vocabulary_map": _EMU3_WORDS},
    "edgetam_vision_model": {
        "backbone_config": _REPVIT, "backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]]
    },
    "emu3_vqgan": {"codebook_size": CODES, "base_channels": 32, "hidden_size": 128},
    "ernie4_5_vl_moe_text": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5, "mrope_section": [3, 3, 2]}
    },
    "glm_image_vqmodel": {"num_embeddings": CODES},
    "inkling_vision": {"patch_size": 4, "num_hidden_layers": 4},
    "moonshine_streaming": {"num_key_value_heads": 8},
    "superpoint": {"max_keypoints": 64},  # untrained, it takes every pixel for one
    "pix2struct_text_model": {"initializer_range": 0.02},
    "pe_video_encoder": {"vision_config": {"model_args": {"depth": 2, "embed_dim": 128, "num_heads": 2}}},
    "pp_ocrv5_server_det": {
        "backbone_config": {"model_type": "hgnet_v2", "out_features": _STAGES},
        "intraclass_block_config": _INTRACLASS, "kernel_list": [3, 2, 2], "scale_factor_list": [1, 2, 4, 8]
    },
    "pp_ocrv6_small_det": {
        "backbone_config": {
            "model_type": "pp_lcnet_v4", "out_features": _STAGES, "block_configs": [
                [[3, 96, 96, 1, True]], [[3, 96, 96, 2, False]], [[3, 96, 192, 2, False]], [[3, 192, 384, 2, True]]
            ],
        },
        "layer_list_out_channels": [96, 96, 192, 384],
    },
    "qwen2_5_omni_thinker": {"vision_start_token_id": 890},
    "qwen3_omni_moe_talker_text": {"shared_expert_intermediate_size": 64},
    "qwen4_exp_text": {
        "indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 32, "indexer_budget": 8,
        "indexer_compress_ratio": 4,
    },
    "sapiens2_head": {
        "upsample_out_channels": [32, 16], "conv_out_channels": [16, 16], "upsample_kernel_sizes": [4, 4],
        "conv_kernel_sizes": [1, 1],
    },
    "step3p5": {"sliding_window": 8},
    "t5gemma2_text": {"dropout_rate": 0.0},
    "uvdoc_backbone": {"out_indices": [1, 2, 3, 4, 5, 6]},
}  # fmt: skip
