"""`multi_head_attention_forward` and PyTorch's fused encoder layers, each one call with all of its products."""

from __future__ import annotations

from typing import Any

from calprof.ops.attention import FAMILY, attention_core, kept_below_diagonal
from calprof.ops.products import product
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work


@define(FAMILY, "multi_head_attention_forward")
def multi_head_attention_forward(
    query: Shape,
    key: Shape,
    value: Shape,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Shape | None,
    in_proj_bias: Shape | None,
    bias_k: Shape | None,
    bias_v: Shape | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Shape,
    out_proj_bias: Shape | None,
    training: bool = True,
    key_padding_mask: Shape | None = None,
    need_weights: bool = True,
    attn_mask: Shape | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Shape | None = None,
    k_proj_weight: Shape | None = None,
    v_proj_weight: Shape | None = None,
    static_k: Shape | None = None,
    static_v: Shape | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    out: Any,
) -> Cost:
    """Three input projections, the attention core over all heads, and the output projection.

    Shapes are (length, batch, width), or (length, width) unbatched. `bias_k`/`bias_v` and `add_zero_attn`
    append a position each to the keys. Static keys and values are not projected.
    """
    width = embed_dim_to_check
    batch = query[1] if len(query) == 3 else 1
    rows, columns = query[0], key[0]
    biases = 0
    cost = Cost(Work())
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else (in_proj_weight,) * 3
    for operand, weight, static in zip((query, key, value), weights, (None, static_k, static_v), strict=True):
        if static is None and weight is not None:
            cost += product(operand.numel() * width, operand, weight)
            biases += operand.numel() // operand[-1] * width if in_proj_bias is not None else 0
    if static_k is not None:
        columns = static_k[1]
    columns += (bias_k is not None) + add_zero_attn
    scores = batch * num_heads * rows * columns
    # Without weights to return, `is_causal` replaces the mask and reaches the kernel.
    causal = is_causal and not need_weights and key_padding_mask is None
    kept = batch * num_heads * kept_below_diagonal(rows, columns) if causal else scores
    head = width // num_heads
    trains = [
        any(_trains(each) for each in (operand, weight, in_proj_bias))
        for operand, weight in zip((query, key, value), weights, strict=True)
    ]
    q, k, v = (
        Shape((length, head), requires_grad=flag) for length, flag in zip((rows, columns, columns), trains, strict=True)
    )
    masked = not causal and (attn_mask is not None or key_padding_mask is not None)
    cost += attention_core(q, k, v, scores, kept, masked=masked, dropout=training and dropout_p > 0)
    attended = Shape((rows * batch, width), requires_grad=any(trains))
    cost += product(rows * batch * width * out_proj_weight[0], attended, out_proj_weight)
    biases += rows * batch * out_proj_weight[0] if out_proj_bias is not None else 0
    averaged = scores if need_weights and average_attn_weights else 0
    return cost + Work(linear_bias=biases, add=averaged)


def _trains(shape: Shape | None) -> bool:
    return shape is not None and shape.requires_grad


@define(FAMILY, "_native_multi_head_attention")
def native_multi_head_attention(
    query: Shape,
    key: Shape,
    value: Shape,
    embed_dim: int,
    num_head: int,
    qkv_weight: Shape,
    qkv_bias: Shape,
    proj_weight: Shape,
    proj_bias: Shape,
    mask: Shape | None = None,
    *_: Any,
    out: Any,
    **__: Any,
) -> Cost:
    """The fused inference kernel on (batch, length, width): projections, attention core, projection."""
    batch, rows, columns = query[0], query[1], key[1]
    tokens = batch * (rows + 2 * columns)
    scores = batch * num_head * rows * columns
    head = Shape((1, embed_dim // num_head))
    core = attention_core(head, head, head, scores, scores, masked=mask is not None)
    projections = product((tokens + batch * rows) * embed_dim * embed_dim)
    return projections + core + Work(linear_bias=(tokens + batch * rows) * embed_dim)


@define(FAMILY, "_transformer_encoder_layer_fwd")
def transformer_encoder_layer_fwd(
    src: Shape,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Shape,
    qkv_bias: Shape,
    proj_weight: Shape,
    proj_bias: Shape,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Shape,
    norm_bias_1: Shape,
    norm_weight_2: Shape,
    norm_bias_2: Shape,
    ffn_weight_1: Shape,
    ffn_bias_1: Shape,
    ffn_weight_2: Shape,
    ffn_bias_2: Shape,
    mask: Shape | None = None,
    mask_type: int | None = None,
    *,
    out: Any,
) -> Cost:
    """The fused encoder layer: self-attention, two layer norms, two residual additions, two linear layers."""
    tokens = src.numel() // src[-1]
    hidden = tokens * ffn_weight_1[0]
    attention = native_multi_head_attention(
        src, src, src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, out=out
    )
    elements = src.numel()
    norms = Work(norm_statistics=2 * elements, normalize=2 * elements, affine=2 * elements)
    activation = Work(gelu=hidden) if use_gelu else Work(relu=hidden)
    return (
        attention
        + product(2 * hidden * src[-1])
        + norms
        + activation
        + Work(linear_bias=hidden + elements, add=2 * elements)
    )
