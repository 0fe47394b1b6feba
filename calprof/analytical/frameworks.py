"""The catalogue's frameworks: what trainers log, from Megatron's papers to today's rules."""

from __future__ import annotations

from calprof.analytical import closed, decompositions
from calprof.analytical.formula import Formula, Scope, numbers
from calprof.analytical.shape import Shape
from calprof.analytical.weights import active, params

__all__ = ["FRAMEWORKS"]


def _active(shape: Shape) -> int:
    return params(shape, "active")


def _lookups(shape: Shape) -> int:
    """Parameters torchtitan subtracts: the tables that are looked up."""
    terms = active(shape)
    return sum(terms.get(name, 0) for name in decompositions.LOOKUPS)


def _counted_by_torchtitan(shape: Shape) -> int:
    """Active parameters with the output table counted on its own, tied or not."""
    shared = shape.embedding * shape.vocabulary if shape.tied and shape.head in ("lm", "mlm") else 0
    return sum(active(shape).values()) + shared


def _huggingface(shape: Shape, batch: int, seq: int) -> dict[str, int]:
    """The rule's numbers: parameters outside the tables, and the numbers in an input as its length."""
    inputs = decompositions.huggingface_inputs(shape, seq)
    terms = decompositions.huggingface(shape, 1, seq)
    return {"params": sum(terms.values()) // (6 * inputs), "seq": inputs, "batch": batch}


_SIZES = ("layers", "hidden", "vocabulary")
_GPT = ("4h", "plain", "mha")
_MEGATRON = "arXiv:2104.04473, equation 3"
_KORTHIKANTI = "arXiv:2205.05198, appendix A"

FRAMEWORKS: tuple[Formula, ...] = (
    Formula(
        name="narayanan",
        title="Megatron-LM 2021, 96·B·s·l·h²·(1 + s/6h + V/16lh)",
        source=_MEGATRON,
        note="Blocks recomputed in full: four passes, three for the logits.",
        scope=Scope(passes=4, assumes=_GPT, redone="blocks"),
        plain=closed.narayanan_step,
        arguments=numbers(*_SIZES),
        terms=decompositions.narayanan,
    ),
    Formula(
        name="narayanan-model",
        title="Megatron-LM 2021, 72·B·s·l·h²·(1 + s/6h + V/12lh)",
        source=_MEGATRON,
        note="Nothing recomputed.",
        scope=Scope(assumes=_GPT),
        plain=closed.narayanan_model,
        arguments=numbers(*_SIZES),
        terms=decompositions.nanogpt_training,
    ),
    Formula(
        name="megatron-deepspeed",
        title="Megatron-DeepSpeed, coefficient 24, or 32 when gated",
        source="bigscience-workshop/Megatron-DeepSpeed pull request 283",
        note="32 also multiplies the attention and logit terms, which a gate leaves alone.",
        scope=Scope(passes=4, assumes=("4h", "mha"), redone="blocks"),
        plain=closed.megatron_gated,
        arguments=numbers(*_SIZES, "gated"),
        terms=decompositions.megatron_deepspeed,
    ),
    Formula(
        name="korthikanti",
        title="Korthikanti, model FLOPs",
        source=_KORTHIKANTI,
        note="Nothing recomputed: the M of MFU.",
        scope=Scope(assumes=_GPT),
        plain=closed.korthikanti_step,
        arguments=numbers(*_SIZES),
        terms=decompositions.korthikanti,
    ),
    Formula(
        name="korthikanti-selective",
        title="Korthikanti, hardware FLOPs with selective recomputation",
        source=_KORTHIKANTI,
        note="s/3h in place of s/6h, as published: twice the core of attention, where redoing it is 4/3.",
        scope=Scope(assumes=_GPT, redone="core"),
        plain=closed.korthikanti_selective,
        arguments=numbers(*_SIZES),
        terms=decompositions.korthikanti_selective,
    ),
    Formula(
        name="megatron",
        title="Megatron-LM, current",
        source="NVIDIA/Megatron-LM, megatron/training/training.py",
        note="Shared keys, latent attention, routed experts; half of attention's core for the causal mask.",
        scope=Scope(attention="half", experts="routed"),
        plain=closed.megatron_step,
        terms=decompositions.megatron,
    ),
    Formula(
        name="torchtitan",
        title="torchtitan, 6(N - N_embedding) + 6·L·H·(d_qk + d_v)·T",
        source="pytorch/torchtitan, torchtitan/models/utils.py",
        note="Routed experts; logits counted even when tied.",
        scope=Scope(elementwise=True, experts="routed"),
        plain=closed.torchtitan_step,
        arguments=numbers(
            "layers",
            "heads",
            head_sizes=lambda shape: shape.head_size + shape.value_size,
            params=_counted_by_torchtitan,
            embedding_params=_lookups,
        ),
        terms=decompositions.torchtitan,
    ),
    Formula(
        name="huggingface",
        title="Hugging Face Trainer, 6·tokens·N",
        source="huggingface/transformers, floating_point_ops",
        note="N is without embedding tables, so a tied output layer is lost; all experts; pixels for tokens.",
        scope=Scope(attention="none", elementwise=True, experts="all"),
        plain=closed.huggingface_step,
        arguments=_huggingface,
        terms=decompositions.huggingface,
        stacks=True,
    ),
    Formula(
        name="mosaicml",
        title="MosaicML, 3(2NT + 4·L·d·T²)",
        source="mosaicml/llm-foundry, scripts/train/benchmarking",
        note="N is every parameter a token may use, tables included.",
        scope=Scope(embedding=True, elementwise=True, experts="routed", assumes=("mha",)),
        plain=closed.mosaicml_step,
        arguments=numbers("layers", "hidden", params=_active),
        terms=decompositions.mosaicml,
    ),
    Formula(
        name="electra",
        title="ELECTRA's script",
        source="google-research/electra, flops_computation.py",
        note="Biases, softmax, norms, dropout, dense lookups; backward as much as forward, so two passes.",
        scope=Scope(passes=2, embedding=True, elementwise=True, assumes=("plain", "mha")),
        plain=closed.electra_step,
        arguments=numbers(*_SIZES, "heads", "ffn", "embedding"),
        terms=decompositions.electra,
    ),
)
