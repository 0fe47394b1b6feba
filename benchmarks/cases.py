"""The models and calls on which MACs are compared, with random weights, each in eval mode.

The truth of a case is what PyTorch's dispatcher counts with attention on its math path and the fused encoder
layers off. Where the dispatcher is blind it is a closed form, with the sentence it comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Built = tuple[nn.Module, tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """A model and its inputs.

    Attributes:
        name: What the table calls it.
        build: Makes the model and its positional inputs.
        macs: The closed form, where the dispatcher is blind.
        because: The sentence of the closed form.
        reference: Makes the model the dispatcher counts, where it has to be told to use ops the dispatcher knows.
    """

    name: str
    build: Callable[[], Built]
    macs: int | None = None
    because: str = ""
    reference: Callable[[], Built] | None = None


class Calls(nn.Module):
    """A function of an input and of parameters of the given shapes."""

    def __init__(self, function: Callable[..., Any], *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        self.operands = nn.ParameterList(nn.Parameter(torch.randn(shape)) for shape in shapes)

    def forward(self, x: Tensor) -> Any:
        """Calls it."""
        return self.function(x, *self.operands)


def call(function: Callable[..., Any], x: tuple[int, ...], *operands: tuple[int, ...]) -> Callable[[], Built]:
    """Returns what builds a `Calls` and its input."""
    return lambda: (Calls(function, *operands), (torch.randn(x),))


def layer(make: Callable[[], nn.Module], *shape: int) -> Callable[[], Built]:
    """Returns what builds a module and its one random input."""
    return lambda: (make(), (torch.randn(shape),))


def vision(name: str, *shape: int) -> Callable[[], Built]:
    """Returns what builds a torchvision model; at 224 x 224 without a shape."""

    def build() -> Built:
        import torchvision

        backbone = {"weights_backbone": None} if "deeplab" in name else {}
        return torchvision.models.get_model(name, weights=None, **backbone), (torch.randn(shape or (1, 3, 224, 224)),)

    return build


def timm(name: str, size: int = 224) -> Callable[[], Built]:
    """Returns what builds a timm model."""

    def build() -> Built:
        import timm

        return timm.create_model(name, pretrained=False), (torch.randn(1, 3, size, size),)

    return build


def text(model: str, config: str, length: int = 128, **settings: Any) -> Callable[[], Built]:
    """Returns what builds a transformers model and a row of token ids."""

    def build() -> Built:
        import transformers

        made = getattr(transformers, config)(**settings)
        made.use_cache = False
        return getattr(transformers, model)(made), (torch.randint(3, made.vocab_size, (1, length)),)

    return build


class Seq2Seq(nn.Module):
    """An encoder-decoder model as a function of the encoder's and the decoder's input."""

    def __init__(self, model: nn.Module, encoder_input: str) -> None:
        super().__init__()
        self.model, self.encoder_input = model, encoder_input

    def forward(self, x: Tensor, decoder_input_ids: Tensor) -> Tensor:
        """Returns the logits."""
        out: Tensor = self.model(**{self.encoder_input: x}, decoder_input_ids=decoder_input_ids).logits
        return out


def t5() -> Built:
    """T5 small's sizes."""
    import transformers as hf

    ids = torch.randint(3, 32000, (1, 128))
    return Seq2Seq(hf.T5ForConditionalGeneration(hf.T5Config(use_cache=False)), "input_ids"), (ids, ids)


