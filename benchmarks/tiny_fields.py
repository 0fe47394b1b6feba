"""Values of fields that default configurations of transformers leave unset or too large for a small model."""

from __future__ import annotations

from typing import Any

_LONG, _MID, _SHORT = 7, 5, 3
# Convolutions over text regions: kernel, stride and padding of each.
_INTRACLASS: dict[str, Any] = {
    "reduce_channel": [1, 1, 0],
    "return_channel": [1, 1, 0],
    **{
        f"{way}_{word}ratio": [kernel, [1, 1], padding]
        for word, size in (("long", _LONG), ("mid", _MID), ("short", _SHORT))
        for way, kernel, padding in (
            ("vertical_long_to_small_conv", [size, 1], [size // 2, 0]),
            ("horizontal_small_to_long_conv", [1, size], [0, size // 2]),
            ("symmetric_conv_long", [size, size], [size // 2, size // 2]),
        )
    },
}
UNSET: dict[str, Any] = {
    "num_experts": 16, "top_k_experts": 2, "moe_intermediate_size": 16, "deepstack_layer_map": [[1, 1]],
    "downsample_rate": "1/2", "indexer_n_heads": 2, "indexer_kv_heads": 1, "indexer_head_dim": 32,
    "indexer_budget": 8, "indexer_compress_ratio": 2, "kernel_list": [3, 2, 2], "clip_qkv": 8.0,
    "intraclass_block_config": _INTRACLASS, "scale_factor_list": [1, 2, 4, 8], "spatial_target_layers": [0, 1, 0, 1],
    "class_thresholds": [0.5, 0.5], "class_order": [0, 1],
}  # fmt: skip
KEPT: dict[str, Any] = {
    "merge_index": 0, "fusion_hidden_sizes": [32, 16, 8, 4], "projector_scale_factors": [2.0],
    "spatial_target_layers": [0, 1, 0, 1],
}  # fmt: skip
# What the model reads although its configuration has no such field.
LACKING: dict[str, Any] = {
    "rope_theta": 10000.0, "dropout_rate": 0.0, "shared_expert_intermediate_size": 16, "vision_start_token_id": 5,
    "sliding_window": 8, "num_hidden_layers": 2,
}  # fmt: skip
