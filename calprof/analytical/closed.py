"""The catalogue's closed forms on plain numbers, for a step of `batch` sequences of `seq` tokens."""

from __future__ import annotations

from calprof.analytical import chinchilla, kaplan, megatron, nanogpt, narayanan, palm, trainers
from calprof.analytical.electra import TransformerHparams
from calprof.analytical.shape import Shape
from calprof.analytical.transformer import flops as term_flops


def exact_forward(
    layers: int,
    hidden: int,
    heads: int,
    vocabulary: int,
    seq: int,
    batch: int = 1,
    kv_heads: int = 0,
    head_size: int = 0,
    ffn: int = 0,
    gated: bool = False,
) -> int:
    """Forward FLOPs of a dense decoder, every product in full."""
    shape = Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        vocabulary=vocabulary,
        kv_heads=kv_heads,
        head_size=head_size,
        ffn=ffn,
        gated=gated,
    )
    return term_flops(shape, batch, seq)


def exact_training(
    layers: int,
    hidden: int,
    heads: int,
    vocabulary: int,
    seq: int,
    batch: int = 1,
    kv_heads: int = 0,
    head_size: int = 0,
    ffn: int = 0,
    gated: bool = False,
) -> int:
    """Training FLOPs of a dense decoder: three forwards."""
    return 3 * exact_forward(layers, hidden, heads, vocabulary, seq, batch, kv_heads, head_size, ffn, gated)


def nanogpt_forward(layers: int, heads: int, hidden: int, seq: int, vocabulary: int, batch: int = 1) -> int:
    """Forward total of nanoGPT's table."""
    return batch * nanogpt.flops(layers, heads, hidden, seq, vocabulary)["forward_total"]


def nanogpt_training(layers: int, heads: int, hidden: int, seq: int, vocabulary: int, batch: int = 1) -> int:
    """Total of nanoGPT's table: forward and twice as much backward."""
    return batch * nanogpt.flops(layers, heads, hidden, seq, vocabulary)["total"]


def two_n(params: int, seq: int, batch: int = 1) -> int:
    """Forward FLOPs by parameters alone, 2N a token."""
    return 2 * params * batch * seq


def six_n_d(params: int, seq: int, batch: int = 1) -> int:
    """Training FLOPs by parameters alone, 6N a token."""
    return kaplan.flops_per_token(params) * batch * seq


def eight_n_d(params: int, seq: int, batch: int = 1) -> int:
    """Training FLOPs by parameters alone with every activation recomputed, 8N a token."""
    return kaplan.flops_per_token(params, recompute=True) * batch * seq


def kaplan_forward(layers: int, hidden: int, seq: int, batch: int = 1, ffn: int = 0, attention: int = 0) -> int:
    """Forward FLOPs by Kaplan's table, ``2N + 2·l·s·d`` a token."""
    return batch * seq * kaplan.forward_per_token(layers, hidden, seq, ffn, attention)


def chinchilla_step(
    layers: int,
    hidden: int,
    heads: int,
    vocabulary: int,
    seq: int,
    batch: int = 1,
    ffn: int = 0,
    head_size: int = 0,
) -> int:
    """Training FLOPs by Chinchilla's appendix F."""
    return batch * chinchilla.flops(seq, vocabulary, hidden, heads, layers, ffn or 4 * hidden, head_size)


def palm_step(params: int, layers: int, heads: int, head_size: int, seq: int, batch: int = 1) -> int:
    """Training FLOPs by PaLM's rule."""
    return batch * seq * palm.flops_per_token(params, layers, heads, head_size, seq)


def narayanan_step(layers: int, hidden: int, vocabulary: int, seq: int, batch: int = 1) -> int:
    """Training FLOPs by Narayanan's formula, the blocks recomputed."""
    return narayanan.flops(batch, seq, layers, hidden, vocabulary)


def narayanan_model(layers: int, hidden: int, vocabulary: int, seq: int, batch: int = 1) -> int:
    """Training FLOPs by Narayanan's formula, nothing recomputed."""
    return narayanan.flops(batch, seq, layers, hidden, vocabulary, recompute=False)


def megatron_gated(layers: int, hidden: int, vocabulary: int, seq: int, batch: int = 1, gated: bool = True) -> int:
    """Training FLOPs as Megatron-DeepSpeed logs them with recomputation, 32 in place of 24 when gated."""
    return narayanan.megatron_deepspeed(batch, seq, layers, hidden, vocabulary, gated=gated)


def korthikanti_step(layers: int, hidden: int, vocabulary: int, seq: int, batch: int = 1) -> int:
    """Model FLOPs by Korthikanti's formula."""
    return narayanan.korthikanti(batch, seq, layers, hidden, vocabulary)


def korthikanti_selective(layers: int, hidden: int, vocabulary: int, seq: int, batch: int = 1) -> int:
    """Hardware FLOPs by Korthikanti's formula with selective recomputation."""
    return narayanan.korthikanti(batch, seq, layers, hidden, vocabulary, "selective")


def megatron_step(
    layers: int,
    hidden: int,
    heads: int,
    vocabulary: int,
    seq: int,
    batch: int = 1,
    ffn: int = 0,
    kv_heads: int = 0,
    head_size: int = 0,
    gated: bool = False,
) -> int:
    """Training FLOPs by Megatron-LM's current accounting, for a dense decoder."""
    return megatron.flops(batch, seq, layers, hidden, heads, vocabulary, ffn, kv_heads, head_size, gated)


def torchtitan_step(
    params: int,
    embedding_params: int,
    layers: int,
    heads: int,
    head_sizes: int,
    seq: int,
    batch: int = 1,
) -> int:
    """Training FLOPs by torchtitan's rule."""
    return batch * seq * trainers.torchtitan(params, embedding_params, layers, heads, head_sizes, seq)


def huggingface_step(params: int, seq: int, batch: int = 1) -> int:
    """Training FLOPs by the Hugging Face Trainer's rule; `params` without the embedding tables."""
    return trainers.huggingface(params, batch * seq)


def mosaicml_step(params: int, layers: int, hidden: int, seq: int, batch: int = 1) -> int:
    """Training FLOPs by MosaicML's rule."""
    return batch * trainers.mosaicml(params, layers, hidden, seq)


def electra_step(
    layers: int,
    hidden: int,
    vocabulary: int,
    seq: int,
    batch: int = 1,
    ffn: int = 0,
    heads: int = 0,
    embedding: int = 0,
) -> int:
    """Training FLOPs by ELECTRA's script with the output softmax on every token, its backward one forward."""
    hparams = TransformerHparams(hidden, layers, s=seq, v=vocabulary, e=embedding, i=ffn, heads=heads, output_frac=1)
    return int(hparams.get_train_flops(batch, 1))
