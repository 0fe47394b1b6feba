"""ELECTRA's count of pre-training FLOPs: products, biases, norms, softmax, dropout and dense lookups.

Source: github.com/google-research/electra, flops_computation.py, which the paper (arXiv:2003.10555) takes its
tables from. An operation is a mathematical one, ``exp`` costs as much as an addition; a product of m x n
takes ``2·m·n``; an embedding lookup is a product with a one-hot vector; the backward takes as many FLOPs as
the forward, so a training step is 2 forwards (multiply by 1.5 before comparing with 6ND).

The published script omits ``* h`` in the layer norm after attention. The default reproduces it, to the last
digit of its table; ``corrected=True`` charges every layer norm alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from calprof.analytical.terms import Terms

__all__ = ["MODEL_FLOPS", "TransformerHparams", "electra_train_flops", "model_flops"]

DROPOUT = 4
"""Random number, comparison, mask product, rescaling."""
LAYER_NORM = 5
"""Mean, square and sum of the variance, shift, scale."""
ACTIVATION = 8
"""GELU by its tanh approximation."""
SOFTMAX = 5
"""Maximum and its subtraction, exponential, sum, division."""


@dataclass(frozen=True, slots=True)
class TransformerHparams:
    """One transformer: hidden size `h`, `l` layers, `s` tokens, vocabulary `v`; 0 means the script's default.

    `e` is the embedding size (default `h`), `i` the inner width of the MLP (``4 * h``), `heads` are
    ``h // 64``, at least 1, `head_size` makes the projections ``head_size * heads`` wide instead of `h`.
    `output_frac` is the fraction of tokens that pass the output softmax, `sparse_embed_lookup` makes lookups
    free, `decoder` doubles the attention for the one to the encoder.

    Raises:
        ValueError: when `head_size` is given without `heads`, or a size is not positive.

    Example:
        >>> TransformerHparams(768, 12).get_train_flops(256, 1e6)
        6.428335104e+19
    """

    h: int
    l: int  # noqa: E741 - the published name
    s: int = 512
    v: int = 30522
    e: int = 0
    i: int = 0
    heads: int = 0
    head_size: int = 0
    output_frac: float = 0.15625
    sparse_embed_lookup: bool = False
    decoder: bool = False
    corrected: bool = False

    def __post_init__(self) -> None:
        if min(self.h, self.l, self.s) < 1:
            raise ValueError(f"h, l and s must be at least 1, got {self.h}, {self.l}, {self.s}")
        if self.head_size and not self.heads:
            raise ValueError(f"head_size {self.head_size} needs the number of heads")

    @property
    def kqv(self) -> int:
        """Width of the projected query, key and value."""
        return self.head_size * self.heads if self.head_size else self.h

    def block_terms(self) -> Terms:
        """Forward FLOPs of one token in one block, by term."""
        h, kqv, i = self.h, self.kqv, self.i or 4 * self.h
        pairs = self.s * (self.heads or max(h // 64, 1))
        attention = {
            "attention/kqv": 3 * 2 * h * kqv,
            "attention/kqv_bias": 3 * kqv,
            "attention/scores": 2 * kqv * self.s,
            "attention/softmax": SOFTMAX * pairs,
            "attention/dropout": DROPOUT * pairs,
            "attention/scale": pairs,
            "attention/weighted": 2 * h * self.s,
            "attention/output": 2 * h * h,
            "attention/output_bias": h,
            "attention/output_dropout": DROPOUT * h,
            "attention/residual": h,
            "attention/norm": LAYER_NORM * (h if self.corrected else 1),
        }
        attended = {name: count * (2 if self.decoder else 1) for name, count in attention.items()}
        return attended | {
            "mlp/up": 2 * h * i,
            "mlp/activation": ACTIVATION * i,
            "mlp/up_bias": i,
            "mlp/down": 2 * h * i,
            "mlp/down_bias": h,
            "mlp/dropout": DROPOUT * h,
            "mlp/residual": h,
            "mlp/norm": LAYER_NORM * h,
        }

    def embedding_terms(self) -> Terms:
        """FLOPs of one token's embedding, by term: the table as a product, position, type, norm, dropout."""
        e = self.e or self.h
        lookup = {} if self.sparse_embed_lookup else {"embedding/token": 2 * e * self.v}
        projection = {"embedding/projection": 2 * self.h * e, "embedding/bias": self.h} if e != self.h else {}
        return lookup | {
            "embedding/position": 2 * e * (self.s + 2),
            "embedding/add": 2 * e,
            "embedding/norm": LAYER_NORM * e,
            "embedding/dropout": DROPOUT * e,
            **projection,
        }

    def output_terms(self) -> Terms:
        """FLOPs of one token in the output layer and its softmax, by term."""
        e = self.e or self.h
        return {
            "logits": 2 * e * self.v,
            "head/transform": 2 * self.h * e,
            "head/bias": e,
            "head/activation": ACTIVATION * e,
            "head/norm": LAYER_NORM * e,
            "head/softmax": SOFTMAX * self.v,
            "head/target": 2 * self.v,
        }

    def classification_terms(self) -> Terms:
        """FLOPs of one token in a binary classifier, by term: a hidden layer and one output."""
        hidden = 2 * self.h * self.h
        return {"hidden": hidden, "bias": self.h, "activation": ACTIVATION * self.h, "logits": 2 * self.h}

    def get_block_flops(self) -> int:
        """Forward FLOPs of one block on one sequence."""
        return sum(self.block_terms().values()) * self.s

    def get_embedding_flops(self, output: bool = False) -> float:
        """Forward FLOPs of the embedding of one sequence, or with `output` of the output softmax."""
        if output:
            return self.output_frac * sum(self.output_terms().values()) * self.s
        return sum(self.embedding_terms().values()) * self.s

    def get_binary_classification_flops(self) -> int:
        """Forward FLOPs of the classifier on every token of one sequence."""
        return sum(self.classification_terms().values()) * self.s

    def get_train_flops(self, batch_size: int, train_steps: float, discriminator: bool = False) -> float:
        """Pre-training FLOPs: forward and as much backward, with an output softmax or a classifier."""
        head = self.get_binary_classification_flops() if discriminator else self.get_embedding_flops(True)
        # The published order of operations, which decides the last digit of a float.
        return 2 * batch_size * train_steps * (self.l * self.get_block_flops() + self.get_embedding_flops() + head)

    def get_infer_flops(self) -> float:
        """FLOPs of one inference on a classification task."""
        blocks = self.l * self.get_block_flops()
        return blocks + self.get_embedding_flops() + self.get_binary_classification_flops()