def whisper() -> Built:
    """A Whisper of two layers each way on a second of sound."""
    import transformers as hf

    config = hf.WhisperConfig(
        d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=512, decoder_ffn_dim=512, vocab_size=2000, max_source_positions=50, use_cache=False,
        decoder_start_token_id=1, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = Seq2Seq(hf.WhisperForConditionalGeneration(config), "input_features")
    return model, (torch.randn(1, 80, 100), torch.randint(3, 2000, (1, 12)))


def clip() -> Built:
    """A CLIP of two layers each side."""
    import transformers as hf

    tower = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = hf.CLIPConfig(
        text_config={**tower, "vocab_size": 1000, "eos_token_id": 2},
        vision_config={**tower, "image_size": 64, "patch_size": 16},
        projection_dim=64,
    )
    return hf.CLIPModel(config), (torch.randint(3, 1000, (2, 16)), torch.randn(3, 3, 64, 64))


def unet() -> Built:
    """A latent diffusion UNet with text conditioning."""
    import diffusers

    model = diffusers.UNet2DConditionModel(
        sample_size=32, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=64, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=8,
    )  # fmt: skip
    return model, (torch.randn(1, 4, 32, 32), torch.tensor([7]), torch.randn(1, 11, 64))


def experts(model: str, config: str, eager: bool = False, **settings: Any) -> Callable[[], Built]:
    """Returns what builds a mixture of experts; `eager` runs them one by one, in products the dispatcher knows."""

    def build() -> Built:
        built, inputs = text(model, config, **settings)()
        if eager:
            built.set_experts_implementation("eager")
        return built, inputs

    return build


def mixture(name: str, model: str, config: str, **settings: Any) -> Case:
    """A mixture of experts, whose default grouped product the dispatcher does not know."""
    return Case(
        name, experts(model, config, **settings), reference=experts(model, config, eager=True, **settings),
        because="the dispatcher's count with the experts run one by one",
    )  # fmt: skip


class SelfAttention(nn.Module):
    """Fused projections and one call of PyTorch's attention."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(64, 192)

    def forward(self, x: Tensor) -> Tensor:
        """Attends."""
        q, k, v = (each.unflatten(-1, (4, 16)).transpose(1, 2) for each in self.qkv(x).chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v)


class Branch(nn.Module):
    """One of two parents of the same layer."""

    def __init__(self, shared: nn.Module) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, x: Tensor) -> Tensor:
        """Calls it."""
        y: Tensor = self.shared(x)
        return y


def two_parents() -> Built:
    """A layer that is registered below two parents, each of which runs."""
    shared = nn.Linear(64, 64)
    return nn.Sequential(Branch(shared), Branch(shared)), (torch.randn(4, 16, 64),)


class Aliased(nn.Module):
    """A layer beside a function of PyTorch's that was bound before any tool looked."""

    linear_function = staticmethod(F.linear)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        """Calls both."""
        return self.linear_function(self.layer(x), self.layer.weight)


class Pooled(nn.Module):
    """A bag of embeddings and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(101, 24)
        self.head = nn.Linear(24, 5)

    def forward(self, ids: Tensor) -> Tensor:
        """Classifies."""
        logits: Tensor = self.head(self.bag(ids))
        return logits


def attention_in_eval() -> Built:
    """`nn.MultiheadAttention` attending to its own input."""

    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(48, 6, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.attention(x, x, x, need_weights=False)[0]
            return y

    return Attends(), (torch.randn(3, 17, 48),)


class Force(nn.Module):
    """A force field: minus the gradient of an energy with respect to positions."""

    def __init__(self) -> None:
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, positions: Tensor) -> Tensor:
        """Runs the energy and differentiates it."""
        with torch.enable_grad():
            positions = positions.detach().requires_grad_()
            return -torch.autograd.grad(self.energy(positions).sum(), positions)[0]


def jacobians(x: Tensor, weight: Tensor) -> Any:
    """The Jacobian of a layer at every row."""
    return torch.func.vmap(torch.func.jacrev(lambda row: torch.nn.functional.linear(row, weight).tanh()))(x)


def grouped_query(x: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention of six query heads to two key heads."""
    return F.scaled_dot_product_attention(x, key, value, is_causal=True, enable_gqa=True)


def deformed(x: Tensor, offset: Tensor, weight: Tensor) -> Any:
    """A registered operator from outside PyTorch, called by its name."""
    import torchvision  # noqa: F401 - registers it

    mask = x.new_ones(1, 9, 14, 14)
    bias = x.new_zeros(10)
    return torch.ops.torchvision.deform_conv2d(x, weight, offset, mask, bias, 1, 1, 1, 1, 1, 1, 1, 1, True)


LSTM = "in each direction 4·256·(128 + 256), then 4·256·(2·256 + 256), for each of 64 steps; biases are additions"
LLAMA = {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 4, "num_attention_heads": 8,
         "num_key_value_heads": 2, "vocab_size": 32000}  # fmt: skip
SMALL = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 8,
         "num_key_value_heads": 2, "vocab_size": 32000}  # fmt: skip
DEEPSEEK = {"hidden_size": 128, "intermediate_size": 256, "moe_intermediate_size": 64, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 4, "n_routed_experts": 8, "num_experts_per_tok": 2,
            "n_group": 2, "topk_group": 1, "first_k_dense_replace": 1, "kv_lora_rank": 32, "q_lora_rank": 48,
            "qk_rope_head_dim": 16, "qk_nope_head_dim": 32, "v_head_dim": 32, "vocab_size": 1000}  # fmt: skip

