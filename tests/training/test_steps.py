"""A measured training step: against the dispatcher, with checkpointing, with optimizers, leaving no trace."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from support import dispatcher
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts
from training.zoo import MODELS, dispatcher_step, freeze_first_half, total, with_input_gradients

from calprof import profile_step

R = torch.randn


def two_layers():
    return nn.Sequential(nn.Linear(16, 32, bias=False), nn.Linear(32, 16, bias=False))


class Checkpointed(nn.Module):
    """Runs its inner model under `torch.utils.checkpoint`."""

    def __init__(self, inner, **options):
        super().__init__()
        self.inner = inner
        self.options = options

    def forward(self, x):
        return checkpoint(self.inner, x, **self.options)


def macs(step):
    return [getattr(step, phase).macs for phase in ("forward", "backward", "recompute")]


def test_two_layers():
    # Each product is 1024 FLOPs: two forward, and a gradient for each operand that needs one.
    x = R(1, 16)
    step = profile_step(two_layers(), x, convention="matmul")
    assert (step.forward.flops, step.backward.flops, step.total.flops) == (2048, 3072, 5120)
    step = profile_step(two_layers(), x.requires_grad_(), convention="matmul")
    assert step.total.flops == 6144 and step.profile.training(exact=True).total == step.total
    # Checkpointing runs both again, or stops before the second, whose result nobody needs.
    again = profile_step(Checkpointed(two_layers(), use_reentrant=True), x, convention="matmul")
    early = profile_step(Checkpointed(two_layers(), use_reentrant=False), x, convention="matmul")
    assert (again.total.flops, early.total.flops) == (8192, 7168)
    assert again.by_module()["inner.1"].recompute.flops == 1024
    assert early.by_module()["inner.1"].recompute.flops == 0
    assert early.by_module()["inner.0"].recompute.flops == 1024


def math_step(model, batch):
    """A measured step with attention on its math path, as the dispatcher is asked."""
    with sdpa_kernel(SDPBackend.MATH):
        return profile_step(model, batch.get("args") or batch["kwargs"], loss=total, train_mode=False)


SMALL = {
    "mobilenet_v3_large": (1, 3, 64, 64), "swin_t": (1, 3, 64, 64), "convnext_tiny": (1, 3, 32, 32),
    "transformer_encoder": (2, 7, 256), "conv_transpose": (1, 16, 8, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", [*SMALL, "llama", "mixtral"])
@pytest.mark.parametrize("case", ["frozen", "input"])
def test_equals_the_dispatcher(name, case):
    model, batch = MODELS[name]()
    batch = {"args": (R(SMALL[name]),)} if name in SMALL else {"kwargs": {"input_ids": torch.arange(11)[None]}}
    if case == "frozen":
        freeze_first_half(model)
    else:
        batch = with_input_gradients(model, batch)
    model.eval()
    step = math_step(model, batch)
    assert not step.uncounted
    assert macs(step) == [*dispatcher_step(model, batch), 0]
    exact = step.profile.training(exact=True)
    assert exact.backward.macs == step.backward.macs
    # Each module's share, too, is what its own products' gradients are.
    for path, phases in step.by_module().items():
        assert phases.backward.macs == exact.modules[path].backward.macs, path


def test_a_recurrent_layer_on_meta_equals_the_dispatcher():
    model = nn.LSTM(3, 5, 2, device="meta")
    x = torch.randn(7, 2, 3, device="meta")
    step = profile_step(model, x, loss=lambda out: out[0].sum())
    assert macs(step)[:2] == list(dispatcher_step(model, {"args": (x,)}))


def test_a_fused_recurrent_kernel_computes_every_gradient():
    step = profile_step(nn.LSTM(3, 5, 2), R(7, 2, 3))
    forward = 14 * (20 * 8 + 20 * 10)
    assert macs(step) == [forward, 2 * forward, 0] and not step.uncounted


def test_fused_attention_computes_its_scores_once_more():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q = nn.Parameter(R(2, 3, 5, 11))

        def forward(self, k, v):
            return F.scaled_dot_product_attention(self.q, k, v, is_causal=True)

    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        step = profile_step(Attention(), [R(2, 3, 5, 11, requires_grad=True) for _ in "kv"])
    scores = 2 * 3 * 5 * 5 * 11
    assert macs(step) == [2 * scores, 4 * scores, scores]
    causal = step.under("matmul-causal")
    # Rows of 1 to 5 scores: 15 of 25.
    assert causal.forward.macs * 25 == 2 * scores * 15 and causal.recompute.macs * 25 == scores * 15


def block(width):
    return nn.TransformerEncoderLayer(width, 3, 20, batch_first=True, norm_first=True, dropout=0.0)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_layers_are_forward_backward_and_what_ran_again(reentrant):
    inner = nn.Sequential(*(Checkpointed(block(12), use_reentrant=reentrant) for _ in range(3)), nn.Linear(12, 7))
    plain = nn.Sequential(*(layer.inner if isinstance(layer, Checkpointed) else layer for layer in inner))
    x = R(2, 5, 12, requires_grad=True)
    with sdpa_kernel(SDPBackend.MATH):
        step, reference = profile_step(inner, x), profile_step(plain, x)
        with dispatcher() as counter:
            inner(x).sum().backward()
    assert step.forward.macs == reference.forward.macs and step.backward.macs == reference.backward.macs
    assert 2 * sum(macs(step)) == counter.get_total_flops()
    layers = step.by_module()
    # The last product of a layer runs again only where the whole layer does.
    last = 10 * 20 * 12
    forward = layers["0.inner"].forward.macs
    assert layers["0.inner"].recompute.macs == (forward if reentrant else forward - last)
    assert layers["3"].recompute.macs == 0 and layers["0.inner.linear1"].recompute.macs == 10 * 12 * 20
    if reentrant:
        assert step.recompute.flops == sum(layers[f"{i}.inner"].forward.flops for i in range(3))


def test_nested_reentrant_checkpoints_run_the_innermost_twice_more():
    inner = Checkpointed(nn.Linear(3, 3, bias=False), use_reentrant=True)
    model = Checkpointed(nn.Sequential(inner, nn.Linear(3, 3, bias=False)), use_reentrant=True)
    step = profile_step(model, R(2, 3, requires_grad=True))
    assert macs(step) == [2 * 18, 4 * 18, 3 * 18]
    assert step.by_module()["inner.0.inner"].recompute.macs == 2 * 18


@pytest.mark.parametrize("saved", [False, True])
def test_selective_policies_count_what_they_do_not_save(saved):
    def policy(context, op, *args, **kwargs):
        keep = saved and op == torch.ops.aten.mm.default
        return CheckpointPolicy.MUST_SAVE if keep else CheckpointPolicy.PREFER_RECOMPUTE

    contexts = lambda: create_selective_checkpoint_contexts(policy)  # noqa: E731
    inner = nn.Sequential(nn.Linear(3, 5, bias=False), nn.Tanh(), nn.Linear(5, 7, bias=False), nn.Tanh())
    model = Checkpointed(inner, use_reentrant=False, context_fn=contexts)
    step = profile_step(model, R(2, 3, requires_grad=True))
    assert step.recompute.macs == (0 if saved else 2 * (15 + 35))
    assert step.by_module()["inner.1"].recompute.flops > 0


def test_stopping_inside_a_composite_call_counts_what_ran_of_it():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(12, 3, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0]

    with sdpa_kernel(SDPBackend.MATH):
        step = profile_step(Checkpointed(Last(), use_reentrant=False), R(2, 5, 12, requires_grad=True))
    # The output projection is not needed again; the three before it and both products of attention are.
    assert step.recompute.macs == step.forward.macs - 10 * 12 * 12


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_of_transformers(reentrant):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=32, intermediate_size=44, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=101, use_cache=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    ids = torch.arange(7)[None]
    batch = {"input_ids": ids, "labels": ids}
    with sdpa_kernel(SDPBackend.MATH):
        plain = profile_step(model, batch)
        model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        if reentrant:
            model.enable_input_require_grads()
        step = profile_step(model, batch)
        with dispatcher() as counter:
            model.train()(**batch).loss.backward()
    assert step.forward.macs == plain.forward.macs and not step.uncounted
    assert 2 * sum(macs(step)) == counter.get_total_flops()
    layers = [step.by_module()[f"model.layers.{i}"] for i in range(3)]
    assert step.recompute.macs == sum(layer.recompute.macs for layer in layers)
    last = 7 * 44 * 32
    assert layers[1].recompute.macs == layers[1].forward.macs - (0 if reentrant else last)


class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x @ weight

    @staticmethod
    def backward(ctx, grad):
        return torch.mm(grad, ctx.saved_tensors[0].T), None


def test_a_custom_function_is_measured():
    class Model(nn.Module):
        def forward(self, x):
            return Squared.apply(x, torch.ones(3, 5))

    step = profile_step(Model(), R(2, 3, requires_grad=True))
    assert macs(step) == [30, 30, 0]


ELEMENTS = 2 * 16 * 32
OPTIMIZERS = {
    # p - lr·g.
    "sgd": (lambda p: torch.optim.SGD(p, 0.1, foreach=False), 2),
    "sgd foreach": (lambda p: torch.optim.SGD(p, 0.1, foreach=True), 2),
    # m, v, the root, two divisions and two additions: 13 steps; decoupled decay is one more.
    "adam": (lambda p: torch.optim.Adam(p, foreach=False), 13),
    "adam foreach": (lambda p: torch.optim.Adam(p, foreach=True), 13),
    "adam fused": (lambda p: torch.optim.Adam(p, fused=True), 13),
    "adamw": (lambda p: torch.optim.AdamW(p, foreach=False), 14),
    "adamw foreach": (lambda p: torch.optim.AdamW(p, foreach=True), 14),
    "adamw fused": (lambda p: torch.optim.AdamW(p, fused=True), 14),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_work_on_each_element(name):
    make, each = OPTIMIZERS[name]
    model = two_layers()
    step = profile_step(model, R(2, 16), optimizer=make(model.parameters()))
    # Adam also counts its steps, one addition a tensor.
    assert step.optimizer.flops - each * ELEMENTS == (0 if name.startswith("sgd") else 2)
    assert step.total.flops == step.training.total.flops + step.optimizer.flops and not step.uncounted


def test_momentum_and_frozen_parameters():
    model = two_layers()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    x = R(2, 16)
    # The first step copies the momentum; later ones add the gradient to it: two steps more.
    assert profile_step(model, x, optimizer=optimizer, restore=False).optimizer.flops == 2 * ELEMENTS // 2
    assert profile_step(model, x, optimizer=optimizer).optimizer.flops == 4 * ELEMENTS // 2


def everything(model, optimizer, x):
    return copy.deepcopy(
        (
            model.state_dict(), optimizer.state_dict(), [p.grad for p in model.parameters()], x.grad,
            torch.get_rng_state(), [module.training for module in model.modules()],
        )
    )  # fmt: skip


def same(first, second):
    left, right = torch.utils._pytree.tree_leaves(first), torch.utils._pytree.tree_leaves(second)
    return len(left) == len(right) and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(left, right, strict=True)
    )


def trained_before():
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 7)).eval()
    optimizer = torch.optim.Adam(model.parameters())
    x = R(4, 3, requires_grad=True)
    model(x).sum().backward()
    optimizer.step()
    return model, optimizer, x


def test_the_step_is_undone():
    model, optimizer, x = trained_before()
    grads = [parameter.grad for parameter in model.parameters()]
    before = everything(model, optimizer, x)
    profile_step(model, x, optimizer=optimizer)
    assert same(before, everything(model, optimizer, x))
    assert all(parameter.grad is grad for parameter, grad in zip(model.parameters(), grads, strict=True))
    with pytest.raises(ValueError, match="scalar"):
        profile_step(model, x, optimizer=optimizer, loss=lambda out: out)
    assert same(before, everything(model, optimizer, x))


def test_the_step_is_kept_on_request():
    model, optimizer, x = trained_before()
    twin, twin_optimizer, _ = copy.deepcopy((model, optimizer, x))
    twin_optimizer = torch.optim.Adam(twin.parameters())
    twin_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for copied, parameter in zip(twin.parameters(), model.parameters(), strict=True):
        copied.grad = parameter.grad.clone()
    seed = torch.get_rng_state()
    profile_step(model, x, optimizer=optimizer, restore=False)
    torch.set_rng_state(seed)
    twin.train()(x.detach()).sum().backward()
    twin_optimizer.step()
    assert same(model.state_dict(), twin.state_dict())
    assert not model.training


def test_utilization_counts_recomputation_only_in_hfu():
    step = profile_step(Checkpointed(two_layers(), use_reentrant=True), R(1, 16, requires_grad=True))
    assert step.mfu(2.0, device=6144.0, count=2, times=3) == pytest.approx(3 * 6144 / (2 * 2 * 6144))
    assert step.hfu(2.0, device=6144.0, count=2, times=3) == pytest.approx(3 * 8192 / (2 * 2 * 6144))


def test_reports():
    step = profile_step(two_layers(), R(1, 16), optimizer=None)
    assert "measured" in str(step)
    rows = step.by_op("backward")
    assert [(row.op, row.macs) for row in rows if row.macs] == [("mm", 1536)]


def test_bad_input():
    model = two_layers()
    with pytest.raises(ValueError, match=r"scalar.*\(1, 16\)"):
        profile_step(model, R(1, 16), loss=lambda out: out)
    with pytest.raises(TypeError, match="float"):
        profile_step(model, R(1, 16), loss=lambda out: 1.0)
    with pytest.raises(ValueError, match="requires a gradient"):
        profile_step(model.requires_grad_(False), R(1, 16))
    with pytest.raises(TypeError, match="inputs"):
        profile_step(model, 7)
    with pytest.raises(TypeError, match="Module"):
        profile_step(len, R(1, 16))
    with pytest.raises(ValueError, match="phase"):
        profile_step(two_layers(), R(1, 16)).by_op("sideways")
