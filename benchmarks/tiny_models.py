"""Small models of any transformers model type, each with inputs that its own forward accepts."""

from __future__ import annotations

import re
from typing import Any

import torch
from tiny_configs import candidates
from tiny_repairs import repaired

from calprof.inputs.configs import from_config
from calprof.models.blueprint import Blueprint
from calprof.models.fake import ShapesOnly, build
from calprof.models.heads import model_class
from calprof.models.values import ValueNeeded, running

LENGTH = 13
LARGEST = 400_000_000
"""Parameters beyond which a configuration is not small and is not tried."""


# Errors that a smaller width, or a larger one, can mend even if two widths meet the same.
_SIZES = re.compile("size of tensor|parameters are too many")


class Refused(ValueError):
    """No small configuration was found that the model's own forward accepts with the inputs made for it.

    Attributes:
        reasons: What each configuration that was tried came to.
    """

    def __init__(self, name: str, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        super().__init__(f"{name}: {next(iter(reasons.values()), 'no configuration')}")


def tiny_blueprint(name: str, length: int = LENGTH) -> Blueprint:
    """Returns how to build a small model of a type, and its inputs with `length` tokens of text.

    The configuration is the first of `candidates` whose model, built with random weights, runs.

    Raises:
        Refused: There is none.
    """
    config, word = accepted(name, length)
    build_class = model_class(config)

    def construct() -> torch.nn.Module:
        return with_experts(build_class(config), "grouped_mm")

    return Blueprint(
        f"transformers {name} (small)", construct, lambda model: from_config(model, seq=length), notes=(word,)
    )


def accepted(name: str, length: int = LENGTH) -> tuple[Any, str]:
    """Returns the first small configuration that runs for real, and a word for it.

    Raises:
        Refused: There is none.
    """
    from transformers import CONFIG_MAPPING

    reasons: dict[str, str] = {}
    try:
        found = list(candidates(CONFIG_MAPPING[name]))
    except Exception as error:
        raise Refused(name, {"configuration": told(error)}) from error
    for word, config in found:
        failed = list(reasons.values())
        same = len(failed) >= 2 and failed[-1] == failed[-2] and not _SIZES.search(failed[-1])
        if word in ("widths / 4", "widths / 2") and same:
            continue  # the widths are not what is refused
        try:
            if isinstance(config, Exception):
                raise config
            run_repaired(config, length)
        except TimeoutError:  # of the whole sweep's clock, which rings once
            raise
        except Exception as error:
            reasons[word] = told(error)
        else:
            return config, word
    raise Refused(name, reasons)


def run_repaired(config: Any, length: int) -> None:
    """Runs one forward, again for each field that the model misses in the configuration and that has a known value.

    Raises:
        Exception: Whatever the model raises.
    """
    while True:
        try:
            return run_once(config, length)
        except (AttributeError, KeyError, ValueError) as error:
            if not repaired(config, error):
                raise


def run_once(config: Any, length: int) -> None:
    """Runs one forward of the model with random weights.

    Raises:
        ValueError: The model is too large to be tried.
        Exception: Whatever the model raises.
    """
    build_class = model_class(config)
    mode = ShapesOnly()
    try:
        with running(mode):
            size = sum(each.numel() for each in build(lambda: build_class(config), mode).parameters())
    except ValueNeeded:
        size = 0
    if size > LARGEST:
        raise ValueError(f"{size} parameters are too many to try")
    torch.manual_seed(0)
    model = with_experts(build_class(config).eval(), "eager")
    inputs = from_config(model, seq=length)
    with torch.no_grad():
        model(*inputs.args, **inputs.kwargs)


def with_experts(model: Any, path: str) -> Any:
    """Returns the model with its experts, if it has any, switched to one of their implementations."""
    for part in model.modules():
        can = getattr(part, "_can_set_experts_implementation", None)
        if can is not None and can():
            part.set_experts_implementation(path)
    return model


def told(error: Exception) -> str:
    """Returns an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
