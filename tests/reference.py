"""The reference models: real architectures with random weights, and their published or hand-checked MACs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
import torchvision
import transformers as hf
from torch import nn

vision = torchvision.models
IMAGE = (1, 3, 224, 224)


@dataclass(frozen=True)
class Reference:
    """A model, its input and its MACs; text models take `(batch, length)` and a tokenizer."""

    macs: int
    build: Callable[..., nn.Module]
    input_shape: tuple[int, ...] = IMAGE
    text: bool = False
    decoder: bool = False
    options: dict[str, Any] = field(default_factory=dict)


def _hf(model: type, config: Any) -> Callable[..., nn.Module]:
    def build(attention: str | None = None) -> nn.Module:
        fresh = type(config).from_dict(config.to_dict())
        if attention is not None:
            fresh._attn_implementation = attention
        fresh.use_cache = False
        return model(fresh)

    return build


LLAMA = hf.LlamaConfig(
    hidden_size=512, intermediate_size=1376, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=2,
    vocab_size=32000,
)  # fmt: skip
MIXTRAL = hf.MixtralConfig(
    hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2,
    num_local_experts=8, num_experts_per_tok=2, vocab_size=32000,
)  # fmt: skip

MODELS: dict[str, Reference] = {
    "resnet50": Reference(4089184256, vision.resnet50),
    "mobilenet_v3_large": Reference(216589760, vision.mobilenet_v3_large),
    "efficientnet_b0": Reference(385814752, vision.efficientnet_b0),
    "vit_b_16": Reference(17563828224, vision.vit_b_16),
    "swin_t": Reference(4490566656, vision.swin_t),
    "convnext_tiny": Reference(4455531264, vision.convnext_tiny),
    "deeplabv3_resnet50": Reference(
        31310548992, lambda: vision.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None)
    ),
    "r3d_18": Reference(20348379136, vision.video.r3d_18, (1, 3, 8, 112, 112)),
    # Both layers and directions: 4·256·(128 + 256) + 4·256·(512 + 256), twice, for 2·32 tokens. With the 8192
    # bias additions of each token counted as MACs too, which the dispatcher does not, it would be 151519232.
    "lstm": Reference(150994944, lambda: nn.LSTM(128, 256, 2, batch_first=True, bidirectional=True), (2, 32, 128)),
    "transformer_encoder": Reference(
        687865856,
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(256, 8, batch_first=True), 4),
        (2, 64, 256),
    ),
    "conv_transpose": Reference(131072, lambda: nn.ConvTranspose2d(16, 32, 4, 2, 1, groups=4), (1, 16, 8, 8)),
    "bert": Reference(11174215680, _hf(hf.BertModel, hf.BertConfig()), (1, 128), text=True),
    "gpt2": Reference(16114089984, _hf(hf.GPT2LMHeadModel, hf.GPT2Config()), (1, 128), text=True),
    "t5": Reference(8044675072, _hf(hf.T5ForConditionalGeneration, hf.T5Config()), (1, 128), text=True, decoder=True),
    "llama": Reference(3581935616, _hf(hf.LlamaForCausalLM, LLAMA), (1, 128), text=True),
    "mixtral": Reference(1309147136, _hf(hf.MixtralForCausalLM, MIXTRAL), (1, 128), text=True),
    "mamba": Reference(
        1870946304,
        _hf(hf.MambaForCausalLM, hf.MambaConfig(hidden_size=256, num_hidden_layers=4)),
        (1, 128),
        text=True,
    ),
}


@cache
def build(name: str, attention: str | None = None) -> nn.Module:
    """Returns the model with random weights; made once, because a profile gives it back as it was."""
    reference = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return reference.build(attention) if reference.text else reference.build()
