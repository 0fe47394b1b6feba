"""The numbers that fix a transformer's cost: how many layers, how wide, how many heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Experts", "Head", "Latent", "Patches", "Shape"]

Head = Literal["none", "lm", "mlm", "classifier"]
"""What follows the last block.

``lm``: one product to the vocabulary; ``mlm``: BERT's dense layer, then the product to the vocabulary;
``classifier``: one product to the labels, for one token of each sequence; ``none``: nothing.
"""

HEADS: tuple[str, ...] = ("none", "lm", "mlm", "classifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """A mixture-of-experts MLP: `top_k` of `count` experts of `ffn` inner width run for each token.

    `shared` is the inner width of the expert every token passes through (0: none), `shared_gate` whether a
    product ``hidden -> 1`` weighs it, and `layers` the indices of the blocks that have experts; the other
    blocks keep a dense MLP of the shape's own `ffn`.

    Example:
        >>> Experts(count=8, top_k=2, ffn=14336, layers=tuple(range(32))).top_k
        2
    """

    count: int
    top_k: int
    ffn: int
    layers: tuple[int, ...]
    shared: int = 0
    shared_gate: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.top_k <= self.count:
            raise ValueError(f"top_k must be between 1 and the {self.count} experts, got {self.top_k}")
        if len(set(self.layers)) != len(self.layers):
            raise ValueError(f"layers must name each expert block once, got {self.layers}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latent:
    """Multi-head latent attention: keys and values are expanded from `kv_rank` numbers per token.

    `q_rank` is the rank of the query's own factorisation (0: one full product); a query and a key have
    `nope` dimensions without a rotary position and `rope` with one. The value width is the shape's
    `value_size`. Source: DeepSeek-V2, arXiv:2405.04434, section 2.1.
    """

    kv_rank: int
    nope: int
    rope: int
    q_rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """An image cut in patches of `patch` pixels, each a token, after `extra` learned tokens.

    Example:
        >>> Patches(image=(224, 224), patch=(16, 16)).tokens
        197
    """

    image: tuple[int, int]
    patch: tuple[int, int]
    channels: int = 3
    extra: int = 1

    @property
    def count(self) -> int:
        """Patches in one image, by floor division: a convolution drops the incomplete ones."""
        return (self.image[0] // self.patch[0]) * (self.image[1] // self.patch[1])

    @property
    def tokens(self) -> int:
        """Length of the sequence the blocks see."""
        return self.count + self.extra


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A transformer as plain numbers; 0 means "the usual value".

    `kv_heads` is by default `heads`, `head_size` is ``hidden // heads``, `value_size` is `head_size`, `ffn`
    is ``4 * hidden`` and `embedding` (the width of the embedding table) is `hidden`. `decoder_layers` above
    0 makes an encoder-decoder, whose encoder has `layers` blocks. `windows` holds one sliding window per
    block, 0 where attention is full. `qk_norm` says that query and key are normalised, per head or over their
    whole width, and `sinks` that each head has a learned attention sink. `norm` is the number of parameters
    per dimension (2 for a layer norm with its shift, 1 for an RMS norm). `biases` names the products that
    have one: any of ``qkv``, ``output``, ``ffn``, ``router``, ``logits``, ``classifier``. A shape holds
    the values its defaults took, so ``dataclasses.replace`` keeps them; pass 0 to have one taken again.

    Raises:
        ValueError: when a size is not positive, the heads do not divide evenly, or a list has the wrong
            length.

    Example:
        >>> llama = Shape(layers=32, hidden=4096, heads=32, kv_heads=8, ffn=14336, gated=True)
        >>> llama.head_size, llama.key_width
        (128, 1024)
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int = 0
    head_size: int = 0
    value_size: int = 0
    ffn: int = 0
    gated: bool = False
    vocabulary: int = 0
    tied: bool = False
    causal: bool = True
    windows: tuple[int, ...] = ()
    experts: Experts | None = None
    latent: Latent | None = None
    patches: Patches | None = None
    decoder_layers: int = 0
    head: Head = "lm"
    pooler: int = 0
    labels: int = 0
    embedding: int = 0
    positions: int = 0
    types: int = 0
    relative_buckets: int = 0
    norm: int = 1
    norms_per_block: int = 2
    qk_norm: Literal["", "head", "width"] = ""
    sinks: bool = False
    embedding_norm: bool = False
    final_norm: bool = True
    biases: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (self.head_size or self.latent) and self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not a multiple of heads {self.heads}: give head_size")
        self._default("kv_heads", self.heads)
        latent = self.latent
        self._default("head_size", latent.nope + latent.rope if latent else self.hidden // self.heads)
        self._default("value_size", self.head_size)
        self._default("ffn", 4 * self.hidden)
        self._default("embedding", self.hidden)
        self._check()

    def _default(self, name: str, value: int) -> None:
        if getattr(self, name) == 0:
            object.__setattr__(self, name, value)

    def _check(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if self.windows and len(self.windows) != self.layers:
            raise ValueError(f"windows must name one size per layer ({self.layers}), got {len(self.windows)}")
        if self.head not in HEADS:
            raise ValueError(f"head must be one of {', '.join(HEADS)}, got {self.head!r}")
        if self.experts and any(not 0 <= layer < self.layers for layer in self.experts.layers):
            raise ValueError(f"experts name a layer outside 0 to {self.layers - 1}: {self.experts.layers}")

    @property
    def query_width(self) -> int:
        """Width of the projected query: heads x head size."""
        return self.heads * self.head_size

    @property
    def key_width(self) -> int:
        """Width of the projected key: key/value heads x head size."""
        return self.kv_heads * self.head_size

    @property
    def value_width(self) -> int:
        """Width of the projected value: key/value heads x value size."""
        return self.kv_heads * self.value_size

    @property
    def output_width(self) -> int:
        """Width of the weighted values, before the output projection: heads x value size."""
        return self.heads * self.value_size

    def window(self, layer: int) -> int:
        """Sliding window of one block, in tokens; 0 when its attention is full."""
        return self.windows[layer] if self.windows else 0

    def has_experts(self, layer: int) -> bool:
        """Whether the MLP of this block is a mixture of experts."""
        return self.experts is not None and layer in self.experts.layers

    @classmethod
    def from_config(cls, config: Any, **overrides: Any) -> Shape:
        """Read the shape of a Hugging Face configuration: an object or a plain dict.

        Keyword arguments replace what is read, for example ``head="none"`` for a model without its head.

        Raises:
            ValueError: when the configuration has no hidden size, number of layers or number of heads.

        Example:
            >>> Shape.from_config({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12}).ffn
            3072
        """
        from calprof.analytical.configs import read  # configs builds shapes, so it imports this module

        return cls(**{**read(config), **overrides})