CASES = (
    Case("resnet50", vision("resnet50")),
    Case("mobilenet_v3_large", vision("mobilenet_v3_large")),
    Case("efficientnet_b0", vision("efficientnet_b0")),
    Case("vit_b_16", vision("vit_b_16")),
    Case("swin_t", vision("swin_t")),
    Case("convnext_tiny", vision("convnext_tiny")),
    Case("deeplabv3_resnet50", vision("deeplabv3_resnet50")),
    Case("r3d_18", vision("r3d_18", 1, 3, 8, 112, 112)),
    Case("timm vit_small", timm("vit_small_patch16_224")),
    Case("timm mobilevit_xs", timm("mobilevit_xs", 256)),
    Case("diffusers UNet, text", unet),
    Case("bert_base", text("BertModel", "BertConfig")),
    Case("gpt2", text("GPT2LMHeadModel", "GPT2Config")),
    Case("llama, GQA", text("LlamaForCausalLM", "LlamaConfig", **LLAMA)),
    Case("qwen2", text("Qwen2ForCausalLM", "Qwen2Config", **SMALL)),
    Case("gemma2", text("Gemma2ForCausalLM", "Gemma2Config", head_dim=48, **SMALL)),
    Case("t5_small", t5),
    mixture("mixtral", "MixtralForCausalLM", "MixtralConfig", num_local_experts=8, num_experts_per_tok=2, **SMALL),
    mixture("deepseek_v3", "DeepseekV3ForCausalLM", "DeepseekV3Config", **DEEPSEEK),
    Case("mamba", text("MambaForCausalLM", "MambaConfig", hidden_size=256, num_hidden_layers=4)),
    Case("whisper", whisper),
    Case("clip", clip),
    Case(
        "nn.LSTM, 2 layers, both ways",
        layer(lambda: nn.LSTM(128, 256, 2, batch_first=True, bidirectional=True), 2, 32, 128),
        2 * 64 * (4 * 256 * (128 + 256) + 4 * 256 * (2 * 256 + 256)), LSTM,
    ),
    Case(
        "nn.LSTM, projected", layer(lambda: nn.LSTM(23, 29, proj_size=11), 7, 3, 23),
        21 * (4 * 29 * (23 + 11) + 29 * 11), "4·29·(23 + 11) + 29·11 for each of 21 steps",
    ),
    Case(
        "nn.GRU", layer(lambda: nn.GRU(23, 29, 2), 7, 3, 23), 21 * (3 * 29 * (23 + 29) + 3 * 29 * (29 + 29)),
        "3·29·(23 + 29) + 3·29·(29 + 29) for each of 21 steps",
    ),
    Case("nn.RNN", layer(lambda: nn.RNN(23, 29), 7, 3, 23), 21 * 29 * (23 + 29), "29·(23 + 29) for each of 21 steps"),
    Case(
        "nn.TransformerEncoder, 4 layers",
        layer(lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(256, 8, batch_first=True), 4), 2, 64, 256),
    ),
    Case("nn.MultiheadAttention", attention_in_eval),
    Case("grouped, strided convolution", layer(lambda: nn.Conv2d(12, 30, 3, stride=2, groups=6), 2, 12, 19, 23)),
    Case("depthwise, dilated convolution", layer(lambda: nn.Conv2d(12, 12, 3, dilation=2, groups=12), 2, 12, 19, 23)),
    Case("padding='same', even kernel", layer(lambda: nn.Conv1d(5, 7, 4, padding="same"), 2, 5, 19)),
    Case("unbatched convolution", layer(lambda: nn.Conv2d(5, 7, 3), 5, 13, 17)),
    Case("grouped, transposed convolution", layer(lambda: nn.ConvTranspose2d(16, 32, 4, 2, 1, groups=4), 1, 16, 8, 8)),
    Case(
        "deform_conv2d of torch.ops", call(deformed, (1, 6, 14, 14), (1, 18, 14, 14), (10, 6, 3, 3)),
        10 * 14 * 14 * 6 * 9, "each of 10·14·14 outputs contracts 6·3·3 inputs",
    ),
    Case(
        "matmul, @, einsum",
        call(lambda x, y: torch.einsum("bij,bjk->bik", torch.matmul(x, y) @ y, y), (4, 32, 32), (4, 32, 32)),
    ),
    Case("broadcast matmul", call(torch.matmul, (5, 1, 3, 7), (11, 7, 2))),
    Case(
        "matrix times vector", call(lambda x, v: torch.mv(x, v) + x @ v, (37, 41), (41,)), 2 * 37 * 41,
        "each of two products contracts 41 for each of 37 outputs",
    ),
    Case("tensordot", call(lambda x, y: torch.tensordot(x, y, dims=2), (3, 5, 7), (5, 7, 11))),
    Case("bmm, baddbmm", call(lambda x, y: torch.baddbmm(x, torch.bmm(x, y), y), (3, 13, 13), (3, 13, 13))),
    Case("aten.mm of torch.ops", call(lambda x, y: torch.ops.aten.mm(x, y), (17, 19), (19, 23))),
    Case("attention", lambda: (SelfAttention(), (torch.randn(2, 16, 64),))),
    Case("causal attention, GQA", call(grouped_query, (2, 6, 13, 8), (2, 2, 13, 8), (2, 2, 13, 8))),
    Case("a layer below two parents", two_parents),
    Case("a function stored earlier", lambda: (Aliased(), (torch.randn(2, 16, 64),))),
    Case(
        "a force field, minus the gradient of an energy", lambda: (Force(), (torch.randn(64, 3),)),
        2 * 64 * (3 * 32 + 32), "forward and the gradient of the positions: each product twice",
    ),
    Case("Jacobians of torch.func", call(jacobians, (11, 5), (7, 5))),
    Case("nn.EmbeddingBag and a head", lambda: (Pooled(), (torch.randint(101, (4, 9)),))),
)  # fmt: skip
