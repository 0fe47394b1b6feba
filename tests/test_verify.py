"""`verify=True`: a second forward under PyTorch's own counter."""

from __future__ import annotations

import copy
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch.nn.modules import module as nn_module

import calprof
from calprof.ops.registry import unregister
from calprof.recording.recorder import Recorder
from calprof.verification import Difference, Verification, copied, verify


def verified(function, model=None):
    with Recorder(model) as recorder:
        function()
    return verify(recorder.recording(), function, model)


class Attentive(torch.nn.Module):
    """Every kind of product, in modules called once, twice and not at all."""

    def __init__(self):
        super().__init__()
        self.embed, self.shared = torch.nn.Embedding(17, 8), torch.nn.Linear(8, 8)
        self.layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.conv, self.unused = torch.nn.Conv1d(8, 5, 3, groups=1), torch.nn.Linear(3, 3)
        self.script = torch.jit.script(torch.nn.Linear(5, 3))

    def forward(self, ids):
        x = self.shared(self.shared(self.embed(ids)))
        x = F.scaled_dot_product_attention(x, x, x, is_causal=True)
        return self.script(self.conv(self.layer(x).transpose(1, 2)).transpose(1, 2))


IDS = torch.arange(14).reshape(2, 7)


def test_agreement_is_one_line():
    prof = calprof.profile(Attentive(), args=[IDS], verify=True)
    found = prof.verification
    assert found.agrees and found.explained and found.macs == found.dispatcher_macs == prof.macs
    assert str(found) == f"verified: {prof.macs:,} MACs in {found.modules} modules, as PyTorch's dispatcher counts"


def test_every_module_with_products_is_compared():
    found = calprof.profile(Attentive(), args=[IDS], verify=True).verification
    # The model's own attention, shared, the layer's attention and two products, the convolution, the script.
    assert found.modules == 7


def test_the_comparison_is_exported():
    exported = calprof.profile(torch.nn.Linear(3, 5), (2, 3), verify=True).to_dict()["verification"]
    assert exported == {
        "macs": 30, "dispatcher_macs": 30, "modules": 1, "differences": (), "error": "", "agrees": True,
    }  # fmt: skip
    assert calprof.profile(torch.nn.Linear(3, 5), (2, 3)).to_dict()["verification"] is None


def test_without_asking_nothing_is_verified():
    assert calprof.profile(torch.nn.Linear(3, 5), (2, 3)).verification is None


class Vectors(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(5, 7))

    def forward(self, x):
        return torch.mv(self.weight, x)


def test_a_missing_formula_of_the_dispatcher_is_the_reason():
    model = torch.nn.Sequential(Vectors(), torch.nn.Linear(5, 3))
    found = calprof.profile(model, args=[torch.randn(7)], verify=True).verification
    assert not found.agrees and found.explained
    (row,) = found.differences
    assert (row.path, row.macs, row.dispatcher_macs) == ("0", 35, 0)
    assert row.reason == "FlopCounterMode has no formula for aten.mv"
    first, second = str(found).splitlines()
    assert "1 of 2 modules" in first and "35 MACs here, 0 MACs there" in second


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda: torch.dot(torch.randn(5), torch.randn(5)), "aten.dot"),
        (lambda: torch.zeros(3, 5).addmm_(torch.randn(3, 7), torch.randn(7, 5)), "aten.addmm_"),
        (lambda: F.bilinear(torch.randn(3, 5), torch.randn(3, 7), torch.randn(2, 5, 7)), "aten._trilinear"),
    ],
)
def test_ops_without_a_formula(function, op):
    found = verified(function)
    assert not found.agrees
    (row,) = found.differences
    assert op in row.reason and row.dispatcher_macs < row.macs


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_recurrent_layers_agree(kind):
    model = kind(5, 7, num_layers=2, bidirectional=True, batch_first=True)
    found = calprof.profile(model, args=[torch.randn(2, 3, 5)], verify=True).verification
    assert found.agrees, str(found)


def test_compiled_models_agree():
    model = torch.compile(torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU()), backend="eager")
    assert calprof.profile(model, args=[torch.randn(2, 5)], verify=True).verification.agrees


def test_vmap_agrees():
    weight = torch.randn(7, 5)
    assert verified(lambda: torch.func.vmap(lambda row: F.linear(row, weight))(torch.randn(3, 5))).agrees


def test_a_wrong_formula_is_found():
    @calprof.formula(torch.nn.functional.linear)
    def wrong(x, weight, bias=None, *, out):
        """One MAC too many."""
        return calprof.Work(mac=out.numel() * weight[-1] + 1)

    try:
        found = calprof.profile(torch.nn.Linear(3, 5), (2, 3), verify=True).verification
    finally:
        unregister(torch.nn.functional.linear)
    assert not found.agrees and not found.explained
    (row,) = found.differences
    assert (row.macs, row.dispatcher_macs) == (31, 30)


def test_ignored_modules_are_left_out_of_both():
    found = calprof.profile(Attentive(), args=[IDS], ignore_modules=["layer"], verify=True).verification
    assert found.agrees, str(found)


