"""A batch costs its samples, an unbatched call costs a batch of one, and a run costs its parts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support import cost, work
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from calprof.work import Work

R = torch.randn


def grown(*shape):
    return R(*shape, requires_grad=True)


net = nn.ModuleDict(
    {
        "conv": nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, track_running_stats=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(54, 5),
        ),
        "encoder": nn.TransformerEncoderLayer(6, 2, 7, batch_first=True, dropout=0.0),
        "decoder": nn.TransformerDecoderLayer(6, 2, 7, batch_first=True, activation="gelu"),
        "attention": nn.MultiheadAttention(6, 3, kdim=5, vdim=7, batch_first=True),
        "lstm": nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2, batch_first=True),
        "gru": nn.GRU(3, 5, 2, dropout=0.5, batch_first=True),
        "rnn": nn.RNN(3, 5, nonlinearity="relu", batch_first=True),
        "cell": nn.LSTMCell(3, 5),
        "bilinear": nn.Bilinear(3, 5, 7),
    }
).train()  # fmt: skip

BATCHES = {
    "linear": lambda b: F.linear(R(b, 7, 3), R(5, 3), R(5)),
    "bilinear": lambda b: net["bilinear"](R(b, 3), R(b, 5)),
    "matmul": lambda b: R(b, 2, 3) @ R(3, 5),
    "bmm": lambda b: torch.bmm(R(b, 2, 3), R(b, 3, 5)),
    "baddbmm": lambda b: torch.baddbmm(R(5), R(b, 2, 3), R(b, 3, 5), alpha=2),
    "einsum": lambda b: torch.einsum("bhid,bhjd->bhij", R(b, 2, 3, 5), R(b, 2, 7, 5)),
    "conv1d": lambda b: F.conv1d(R(b, 3, 11), R(5, 3, 3), R(5), stride=2),
    "conv2d": lambda b: F.conv2d(R(b, 4, 7, 9), R(6, 2, 3, 3), R(6), padding="same", groups=2),
    "conv3d": lambda b: F.conv3d(R(b, 3, 5, 5, 5), R(5, 3, 2, 2, 2), dilation=2),
    "conv_transpose2d": lambda b: F.conv_transpose2d(R(b, 4, 5, 7), R(4, 3, 3, 3), R(6), 2, 1, 1, 2),
    "attention": lambda b: F.scaled_dot_product_attention(R(b, 3, 5, 7), R(b, 3, 11, 7), R(b, 3, 11, 7)),
    "causal attention": lambda b: F.scaled_dot_product_attention(R(b, 5, 7), R(b, 5, 7), R(b, 5, 7), is_causal=True),
    "multihead attention": lambda b: net["attention"](R(b, 5, 6), R(b, 7, 5), R(b, 7, 7)),
    "encoder layer": lambda b: net["encoder"](R(b, 5, 6)),
    "decoder layer": lambda b: net["decoder"](R(b, 5, 6), R(b, 7, 6)),
    "lstm": lambda b: net["lstm"](R(b, 7, 3)),
    "gru": lambda b: net["gru"](R(b, 7, 3)),
    "rnn": lambda b: net["rnn"](R(b, 7, 3)),
    "lstm cell": lambda b: net["cell"](R(b, 3)),
    "convnet": lambda b: net["conv"](R(b, 3, 8, 8)),
    "layer_norm": lambda b: F.layer_norm(R(b, 3, 5), (5,), R(5), R(5)),
    "rms_norm": lambda b: F.rms_norm(R(b, 3, 5), (5,), R(5)),
    "group_norm": lambda b: F.group_norm(R(b, 6, 5, 7), 3, R(6), R(6)),
    "instance_norm": lambda b: F.instance_norm(R(b, 3, 5, 7)),
    "batch_norm": lambda b: F.batch_norm(R(b, 3, 5), R(3), torch.ones(3), R(3), R(3), training=True),
    "local_response_norm": lambda b: F.local_response_norm(R(b, 7, 5, 5), 3),
    "softmax": lambda b: R(b, 3, 5).softmax(-1).log_softmax(-1),
    "dropout": lambda b: F.dropout(R(b, 3, 5)),
    "activations": lambda b: F.gelu(F.silu(F.mish(F.elu(F.glu(R(b, 3, 10)))))),
    "elementwise": lambda b: (R(b, 3, 5) * R(3, 1) - R(5)).exp().clamp(0, 1) ** 2,
    "reduction": lambda b: R(b, 3, 5).mean(-1) + R(b, 3, 5).logsumexp(-1) + R(b, 3, 5).amax(-1),
    "norm": lambda b: torch.linalg.vector_norm(R(b, 3, 5), 3, -1) + R(b, 3, 5).std(-1),
    "sorting": lambda b: (R(b, 3, 8).sort(-1), R(b, 3, 8).topk(2), R(b, 3, 8).cumsum(-1)),
    "max_pool": lambda b: F.max_pool2d(R(b, 3, 9, 11), 3, 2, 1),
    "avg_pool": lambda b: F.avg_pool3d(R(b, 3, 5, 7, 9), 2),
    "adaptive_pool": lambda b: F.adaptive_avg_pool2d(R(b, 3, 9, 11), (4, 5)),
    "lp_pool": lambda b: F.lp_pool2d(R(b, 3, 9, 11), 2, 3),
    "interpolate": lambda b: F.interpolate(R(b, 3, 5, 7), (11, 13), mode="bicubic"),
    "antialias": lambda b: F.interpolate(R(b, 3, 11, 13), (5, 7), mode="bilinear", antialias=True),
    "grid_sample": lambda b: F.grid_sample(R(b, 3, 5, 7), F.affine_grid(R(b, 2, 3), (b, 3, 11, 13))),
    "embedding": lambda b: F.embedding(torch.ones(b, 7, dtype=torch.long), R(11, 5)),
    "embedding_bag": lambda b: F.embedding_bag(torch.ones(b, 7, dtype=torch.long), R(11, 5), mode="mean"),
    "fft": lambda b: torch.fft.irfft2(torch.fft.rfft2(R(b, 8, 12))),
    "stft": lambda b: torch.stft(R(b, 64), 16, window=torch.ones(16), return_complex=True).abs(),
    "complex": lambda b: torch.randn(b, 3, 5, dtype=torch.cfloat) @ torch.randn(5, 7, dtype=torch.cfloat),
    "cross_entropy": lambda b: F.cross_entropy(R(b, 5, 7), torch.zeros(b, 7, dtype=torch.long), reduction="none"),
    "mse_loss": lambda b: F.mse_loss(R(b, 5), R(b, 5), reduction="none"),
    "cdist": lambda b: torch.cdist(R(b, 5, 3), R(b, 7, 3), 1.0),
    "cosine_similarity": lambda b: F.cosine_similarity(R(b, 5), R(b, 5)),
    "cholesky": lambda b: torch.linalg.cholesky(torch.eye(7).expand(b, 7, 7)),
    "solve": lambda b: torch.linalg.solve(torch.eye(7).expand(b, 7, 7), R(b, 7, 3)),
    "svd": lambda b: torch.linalg.svd(R(b, 7, 5)),
    "moves": lambda b: F.pad(F.pixel_shuffle(R(b, 8, 3, 5), 2), (1, 1)).flip(-1).roll(1).unfold(-1, 3, 2).contiguous(),
}


@pytest.mark.parametrize("name", BATCHES)
@settings(max_examples=4, deadline=None)
@given(st.integers(2, 7))
def test_a_batch_costs_its_samples(name, batch):
    call = BATCHES[name]
    found = cost(lambda: call(batch), grads=True)
    assert found == cost(lambda: call(1), grads=True) * batch
    assert name == "moves" or found.forward


WEIGHT = {n: grown(6, 3, *(5, 3, 2)[:n]) for n in (1, 2, 3)}


def convolved(name, sizes, *options):
    return lambda x: getattr(F, name)(x, WEIGHT[len(sizes) - 1], *options), sizes


UNBATCHED = {
    "conv1d": convolved("conv1d", (3, 7), R(6), 2, 1),
    "conv2d": convolved("conv2d", (3, 7, 8), R(6), 2, 1),
    "conv3d": convolved("conv3d", (3, 7, 8, 9), R(6), 2, 1),
    "conv_transpose1d": convolved("conv_transpose1d", (6, 3), R(3), 2),
    "conv_transpose2d": convolved("conv_transpose2d", (6, 3, 4), R(3), 2),
    "conv_transpose3d": convolved("conv_transpose3d", (6, 3, 4, 5), R(3), 2),
    "conv2d same": (lambda x: F.conv2d(x, WEIGHT[2], padding="same"), (3, 7, 8)),
    "encoder layer": (lambda x: net["encoder"](x), (5, 6)),
    "decoder layer": (lambda x: net["decoder"](x, x), (5, 6)),
    "lstm": (lambda x: net["lstm"](x), (7, 3)),
    "gru": (lambda x: net["gru"](x), (7, 3)),
    "rnn": (lambda x: net["rnn"](x), (7, 3)),
    "lstm cell": (lambda x: net["cell"](x), (3,)),
    "sdpa": (lambda x: F.scaled_dot_product_attention(x, x, x), (5, 7)),
    "linear": (lambda x: F.linear(x, WEIGHT[1][0], R(3)), (5,)),
    "max_pool1d": (lambda x: F.max_pool1d(x, 3), (3, 11)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), (3, 9, 11)),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2), (3, 5, 7, 9)),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 3), (3, 11)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, ceil_mode=True), (3, 10, 11)),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, 2), (3, 5, 7, 9)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (4, 5)), (3, 9, 11)),
    "adaptive_max_pool3d": (lambda x: F.adaptive_max_pool3d(x, 2), (3, 5, 7, 9)),
    "fractional_max_pool2d": (lambda x: F.fractional_max_pool2d(x, 2, (3, 4)), (3, 9, 11)),
    "lp_pool2d": (lambda x: F.lp_pool2d(x, 2, 3), (3, 9, 11)),
    "instance_norm": (nn.InstanceNorm2d(3, affine=True), (3, 5, 7)),
    "cross_entropy": (lambda x: F.cross_entropy(x, torch.zeros(x.shape[:-1]).long(), reduction="none"), (5,)),
    "cosine_similarity": (lambda x: F.cosine_similarity(x, x, -1), (5,)),
    "fft": (lambda x: torch.fft.fft2(x), (6, 9)),
    "stft": (lambda x: torch.stft(x, 16, window=torch.ones(16), return_complex=True), (64,)),
    # A 3-d input of dropout2d is a batch of sequences, not one image; of dropout3d there is no such reading.
    "dropout3d": (lambda x: F.dropout3d(x, 0.5), (3, 2, 5, 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", UNBATCHED)
def test_unbatched_is_a_batch_of_one(name):
    call, shape = UNBATCHED[name]
    x = grown(*shape)
    found = cost(lambda: call(x), grads=True)
    assert found.forward
    assert found == cost(lambda: call(x[None]), grads=True)


@pytest.mark.parametrize("weights", [True, False])
def test_unbatched_multihead_attention_is_a_batch_of_one(weights):
    query, key, value = grown(5, 6), grown(7, 5), grown(7, 7)
    attend = lambda *given: cost(lambda: net["attention"](*given, need_weights=weights), grads=True)  # noqa: E731
    assert attend(query, key, value) == attend(query[None], key[None], value[None])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.sampled_from(["LSTM", "GRU", "RNN"]), st.booleans())
def test_a_packed_sequence_costs_its_sequences(lengths, kind, bidirectional):
    module = getattr(nn, kind)(3, 5, 2, bidirectional=bidirectional)
    sequences = [R(length, 3) for length in lengths]
    packed = pack_sequence(sequences, enforce_sorted=False)
    each = sum((work(lambda one=one: module(one)) for one in sequences), Work())
    assert work(lambda: module(packed)) == each


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(BATCHES)), min_size=2, max_size=4))
def test_what_runs_one_after_the_other_adds_up(names):
    parts = sum((work(lambda name=name: BATCHES[name](2)) for name in names), Work())
    assert work(lambda: [BATCHES[name](2) for name in names]) == parts
