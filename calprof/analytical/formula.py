"""What a published formula is: its name, where it comes from, what it counts, and its arithmetic."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from calprof.analytical.shape import Shape
from calprof.analytical.terms import Terms

__all__ = ["Attention", "Formula", "MoE", "Redone", "Scope", "numbers"]

Attention = Literal["none", "half", "full"]
"""How much of attention's core is counted: nothing, half of the pairs for a causal mask, or all pairs."""

MoE = Literal["routed", "all", "unknown"]
"""Which experts are counted: those a token is routed to, all of them, or no notion of experts at all."""

Redone = Literal["nothing", "core", "blocks", "everything"]
"""What is charged a second forward for recomputation: attention's core (whose backward then counts twice as
well), the blocks without the logits, or everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a formula counts, so that two of them can be told apart.

    `passes` is the number of forwards its total is worth: 1 forward, 2 ELECTRA's training, 3 training, 4
    training with recomputation. `embedding` says that looking up a token is charged as a product, `logits`
    that the output layer is counted, `elementwise` that norms, biases, softmax or the like are (as
    parameters or as operations). `assumes` are the properties taken for granted: ``4h`` an MLP four times
    as wide, ``plain`` an MLP without a gate, ``mha`` as many key heads as query heads.
    """

    passes: int = 3
    embedding: bool = False
    logits: bool = True
    attention: Attention = "full"
    elementwise: bool = False
    experts: MoE = "unknown"
    assumes: tuple[str, ...] = ()
    redone: Redone = "nothing"

    @property
    def training(self) -> bool:
        """Whether the total is a training step's, to be held beside three forwards."""
        return self.passes > 1

    def passes_of(self, term: str) -> int:
        """Number of forwards that one term is charged.

        Example:
            >>> scope = Scope(passes=4, redone="blocks")
            >>> scope.passes_of("mlp/up"), scope.passes_of("logits")
            (4, 3)
        """
        if self.redone == "core" and term.rsplit("/", 1)[-1] in ("scores", "weighted"):
            return 2 * self.passes
        if self.redone == "blocks" and term == "logits":
            return self.passes - 1
        return self.passes

    def differences(self, other: Scope) -> list[str]:
        """In words, what this scope counts that `other` counts otherwise.

        Example:
            >>> Scope(attention="half").differences(Scope())
            ['attention core: half instead of full']
        """
        labels = {
            "passes": "passes",
            "embedding": "embedding lookup as a product",
            "logits": "logits",
            "attention": "attention core",
            "elementwise": "elementwise operations",
            "experts": "experts",
        }
        words = {True: "counted", False: "not counted"}
        found = []
        for name, label in labels.items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                if isinstance(mine, bool):
                    mine, theirs = words[mine], words[theirs]
                found.append(f"{label}: {mine} instead of {theirs}")
        return found + [f"assumes {name}" for name in self.assumes if name not in other.assumes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """One published formula, callable on a shape or on plain numbers, and open to a term-by-term reading.

    `plain` is its closed form; `arguments` reads the numbers it takes off a shape, a batch and a length,
    and is None where the closed form covers a dense decoder only, so that a shape is counted by its terms;
    `terms` splits its value under the names of `calprof.analytical.terms`, so that the terms' sum is the
    value and a difference between two formulas is the sum of named differences. `stacks` says that it makes
    sense for an encoder-decoder.
    """

    name: str
    title: str
    source: str
    note: str
    scope: Scope
    plain: Callable[..., int]
    terms: Callable[[Shape, int, int], Terms]
    arguments: Callable[[Shape, int, int], Mapping[str, Any]] | None = None
    stacks: bool = False

    def __call__(self, shape: Shape, batch: int = 1, seq: int | None = None) -> int:
        """FLOPs of one step of `batch` sequences of `seq` tokens, from the closed form.

        Raises:
            ValueError: when the formula does not apply to the shape, or the length is missing.
        """
        if not self.applies(shape):
            raise ValueError(f"formula {self.name} describes a single stack of blocks, not an encoder-decoder")
        seq = _length(shape, seq)
        if self.arguments is None:
            return sum(self.terms(shape, batch, seq).values())
        return self.plain(**self.arguments(shape, batch, seq))

    def decompose(self, shape: Shape, batch: int = 1, seq: int | None = None) -> Terms:
        """The same FLOPs by term; the values sum to the call's result."""
        return self.terms(shape, batch, _length(shape, seq))

    def applies(self, shape: Shape) -> bool:
        """Whether the formula has a meaning for this shape."""
        return self.stacks or not shape.decoder_layers

    @property
    def parameters(self) -> dict[str, Any]:
        """Names the closed form takes as plain numbers, with their defaults, ``...`` where required."""
        signature = inspect.signature(self.plain)
        return {
            name: ... if parameter.default is inspect.Parameter.empty else parameter.default
            for name, parameter in signature.parameters.items()
        }


def _length(shape: Shape, seq: int | None) -> int:
    if seq is None:
        seq = shape.patches.tokens if shape.patches else 0
    if seq < 1:
        raise ValueError(f"seq must be a positive number of tokens, got {seq}")
    return seq


def numbers(*names: str, **renamed: Callable[[Shape], Any]) -> Callable[[Shape, int, int], dict[str, Any]]:
    """Arguments taken from the shape by their own names, and by functions under others."""

    def arguments(shape: Shape, batch: int, seq: int) -> dict[str, Any]:
        found = {name: getattr(shape, name) for name in names}
        return {**found, **{name: get(shape) for name, get in renamed.items()}, "batch": batch, "seq": seq}

    return arguments
