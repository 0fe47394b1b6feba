"""The rules training frameworks log: torchtitan, the Hugging Face Trainer and MosaicML's Composer.

All are parameters times tokens, with or without a term for attention. None takes a causal mask into account.
"""

from __future__ import annotations

__all__ = ["huggingface", "mosaicml", "torchtitan"]


def torchtitan(
    params: int,
    embedding_params: int,
    layers: int = 0,
    heads: int = 0,
    head_sizes: int = 0,
    seq: int = 0,
) -> int:
    """Training FLOPs per token: ``6·(N - N_embedding) + 6·L·H·(d_qk + d_v)·T``.

    N counts the routed experts that run and the output layer even when it shares the embedding's table;
    `head_sizes` is the sum of the two head sizes. Source: pytorch/torchtitan, torchtitan/models/utils.py,
    ``get_dense_model_nparams_and_flops`` and ``get_moe_model_nparams_and_flops``.

    Example:
        >>> torchtitan(8_030_261_248, 525_336_576, 32, 32, 256, 8192)
        57914449920
    """
    if embedding_params > params:
        raise ValueError(f"embedding_params {embedding_params} cannot exceed params {params}")
    return 6 * (params - embedding_params) + 6 * layers * heads * head_sizes * seq


def huggingface(non_embedding_params: int, tokens: int) -> int:
    """Training FLOPs that the Hugging Face Trainer logs as ``total_flos``: ``6·tokens·N``.

    N is without any embedding table, so a tied output layer disappears with it; all experts count; there is
    no term for attention; padding counts as tokens, and for an image model every pixel does. Source:
    huggingface/transformers, ``Trainer.floating_point_ops``.

    Example:
        >>> huggingface(85_000_000, 1024)
        522240000000
    """
    return 6 * tokens * non_embedding_params


def mosaicml(active_params: int, layers: int, hidden: int, seq: int) -> int:
    """Training FLOPs of one sequence: ``3·(2·N·T + 4·L·d·T²)``.

    N is every parameter, embedding included, that a token may use. Source: mosaicml/llm-foundry,
    scripts/train/benchmarking/README.md and collect_results.py.

    Example:
        >>> mosaicml(6_658_859_008, 32, 4096, 2048)
        88421129256960
    """
    return 3 * (2 * active_params * seq + 4 * layers * hidden * seq**2)
