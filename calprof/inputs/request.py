"""What is asked of a configuration: the model, its arguments' names, and the sizes the caller chose."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

DEFAULT_LENGTH = 128
VISION = (
    "vision_config",
    "vision_tower_config",
    "image_config",
    "visual_config",
    "backbone_config",
    "video_config",
    "prompt_encoder_config",
    "encoder",
    "sam_config",
)
AUDIO = (
    "audio_config",
    "audio_encoder_config",
    "speech_config",
    "encoder_config",
    "sound_config",
    "dac_config",
    "codec_config",
    "acoustic_tokenizer_encoder_config",
    "semantic_model_config",
    "asr_config",
    "encoder",
)
INNER = ("vision_config", "backbone_config", "sam_config", "dac_config", "asr_config")
OUTER = ("thinker_config", "vlm_config", "audio_video_config", "text_config")


@dataclass(frozen=True)
class Request:
    """Sizes left at `None` come from the configuration, or from the builder's own default."""

    model: Any
    config: Any
    taken: Mapping[str, inspect.Parameter]
    main: str
    batch: int = 1
    seq: int | None = None
    image_size: tuple[int, int] | None = None
    seconds: float | None = None
    frames: int | None = None
    dtype: torch.dtype = torch.float32

    @property
    def length(self) -> int:
        """How many tokens a text has: the caller's number, or 128."""
        return self.seq or DEFAULT_LENGTH

    def vision(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that the vision part of the configuration, or the whole, has."""
        return lookup(self.config, names, VISION, default)

    def audio(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that the audio part of the configuration, or the whole, has."""
        return lookup(self.config, names, AUDIO, default)

    def whole(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that the configuration has at its top or one level down."""
        return lookup(self.config, names, (), default)


def lookup(config: Any, names: tuple[str, ...], parts: tuple[str, ...], default: Any) -> Any:
    """The first field set among `names`: names in order, for each the parts named first, then the rest."""
    for name in names:
        for part in _parts(config, parts):
            value = getattr(part, name, None)
            if value is not None:
                return value
    return default


def _parts(config: Any, first: tuple[str, ...]) -> Iterator[Any]:
    """The parts of the configuration by these names, those inside its outer parts, then the configuration."""
    outers = [config, *(part for name in OUTER if (part := getattr(config, name, None)) is not None)]
    for outer in outers:
        for name in first:
            part = getattr(outer, name, None)
            if part is not None and not isinstance(part, str):
                inner = (getattr(part, name, None) for name in INNER)
                yield from (one for one in (*inner, part) if one is not None)
    yield from outers


def pair(size: Any, default: int) -> tuple[int, int]:
    """Height and width out of the ways configurations write a size."""
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge") or size.get("longest_edge") or default
        return int(size.get("height", edge)), int(size.get("width", edge))
    if isinstance(size, (list, tuple)) and size:
        return int(size[-2] if len(size) > 1 else size[0]), int(size[-1])
    return (int(size), int(size)) if isinstance(size, (int, float)) else (default, default)
