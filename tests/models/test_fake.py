"""Models without storage: real and fake agree call by call, and the model they are copied from is untouched."""

from __future__ import annotations

import copy
import threading
from collections import Counter

import pytest
import torch
from inputs.tokenizers_offline import wordpiece
from reference import MODELS, build
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

import calprof
from calprof.models import fake
from calprof.models.copying import fake_copy
from calprof.models.fake import LARGE, ShapesOnly, fake_inputs, mode_of
from calprof.models.fake import build as build_fake
from calprof.models.values import ValueNeeded, running


def calls(prof):
    """Every call with its module, shapes, dtypes and work, as often as it ran."""
    counted = Counter()
    for call in prof.recording.calls:
        counted[call.module, call.op, call.shapes, call.dtypes, call.cost.forward] += call.count
    return counted


@pytest.mark.parametrize("name", MODELS)
def test_real_and_fake_agree_op_by_op(name):
    reference = MODELS[name]
    given = {"input_shape": reference.input_shape, **({"tokenizer": wordpiece()} if reference.text else {})}
    real = calprof.profile(build(name), **given)
    fake = calprof.profile(build(name), **given, fake=True)
    assert fake.macs == real.macs == reference.macs
    assert fake.flops == real.flops
    assert calls(fake) == calls(real)
    assert (fake.params, fake.trainable_params) == (real.params, real.trainable_params)
    assert not fake.uncounted


