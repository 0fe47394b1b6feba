"""The model class that belongs to a Hugging Face configuration."""

from __future__ import annotations

from typing import Any

AUTO_CLASSES = (
    "AutoModelForImageTextToText", "AutoModelForMultimodalLM", "AutoModelForSpeechSeq2Seq",
    "AutoModelForSeq2SeqLM", "AutoModelForCausalLM", "AutoModelForMaskedLM",
    "AutoModelForImageClassification", "AutoModelForVideoClassification",
    "AutoModelForAudioClassification", "AutoModelForCTC", "AutoModelForObjectDetection",
    "AutoModelForPreTraining", "AutoModel",
)  # fmt: skip


def model_class(config: Any) -> Any:
    """The class named first in the configuration's `architectures`, else the auto classes' choice.

    Raises:
        ValueError: no auto class knows this configuration.
    """
    import transformers

    for name in getattr(config, "architectures", None) or ():
        found = getattr(transformers, name, None)
        if found is not None:
            return found
    for auto in AUTO_CLASSES:
        mapping = getattr(getattr(transformers, auto, None), "_model_mapping", {})
        if type(config) in mapping:
            chosen = mapping[type(config)]
            return chosen[0] if isinstance(chosen, (list, tuple)) else chosen
    raise ValueError(
        f"No transformers model class belongs to {type(config).__name__}; expected a configuration with "
        "architectures, or one that AutoModel knows."
    )


def matches(config: Any) -> bool:
    """Whether the models of this type find the same points in two images."""
    from transformers.models.auto import modeling_auto

    names = getattr(modeling_auto, "MODEL_FOR_KEYPOINT_MATCHING_MAPPING_NAMES", {})
    return getattr(config, "model_type", None) in names
