"""Which transformers class to build: the one a configuration names, or the one with a given head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

_HEADS: dict[str, tuple[str, ...]] = {
    "causal-lm": ("CAUSAL_LM",),
    "seq2seq": ("SEQ_TO_SEQ_CAUSAL_LM", "SPEECH_SEQ_2_SEQ"),
    "masked-lm": ("MASKED_LM",),
    "masked-image": ("MASKED_IMAGE_MODELING",),
    "classification": (
        "SEQUENCE_CLASSIFICATION",
        "IMAGE_CLASSIFICATION",
        "AUDIO_CLASSIFICATION",
        "VIDEO_CLASSIFICATION",
        "TIME_SERIES_CLASSIFICATION",
    ),
    "token-classification": ("TOKEN_CLASSIFICATION",),
    "question-answering": ("QUESTION_ANSWERING", "VISUAL_QUESTION_ANSWERING"),
    "detection": ("OBJECT_DETECTION", "ZERO_SHOT_OBJECT_DETECTION"),
    "segmentation": (
        "SEMANTIC_SEGMENTATION",
        "UNIVERSAL_SEGMENTATION",
        "INSTANCE_SEGMENTATION",
        "IMAGE_SEGMENTATION",
        "MASK_GENERATION",
    ),
    "audio": (
        "SPEECH_SEQ_2_SEQ",
        "CTC",
        "AUDIO_CLASSIFICATION",
        "TEXT_TO_SPECTROGRAM",
        "TEXT_TO_WAVEFORM",
    ),
    "vision": (
        "IMAGE_CLASSIFICATION",
        "OBJECT_DETECTION",
        "SEMANTIC_SEGMENTATION",
        "UNIVERSAL_SEGMENTATION",
        "MASK_GENERATION",
        "DEPTH_ESTIMATION",
        "VIDEO_CLASSIFICATION",
        "IMAGE_TO_IMAGE",
    ),
    "multimodal": (
        "IMAGE_TEXT_TO_TEXT",
        "MULTIMODAL_LM",
        "VISION_2_SEQ",
        "ZERO_SHOT_IMAGE_CLASSIFICATION",
    ),
    "time-series": ("TIME_SERIES_PREDICTION", "TIME_SERIES_REGRESSION"),
    "base": ("",),
}
_PREFERENCE = ("seq2seq", "multimodal", "audio", "masked-lm", "causal-lm", "vision", "classification", "base")


def head_names() -> tuple[str, ...]:
    """Returns the heads that `model_class` knows by a word."""
    return tuple(_HEADS)


def model_class(config: Any, head: str | None = None) -> type[Any]:
    """Returns the transformers class to build from `config`.

    Without `head` it is the first class in `config.architectures` that transformers has, else the class with
    the most telling head its model type offers (a language model before a classifier before none). `head` is
    one of `head_names()`, or the name of a transformers class.

    Raises:
        ValueError: No such head, or the model type offers none of that kind; the message says which it does.

    Example:
        >>> model_class(build_config("bert-base-uncased"), "base").__name__
        'BertModel'
    """
    import transformers

    if head is None:
        named = (getattr(transformers, name, None) for name in config.architectures or ())
        return next((found for found in named if found is not None), None) or _preferred(config)
    if head in _HEADS:
        found = _with_head(config, head)
        if found is not None:
            return found
        offered = [other for other in _HEADS if _with_head(config, other) is not None]
        raise ValueError(
            f"{config.model_type!r} has no {head!r} head in transformers; it has {', '.join(offered) or 'none'}"
        )
    by_name = getattr(transformers, head, None)
    if isinstance(by_name, type) and issubclass(by_name, transformers.PreTrainedModel):
        return _fitting(by_name, config)
    near = get_close_matches(head, _HEADS, n=3) or list(_HEADS)
    raise ValueError(
        f"{head!r} is neither a head nor a model class of transformers; the closest heads are {', '.join(near)}"
    )


def _fitting(model: type[Any], config: Any) -> type[Any]:
    wanted = getattr(model, "config_class", None)
    if wanted is not None and not isinstance(config, wanted):
        raise ValueError(f"{model.__name__} is built from a {wanted.__name__}, not from a {type(config).__name__}")
    return model


def _preferred(config: Any) -> type[Any]:
    order: tuple[str, ...] = _PREFERENCE
    if getattr(config, "is_decoder", False):
        order = ("causal-lm", *order)
    for head in order:
        found = _with_head(config, head)
        if found is not None:
            return found
    beside = _beside(type(config))
    if beside is None:
        raise ValueError(f"transformers has no model class for the model type {config.model_type!r}")
    return beside


def _beside(config_class: type[Any]) -> type[Any] | None:
    """The class that is built from a part's configuration, such as a vision tower's, which no table of tasks lists.

    Of the classes in the modeling files beside the configuration's it is the one with the configuration's name, else
    one with that name and a task, else the first without a head.
    """
    stem = config_class.__name__.removesuffix("Config")
    found = list(_built_from(config_class))
    orders: tuple[Callable[[str], bool], ...] = (
        lambda name: name in (f"{stem}Model", stem),
        lambda name: name.startswith(f"{stem}For"),
        lambda name: "For" not in name,
        lambda name: True,
    )
    return next((each for fits in orders for each in found if fits(each.__name__)), None)


def _built_from(config_class: type[Any]) -> Iterator[type[Any]]:
    """Yields the model classes that take a configuration of this very class, in the order they are written."""
    from transformers import PreTrainedModel

    package = config_class.__module__.rpartition(".")[0]
    if not package.startswith("transformers.models."):
        return
    for file in iter_modules(import_module(package).__path__):
        if not file.name.startswith("modeling_"):
            continue
        module = import_module(f"{package}.{file.name}")
        for each in vars(module).values():
            if isinstance(each, type) and issubclass(each, PreTrainedModel) and each.__module__ == module.__name__:
                base = each.__name__.endswith("PreTrainedModel")
                if getattr(each, "config_class", None) is config_class and not base:
                    yield each


def _with_head(config: Any, head: str) -> type[Any] | None:
    """The class of the first task of `head` that this model type has, from transformers' tables of names."""
    import transformers
    from transformers.models.auto import modeling_auto

    for task in _HEADS[head]:
        table = f"MODEL_FOR_{task}_MAPPING_NAMES" if task else "MODEL_MAPPING_NAMES"
        name = getattr(modeling_auto, table, {}).get(config.model_type)
        name = name[0] if isinstance(name, tuple | list) else name
        found = getattr(transformers, name, None) if name else None
        if isinstance(found, type):
            return found
    return None