class Tied(nn.Module):
    """Tied weights, a view of a parameter, tensors in attributes, a lock, hooks: whatever a copy may trip on."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 5)
        self.head = nn.Linear(5, 11, bias=False)
        self.head.weight = self.embedding.weight
        self.frozen = nn.Parameter(torch.ones(5), requires_grad=False)
        self.register_buffer("scale", torch.full((5,), 3.0))
        self.register_buffer("steps", torch.tensor([2, 3]), persistent=False)
        self.table = {"rows": [torch.ones(7, 5)]}
        self.lock = threading.Lock()
        self.rows = self.embedding.weight[:3]
        self.seen = []
        self.register_forward_hook(self.remember)

    def remember(self, module, inputs, output):
        self.seen.append(tuple(output.shape))

    def forward(self, ids):
        hidden = self.embedding(ids) * self.scale + self.frozen + self.table["rows"][0].sum()
        for _ in range(int(self.steps.sum())):
            hidden = hidden @ self.table["rows"][0].T @ self.table["rows"][0]
        return self.head(hidden)


def test_a_copy_has_the_structure_and_none_of_the_storage():
    model = Tied()
    mode = ShapesOnly()
    twin = fake_copy(model, mode)
    assert type(twin) is Tied and twin is not model and mode_of(twin) is mode
    assert all(isinstance(each, FakeTensor) and isinstance(each, nn.Parameter) for each in twin.parameters())
    assert twin.head.weight is twin.embedding.weight
    assert not twin.frozen.requires_grad and twin.embedding.weight.requires_grad
    assert isinstance(twin.table["rows"][0], FakeTensor) and isinstance(twin.rows, FakeTensor)
    assert twin.steps.tolist() == [2, 3] and twin._non_persistent_buffers_set == {"steps"}
    assert twin.lock is model.lock and twin.seen is not model.seen
    assert [module.training for module in twin.modules()] == [module.training for module in model.modules()]
    assert list(twin.state_dict()) == list(model.state_dict())


def test_the_model_is_untouched_and_the_count_is_the_real_one():
    model = Tied()
    before = copy.deepcopy({name: value for name, value in model.state_dict().items()})
    pointers = [parameter.data_ptr() for parameter in model.parameters()]
    ids = torch.randint(0, 11, (2, 3))
    fake = calprof.profile(model, args=(ids,), fake=True)
    assert model.seen == []
    assert [parameter.data_ptr() for parameter in model.parameters()] == pointers
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    real = calprof.profile(model, args=(ids,))
    assert calls(fake) == calls(real)
    assert real.macs == 2 * 3 * (5 * 2 * 5 * 7 + 5 * 11)


class Guarded:
    """An object with a lock, as a cache that several threads use."""

    def __init__(self, module):
        self.rows, self.module, self.lock = torch.ones(300, 500), module, threading.Lock()


class Guarding(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 3)
        self.pair = (self.head, threading.Lock())
        self.cache = Guarded(self.head)
        self.again = {"cache": self.cache}


def test_a_lock_shares_only_itself():
    model = Guarding()
    twin = fake_copy(model)
    assert twin.pair[0] is twin.head is twin.cache.module is not model.head
    assert twin.pair[1] is model.pair[1] and twin.cache.lock is model.cache.lock
    assert twin.cache is not model.cache and twin.again["cache"] is twin.cache
    assert isinstance(twin.cache.rows, FakeTensor) and not isinstance(model.cache.rows, FakeTensor)


def test_what_refuses_to_be_copied_is_shared_whole_and_its_parts_leave_nothing_behind():
    class Refusing:
        def __init__(self):
            self.seen = []

        def __reduce__(self):
            return Refusing, (), {"seen": self.seen, "lock": threading.Lock()}

    model = nn.Linear(5, 3)
    model.first = model.second = Refusing()
    twin = fake_copy(model)
    assert twin.first is model.first and twin.second is model.first


def test_a_copy_that_fails_for_another_reason_is_an_error():
    class Broken:
        def __deepcopy__(self, memo):
            raise KeyError("no such field")

    model = nn.Linear(5, 3)
    model.broken = Broken()
    with pytest.raises(KeyError, match="no such field"):
        fake_copy(model)


def test_lazy_modules_have_no_shape_to_copy():
    model = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(ValueError, match="Sequential has lazy modules without sizes yet"):
        calprof.profile(model, (3, 7), fake=True)
    assert isinstance(model[0].weight, nn.UninitializedParameter)


def test_scripted_models_are_refused():
    with pytest.raises(TypeError, match="TorchScript"):
        calprof.profile(torch.jit.script(nn.Linear(3, 5)), (2, 3), fake=True)


def test_what_is_small_and_known_keeps_its_value():
    with ShapesOnly():
        assert [each.item() for each in torch.linspace(0, 1, 3)] == [0, 0.5, 1]
        grid = torch.stack(torch.meshgrid(torch.arange(3), torch.arange(5), indexing="ij"))
        assert grid.flatten(1).sum(1).tolist() == [15, 30]
        assert torch.ones(2, 128, dtype=torch.long).bool().all()
        assert not isinstance(torch.zeros(3, 5), FakeTensor)
        assert isinstance(torch.zeros(300, 500), FakeTensor)
        assert isinstance(torch.arange(LARGE + 1), FakeTensor)
        row = torch.arange(4096)
        assert isinstance(row[:, None] <= row, FakeTensor)
        assert (row[:, None] <= row).shape == (4096, 4096)


def test_a_value_that_was_overwritten_with_an_unknown_one_is_unknown():
    mode = ShapesOnly()
    known = torch.zeros(5)
    unknown = fake_inputs(torch.ones(5), mode)
    with mode:
        known[2] = unknown[0]
    view = known.view(5, 1)
    line = r"test_fake\.py:\d+ asks for a value \(`view\[0\]\.item\(\)`\)"
    with pytest.raises(ValueNeeded, match=line), running(mode):
        view[0].item()
    with mode:
        assert torch.zeros(5)[2].item() == 0


def test_a_forward_that_asks_for_a_value_is_refused_by_its_line():
    class Early(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            x = self.layer(x)
            if x.mean() > 0:
                x = self.layer(x)
            return x

    with pytest.raises(ValueNeeded, match=r"test_fake\.py:\d+ asks for a value \(`if x\.mean\(\) > 0:`\).*--real"):
        calprof.profile(Early(), (2, 3), fake=True)


def test_building_fills_nothing_and_leaves_random_numbers_and_initialisers_alone():
    fillers = {name: getattr(nn.init, name) for name in vars(nn.init) if name.startswith("_no_grad_")}
    state = torch.get_rng_state()
    mode = ShapesOnly()

    def construct():
        layer = nn.Linear(1 << 20, 1 << 20)
        nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.orthogonal_(layer.bias[None])
        return nn.Sequential(layer, nn.BatchNorm1d(3))

    model = build_fake(construct, mode)
    assert mode_of(model) is mode
    assert sum(parameter.numel() for parameter in model.parameters()) == 2**40 + 2**20 + 6
    assert all(isinstance(each, FakeTensor) for each in (*model.parameters(), model[1].running_mean))
    assert torch.equal(torch.get_rng_state(), state)
    assert {name: getattr(nn.init, name) for name in fillers} == fillers


def test_a_model_built_without_storage_is_profiled_that_way_by_itself():
    model = build_fake(lambda: nn.Linear(1 << 20, 1 << 20), ShapesOnly())
    prof = calprof.profile(model, (2, 1 << 20))
    assert prof.macs == 2 * 2**40


@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="grouped products are in torch >= 2.8")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_grouped_products_have_their_shape_in_every_dtype(dtype):
    mode = ShapesOnly()
    rows, groups = fake_inputs((torch.ones(32, 16, dtype=dtype), torch.ones(3, 16, 8, dtype=dtype)), mode)
    offsets = torch.tensor([5, 11, 32], dtype=torch.int32)
    with mode:
        assert torch._grouped_mm(rows, groups, offs=offsets).shape == (32, 8)
        assert torch._grouped_mm(rows.T, rows, offs=offsets[:2]).shape == (2, 16, 16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_constructor_may_convert_what_it_built(dtype):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(3, 5).to(dtype)
            self.second = torch.nn.Linear(3, 5)
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.first(x.to(dtype)) + self.second.to(dtype)(x.to(dtype))

    mode = fake.ShapesOnly()
    model = fake.build(Model, mode)
    assert model.first.weight.dtype == dtype and model.first.weight is model.second.weight
    swap = torch.utils.swap_tensors
    assert swap.__module__ == "torch.utils"


def test_a_deep_copy_made_while_building_keeps_the_values_of_what_has_some():
    def construct():
        model = nn.BatchNorm1d(3)
        return nn.Sequential(model, copy.deepcopy(model))

    first, second = build_fake(construct, ShapesOnly())
    assert isinstance(second.weight, FakeTensor) and second.weight is not first.weight
    assert int(second.num_batches_tracked) == 0 and second.num_batches_tracked is not first.num_batches_tracked


def test_a_forward_may_copy_what_it_knows():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(3, 5)

        def forward(self, x):
            lengths = copy.deepcopy(torch.tensor([2, 1]))
            return self.first(x)[: lengths[0].item()]

    mode = fake.ShapesOnly()
    model = fake.build(Model, mode)
    prof = calprof.profile(model, (4, 3))
    assert prof.macs == 60 and not prof.uncounted