def electra_train_flops(
    h_d: int,
    l_d: int,
    h_g: int,
    l_g: int,
    batch_size: int,
    train_steps: float,
    tied_embeddings: bool,
    e: int = 0,
    s: int = 512,
    output_frac: float = 0.15625,
    corrected: bool = False,
) -> float:
    """Pre-training FLOPs of ELECTRA: a discriminator (``_d``) and a generator (``_g``).

    `e` is by default the discriminator's hidden size; the generator shares it when `tied_embeddings`.
    """
    e = e or h_d
    discriminator = TransformerHparams(h_d, l_d, s=s, e=e, output_frac=output_frac, corrected=corrected)
    generator = TransformerHparams(
        h_g, l_g, s=s, e=e if tied_embeddings else 0, output_frac=output_frac, corrected=corrected
    )
    trained = discriminator.get_train_flops(batch_size, train_steps, True)
    return trained + generator.get_train_flops(batch_size, train_steps)


def model_flops(corrected: bool = False) -> dict[str, float]:
    """Pre-training FLOPs of the models the paper compares, in its order.

    ELMo and XLNet are counts of TensorFlow's profiler, scaled: ELMo is 10 epochs of 768,648,884 words in
    batches of 20 x 128 tokens at 568,093,262,680 FLOPs an example; XLNet 15,064,773,691,518 FLOPs forward
    on 32 examples.

    Example:
        >>> model_flops()["t5_11b"]
        4.581900124212429e+22
    """

    def hparams(h: int, layers: int, **options: int | float | bool) -> TransformerHparams:
        return TransformerHparams(h, layers, corrected=corrected, **options)  # type: ignore[arg-type]

    t5: dict[str, int] = {"v": 32000, "i": 65536, "heads": 128, "head_size": 128}
    t5_encoder = hparams(1024, 24, **t5, output_frac=0.0)  # no softmax after the encoder
    t5_decoder = hparams(1024, 24, **t5, output_frac=1.0, decoder=True)
    large = (1024, 24, 256, 24, 2048)
    return {
        "elmo": 2 * 10 * 768648884 * 568093262680 / (20.0 * 128),
        "xlnet": 2 * 500000 * 8192 * 15064773691518 / 32.0,
        "gpt": hparams(768, 12, v=40000, output_frac=1.0).get_train_flops(128, 960800),
        "bert_small": hparams(256, 12, e=128, s=128).get_train_flops(128, 1.45e6),
        "bert_base": hparams(768, 12).get_train_flops(256, 1e6),
        "bert_large": hparams(1024, 24).get_train_flops(256, 1e6),
        "electra_small": electra_train_flops(256, 12, 64, 12, 128, 1e6, True, s=128, e=128, corrected=corrected),
        "electra_base": electra_train_flops(768, 12, 256, 12, 256, 766000, True, corrected=corrected),
        "electra_400k": electra_train_flops(*large, 400000, True, corrected=corrected),
        "electra_1.75M": electra_train_flops(*large, 1750000, True, corrected=corrected),
        "roberta": hparams(1024, 24, v=50265).get_train_flops(8000, 500000),
        "albert": hparams(4096, 12, v=30000, e=128).get_train_flops(4096, 1.5e6),
        "t5_11b": t5_encoder.get_train_flops(2048, 1e6) + t5_decoder.get_train_flops(2048, 1e6),
    }


MODEL_FLOPS = model_flops()
"""The published table, reproduced."""
