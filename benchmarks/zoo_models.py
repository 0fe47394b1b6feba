"""The models of each zoo: their names, how to build each, and what to feed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from calprof.inputs.arguments import Inputs, describe
from calprof.models.blueprint import Blueprint
from calprof.models.configs import build_config
from calprof.models.resolve import resolve

Options = Callable[[Any], dict[str, Any]]

_DEPTHS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers",
           "num_encoder_layers", "num_decoder_layers", "depth", "speech_encoder_layers")  # fmt: skip


_LAYERS = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a zoo; `group` is its task."""

    source: str
    name: str
    group: str = ""
    make: Callable[[], Blueprint] | None = None

    def blueprint(self, options: Options | None = None) -> Blueprint:
        """Returns how to build it, with a transformers configuration changed by `options`."""
        if self.make is not None:
            return self.make()
        if self.source != "transformers":
            return resolve(f"{self.source}:{self.name}")
        return resolve(f"hf:{self.name}", options=options(build_config(self.name)) if options else None)


def torchvision() -> list[Entry]:
    """Returns every torchvision model with its task."""
    from torchvision.models import get_model_builder, list_models

    def task(name: str) -> str:
        parts = get_model_builder(name).__module__.split(".")
        return parts[2] if len(parts) > 3 else "classification"

    return [Entry("torchvision", name, task(name)) for name in list_models()]


def timm() -> list[Entry]:
    """Returns every timm architecture."""
    from calprof.models.timm import names

    return [Entry("timm", name) for name in names()]


def transformers() -> list[Entry]:
    """Returns every transformers model type; those with a causal language model are a group."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    from calprof.models.huggingface import types

    return [Entry("transformers", name, "causal LM" if name in CAUSAL else "others") for name in types()]


def reduced(config: Any) -> dict[str, Any]:
    """Returns the settings that cut every stack of layers to four; hybrids have one attention layer in as many."""
    settings: dict[str, Any] = {}
    for name, value in config.to_dict().items():
        part = vars(config).get(name)
        if hasattr(part, "to_dict"):
            settings |= {f"{name}.{inner}": depth for inner, depth in reduced(part).items()}
        elif name in _DEPTHS and type(value) is int and value > _LAYERS:
            settings[name] = _LAYERS
    return settings


def refused_by_itself(entry: Entry, variant: str, detail: str, largest: int = 6_000_000_000) -> str:
    """Returns why the model's own forward refuses the same input with real weights; empty if it does not.

    A model of more than `largest` parameters is tried at reduced depth, and then it is its own refusal only if
    that fails with the same words. Weights are of two bytes each, so that the largest fit, and not initialised, which
    takes minutes.
    """
    from transformers.initialization import no_init_weights

    for options in (None, reduced) if variant == "default" else (reduced,):
        try:
            blueprint = entry.blueprint(options)
        except Exception as error:  # transformers' configurations raise errors of many types
            return f"no configuration: {error}"[:300]
        try:
            # On the meta device nothing has a size in memory: how large the model is, or that it cannot be built.
            with torch.device("meta"):
                size = sum(each.numel() for each in blueprint.construct().parameters())
        except Exception as error:
            return _said(error) if _said(error)[:40] == detail[:40] else ""
        if size > largest:
            continue
        before = torch.get_default_dtype()
        try:
            torch.set_default_dtype(torch.bfloat16)
            with no_init_weights():
                model = blueprint.construct().eval()
            inputs = blueprint.inputs(model)
            with torch.no_grad():
                model(*inputs.args, **inputs.kwargs)
        except Exception as error:
            whole = options is None or variant == "reduced"
            return _said(error) if whole or _said(error)[:40] == detail[:40] else ""
        finally:
            torch.set_default_dtype(before)
        return ""
    return ""


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def diffusers() -> list[Entry]:
    """Returns a dozen denoisers and autoencoders with their default configurations."""
    time = torch.tensor([1])

    def noise(*shape: int) -> torch.Tensor:
        return torch.zeros(shape)

    def condition(*latent: int, width: int = 1280) -> dict[str, torch.Tensor]:
        return {"sample": noise(1, 4, *latent), "timestep": time, "encoder_hidden_states": noise(1, 77, width)}

    def tokens(*hidden: int, width: int, length: int = 77, **more: Any) -> dict[str, Any]:
        given = {"hidden_states": noise(1, *hidden), "encoder_hidden_states": noise(1, length, width)}
        return {**given, "timestep": time, **more}

    def image() -> dict[str, torch.Tensor]:
        return {"sample": noise(1, 3, 64, 64)}

    unconditioned = {"resolution": None, "aspect_ratio": None}
    ids = {"img_ids": noise(1024, 3), "txt_ids": noise(77, 3)}
    models: dict[str, tuple[dict[str, Any], Callable[[], dict[str, Any]]]] = {
        "AutoencoderKL": ({}, image),
        "AutoencoderTiny": ({}, image),
        "AsymmetricAutoencoderKL": ({}, image),
        "VQModel": ({}, image),
        "UNet2DModel": ({}, lambda: {**image(), "timestep": time}),
        "UNet2DConditionModel": ({}, lambda: condition(64, 64)),
        "UNet3DConditionModel": ({}, lambda: condition(4, 32, 32, width=1024)),
        "DiTTransformer2DModel": (
            {"in_channels": 4, "out_channels": 8},
            lambda: {"hidden_states": noise(1, 4, 32, 32), "timestep": time, "class_labels": torch.tensor([3])},
        ),
        "PixArtTransformer2DModel": (
            {"caption_channels": 4096, "use_additional_conditions": False},
            lambda: tokens(4, 128, 128, width=4096, length=120, added_cond_kwargs=unconditioned),
        ),
        "SD3Transformer2DModel": ({}, lambda: tokens(16, 64, 64, width=4096, pooled_projections=noise(1, 2048))),
        "FluxTransformer2DModel": ({}, lambda: tokens(1024, 64, width=4096, pooled_projections=noise(1, 768), **ids)),
        "PriorTransformer": ({}, lambda: tokens(768, width=768, proj_embedding=noise(1, 768))),
        "SanaTransformer2DModel": ({}, lambda: tokens(32, 32, 32, width=2304)),
    }

    def entry(name: str, config: dict[str, Any], feed: Callable[[], dict[str, Any]]) -> Entry:
        def make() -> Blueprint:
            import diffusers as library

            def inputs(model: torch.nn.Module) -> Inputs:
                given = feed()
                return Inputs((), given, describe((), given))

            return Blueprint(f"diffusers {name}", lambda: getattr(library, name)(**config), inputs)

        return Entry("diffusers", name, make=make)

    return [entry(name, *parts) for name, parts in models.items()]


SOURCES: dict[str, Callable[[], list[Entry]]] = {
    "torchvision": torchvision, "timm": timm, "transformers": transformers, "diffusers": diffusers,
}  # fmt: skip
