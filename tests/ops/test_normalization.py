"""Norm layers, softmax and dropout, by hand on a 2 x 3 x 5 x 7 input of 210 elements."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from support import record, work
from torch import nn

from calprof.conventions import ARITHMETIC, CALFLOPS, ELECTRA
from calprof.ops.registry import catalogue
from calprof.ops.shape import Shape
from calprof.work import Work

R = torch.randn
X = R(2, 3, 5, 7)
C = torch.rand(3) + 0.5
KEPT = X > 0
STANDARD = Work(norm_statistics=210, normalize=210)
LEARNED = STANDARD + Work(affine=210)
APPLIED = Work(normalize=210)
NONE = Work()

NORMS = [
    ("layer_norm", lambda: F.layer_norm(X, (7,)), STANDARD),
    ("layer_norm weight", lambda: F.layer_norm(X, [5, 7], R(5, 7), R(5, 7)), LEARNED),
    ("torch.layer_norm", lambda: torch.layer_norm(X, [7], R(7)), LEARNED),
    ("native_layer_norm", lambda: torch.native_layer_norm(X, [7], None, None, 1e-5), STANDARD),
    ("aten.native_layer_norm", lambda: torch.ops.aten.native_layer_norm(X, [7], R(7), R(7), 1e-5), LEARNED),
    ("layer_norm empty", lambda: F.layer_norm(R(0, 7), (7,)), NONE),
    ("rms_norm", lambda: F.rms_norm(X, (7,)), Work(rms_norm=210)),
    ("rms_norm weight", lambda: torch.rms_norm(X, (7,), R(7)), Work(rms_norm=210, rms_scale=210)),
    ("group_norm", lambda: F.group_norm(X, 3), STANDARD),
    ("torch.group_norm", lambda: torch.group_norm(X, 3, C, C), LEARNED),
    ("native_group_norm", lambda: torch.native_group_norm(X, C, None, 2, 3, 35, 3, 1e-5), LEARNED),
    ("instance_norm", lambda: F.instance_norm(X), STANDARD),
    (
        "instance_norm running",
        lambda: F.instance_norm(X, C, C, C, C, use_input_stats=False),
        Work(normalize=210, affine=210),
    ),
    (
        "torch.instance_norm",
        lambda: torch.instance_norm(X, C, C, None, None, True, 0.1, 1e-5, False),
        LEARNED,
    ),
    (
        "torch.instance_norm running",
        lambda: torch.instance_norm(X, None, None, C, C, False, 0.1, 1e-5, False),
        APPLIED,
    ),
    ("batch_norm eval", lambda: F.batch_norm(X, C.clone(), C.clone()), APPLIED),
    ("batch_norm eval weight", lambda: F.batch_norm(X, C, C, C, C), Work(normalize=210, affine=210)),
    ("batch_norm train", lambda: F.batch_norm(X, None, None, training=True), STANDARD),
    ("batch_norm train weight", lambda: F.batch_norm(X, C.clone(), C.clone(), C, C, True), LEARNED),
    (
        "torch.batch_norm train",
        lambda: torch.batch_norm(X, C, C, None, None, True, 0.1, 1e-5, False),
        LEARNED,
    ),
    (
        "torch.batch_norm eval",
        lambda: torch.batch_norm(X, None, None, C, C, False, 0.1, 1e-5, False),
        APPLIED,
    ),
    ("native_batch_norm", lambda: torch.native_batch_norm(X, C, C, None, None, True, 0.1, 1e-5), LEARNED),
    (
        "native_batch_norm_legit",
        lambda: torch._native_batch_norm_legit(X, None, None, True, 0.1, 1e-5),
        STANDARD,
    ),
    (
        "_batch_norm_with_update",
        lambda: torch.ops.aten._batch_norm_with_update(X, C, C, C.clone(), C.clone(), 0.1, 1e-5),
        LEARNED,
    ),
    ("batch_norm unbatched", lambda: F.batch_norm(R(11, 3), C, C), Work(normalize=33)),
    # Square, scale and divide; 5 channels summed and k added; one power.
    (
        "local_response_norm",
        lambda: F.local_response_norm(X, 5),
        Work(multiply=630, add=6 * 210, transcendental=210),
    ),
    # 2·5·7 = 70 rows of 3: squared, summed, divided; a root and a bound a row.
    ("normalize", lambda: F.normalize(X), Work(multiply=420, add=210, transcendental=70, compare=70)),
    # 30 rows of 7: |x| summed, divided; a bound a row.
    ("normalize 1", lambda: F.normalize(X, 1.0, -1), Work(add=420, multiply=210, compare=30)),
    # 30 rows: |x|, compared; divided; a bound a row.
    ("normalize inf", lambda: F.normalize(X, p=math.inf, dim=3), Work(add=210, compare=240, multiply=210)),
    (
        "normalize 0-d",
        lambda: F.normalize(R(()), dim=0),
        Work(multiply=2, add=1, transcendental=1, compare=1),
    ),
    ("normalize empty", lambda: F.normalize(R(0, 3)), NONE),
    # 11 rows of 13: squared, summed, 11 roots; 11 divisions, 143 products.
    (
        "weight_norm",
        lambda: torch._weight_norm(R(11, 13), R(11, 1), 0),
        Work(multiply=143 + 11 + 143, add=143, transcendental=11),
    ),
    (
        "norm_except_dim",
        lambda: torch.norm_except_dim(R(11, 13), 2, 0),
        Work(multiply=143, add=143, transcendental=11),
    ),
    (
        "batch_norm_update_stats",
        lambda: torch.batch_norm_update_stats(X, C.clone(), C.clone(), 0.1),
        Work(norm_statistics=210),
    ),
]


def priced(name, *args, out):
    return catalogue()[name].formula(*args, out=out)


def test_parts_of_batch_norm_that_only_a_gpu_runs():
    x, c = Shape((2, 3, 5, 7)), Shape((3,))
    assert priced("batch_norm_elemt", x, None, None, c, c, 1e-5, out=x) == APPLIED
    assert priced("batch_norm_stats", x, 1e-5, out=(c, c)) == Work(norm_statistics=210)
    # The statistics of 11 workers.
    gathered = priced("batch_norm_gather_stats", x, Shape((11, 3)), Shape((11, 3)), None, None, out=(c, c))
    assert gathered == Work(norm_statistics=33)
    # Σ dy, x - mean, times dy, summed; then (dy - a - (x - mean)·b)·c.
    assert priced("batch_norm_backward_reduce", x, x, out=(c, c)) == Work(add=630, multiply=210)
    assert priced("batch_norm_backward_elemt", x, x, out=x) == Work(add=630, multiply=420)
    assert priced("cudnn_batch_norm", x, c, c, c, c, True, 0.1, 1e-5, out=(x, c, c)) == LEARNED
    assert priced("miopen_batch_norm", x, c, c, c, c, False, 0.1, 1e-5, out=(x, c, c)) == APPLIED + Work(affine=210)
    relu = priced("quantized.batch_norm_relu", x, c, c, c, c, 1e-5, 0.1, 0, out=x)
    assert relu == APPLIED + Work(affine=210, relu=210)
    # A rate to keep of 0.5, and of 1.
    assert priced("_fused_dropout", x, 0.5, out=(x, x)) == Work(dropout=210)
    assert priced("_fused_dropout", x, 1.0, out=(x, x)) == NONE


SOFTMAXES = [
    ("softmax", lambda: F.softmax(X, dim=1), Work(softmax=210)),
    ("Tensor.softmax", lambda: X.softmax(-1), Work(softmax=210)),
    ("special.softmax", lambda: torch.special.softmax(X, 1), Work(softmax=210)),
    ("_softmax", lambda: torch._softmax(X, 1, False), Work(softmax=210)),
    ("aten._safe_softmax", lambda: torch.ops.aten._safe_softmax(X, 1), Work(softmax=210)),
    ("softmax 0-d", lambda: torch.softmax(R(()), 0), Work(softmax=1)),
    ("log_softmax", lambda: F.log_softmax(X, dim=1), Work(log_softmax=210)),
    ("aten._log_softmax", lambda: torch.ops.aten._log_softmax(X, 1, False), Work(log_softmax=210)),
    ("softmin", lambda: F.softmin(X, dim=1), Work(add=210, softmax=210)),
    # log, negate, add, divide, softmax; hard: maximum, subtract, add.
    (
        "gumbel_softmax",
        lambda: F.gumbel_softmax(X),
        Work(transcendental=210, add=420, multiply=210, softmax=210),
    ),
    (
        "gumbel_softmax hard",
        lambda: F.gumbel_softmax(X, 0.5, True),
        Work(transcendental=210, add=840, multiply=210, softmax=210, compare=210),
    ),
    (
        "masked_softmax",
        lambda: torch._masked_softmax(R(2, 3, 5), torch.zeros(2, 3, 5, dtype=torch.bool), 2, 2),
        Work(softmax=30),
    ),
    (
        "softmax backward",
        lambda: torch._softmax_backward_data(R(3, 5), R(3, 5), 1, torch.float32),
        Work(multiply=30, add=30),
    ),
    (
        "log_softmax backward",
        lambda: torch._log_softmax_backward_data(R(3, 5), R(3, 5), 1, torch.float32),
        Work(add=30, transcendental=15, multiply=15),
    ),
]

DROPOUTS = [
    ("dropout", lambda: F.dropout(X, 0.5), Work(dropout=210)),
    ("dropout eval", lambda: F.dropout(X, 0.5, False), NONE),
    ("dropout at rate 0", lambda: F.dropout(X, 0.0), NONE),
    ("torch.dropout", lambda: torch.dropout(X, 0.5, True), Work(dropout=210)),
    ("torch.dropout eval", lambda: torch.dropout(X, p=0.5, train=False), NONE),
    ("dropout_", lambda: torch.dropout_(R(2, 3), 0.5, True), Work(dropout=6)),
    ("native_dropout", lambda: torch.native_dropout(X, 0.5, None), Work(dropout=210)),
    ("native_dropout eval", lambda: torch.native_dropout(X, 0.5, False), NONE),
    (
        "native_dropout backward",
        lambda: torch.ops.aten.native_dropout_backward(X, KEPT, 2.0),
        Work(multiply=420),
    ),
    # 2 x 3 masks: compared, rescaled; then a product an element.
    ("dropout2d", lambda: F.dropout2d(X), Work(compare=6, multiply=216)),
    ("dropout2d eval", lambda: F.dropout2d(X, 0.5, False), NONE),
    ("feature_dropout", lambda: torch.feature_dropout(X, 0.5, True), Work(compare=6, multiply=216)),
    ("dropout1d", lambda: F.dropout1d(R(2, 3, 5)), Work(compare=6, multiply=36)),
    ("dropout1d unbatched", lambda: F.dropout1d(R(3, 5)), Work(compare=3, multiply=18)),
    ("dropout3d", lambda: F.dropout3d(R(2, 3, 5, 7, 11)), Work(compare=6, multiply=2316)),
    ("dropout3d unbatched", lambda: F.dropout3d(R(3, 5, 7, 11)), Work(compare=3, multiply=1158)),
    ("alpha_dropout", lambda: F.alpha_dropout(X, 0.5, True), Work(compare=210, multiply=630, add=630)),
    ("alpha_dropout eval", lambda: F.alpha_dropout(X, 0.5), NONE),
    (
        "torch.alpha_dropout",
        lambda: torch.alpha_dropout(X, 0.5, True),
        Work(compare=210, multiply=630, add=630),
    ),
    # A channel: compare, 2 additions, 2 products; an element: a product, an addition.
    (
        "feature_alpha_dropout",
        lambda: F.feature_alpha_dropout(X, 0.5, True),
        Work(compare=6, multiply=222, add=222),
    ),
    ("feature_alpha_dropout eval", lambda: F.feature_alpha_dropout(X), NONE),
]

ROWS = NORMS + SOFTMAXES + DROPOUTS


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, expected):
    assert work(call) == expected


def test_norms_in_the_published_conventions():
    with_weight, without = (
        work(lambda: nn.LayerNorm(7)(X)),
        work(lambda: nn.LayerNorm(7, elementwise_affine=False)(X)),
    )
    # 5 an element in the literature; 5 with scale and shift and 4 without in calflops.
    assert ARITHMETIC.price(with_weight) == ELECTRA.price(with_weight) == 5 * 210
    assert (CALFLOPS.price(with_weight), CALFLOPS.price(without)) == (5 * 210, 4 * 210)
    module = nn.BatchNorm2d(3).eval()
    in_eval, in_training = work(lambda: module(X)), record(lambda: module.train()(X))
    assert ARITHMETIC.price(in_eval) == CALFLOPS.price(in_eval) == 2 * 210
    training = sum((call.cost.forward for call in in_training.calls if call.op.endswith("batch_norm")), Work())
    assert ARITHMETIC.price(training) == 5 * 210


def test_dropout_in_the_published_conventions():
    found = work(lambda: nn.Dropout(0.1)(X))
    assert (CALFLOPS.price(found), ELECTRA.price(found), ARITHMETIC.price(found)) == (0, 4 * 210, 3 * 210)
    assert work(lambda: nn.Dropout(0.1).eval()(X)) == NONE


def test_softmax_is_five_an_element():
    assert ARITHMETIC.price(work(lambda: X.softmax(-1))) == 5 * 210
    assert ELECTRA.price(work(lambda: X.softmax(-1))) == 5 * 210


def test_spectral_norm_is_matrix_vector_products_and_norms():
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(13, 11)).eval()
    # In eval W·v, u·(W·v) and W / σ; the layer's own 2 x 11 x 13 and its bias.
    assert work(lambda: layer(R(2, 13))) == Work(mac=143 + 11 + 286, multiply=143, linear_bias=22)


def test_sparse_softmax_is_reported():
    recording = record(lambda: torch.sparse.softmax(torch.eye(3).to_sparse(), 1))
    assert any("softmax" in each.op and "stores" in each.reason for each in recording.uncounted)
