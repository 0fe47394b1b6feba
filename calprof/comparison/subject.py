"""What was run, as far as a closed form needs it: the model's shape, the batch and the length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from calprof.analytical import Shape, known
from calprof.comparison.described import Described

_TOKENS = ("input_ids", "inputs_embeds")
_TARGETS = ("decoder_input_ids", "decoder_inputs_embeds", "labels")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and its input as numbers.

    Attributes:
        shape: The model; None where its configuration describes no transformer.
        reason: Why there is no shape, one sentence.
        family: The configuration's `model_type`.
        known: Whether that family's count is established; another is read by its attributes alone.
        batch: Sequences, or images; None where the input does not tell.
        seq: Tokens of each; None where the input does not tell, or the shape does.
        target: Tokens a decoder read beside them, where the model has one.
    """

    shape: Shape | None = None
    reason: str = ""
    family: str = ""
    known: bool = True
    batch: int | None = None
    seq: int | None = None
    target: int | None = None


class _Named:
    """A configuration whose first architecture is the class that ran, whatever head it was saved with."""

    def __init__(self, config: Any, architecture: str) -> None:
        self._config = config
        self.architectures = [architecture]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._config, name)


def subject_of(seen: Described) -> Subject:
    """Returns the model and its input as numbers."""
    named = _Named(seen.config, seen.kind)
    family = str(getattr(seen.config, "model_type", "") or "")
    try:
        shape = Shape.from_config(named)
    except Exception as error:  # a configuration may refuse any question in its own way; `compare` gives the reason
        first = (str(error).splitlines() or [type(error).__name__])[0]
        reason = f"{family or type(seen.config).__name__} is no shape of a transformer: {first}"
        return Subject(None, reason, family, False, *_tokens(seen.sizes))
    if seen.tied is not None:
        shape = replace(shape, tied=seen.tied)
    shape, batch, seq = _fitted(shape, seen.sizes)
    target = next((seen.sizes[name][-1] for name in _TARGETS if name in seen.sizes), None)
    return Subject(shape, "", family, known(seen.config), batch, seq, target if shape.decoder_layers else None)


def _fitted(shape: Shape, inputs: Mapping[str, tuple[int, ...]]) -> tuple[Shape, int | None, int | None]:
    """The shape with the image that was given, the batch and the length."""
    if shape.patches is not None:
        pixels = inputs.get("pixel_values", ())
        if len(pixels) != 4:
            return shape, None, None
        patches = replace(shape.patches, channels=pixels[1], image=(pixels[2], pixels[3]))
        return replace(shape, patches=patches), pixels[0], None
    return shape, *_tokens(inputs)


def _tokens(inputs: Mapping[str, tuple[int, ...]]) -> tuple[int | None, int | None]:
    """Sequences, and tokens of each; several texts for one answer are as many sequences."""
    tokens = next((inputs[name] for name in _TOKENS if name in inputs), ())
    return (math.prod(tokens[:-1]), tokens[-1]) if len(tokens) > 1 else (None, None)
