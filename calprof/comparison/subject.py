"""What was run, as far as a closed form needs it: the model's shape, the batch and the length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from calprof.analytical import Shape, known

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


def subject_of(model: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Subject | None:
    """Returns what a closed form needs of a model with a Hugging Face configuration; None for any other model.

    Nothing is read but attributes of the configuration and sizes of the arguments.

    Args:
        model: The model that ran, outside any wrapper.
        args: Positional arguments of its forward.
        kwargs: Its keyword arguments.
    """
    config = getattr(model, "config", None)
    if not hasattr(config, "model_type"):
        return None
    named = _Named(config, type(model).__name__)
    family = str(getattr(config, "model_type", "") or "")
    inputs = _sizes(args, kwargs or {})
    try:
        shape = Shape.from_config(named)
    except Exception as error:  # a configuration may refuse any question in its own way; `compare` gives the reason
        first = (str(error).splitlines() or [type(error).__name__])[0]
        reason = f"{family or type(config).__name__} is no shape of a transformer: {first}"
        return Subject(None, reason, family, False, *_tokens(inputs))
    tied = _tied(model)
    if tied is not None:
        shape = replace(shape, tied=tied)
    shape, batch, seq = _fitted(shape, inputs)
    target = next((inputs[name][-1] for name in _TARGETS if name in inputs), None) if shape.decoder_layers else None
    return Subject(shape, "", family, known(config), batch, seq, target)


def _tied(model: Any) -> bool | None:
    """Whether the output layer shares the embedding's table; None where the model does not say."""
    found = []
    for getter in ("get_input_embeddings", "get_output_embeddings"):
        try:
            found.append(getattr(getattr(model, getter)(), "weight", None))
        except (AttributeError, NotImplementedError):
            return None
    table, output = found
    return None if table is None or output is None else table is output


def _sizes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Sizes of the tensors by the names they have; the embeddings' last size, which is no length, left out."""
    found = dict(_named_sizes(kwargs))
    if args and "input_ids" not in found:
        for size in _shape_of(args[0]):
            found["pixel_values" if len(size) == 4 else "inputs_embeds" if len(size) == 3 else "input_ids"] = size
    return {name: size[:-1] if name.endswith("inputs_embeds") else size for name, size in found.items() if size}


def _named_sizes(kwargs: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, value in kwargs.items():
        for size in _shape_of(value):
            yield name, size


def _shape_of(value: Any) -> list[tuple[int, ...]]:
    shape = getattr(value, "shape", None)
    return [tuple(int(size) for size in shape)] if isinstance(shape, tuple) else []


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
