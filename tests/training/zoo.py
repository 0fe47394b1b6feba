"""The models of the reference table, and what PyTorch's dispatcher measures of a training step of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from support import dispatcher
from torch import nn
from torch.overrides import TorchFunctionMode

Batch = dict[str, Any]
TOKENS = 128


def _torchvision(name: str, *shape: int, **options: Any) -> Callable[[], tuple[nn.Module, Batch]]:
    def build() -> tuple[nn.Module, Batch]:
        import torchvision

        models = torchvision.models
        catalogue = {**vars(models), **vars(models.segmentation), **vars(models.video)}
        return catalogue[name](weights=None, **options), {"args": (torch.randn(shape or (1, 3, 224, 224)),)}

    return build


def _transformers(name: str, config: str, **options: Any) -> Callable[[], tuple[nn.Module, Batch]]:
    def build() -> tuple[nn.Module, Batch]:
        import transformers

        model = getattr(transformers, name)(getattr(transformers, config)(use_cache=False, **options))
        ids = torch.zeros(1, TOKENS, dtype=torch.long)
        kwargs = {"input_ids": ids, **({"decoder_input_ids": ids} if name.startswith("T5") else {})}
        return model, {"kwargs": kwargs}

    return build


def _plain(build: Callable[[], nn.Module], *shape: int) -> Callable[[], tuple[nn.Module, Batch]]:
    return lambda: (build(), {"args": (torch.randn(shape),)})


_SMALL = dict(num_attention_heads=8, num_key_value_heads=2, vocab_size=32000)

MODELS: dict[str, Callable[[], tuple[nn.Module, Batch]]] = {
    "resnet50": _torchvision("resnet50"),
    "mobilenet_v3_large": _torchvision("mobilenet_v3_large"),
    "efficientnet_b0": _torchvision("efficientnet_b0"),
    "vit_b_16": _torchvision("vit_b_16"),
    "swin_t": _torchvision("swin_t"),
    "convnext_tiny": _torchvision("convnext_tiny"),
    "deeplabv3_resnet50": _torchvision("deeplabv3_resnet50", weights_backbone=None),
    "r3d_18": _torchvision("r3d_18", 1, 3, 8, 112, 112),
    "lstm": _plain(lambda: nn.LSTM(128, 256, 2, batch_first=True, bidirectional=True), 2, 32, 128),
    "transformer_encoder": _plain(
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(256, 8, batch_first=True), 4), 2, 64, 256
    ),
    "conv_transpose": _plain(lambda: nn.ConvTranspose2d(16, 32, 4, 2, 1, groups=4), 1, 16, 8, 8),
    "bert": _transformers("BertModel", "BertConfig"),
    "gpt2": _transformers("GPT2LMHeadModel", "GPT2Config"),
    "t5": _transformers("T5ForConditionalGeneration", "T5Config"),
    "llama": _transformers(
        "LlamaForCausalLM", "LlamaConfig", hidden_size=512, intermediate_size=1376, num_hidden_layers=4, **_SMALL
    ),
    # The dispatcher has no formula for grouped products: it is asked about the loop over experts.
    "mixtral": _transformers(
        "MixtralForCausalLM", "MixtralConfig", hidden_size=256, intermediate_size=512, num_hidden_layers=2,
        num_local_experts=8, experts_implementation="eager", **_SMALL,
    ),
    "mamba": _transformers("MambaForCausalLM", "MambaConfig", hidden_size=256, num_hidden_layers=4),
}  # fmt: skip

FORWARD_MACS = {
    "resnet50": 4089184256, "mobilenet_v3_large": 216589760, "efficientnet_b0": 385814752, "vit_b_16": 17563828224,
    "swin_t": 4490566656, "convnext_tiny": 4455531264, "deeplabv3_resnet50": 31310548992, "r3d_18": 20348379136,
    "lstm": 150994944, "transformer_encoder": 687865856, "conv_transpose": 131072, "bert": 11174215680,
    "gpt2": 16114089984, "t5": 8044675072, "llama": 3581935616, "mixtral": 1309147136, "mamba": 1870946304,
}  # fmt: skip


def freeze_first_half(model: nn.Module) -> None:
    """Takes the gradient from the first half of the parameters, in registration order."""
    parameters = list(model.parameters())
    for parameter in parameters[: len(parameters) // 2]:
        parameter.requires_grad_(False)


def with_input_gradients(model: nn.Module, batch: Batch) -> Batch:
    """Makes the input need a gradient: the pixels, or the embeddings in place of the token ids."""
    if "args" in batch:
        return {"args": tuple(each.detach().requires_grad_() for each in batch["args"])}
    width = model.get_input_embeddings().weight.shape[1]
    embedded = {
        name.replace("input_ids", "inputs_embeds"): torch.randn(*ids.shape, width).requires_grad_()
        for name, ids in batch["kwargs"].items()
    }
    return {"kwargs": embedded}


def total(output: Any) -> torch.Tensor:
    """Sums every tensor of an output: a loss that every output enters."""
    if isinstance(output, torch.Tensor):
        return output.sum() if output.is_floating_point() else torch.zeros(())
    values = output.values() if hasattr(output, "values") else output
    return sum(total(value) for value in values if value is not None)


def dispatcher_step(model: nn.Module, batch: Batch) -> tuple[int, int]:
    """Returns the MACs PyTorch's dispatcher sees in the forward and in `loss.backward()`.

    Its formula for the weight gradient of a convolution leaves the groups out and so counts them as many
    times too much; that excess is computed from the convolutions' own shapes and taken off.
    """
    with dispatcher() as counter, _Convolutions() as convolutions:
        output = model(*batch.get("args", ()), **batch.get("kwargs", {}))
        forward = int(counter.get_total_flops()) // 2
        total(output).backward()
    return forward, int(counter.get_total_flops()) // 2 - forward - convolutions.excess


class _Convolutions(TorchFunctionMode):
    """Adds up what the dispatcher's formula counts too much, from the shapes of every grouped convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.excess = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
            # Transposed or not, the signature has the groups seventh.
            given = {**dict(zip(("input", "weight", 2, 3, 4, 5, "groups"), args, strict=False)), **(kwargs or {})}
            input, weight, groups = given["input"], given["weight"], given.get("groups", 1)
            if weight.requires_grad:
                meets = input if "transpose" in name else out
                self.excess += (groups - 1) * meets.numel() * weight[0].numel()
        return out