def test_a_cache_in_the_arguments_is_as_it_was_for_both_forwards():
    class Cache:
        def __init__(self):
            self.keys = torch.zeros(2, 3, 5)

    class Cached(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.project = torch.nn.Linear(5, 5)

        def forward(self, x, cache):
            cache.keys = torch.cat([cache.keys, self.project(x)], 1)
            return x @ cache.keys.transpose(1, 2)

    found = calprof.profile(Cached(), args=[torch.randn(2, 1, 5)], kwargs={"cache": Cache()}, verify=True).verification
    assert found.agrees, str(found)
    assert found.macs == 2 * 5 * 5 + 2 * 4 * 5


def test_a_cache_that_a_forward_with_gradients_has_filled_is_copied():
    cache = SimpleNamespace(keys=torch.ones(3, requires_grad=True) * 2, leaf=torch.ones(3))
    cache.same = cache.keys
    twin = copied({"cache": [cache]})["cache"][0]
    assert twin is not cache and twin.keys is not cache.keys and twin.leaf is not cache.leaf
    assert twin.same is twin.keys and twin.keys.tolist() == [2, 2, 2]


def test_a_generator_among_the_arguments_is_shared_and_its_end_is_seen():
    class Looped(torch.nn.Module):
        def forward(self, x, steps):
            for _ in steps:
                x = x @ x
            return x

    steps = (step for step in range(2))
    assert copied(steps) is steps
    found = calprof.profile(Looped(), args=[torch.ones(3, 3), steps], verify=True).verification
    assert not found.agrees


def test_opaque_kernels_are_the_reason(monkeypatch):
    module = ModuleType("kernels_to_verify")
    module.product = lambda x, w: torch.from_numpy(x.numpy() @ w.numpy())
    monkeypatch.setitem(sys.modules, "kernels_to_verify", module)
    calprof.formula("kernels_to_verify.product")(lambda x, w, *, out: calprof.Work(mac=out.numel() * x[-1]))
    try:
        found = verified(lambda: module.product(torch.randn(3, 5), torch.randn(5, 7)))
    finally:
        unregister("kernels_to_verify.product")
    (row,) = found.differences
    assert (row.macs, row.dispatcher_macs) == (105, 0) and "does not see product" in row.reason


def test_a_model_that_draws_random_numbers_draws_the_same_ones():
    class Random(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(5, 5)

        def forward(self, x):
            for _ in range(int(torch.randint(1, 100, ()))):
                x = self.layer(x)
            return x

    for seed in range(3):
        torch.manual_seed(seed)
        assert calprof.profile(Random(), args=[torch.randn(2, 5)], verify=True).verification.agrees


@pytest.mark.parametrize("options", [{"grad": True}, {"training": "exact"}, {"train_mode": True}])
def test_other_ways_to_run(options):
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7), torch.nn.Linear(7, 3))
    before = copy.deepcopy(model.state_dict())
    found = calprof.profile(model, args=[torch.randn(2, 5)], verify=True, **options).verification
    assert found.agrees, str(found)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_fake_models_are_verified():
    found = calprof.profile(Vectors(), args=[torch.randn(7)], fake=True, verify=True).verification
    assert (found.macs, found.dispatcher_macs) == (35, 0)
    model = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert calprof.profile(model, args=[torch.randn(2, 7, 8)], fake=True, verify=True).verification.agrees


def test_a_forward_that_fails_under_the_counter_is_reported_and_leaves_nothing_behind():
    model = torch.nn.Linear(3, 5)
    calls = []

    def once():
        calls.append(model(torch.randn(2, 3)))
        if len(calls) > 1:
            raise ArithmeticError("not twice")

    found = verified(once, model)
    assert found.error == "ArithmeticError: not twice" and not found.agrees and not found.explained
    assert str(found).startswith("not verified")
    assert torch._C._len_torch_dispatch_stack() == 0 and not nn_module._global_forward_hooks
    assert torch.backends.mha.get_fastpath_enabled()


def test_settings_are_given_back():
    before = (torch.backends.cuda.flash_sdp_enabled(), torch.backends.mkldnn.enabled)
    calprof.profile(torch.nn.LSTM(3, 5), args=[torch.randn(2, 3)], verify=True)
    assert (torch.backends.cuda.flash_sdp_enabled(), torch.backends.mkldnn.enabled) == before


def test_the_report_says_whether_it_was_verified():
    prof = calprof.profile(torch.nn.Linear(3, 5), (2, 3), verify=True)
    assert "as PyTorch's dispatcher counts" in str(prof)
    prof = calprof.profile(Vectors(), args=[torch.randn(7)], verify=True)
    assert "aten.mv" in str(prof)


def test_differences_without_a_reason_are_not_explained():
    found = Verification(3, 2, 1, (Difference("a", 3, 2),))
    assert not found.agrees and not found.explained
    assert "a: 3 MACs here, 2 MACs there" in str(found)


def test_an_op_that_shares_a_kernels_name_is_not_taken_for_it():
    # `bitsandbytes` has a `matmul`, too.
    branch, x = torch.tensor(True), torch.randn(3, 5)
    found = verified(lambda: torch.cond(branch, lambda x: x @ x.t(), lambda x: (x @ x.t()) @ (x @ x.t()), (x,)))
    # The dispatcher's counter takes the larger branch of the two.
    (row,) = found.differences
    assert (row.macs, row.reason) == (45, "") and row.dispatcher_macs > 45
